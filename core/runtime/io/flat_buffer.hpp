// FlatBuffer: the bytes between who fills and who takes, always in one piece.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

namespace hc::runtime {

/// Bytes are added behind and consumed in front. The memory is allocated when room is first asked
/// for, so that what was only made costs nothing. It grows when it must, and what it has beyond its
/// capacity is given back as soon as it is empty. One thread at a time.
class FlatBuffer {
public:
    /// A capacity of 0 counts as 1.
    explicit FlatBuffer(std::size_t capacity) noexcept
        : capacity_(std::max<std::size_t>(capacity, 1)) {}
    FlatBuffer(FlatBuffer&& other) noexcept
        : memory_(std::move(other.memory_)), capacity_(other.capacity_),
          size_(std::exchange(other.size_, 0)), begin_(std::exchange(other.begin_, 0)),
          end_(std::exchange(other.end_, 0)) {}
    FlatBuffer& operator=(FlatBuffer other) noexcept {
        std::swap(memory_, other.memory_);
        std::swap(capacity_, other.capacity_);
        std::swap(size_, other.size_);
        std::swap(begin_, other.begin_);
        std::swap(end_, other.end_);
        return *this;
    }
    ~FlatBuffer() = default;

    std::size_t capacity() const noexcept { return capacity_; }
    bool empty() const noexcept { return begin_ == end_; }
    /// No more can be added without growing or moving what is there.
    bool full() const noexcept { return end_ == std::max(size_, capacity_); }
    std::string_view filled() const noexcept { return {memory_.get() + begin_, end_ - begin_}; }

    /// What is free behind what is filled: the whole capacity when it is empty, and nothing when it
    /// is full.
    std::span<char> room() {
        if (memory_ == nullptr) allocate(capacity_);
        return {memory_.get() + end_, size_ - end_};
    }
    /// The same, but never nothing: what is filled moves to the front, and when that does not help,
    /// to memory of twice the size.
    std::span<char> more_room() {
        if (full() && begin_ > 0) {
            move_to_front();
        } else if (full()) {
            allocate(size_ * 2);
        }
        return room();
    }
    /// The first `count` bytes of room() have been filled.
    void add(std::size_t count) noexcept {
        assert(count <= size_ - end_);
        end_ += count;
    }
    /// Adds the front of `bytes`, as much as fits into the capacity; gives how much.
    std::size_t append(std::string_view bytes) {
        if (room().size() < bytes.size()) move_to_front();
        const std::span<char> into = room();
        const std::size_t count = std::min(into.size(), bytes.size());
        if (count > 0) std::memcpy(into.data(), bytes.data(), count);
        end_ += count;
        return count;
    }
    /// The first `count` bytes of filled() are no longer needed.
    void consume(std::size_t count) noexcept {
        assert(count <= end_ - begin_);
        begin_ += count;
        if (begin_ != end_) return;
        begin_ = end_ = 0;
        if (size_ > capacity_) {
            memory_.reset();
            size_ = 0;
        }
    }
    /// Copies the front of filled() to `into` and consumes it; gives how much.
    std::size_t take(std::span<char> into) noexcept {
        const std::size_t count = std::min(into.size(), end_ - begin_);
        if (count > 0) std::memcpy(into.data(), memory_.get() + begin_, count);
        consume(count);
        return count;
    }

private:
    void move_to_front() noexcept {
        if (begin_ == 0) return;
        std::memmove(memory_.get(), memory_.get() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
    }
    void allocate(std::size_t size) {
        auto memory = std::make_unique_for_overwrite<char[]>(size);
        const std::size_t count = end_ - begin_;
        if (count > 0) std::memcpy(memory.get(), memory_.get() + begin_, count);
        memory_ = std::move(memory);
        size_ = size;
        begin_ = 0;
        end_ = count;
    }

    std::unique_ptr<char[]> memory_;
    std::size_t capacity_;
    std::size_t size_ = 0; // of memory_
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

} // namespace hc::runtime
