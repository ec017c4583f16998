// Chain: bytes on their way out (or kept for a slow reader), as a list of chunks that each know how
// to give their memory back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace hc {

/// One run of bytes in a chain. Three kinds: bytes that live right behind this header, bytes that
/// somebody lent (`lender` is told once when they are no longer needed), and a range of a file.
struct Chunk {
    enum class Kind : std::uint8_t { owned, lent, file };

    /// Told exactly once per lent chunk, when its bytes were handed to the kernel or dropped.
    class Lender {
    public:
        virtual void give_back(std::uint64_t token, bool sent) noexcept = 0;

    protected:
        ~Lender() = default;
    };

    Chunk* next = nullptr;
    const char* data = nullptr; // first byte not yet taken; nullptr for a file
    std::uint64_t size = 0;     // bytes not yet taken
    std::uint32_t room = 0;     // owned: bytes that still fit behind the last one
    Kind kind = Kind::owned;
    bool is_slice = false;    // of a chunk that was cut: the lender knows the whole
    std::intptr_t file = -1;  // file: descriptor; it stays the lender's
    std::uint64_t offset = 0; // file: where the next byte is
    Lender* lender = nullptr;
    std::uint64_t token = 0;
};

/// A first-in first-out list of chunks. Moves in O(1); 32 bytes when empty.
class Chain {
public:
    Chain() = default;
    Chain(Chain&& other) noexcept { swap(other); }
    Chain& operator=(Chain&& other) noexcept {
        if (this != &other) {
            clear();
            swap(other);
        }
        return *this;
    }
    Chain(const Chain&) = delete;
    Chain& operator=(const Chain&) = delete;
    ~Chain() { clear(); }

    bool empty() const noexcept { return head_ == nullptr; }
    std::uint64_t size() const noexcept { return size_; }
    /// A range of a file takes no memory for its bytes, and counts for little however long it is;
    /// but it counts, so that the number of ranges is bounded where bytes are.
    static constexpr std::uint64_t file_weight = 1024;
    /// Of size(), what counts as held in memory: of a range of a file at most file_weight.
    std::uint64_t memory_size() const noexcept { return size_ - elsewhere_; }
    Chunk* head() const noexcept { return head_; }

    /// Copies `bytes` to the end: into the room of the last chunk first, then into a new one.
    void append(std::string_view bytes);
    /// Room for `n` bytes in one piece at the end, to be written in place and then committed (n or
    /// fewer) before anything else is called.
    char* reserve(std::size_t n);
    void commit(std::size_t n) noexcept;
    /// Copies `bytes` into one new right-sized chunk and gives the copy's place, which stays valid
    /// until those bytes are taken or the chain is cleared.
    std::string_view append_block(std::string_view bytes);
    /// Adds bytes that stay the lender's until it is told.
    void append_lent(std::string_view bytes, Chunk::Lender* lender, std::uint64_t token);
    /// Adds a range of a file; the descriptor stays the lender's until it is told.
    void append_file(std::intptr_t file, std::uint64_t offset, std::uint64_t size,
                     Chunk::Lender* lender, std::uint64_t token);
    /// Moves all of `other` to the end.
    void append(Chain&& other) noexcept;

    /// Moves the first `n` bytes (n <= size()) into a chain of their own, without copying any. A
    /// chunk that is cut for it ends, and its lender is told, with the last of its parts.
    Chain take(std::uint64_t n);
    /// Takes `n` bytes off the front (n <= size()) and frees the chunks they used up.
    void consume(std::uint64_t n) noexcept;
    /// Frees everything; lenders are told that their bytes were not sent.
    void clear() noexcept {
        if (head_ != nullptr) free_all();
    }

    void swap(Chain& other) noexcept {
        std::swap(head_, other.head_);
        std::swap(tail_, other.tail_);
        std::swap(size_, other.size_);
        std::swap(elsewhere_, other.elsewhere_);
    }

private:
    void push(Chunk* chunk) noexcept;
    Chunk* cut_front(std::uint64_t n);
    [[gnu::noinline]] void free_all() noexcept;

    Chunk* head_ = nullptr;
    Chunk* tail_ = nullptr;
    std::uint64_t size_ = 0;
    std::uint64_t elsewhere_ = 0; // bytes of file ranges that do not count
};

} // namespace hc
