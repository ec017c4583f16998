// TaskWord: the state of a task in one atomic word, and the waker of whoever waits for its end.
//
// States. The word is made of these bits:
//
//   queued      An entry of the task is in a queue (or on its way into one): it will be polled. Set
//               while it runs, it says that it has to be queued again.
//   running     One thread polls it, or destroys its future.
//   complete    The future is gone and the result is there. For ever.
//   cancelled   It is not to be polled again: whoever would poll it destroys its future.
//   orphan      It is being ended (or has ended) while an entry of it was in a queue.
//   joined      A handle exists.
//   waited      The handle's waker is kept here.
//
//   idle --wake--> queued --start--> running --pause--> idle, or queued when woken meanwhile
//                                       '----done, or cancelled----> complete
//   idle or queued --claim--> running and cancelled (and orphan, when queued) --> complete
//
// The scheduler's reference to the task. Whoever is named here holds it, and passes it on by the
// change of state:
//
//   idle          the home worker's list of tasks
//   queued        the entry in the queue
//   running       the thread that polls; at the end it goes to the home worker, which unlinks the
//                 task from its list and drops it
//   orphan        the entry: who takes it out of the queue drops it when the task is complete. When
//                 the ending thread finds the entry gone before it is through, it drops it itself.
//
// The waker. Its owner is the handle while `waited` is not set; nobody writes it while it is. The
// thread that completes the task clears the bit when it has woken it, and when it finds the handle
// gone by then it drops the waker.
//
// `Atomics` is a policy, see atomics.hpp; `Waker` is runtime's, or a model's.
#pragma once

#include <atomic>
#include <cstdint>

#include "core/runtime/sched/atomics.hpp"

namespace hc::runtime {

enum class TaskState : std::uint8_t { waiting, queued, running, done };

namespace sched {

template <class Waker, class Atomics = StdAtomics>
class TaskWord {
public:
    /// A new task is queued: its maker holds the entry.
    explicit TaskWord(bool joined) noexcept : word_(queued_bit | (joined ? joined_bit : 0)) {}

    TaskState state() const noexcept {
        const Bits now = word_.load(std::memory_order_acquire);
        if ((now & complete_bit) != 0) return TaskState::done;
        if ((now & running_bit) != 0) return TaskState::running;
        return (now & queued_bit) != 0 ? TaskState::queued : TaskState::waiting;
    }
    bool is_complete() const noexcept {
        return (word_.load(std::memory_order_acquire) & complete_bit) != 0;
    }
    /// For the thread that runs it.
    bool is_cancelled() const noexcept {
        return (word_.load(std::memory_order_relaxed) & cancelled_bit) != 0;
    }

    // -- any thread with a reference -------------------------------------------------------------

    /// True: it was idle, and the caller holds a new entry, to be put into a queue.
    [[nodiscard]] bool wake() noexcept {
        // Always written, also when the bit is set: the thread that clears it then sees what was
        // done before this wake.
        return was_idle(word_.fetch_or(queued_bit, std::memory_order_acq_rel));
    }
    /// The same; and it will not be polled any more.
    [[nodiscard]] bool cancel() noexcept {
        return was_idle(word_.fetch_or(queued_bit | cancelled_bit, std::memory_order_acq_rel));
    }
    enum class Claim : std::uint8_t {
        taken,  // the caller runs it, to destroy its future and complete it
        polled, // another thread runs it, and will do so
        ended,  // it is complete
    };
    [[nodiscard]] Claim claim() noexcept {
        Bits now = word_.load(std::memory_order_acquire);
        Bits after = 0;
        do {
            if ((now & complete_bit) != 0) return Claim::ended;
            after = now | cancelled_bit;
            if ((now & running_bit) != 0) {
                after |= queued_bit;
            } else {
                after |= running_bit;
                if ((now & queued_bit) != 0) after = (after & ~queued_bit) | orphan_bit;
            }
        } while (!change(now, after));
        return (now & running_bit) != 0 ? Claim::polled : Claim::taken;
    }

    // -- the holder of the entry, which has taken it out of its queue ----------------------------

