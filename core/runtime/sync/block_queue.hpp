// BlockQueue<T>: a queue of any length whose values never move.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace hc::runtime::sync_detail {

/// A list of blocks of slots. It grows by a block at a time and keeps one that ran empty, so that a
/// queue whose length stays about the same allocates nothing, and an empty one starts again at the
/// front of its only block. An empty queue that was never used owns nothing. One thread at a time.
template <class T>
class BlockQueue {
    static_assert(std::is_nothrow_move_constructible_v<T>);

public:
    static constexpr std::size_t block_slots = std::clamp<std::size_t>(1024 / sizeof(T), 4, 64);

    BlockQueue() = default;
    BlockQueue(const BlockQueue&) = delete;
    BlockQueue& operator=(const BlockQueue&) = delete;
    ~BlockQueue() {
        while (!empty()) pop();
        delete head_;
        delete spare_;
    }
    void swap(BlockQueue& other) noexcept {
        std::swap(head_, other.head_);
        std::swap(tail_, other.tail_);
        std::swap(spare_, other.spare_);
        std::swap(first_, other.first_);
        std::swap(end_, other.end_);
        std::swap(size_, other.size_);
    }

    bool empty() const noexcept { return size_ == 0; }
    std::size_t size() const noexcept { return size_; }
    void push(T&& value) {
        if (tail_ == nullptr || end_ == block_slots) grow();
        std::construct_at(tail_->slot(end_), std::move(value));
        ++end_;
        ++size_;
    }
    T& front() noexcept {
        assert(!empty());
        return *head_->slot(first_);
    }
    void pop() noexcept {
        std::destroy_at(&front());
        ++first_;
        if (--size_ == 0) {
            first_ = end_ = 0; // the head is the tail
        } else if (first_ == block_slots) {
            Block* const block = std::exchange(head_, head_->next);
            first_ = 0;
            if (spare_ == nullptr) spare_ = block;
            else delete block;
        }
    }

private:
    struct Block {
        Block* next = nullptr;
        alignas(T) std::byte bytes[block_slots * sizeof(T)];

        T* slot(std::size_t index) noexcept {
            return std::launder(reinterpret_cast<T*>(bytes + index * sizeof(T)));
        }
    };

    void grow() {
        Block* block = std::exchange(spare_, nullptr);
        if (block == nullptr) block = new Block;
        block->next = nullptr;
        if (tail_ == nullptr) head_ = block;
        else tail_->next = block;
        tail_ = block;
        end_ = 0;
    }

    Block* head_ = nullptr;
    Block* tail_ = nullptr;
    Block* spare_ = nullptr;
    std::size_t first_ = 0; // in the head
    std::size_t end_ = 0;   // in the tail
    std::size_t size_ = 0;
};

} // namespace hc::runtime::sync_detail
