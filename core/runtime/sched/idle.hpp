// Which workers sleep, and how many search for work: so that work wakes as few as will do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "core/runtime/sched/atomics.hpp"

namespace hc::runtime::sched {

/// The idle set of a runtime with a fixed number of workers.
///
/// A worker is in one of three states:
///
///                 transition_to_searching            transition_to_sleeping
///      +---------+ -------------------> +-----------+ -------------------> +----------+
///      | working |                      | searching |                      | sleeping |
///      +---------+ <------------------- +-----------+ <------------------- +----------+
///         |  ^      transition_from_searching           worker_to_notify       |  ^
///         |  |                                                                 |  |
///         |  +----------------------------- woke ------------------------------+  |
///         +--------------------- transition_to_sleeping -------------------------+
///
/// About half of the workers search at a time, for more would only be in each other's way; and
/// while one searches nobody is woken, for it will find the work, and then, being the last that
/// searched, have another woken. So under a burst the workers wake one after the other, as long as
/// there is something for each.
///
/// No work is left lying while a worker sleeps, although nobody holds a lock both when pushing and
/// when going to sleep, provided that
///  - who pushes where another could take it, pushes and then calls worker_to_notify();
///  - a worker that goes to sleep calls transition_to_sleeping(), and, when that tells it to look
///    again, looks at all queues, and for what it finds calls worker_to_notify() (which may well
///    give itself), and only then sleeps until it is unparked (an unpark that comes first counts);
///  - a searching worker that took something calls transition_from_searching(), and when that is
///    true worker_to_notify(), before it runs what it took.
/// This is why. Both sides write one place and then read the other:
///
///     who pushes                              who goes to sleep, and was the last to search
///     P1  write the queue                     S1  write the state: one more sleeps, none searches
///     P2  sequentially consistent fence       S2  sequentially consistent fence
///     P3  read the state                      S3  read the queues
///
/// All such fences have one order. If P2 comes before S2, S3 sees what P1 wrote. Otherwise P3 sees
/// what S1 wrote, or something later: the sleeper, and that nobody searches; or a searcher that
/// began after S1. Where P3 sees a searcher, one of those who search then will be the last, and it
/// leaves that state either asleep, with a fence after P2, and looks again; or with work, and then
/// it calls worker_to_notify() on behalf of all whose P3 saw it. If at that moment all are awake,
/// nobody is woken, but no one may go to sleep on what he saw before: that is why one who was not
/// searching, but sees when it goes to sleep that nobody is, must look again too.
///
/// The state changes by read-modify-writes alone. They are relaxed, for the fences order what they
/// must, but for one: a worker that stops searching while others go on has put what it stole and
/// does not run into its own queue, without a fence. It releases that; the last searcher's fence,
/// after its own change of the state, acquires it before S3.
///
/// Threads: as told at each function. The list of sleepers is under a mutex, which is only taken to
/// go to sleep, to wake, and to take a sleeper out.
template <class Atomics = StdAtomics>
class Idle {
public:
    /// All workers are awake and none searches.
    explicit Idle(std::uint32_t workers)
        : workers_(workers), state_(State{workers, 0}.packed()), place_(workers, not_listed) {
        sleepers_.reserve(workers);
    }
    Idle(const Idle&) = delete;
    Idle& operator=(const Idle&) = delete;

    /// Any thread, after it pushed work. Takes a sleeper out, which from now on counts as
    /// searching; the caller must unpark it. Nothing when somebody searches or nobody sleeps, which
    /// costs a fence and one load.
    std::optional<std::uint32_t> worker_to_notify() noexcept {
        Atomics::fence_seq_cst(); // P2
        // Relaxed: it is the fence that tells how old a value this can be at most.
        if (!wants_one_more(state_.load(std::memory_order_relaxed))) return std::nullopt;
        const std::lock_guard lock(mutex_);
        // Several may have come to the same conclusion: the first wakes, the others see a searcher.
        if (!wants_one_more(state_.load(std::memory_order_relaxed))) return std::nullopt;
        // The last to go to sleep: its caches are the warmest.
        const std::uint32_t worker = sleepers_.back();
        take_out(worker);
        state_.fetch_add(one_awake + one_searching, std::memory_order_relaxed);
        return worker;
    }

