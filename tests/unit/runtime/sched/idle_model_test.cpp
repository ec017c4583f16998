// Idle under every schedule within some bounds: whatever is pushed, and whoever goes to sleep
// meanwhile, no work is left lying while a worker sleeps. Then the same with one rule of the
// protocol broken, which must fail.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/runtime/sched/idle.hpp"
#include "core/runtime/sched/injector.hpp"
#include "core/runtime/sched/steal_queue.hpp"
#include "tests/support/model/atomics.hpp"
#include "tests/support/model/explore.hpp"

namespace hc::runtime::sched {
namespace {

using model::Limits;
using model::Outcome;
using model::require;

struct Item {
    int number = 0;
    bool waits_for_all = false; // its run ends when each other item has begun to run
    Item* next = nullptr;
};

/// The rules of the protocol that a canary breaks, one at a time.
enum class Breach {
    none,
    looks_before_it_announces,        // the last look at the queues comes before the transition
    does_not_look_again,              // the look that transition_to_sleeping() asks for is left out
    looks_again_only_after_searching, // ... by a worker that was not searching itself
    last_searcher_tells_nobody,       // transition_from_searching() is not followed by a notify
    pusher_tells_nobody,
};

constexpr std::size_t items_max = 4;

/// A scheduler in small: workers that take from their own queue, from the shared one and from each
/// other, run what they take, and sleep.
template <class Atomics>
class Scheduler {
public:
    static constexpr std::uint32_t capacity = 4;
    using Queue = StealQueue<Item, capacity, Atomics>;

    Scheduler(std::uint32_t workers, Breach breach)
        : workers_(workers), breach_(breach), idle_(workers) {
        for (std::size_t i = 0; i < items_max; ++i) items_.at(i).number = static_cast<int>(i);
    }

    Item& item(std::size_t i) { return items_.at(i); }
    Queue& queue(std::uint32_t worker) { return seats_.at(worker).queue; }

    /// Any thread.
    void inject(std::size_t i) {
        expect(i);
        require(injector_.push(&item(i)), "open");
        if (breach_ != Breach::pusher_tells_nobody) notify();
    }
    void expect(std::size_t i) { expected_ = std::max(expected_, i + 1); }
    void notify() {
        if (const auto worker = idle_.worker_to_notify()) {
            require(*worker < workers_, "a worker");
            seats_.at(*worker).parker.unpark();
        }
    }

    /// The body of a worker's thread: until the test stops it.
    void work(std::uint32_t worker) {
        Seat& seat = seats_.at(worker);
        bool searching = false;
        while (!stopped_) {
            Item* item = take_own(seat);
            if (item == nullptr && !searching) searching = idle_.transition_to_searching();
            if (item == nullptr && searching) item = take_from_others(worker);
            if (item != nullptr) {
                if (searching) found();
                searching = false;
                run(*item);
                continue;
            }
            sleep(worker, searching);
            if (!stopped_) searching = idle_.woke(worker);
        }
    }

    /// The thread of the test, when the pushers are under way: waits until nothing moves any more,
    /// and says what must hold then.
    void finish() {
        model::Execution::current().wait_until(
            [](const void* self) { return static_cast<const Scheduler*>(self)->is_still(); }, this);
        stopped_ = true;
        for (Seat& seat : seats_) seat.parker.unpark();
        model::join();
        require(injector_.empty(), "nothing is left lying");
        for (std::uint32_t i = 0; i < workers_; ++i) {
            require(queue(i).empty(), "nothing is left lying with a worker");
        }
        for (std::size_t i = 0; i < expected_; ++i) require(runs_.at(i) == 1, "each ran once");
        require(idle_.searching() == 0, "nobody counts as searching");
        require(idle_.sleeping() == workers_, "all count as sleeping");
    }
    int pushers = 0; // threads that have yet to end

private:
    struct Seat {
        Queue queue;
        model::Parker parker;
        bool parked = false;
    };

    bool is_still() const {
        if (pushers > 0) return false;
        for (std::uint32_t i = 0; i < workers_; ++i) {
            if (!seats_.at(i).parked || seats_.at(i).parker.has_token()) return false;
        }
        return true;
    }

