#include "core/runtime/scope.hpp"

#include <chrono>
#include <utility>
#include <vector>

namespace hc::runtime::detail {

void Children::add(Entry& entry) noexcept {
    const std::lock_guard lock(mutex_);
    entries_.push_back(entry);
}

void Children::gone(Entry& entry) noexcept {
    Waker waker;
    {
        const std::lock_guard lock(mutex_);
        entry.unlink();
        if (entries_.empty()) waker = std::move(waker_);
        // Under the lock: whoever waits may destroy this as soon as it has seen the change.
        changed_.notify_all();
    }
    waker.wake();
}

void Children::fail(Error error) noexcept {
    {
        const std::lock_guard lock(mutex_);
        if (std::exchange(failed_, true)) return;
        error_ = std::move(error);
    }
    abort_all();
}

void Children::fail(std::exception_ptr thrown) noexcept {
    {
        const std::lock_guard lock(mutex_);
        if (std::exchange(failed_, true)) return;
        thrown_ = std::move(thrown);
    }
    abort_all();
}

bool Children::has_failed() const noexcept {
    const std::lock_guard lock(mutex_);
    return failed_;
}

bool Children::poll_empty(const Waker& waker) {
    Waker before; // dropped after the mutex
    const std::lock_guard lock(mutex_);
    if (entries_.empty()) return true;
    if (!waker_.will_wake(waker)) before = std::exchange(waker_, waker);
    return false;
}

std::optional<Error> Children::take_error() {
    if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
    return std::exchange(error_, std::nullopt);
}

/// Asks all children to end, and wakes the scope.
void Children::abort_all() noexcept {
    std::vector<AbortHandle> tasks;
    Waker waker;
    {
        const std::lock_guard lock(mutex_);
        entries_.for_each([&](Entry& entry) { tasks.emplace_back(entry.task); });
        waker = std::exchange(waker_, Waker());
    }
    for (const AbortHandle& task : tasks) task.abort();
    waker.wake();
}

/// A child that is still there, with a reference, another one at the next call; nullptr when all
/// are gone.
sched::TaskBase* Children::any() noexcept {
    const std::lock_guard lock(mutex_);
    Entry* entry = entries_.pop_front();
    if (entry == nullptr) return nullptr;
    entries_.push_back(*entry);
    entry->task.hold();
    return &entry->task;
}

void Children::end_all() noexcept {
    while (sched::TaskBase* task = any()) {
        const bool ended = !task->is_complete() && task->try_end();
        task->drop();
        if (ended) continue;
        // Another worker polls it just now, or is about to be through with it. It will destroy the
        // child after that poll, unless it comes to wait for this thread before it gets to it: so
        // the child is tried again soon.
        std::unique_lock lock(mutex_);
        if (!entries_.empty()) changed_.wait_for(lock, std::chrono::milliseconds(1));
    }
}

} // namespace hc::runtime::detail