    /// A working worker that ran dry. False when enough search already: it should sleep. The bound
    /// is not exact, for several may ask at once; nothing depends on that.
    bool transition_to_searching() noexcept {
        const State state = State::of(state_.load(std::memory_order_relaxed));
        if (2 * state.searching >= workers_) return false;
        state_.fetch_add(one_searching, std::memory_order_relaxed);
        return true;
    }

    /// A searching worker that found work, before it runs it. True when it was the last one: then
    /// it must call worker_to_notify(), for others relied on it.
    bool transition_from_searching() noexcept {
        return State::of(state_.fetch_sub(one_searching, std::memory_order_release)).searching == 1;
    }

    /// A worker that is about to sleep, `searching` or not. True when nobody searches now: then it
    /// must look at all queues once more before it sleeps.
    bool transition_to_sleeping(std::uint32_t worker, bool searching) noexcept {
        State before{};
        {
            const std::lock_guard lock(mutex_);
            place_[worker] = static_cast<std::uint32_t>(sleepers_.size());
            sleepers_.push_back(worker);
            before = State::of(state_.fetch_sub(one_awake + (searching ? one_searching : 0),
                                                std::memory_order_relaxed)); // S1
        }
        if (before.searching != (searching ? 1U : 0U)) return false;
        Atomics::fence_seq_cst(); // S2
        return true;
    }

    /// A worker that stopped sleeping, whatever woke it: unparked, I/O or a timer. True when it had
    /// been taken out by worker_to_notify(): then it is searching. Otherwise it takes itself out,
    /// and is working.
    bool woke(std::uint32_t worker) noexcept {
        const std::lock_guard lock(mutex_);
        if (place_[worker] == not_listed) return true;
        take_out(worker);
        state_.fetch_add(one_awake, std::memory_order_relaxed);
        return false;
    }

    /// Any thread; for its own worker it says whether it must go on sleeping, when it cannot say
    /// why it woke.
    bool is_sleeping(std::uint32_t worker) const noexcept {
        const std::lock_guard lock(mutex_);
        return place_[worker] != not_listed;
    }

    /// Any thread; hints, for figures and tests.
    std::uint32_t searching() const noexcept {
        return State::of(state_.load(std::memory_order_relaxed)).searching;
    }
    std::uint32_t sleeping() const noexcept {
        return workers_ - State::of(state_.load(std::memory_order_relaxed)).awake;
    }

private:
    /// In one word, so that one load answers worker_to_notify().
    struct State {
        std::uint32_t awake; // those that search included
        std::uint32_t searching;

        static State of(std::uint64_t word) noexcept {
            return {static_cast<std::uint32_t>(word >> 32), static_cast<std::uint32_t>(word)};
        }
        std::uint64_t packed() const noexcept { return std::uint64_t{awake} << 32 | searching; }
    };
    static constexpr std::uint64_t one_awake = std::uint64_t{1} << 32;
    static constexpr std::uint64_t one_searching = 1;
    static constexpr std::uint32_t not_listed = UINT32_MAX;

    bool wants_one_more(std::uint64_t word) const noexcept {
        const State state = State::of(word);
        return state.searching == 0 && state.awake < workers_;
    }

    // Under the mutex. The last sleeper takes the place of the one that leaves.
    void take_out(std::uint32_t worker) noexcept {
        const std::uint32_t place = place_[worker];
        sleepers_[place] = sleepers_.back();
        place_[sleepers_[place]] = place;
        sleepers_.pop_back();
        place_[worker] = not_listed;
    }

    const std::uint32_t workers_;
    mutable typename Atomics::Mutex mutex_;
    // How many are awake changes under the mutex, with the list; who searches without it.
    typename Atomics::template Atomic<std::uint64_t> state_;
    std::vector<std::uint32_t> sleepers_; // under the mutex
    std::vector<std::uint32_t> place_;    // under the mutex: where in sleepers_
};

} // namespace hc::runtime::sched