    /// True: the caller runs the task, and the entry is used up. False: it has ended, or is being
    /// ended: the entry is to be discarded.
    [[nodiscard]] bool start() noexcept {
        Bits now = word_.load(std::memory_order_relaxed);
        do {
            if ((now & (complete_bit | orphan_bit)) != 0) return false;
        } while (!change(now, (now & ~queued_bit) | running_bit));
        return true;
    }
    /// The entry goes without a poll. What has not ended is idle again, and its home will end it.
    /// True: it has ended, and the caller holds the scheduler's reference.
    [[nodiscard]] bool discard() noexcept {
        Bits now = word_.load(std::memory_order_acquire);
        do {
            if ((now & complete_bit) != 0) return true;
        } while (!change(now, now & ~((now & orphan_bit) != 0 ? orphan_bit : queued_bit)));
        return false;
    }

    // -- the thread that runs it -----------------------------------------------------------------

    /// After a poll that was pending. True: it was woken meanwhile (`yielded`: by itself, which is
    /// not in the word), and the caller holds a new entry. Else it must not be touched any more: it
    /// may run elsewhere.
    [[nodiscard]] bool pause(bool yielded) noexcept {
        if (!yielded) {
            const Bits before = word_.fetch_sub(running_bit, std::memory_order_acq_rel);
            return (before & queued_bit) != 0;
        }
        Bits now = word_.load(std::memory_order_relaxed);
        while (!change(now, (now & ~running_bit) | queued_bit)) {}
        return true;
    }
    struct Ended {
        bool joined; // the handle has the result, or else the caller
        bool waited; // wake_joiner() is to be called
        bool orphan; // the entry has the scheduler's reference, or else the caller
    };
    /// The future is gone and the result is there.
    [[nodiscard]] Ended complete() noexcept {
        const Bits before = word_.fetch_xor(running_bit | complete_bit, std::memory_order_acq_rel);
        return {(before & joined_bit) != 0, (before & waited_bit) != 0, (before & orphan_bit) != 0};
    }
    void wake_joiner() noexcept {
        waker_.wake();
        const Bits now = word_.fetch_and(~waited_bit, std::memory_order_acq_rel);
        if ((now & joined_bit) == 0) waker_ = Waker();
    }

    // -- the handle ------------------------------------------------------------------------------

    /// True when complete; else the waker is kept.
    bool poll_complete(const Waker& waker) {
        Bits now = word_.load(std::memory_order_acquire);
        do {
            if ((now & complete_bit) != 0) return true;
            if ((now & waited_bit) == 0) break;
            if (waker_.will_wake(waker)) return false;
        } while (!change(now, now & ~waited_bit));
        waker_ = waker;
        now = word_.fetch_or(waited_bit, std::memory_order_acq_rel);
        if ((now & complete_bit) == 0) return false;
        word_.fetch_and(~waited_bit, std::memory_order_relaxed); // it was not seen
        return true;
    }
    /// The handle goes. True: the task is complete, and its result the caller's to destroy.
    [[nodiscard]] bool leave() noexcept {
        Bits now = word_.load(std::memory_order_acquire);
        Bits after = 0;
        do {
            after = now & ~joined_bit;
            if ((now & complete_bit) == 0) after &= ~waited_bit;
        } while (!change(now, after));
        // While it is still being woken, whoever wakes it drops it.
        if ((after & waited_bit) == 0) waker_ = Waker();
        return (now & complete_bit) != 0;
    }

private:
    using Bits = std::uint32_t;
    static constexpr Bits queued_bit = 1;
    static constexpr Bits running_bit = 2;
    static constexpr Bits complete_bit = 4;
    static constexpr Bits cancelled_bit = 8;
    static constexpr Bits orphan_bit = 16;
    static constexpr Bits joined_bit = 32;
    static constexpr Bits waited_bit = 64;

    static bool was_idle(Bits before) noexcept {
        return (before & (queued_bit | running_bit | complete_bit)) == 0;
    }
    bool change(Bits& from, Bits to) noexcept {
        return word_.compare_exchange_weak(from, to, std::memory_order_acq_rel,
                                           std::memory_order_acquire);
    }

    typename Atomics::template Atomic<Bits> word_;
    Waker waker_;
};

} // namespace sched
} // namespace hc::runtime
