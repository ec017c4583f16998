#include "core/base/chain.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

namespace hc {

namespace {

// Small appends are gathered in chunks of this size, so that many little writes become one. One KiB
// with the header: the C library's allocator keeps such blocks in its per-thread cache.
constexpr std::size_t gather_bytes = 1024 - sizeof(Chunk);

char* bytes_of(Chunk* chunk) noexcept { return reinterpret_cast<char*>(chunk + 1); }

Chunk* make_owned(std::size_t capacity) {
    void* memory = std::malloc(sizeof(Chunk) + capacity);
    if (memory == nullptr) throw std::bad_alloc();
    auto* chunk = new (memory) Chunk;
    chunk->data = bytes_of(chunk);
    chunk->room = static_cast<std::uint32_t>(std::min<std::size_t>(capacity, UINT32_MAX));
    return chunk;
}

void free_chunk(Chunk* chunk, bool sent) noexcept {
    if (chunk->lender != nullptr) chunk->lender->give_back(chunk->token, sent);
    std::free(chunk);
}

} // namespace

void Chain::push(Chunk* chunk) noexcept {
    if (tail_ == nullptr) {
        head_ = chunk;
    } else {
        tail_->next = chunk;
    }
    tail_ = chunk;
    size_ += chunk->size;
}

void Chain::append(std::string_view bytes) {
    if (bytes.empty()) return;
    if (tail_ != nullptr && tail_->kind == Chunk::Kind::owned && tail_->room > 0) {
        const auto n = std::min<std::size_t>(tail_->room, bytes.size());
        std::memcpy(const_cast<char*>(tail_->data) + tail_->size, bytes.data(), n);
        tail_->size += n;
        tail_->room -= static_cast<std::uint32_t>(n);
        size_ += n;
        bytes.remove_prefix(n);
        if (bytes.empty()) return;
    }
    const std::size_t capacity = std::max(bytes.size(), gather_bytes);
    Chunk* chunk = make_owned(capacity);
    std::memcpy(bytes_of(chunk), bytes.data(), bytes.size());
    chunk->size = bytes.size();
    chunk->room = static_cast<std::uint32_t>(capacity - bytes.size());
    push(chunk);
}

char* Chain::reserve(std::size_t n) {
    if (tail_ == nullptr || tail_->kind != Chunk::Kind::owned || tail_->room < n) {
        push(make_owned(std::max(n, gather_bytes)));
    }
    return const_cast<char*>(tail_->data) + tail_->size;
}

void Chain::commit(std::size_t n) noexcept {
    tail_->size += n;
    tail_->room -= static_cast<std::uint32_t>(n);
    size_ += n;
}

std::string_view Chain::append_block(std::string_view bytes) {
    if (bytes.empty()) return {};
    Chunk* chunk = make_owned(bytes.size());
    std::memcpy(bytes_of(chunk), bytes.data(), bytes.size());
    chunk->size = bytes.size();
    chunk->room = 0;
    push(chunk);
    return {chunk->data, bytes.size()};
}

void Chain::append_lent(std::string_view bytes, Chunk::Lender* lender, std::uint64_t token) {
    void* memory = std::malloc(sizeof(Chunk));
    if (memory == nullptr) throw std::bad_alloc();
    auto* chunk = new (memory) Chunk;
    chunk->kind = Chunk::Kind::lent;
    chunk->data = bytes.data();
    chunk->size = bytes.size();
    chunk->lender = lender;
    chunk->token = token;
    push(chunk);
}

namespace {
constexpr std::uint64_t beyond_weight(std::uint64_t size) noexcept {
    return size > Chain::file_weight ? size - Chain::file_weight : 0;
}
} // namespace

void Chain::append_file(std::intptr_t file, std::uint64_t offset, std::uint64_t size,
                        Chunk::Lender* lender, std::uint64_t token) {
    void* memory = std::malloc(sizeof(Chunk));
    if (memory == nullptr) throw std::bad_alloc();
    auto* chunk = new (memory) Chunk;
    chunk->kind = Chunk::Kind::file;
    chunk->file = file;
    chunk->offset = offset;
    chunk->size = size;
    elsewhere_ += beyond_weight(size);
    chunk->lender = lender;
    chunk->token = token;
    push(chunk);
}

void Chain::append(Chain&& other) noexcept {
    if (other.empty() || &other == this) return;
    if (tail_ == nullptr) {
        head_ = other.head_;
    } else {
        tail_->next = other.head_;
    }
    tail_ = other.tail_;
    size_ += std::exchange(other.size_, 0);
    elsewhere_ += std::exchange(other.elsewhere_, 0);
    other.head_ = other.tail_ = nullptr;
}

namespace {

/// A chunk that was cut: it lives as long as any of its parts.
class Whole final : public Chunk::Lender {
public:
    explicit Whole(Chunk* chunk) noexcept : chunk_(chunk) {}
    void give_back(std::uint64_t, bool sent) noexcept override {
        sent_ = sent_ && sent;
        if (--parts_ > 0) return;
        free_chunk(chunk_, sent_);
        delete this;
    }
    /// One more part: the `size` bytes of `from` that begin `skip` bytes into it.
    Chunk* part(const Chunk& from, std::uint64_t skip, std::uint64_t size) {
        void* memory = std::malloc(sizeof(Chunk));
        if (memory == nullptr) throw std::bad_alloc();
        auto* chunk = new (memory) Chunk;
        const bool file = from.kind == Chunk::Kind::file;
        chunk->kind = file ? Chunk::Kind::file : Chunk::Kind::lent;
        chunk->is_slice = true;
        chunk->data = file ? nullptr : from.data + skip;
        chunk->size = size;
        chunk->file = from.file;
        chunk->offset = from.offset + skip;
        chunk->lender = this;
        ++parts_;
        return chunk;
    }

private:
    Chunk* chunk_;
    std::uint32_t parts_ = 0;
    bool sent_ = true;
};

} // namespace

/// Makes the first `n` bytes of the front chunk, which has more, a chunk that is in no chain.
Chunk* Chain::cut_front(std::uint64_t n) {
    Chunk& front = *head_;
    if (front.is_slice) {
        Chunk* const piece = static_cast<Whole*>(front.lender)->part(front, 0, n);
        if (front.kind == Chunk::Kind::file) {
            front.offset += n;
        } else {
            front.data += n;
        }
        front.size -= n;
        return piece;
    }
    auto whole = std::make_unique<Whole>(&front);
    Chunk* const piece = whole->part(front, 0, n);
    Chunk* rest = nullptr;
    try {
        rest = whole->part(front, n, front.size - n);
    } catch (...) {
        std::free(piece);
        throw;
    }
    whole.release(); // its parts have it now
    rest->next = std::exchange(front.next, nullptr);
    if (tail_ == head_) tail_ = rest;
    head_ = rest;
    return piece;
}

Chain Chain::take(std::uint64_t n) {
    Chain taken;
    while (head_ != nullptr && (n > 0 || head_->size == 0)) {
        const bool file = head_->kind == Chunk::Kind::file;
        const std::uint64_t before = head_->size;
        Chunk* piece = head_;
        if (before > n) {
            piece = cut_front(n);
        } else {
            head_ = piece->next;
            if (head_ == nullptr) tail_ = nullptr;
            piece->next = nullptr;
        }
        const std::uint64_t size = piece->size;
        n -= size;
        size_ -= size;
        taken.push(piece);
        if (!file) continue;
        elsewhere_ -= beyond_weight(before) - beyond_weight(before - size);
        taken.elsewhere_ += beyond_weight(size);
    }
    return taken;
}

void Chain::consume(std::uint64_t n) noexcept {
    size_ -= n;
    // A chunk of no bytes (an empty lent buffer) is finished as soon as it is in front.
    while (head_ != nullptr && (n > 0 || head_->size == 0)) {
        const std::uint64_t taken = std::min(n, head_->size);
        n -= taken;
        head_->size -= taken;
        if (head_->kind == Chunk::Kind::file) {
            head_->offset += taken;
            elsewhere_ -= beyond_weight(head_->size + taken) - beyond_weight(head_->size);
        } else {
            head_->data += taken;
        }
        if (head_->size > 0) return;
        Chunk* done = head_;
        head_ = done->next;
        if (head_ == nullptr) tail_ = nullptr;
        free_chunk(done, true);
    }
}

void Chain::free_all() noexcept {
    Chunk* chunk = std::exchange(head_, nullptr);
    tail_ = nullptr;
    size_ = elsewhere_ = 0;
    while (chunk != nullptr) {
        Chunk* next = chunk->next;
        free_chunk(chunk, false);
        chunk = next;
    }
}

} // namespace hc
