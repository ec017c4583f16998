// The queue that all workers share: what comes from other threads, and what overflows.
#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <span>
#include <utility>

#include "core/runtime/sched/atomics.hpp"

namespace hc::runtime::sched {

/// An unbounded first-in first-out queue of `T`, linked through the items themselves. `Next` is a
/// pointer to the member that links (`T* T::*`), or a function that gives it (`T*&(T&)`). An item
/// is in at most one such queue, and while it is there the link belongs to the queue.
///
/// Any thread may call anything. The list is under a mutex; the length stands beside it, written
/// under the mutex and read without it, so that a look at an empty queue costs one load. Nothing
/// of the user's runs under the mutex.
///
/// It owns nothing: what is left in it when it is destroyed is not freed.
template <class T, auto Next, class Atomics = StdAtomics>
class Injector {
public:
    Injector() = default;
    Injector(const Injector&) = delete;
    Injector& operator=(const Injector&) = delete;

    /// False when the queue is closed; the item is then the caller's still.
    bool push(T* item) noexcept { return push_many({&item, 1}); }

    /// All of them, in their order and with no other between, or none of them and false.
    bool push_many(std::span<T* const> items) noexcept {
        if (items.empty()) return true;
        link_up(items);
        const std::lock_guard lock(mutex_);
        if (closed_) return false;
        if (last_ == nullptr) {
            first_ = items.front();
        } else {
            next(last_) = items.front();
        }
        last_ = items.back();
        change_length(items.size());
        return true;
    }

    /// The oldest item, or null when there is none. Goes on working when the queue is closed.
    T* pop() noexcept {
        T* item = nullptr;
        return pop_some({&item, 1}) == 1 ? item : nullptr;
    }

    /// Fills the front of `out` with the oldest items in their order; gives how many.
    std::size_t pop_some(std::span<T*> out) noexcept {
        if (out.empty() || empty()) return 0;
        const std::lock_guard lock(mutex_);
        std::size_t count = 0;
        while (count < out.size() && first_ != nullptr) {
            out[count++] = first_;
            first_ = next(first_);
        }
        if (first_ == nullptr) last_ = nullptr;
        change_length(-count);
        return count;
    }

    /// From now on nothing can be pushed. True for the call that closed it.
    bool close() noexcept {
        const std::lock_guard lock(mutex_);
        return !std::exchange(closed_, true);
    }
    bool is_closed() const noexcept {
        const std::lock_guard lock(mutex_);
        return closed_;
    }

    /// A hint when others push and pop meanwhile; one load. Acquire, so that one who sees an item
    /// counted also sees what was done before it was pushed. Idle tells why a worker that looks
    /// here before it sleeps cannot miss an item.
    std::size_t size() const noexcept { return length_.load(std::memory_order_acquire); }
    bool empty() const noexcept { return size() == 0; }

private:
    static T*& next(T* item) noexcept { return std::invoke(Next, *item); }

    // Before the mutex is taken: the items are the caller's still.
    static void link_up(std::span<T* const> items) noexcept {
        for (std::size_t i = 0; i + 1 < items.size(); ++i) next(items[i]) = items[i + 1];
        next(items.back()) = nullptr;
    }
    // Under the mutex, so no read-modify-write is needed. The load reads what the mutex shows.
    void change_length(std::size_t by) noexcept {
        length_.store(length_.load(std::memory_order_relaxed) + by, std::memory_order_release);
    }

    mutable typename Atomics::Mutex mutex_;
    T* first_ = nullptr; // these three under the mutex
    T* last_ = nullptr;
    bool closed_ = false;
    typename Atomics::template Atomic<std::size_t> length_{0};
};

} // namespace hc::runtime::sched
