// Block: bytes in one piece that grow, and that can be handed over.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>
#include <utility>

namespace hc::ws {

class Block {
public:
    Block() = default;
    explicit Block(std::string_view bytes) { append(bytes); }
    Block(Block&& other) noexcept { swap(other); }
    Block& operator=(Block&& other) noexcept {
        if (this != &other) {
            clear();
            swap(other);
        }
        return *this;
    }
    Block(const Block&) = delete;
    Block& operator=(const Block&) = delete;
    ~Block() { std::free(data_); }

    std::string_view view() const noexcept { return {data_, size_}; }
    std::size_t size() const noexcept { return size_; }
    std::size_t capacity() const noexcept { return capacity_; }
    /// Room for `n` bytes more behind the last one; `n` exactly when it is the first. Throws
    /// std::bad_alloc.
    char* reserve(std::size_t n) {
        if (capacity_ - size_ < n) grow(n);
        return data_ + size_;
    }
    void commit(std::size_t n) noexcept { size_ += n; }
    void append(std::string_view bytes) {
        if (bytes.empty()) return;
        std::memcpy(reserve(bytes.size()), bytes.data(), bytes.size());
        size_ += bytes.size();
    }
    /// Keeps the memory.
    void truncate(std::size_t n) noexcept { size_ = n; }
    void clear() noexcept {
        std::free(data_);
        data_ = nullptr;
        size_ = capacity_ = 0;
    }
    void swap(Block& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        std::swap(capacity_, other.capacity_);
    }

private:
    [[gnu::noinline]] void grow(std::size_t n) {
        const std::size_t least = size_ + n;
        const std::size_t doubled = capacity_ * 2;
        const std::size_t wanted = least > doubled ? least : doubled;
        void* grown = std::realloc(data_, wanted);
        if (grown == nullptr) throw std::bad_alloc();
        data_ = static_cast<char*>(grown);
        capacity_ = wanted;
    }

    char* data_ = nullptr;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

} // namespace hc::ws