    Item* take_own(Seat& seat) {
        if (Item* item = seat.queue.pop()) return item;
        return injector_.pop();
    }
    Item* take_from_others(std::uint32_t worker) {
        for (std::uint32_t i = 1; i < workers_; ++i) {
            Queue& other = queue((worker + i) % workers_);
            if (Item* item = other.steal_into(queue(worker))) return item;
        }
        return injector_.pop();
    }
    void found() {
        const bool last = idle_.transition_from_searching();
        if (last && breach_ != Breach::last_searcher_tells_nobody) notify();
    }
    bool is_work_left() {
        if (!injector_.empty()) return true;
        for (std::uint32_t i = 0; i < workers_; ++i) {
            if (!queue(i).empty()) return true;
        }
        return false;
    }
    void sleep(std::uint32_t worker, bool searching) {
        Seat& seat = seats_.at(worker);
        if (breach_ == Breach::looks_before_it_announces && is_work_left()) notify();
        bool again = idle_.transition_to_sleeping(worker, searching);
        if (breach_ == Breach::looks_again_only_after_searching && !searching) again = false;
        if (breach_ == Breach::looks_before_it_announces) again = false;
        if (breach_ == Breach::does_not_look_again) again = false;
        if (again && is_work_left()) notify();
        seat.parked = true;
        seat.parker.park();
        seat.parked = false;
    }
    void run(const Item& item) {
        const auto number = static_cast<std::size_t>(item.number);
        require(++runs_.at(number) == 1, "each runs once");
        if (!item.waits_for_all) return;
        model::Execution::current().wait_until(
            [](const void* object) {
                const auto& self = *static_cast<const Scheduler*>(object);
                for (std::size_t i = 0; i < self.expected_; ++i) {
                    if (self.runs_.at(i) == 0) return false;
                }
                return true;
            },
            this);
    }

