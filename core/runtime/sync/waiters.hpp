// The line of those who wait: what every primitive of this folder is made of.
//
// A future that has to wait is itself the entry of the line (its Waiter is a member), so waiting
// allocates nothing. The primitive's mutex guards the line and every Waiter in it:
//
//   field     who, when
//   links,    under the mutex, by the primitive and by the future's own poll and destructor
//   waker
//   verdict   under the mutex; none_yet while in line; set once by whoever takes the waiter out
//
// A future knows without the mutex whether it was ever in line, since only its own poll puts it
// there; one that never was takes no lock to die. It must not move after that.
//
// What runs foreign code (a wake, the last reference to a task, a destructor) happens after the
// mutex is released: taking a waiter out gives its waker to the caller, and so does replacing one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>

#include "core/base/intrusive_list.hpp"
#include "core/runtime/sync/short_mutex.hpp"
#include "core/runtime/waker.hpp"

namespace hc::runtime::sync_detail {

/// Why a waiter left its line.
enum class Verdict : std::uint8_t {
    none_yet, // it did not
    granted,  // it was handed what it waits for, and passes that on when it is destroyed instead
    released, // everybody was let go; nothing was handed over
    closed,   // what it waits for will never come
};

struct Waiter : ListNode {
    Waker waker;
    Verdict verdict = Verdict::none_yet;
};

/// Wakers to be woken once the mutex is released. A full one is emptied between two holds of it.
class WakeBatch {
public:
    static constexpr std::size_t size_max = 16;

    bool full() const noexcept { return count_ == size_max; }
    void add(Waker waker) noexcept { wakers_[count_++] = std::move(waker); }
    void wake() noexcept {
        const std::size_t count = std::exchange(count_, 0);
        for (std::size_t i = 0; i < count; ++i) std::exchange(wakers_[i], {}).wake();
    }

private:
    std::array<Waker, size_max> wakers_;
    std::size_t count_ = 0;
};

/// First in, first out. All functions under the mutex.
class WaitLine {
public:
    bool empty() const noexcept { return line_.empty(); }
    Waiter& front() noexcept { return line_.front(); }

    /// Puts the waiter last, or has its place keep a newer waker. Gives the waker that is not
    /// needed any more, to be dropped after the mutex.
    [[nodiscard]] Waker wait(Waiter& waiter, const Context& context) {
        if (!waiter.linked()) {
            waiter.verdict = Verdict::none_yet;
            line_.push_back(waiter);
        }
        if (waiter.waker.will_wake(context.waker())) return {};
        return std::exchange(waiter.waker, context.waker());
    }
    /// Takes the first one out; to be woken after the mutex. There must be one.
    [[nodiscard]] Waker take_first(Verdict verdict) noexcept {
        Waiter& first = *line_.pop_front();
        first.verdict = verdict;
        return std::move(first.waker);
    }
    /// Takes everybody out and wakes them. `lock` holds the mutex, and does not any more when this
    /// returns; it is let go and taken again when they are many. Nobody waits through that: each
    /// has its verdict before the first is woken.
    void take_all(Verdict verdict, std::unique_lock<ShortMutex>& lock) noexcept {
        if (line_.empty()) return lock.unlock();
        IntrusiveList<Waiter> taken;
        taken.splice_back(line_);
        taken.for_each([verdict](Waiter& waiter) { waiter.verdict = verdict; });
        WakeBatch batch;
        for (;;) {
            while (!batch.full() && !taken.empty()) {
                batch.add(std::move(taken.pop_front()->waker));
            }
            const bool done = taken.empty();
            lock.unlock();
            batch.wake();
            if (done) return;
            lock.lock();
        }
    }

private:
    IntrusiveList<Waiter> line_;
};

} // namespace hc::runtime::sync_detail