    const std::uint32_t workers_;
    const Breach breach_;
    Idle<Atomics> idle_;
    Injector<Item, &Item::next, Atomics> injector_;
    std::array<Seat, 3> seats_;
    std::array<Item, items_max> items_;
    // The model runs one thread at a time: these are plain for the test.
    std::array<int, items_max> runs_{};
    std::size_t expected_ = 0;
    bool stopped_ = false;
};

/// One worker goes to sleep while another thread pushes: the race of all races.
template <class Atomics>
Outcome one_sleeper(const Limits& limits, Breach breach) {
    return model::explore(limits, [=] {
        Scheduler<Atomics> scheduler(1, breach);
        scheduler.pushers = 1;
        model::spawn([&] { scheduler.work(0); });
        model::spawn([&] {
            scheduler.inject(0);
            --scheduler.pushers;
        });
        scheduler.finish();
    });
}

/// Two workers. The first item keeps its worker busy until the second runs: so the other worker
/// must be woken for that, whatever it is doing.
template <class Atomics>
Outcome one_is_busy(const Limits& limits, Breach breach) {
    return model::explore(limits, [=] {
        Scheduler<Atomics> scheduler(2, breach);
        scheduler.item(0).waits_for_all = true;
        scheduler.expect(1);
        scheduler.pushers = 1;
        model::spawn([&] { scheduler.work(0); });
        model::spawn([&] { scheduler.work(1); });
        model::spawn([&] {
            scheduler.inject(0);
            scheduler.inject(1);
            --scheduler.pushers;
        });
        scheduler.finish();
    });
}

/// Three workers. One has three items in its own queue, each of which keeps its worker busy until
/// all run: so what a thief stole beyond its own need must wake the next.
template <class Atomics>
Outcome all_are_needed(const Limits& limits, Breach breach) {
    return model::explore(limits, [=] {
        Scheduler<Atomics> scheduler(3, breach);
        for (std::size_t i = 0; i < 3; ++i) {
            scheduler.item(i).waits_for_all = true;
            scheduler.expect(i);
            require(scheduler.queue(0).push(&scheduler.item(i)), "room");
        }
        model::spawn([&] {
            scheduler.notify();
            scheduler.work(0);
        });
        model::spawn([&] { scheduler.work(1); });
        model::spawn([&] { scheduler.work(2); });
        scheduler.finish();
    });
}

/// One worker stops searching, having put more than it needs into its own queue; the other, the
/// last to search, goes to sleep; a third sleeps. One of the two must wake somebody.
template <class Atomics>
Outcome rest_of_a_theft(const Limits& limits) {
    return model::explore(limits, [] {
        Idle<Atomics> idle(3);
        StealQueue<Item, 4, Atomics> queue;
        Item item;
        idle.transition_to_sleeping(2, false);
        require(idle.transition_to_searching() && idle.transition_to_searching(), "two may");
        model::spawn([&] {
            queue.push(&item);
            if (idle.transition_from_searching()) idle.worker_to_notify();
        });
        model::spawn([&] {
            if (idle.transition_to_sleeping(1, true) && !queue.empty()) idle.worker_to_notify();
        });
        model::join();
        require(idle.searching() == 1, "somebody was woken");
    });
}

TEST(IdleModel, RestOfATheft) {
    const Outcome outcome = rest_of_a_theft<model::Atomics>({.preemptions = 4, .stale_reads = 2});
    EXPECT_TRUE(outcome) << outcome;
    RecordProperty("schedules", std::to_string(outcome.schedules));
}

TEST(IdleModel, ASleeperIsTakenOutOnce) {
    const Outcome outcome = model::explore({}, [] {
        Idle<model::Atomics> idle(2);
        int woken = 0;
        idle.transition_to_sleeping(0, false);
        for (int i = 0; i < 3; ++i) {
            model::spawn([&] {
                const auto worker = idle.worker_to_notify();
                if (worker && idle.woke(*worker)) ++woken;
            });
        }
        model::join();
        require(woken == 1, "by one of three notifiers");
        require(idle.searching() == 1 && idle.sleeping() == 0, "and counted once");
    });
    EXPECT_TRUE(outcome) << outcome;
}

TEST(IdleModel, OneSleeper) {
    const Outcome outcome =
        one_sleeper<model::Atomics>({.preemptions = model::deep(4)}, Breach::none);
    EXPECT_TRUE(outcome) << outcome;
    RecordProperty("schedules", std::to_string(outcome.schedules));
}

TEST(IdleModel, OneIsBusy) {
    const Outcome outcome =
        one_is_busy<model::Atomics>({.preemptions = model::deep(2)}, Breach::none);
    EXPECT_TRUE(outcome) << outcome;
    RecordProperty("schedules", std::to_string(outcome.schedules));
}

TEST(IdleModel, AllAreNeeded) {
    // Who runs next when a thread must wait is free: that alone makes many schedules.
    const Limits limits{.preemptions = 1, .stale_reads = 0};
    const Outcome outcome = all_are_needed<model::Atomics>(limits, Breach::none);
    EXPECT_TRUE(outcome) << outcome;
    RecordProperty("schedules", std::to_string(outcome.schedules));
}

// -- canaries: each breach must be found ----------------------------------------------------------

TEST(IdleCanary, WithoutFences) {
    EXPECT_FALSE(one_sleeper<model::WithoutFences>({}, Breach::none).failure.empty());
}

TEST(IdleCanary, AWorkerThatLooksBeforeItAnnounces) {
    const Breach breach = Breach::looks_before_it_announces;
    EXPECT_FALSE(one_sleeper<model::Atomics>({}, breach).failure.empty());
}

TEST(IdleCanary, AWorkerThatDoesNotLookAgain) {
    EXPECT_FALSE(one_sleeper<model::Atomics>({}, Breach::does_not_look_again).failure.empty());
}

TEST(IdleCanary, AWorkerThatLooksAgainOnlyAfterSearching) {
    const Breach breach = Breach::looks_again_only_after_searching;
    EXPECT_FALSE(one_is_busy<model::Atomics>({}, breach).failure.empty());
}

TEST(IdleCanary, ALastSearcherThatTellsNobody) {
    const Breach breach = Breach::last_searcher_tells_nobody;
    EXPECT_FALSE(one_is_busy<model::Atomics>({}, breach).failure.empty());
}

TEST(IdleCanary, APusherThatTellsNobody) {
    EXPECT_FALSE(one_sleeper<model::Atomics>({}, Breach::pusher_tells_nobody).failure.empty());
}

TEST(IdleCanary, ChangesThatReleaseNothing) {
    using Weak = model::WeakAtomics<model::Drop::release_changes>;
    EXPECT_FALSE(rest_of_a_theft<Weak>({}).failure.empty());
}

} // namespace
} // namespace hc::runtime::sched
