// The model checker itself: what it must find, and what it must not take for a fault.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <set>
#include <utility>

#include "tests/support/model/atomics.hpp"
#include "tests/support/model/explore.hpp"

namespace hc::model {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;
constexpr auto acquire = std::memory_order_acquire;
constexpr auto release = std::memory_order_release;
constexpr auto seq_cst = std::memory_order_seq_cst;

TEST(Checker, FindsAnUpdateThatIsLost) {
    const auto body = [] {
        Atomic<int> count(0);
        for (int i = 0; i < 2; ++i) {
            spawn([&] { count.store(count.load(seq_cst) + 1, seq_cst); });
        }
        join();
        require(count.load(relaxed) == 2, "both counted");
    };
    const Outcome outcome = explore({}, body);
    EXPECT_NE(outcome.failure.find("both counted"), std::string::npos) << outcome;
    EXPECT_TRUE(explore({.preemptions = 0}, body)) << "it takes a switch between load and store";
}

TEST(Checker, SeesThatReadModifyWritesLoseNothing) {
    const Outcome outcome = explore({}, [] {
        Atomic<int> count(0);
        for (int i = 0; i < 3; ++i) {
            spawn([&] {
                count.fetch_add(1, relaxed);
                int seen = count.load(relaxed);
                while (!count.compare_exchange_weak(seen, seen + 1, relaxed)) {}
            });
        }
        join();
        require(count.load(relaxed) == 6, "all counted");
    });
    EXPECT_TRUE(outcome) << outcome;
    EXPECT_GT(outcome.schedules, 500U);
}

// Every result that two threads of one load and one store each can have.
std::set<std::pair<int, int>> store_buffering(std::memory_order order, bool fences) {
    std::set<std::pair<int, int>> results;
    const Outcome outcome = explore({.stale_reads = 2}, [&] {
        Atomic<int> x(0);
        Atomic<int> y(0);
        std::pair<int, int> seen;
        const auto thread = [&](Atomic<int>& mine, Atomic<int>& theirs, int& result) {
            mine.store(1, order == seq_cst ? seq_cst : release);
            if (fences) Atomics::fence_seq_cst();
            result = theirs.load(order == seq_cst ? seq_cst : acquire);
        };
        spawn([&] { thread(x, y, seen.first); });
        spawn([&] { thread(y, x, seen.second); });
        join();
        results.insert(seen);
    });
    EXPECT_TRUE(outcome) << outcome;
    return results;
}

TEST(Checker, ReadsOldStoresWhereTheLanguageAllowsIt) {
    using Results = std::set<std::pair<int, int>>;
    const Results ordered = {{0, 1}, {1, 0}, {1, 1}};
    Results all = ordered;
    all.insert({0, 0});
    EXPECT_EQ(store_buffering(acquire, false), all);
    EXPECT_EQ(store_buffering(acquire, true), ordered);
    EXPECT_EQ(store_buffering(seq_cst, false), ordered);
}

// A message and a flag: does one who sees the flag see the message?
Outcome message_passing(std::memory_order store, std::memory_order load) {
    return explore({}, [=] {
        Atomic<int> message(0);
        Atomic<int> flag(0);
        spawn([&] {
            message.store(1, relaxed);
            flag.store(1, store);
        });
        spawn([&] {
            if (flag.load(load) == 1) require(message.load(relaxed) == 1, "message is there");
        });
        join();
    });
}

TEST(Checker, KnowsWhatReleaseAndAcquireHandOver) {
    EXPECT_TRUE(message_passing(release, acquire));
    EXPECT_FALSE(message_passing(relaxed, acquire).failure.empty());
    EXPECT_FALSE(message_passing(release, relaxed).failure.empty());
}

TEST(Checker, FollowsAReleaseThroughChangesByOthers) {
    const auto chain = [](bool change) {
        return explore({}, [=] {
            Cell<int> message;
            Atomic<int> flag(0);
            spawn([&] {
                message.store(1);
                flag.store(1, release);
            });
            spawn([&] {
                if (change) {
                    int one = 1;
                    flag.compare_exchange_strong(one, 2, relaxed, relaxed);
                } else if (flag.load(relaxed) == 1) {
                    flag.store(2, relaxed);
                }
            });
            spawn([&] {
                if (flag.load(acquire) == 2) require(message.load() == 1, "message is there");
            });
            join();
        });
    };
    EXPECT_TRUE(chain(true)) << chain(true);
    EXPECT_NE(chain(false).failure.find("data race"), std::string::npos) << chain(false);
}

TEST(Checker, NeverReadsBackwards) {
    const Outcome outcome = explore({.stale_reads = 3}, [] {
        Atomic<int> x(0);
        spawn([&] {
            x.store(1, relaxed);
            x.store(2, relaxed);
        });
        spawn([&] {
            const int first = x.load(relaxed);
            require(x.load(relaxed) >= first, "one location is coherent");
        });
        join();
        require(x.load(relaxed) == 2, "join shows everything");
    });
    EXPECT_TRUE(outcome) << outcome;
}

TEST(Checker, FindsDataRacesInEitherOrder) {
    const auto race = [](bool with_mutex) {
        // No switch is needed to see it: nothing orders the accesses.
        return explore({.preemptions = 0, .stale_reads = 0}, [=] {
            Cell<int> cell;
            Mutex mutex;
            for (int i = 0; i < 2; ++i) {
                spawn([&] {
                    if (with_mutex) mutex.lock();
                    cell.store(cell.load() + 1);
                    if (with_mutex) mutex.unlock();
                });
            }
            join();
            require(cell.load() == 2, "both counted");
        });
    };
    EXPECT_TRUE(race(true)) << race(true);
    EXPECT_NE(race(false).failure.find("data race"), std::string::npos) << race(false);
}

TEST(Checker, FindsThreadsThatWaitForEver) {
    const Outcome outcome = explore({}, [] {
        Mutex a;
        Mutex b;
        const auto both = [](Mutex& first, Mutex& second) {
            first.lock();
            second.lock();
            second.unlock();
            first.unlock();
        };
        spawn([&] { both(a, b); });
        spawn([&] { both(b, a); });
        join();
    });
    EXPECT_NE(outcome.failure.find("wait for ever"), std::string::npos) << outcome;
}

TEST(Checker, FindsRunsWithoutAnEnd) {
    const Outcome outcome = explore({.steps = 100}, [] {
        Atomic<int> never(0);
        spawn([&] {
            while (never.load(relaxed) == 0) {}
        });
        join();
    });
    EXPECT_NE(outcome.failure.find("too many steps"), std::string::npos) << outcome;
}

TEST(Checker, KeepsATokenUntilItIsUsed) {
    const Outcome outcome = explore({}, [] {
        Parker parker;
        Cell<int> message;
        spawn([&] {
            message.store(1);
            parker.unpark();
        });
        spawn([&] {
            parker.park();
            require(message.load() == 1, "message is there");
        });
        join();
    });
    EXPECT_TRUE(outcome) << outcome;
}

TEST(Checker, NamesAScheduleThatFailsAgain) {
    const auto body = [] {
        Atomic<int> x(0);
        spawn([&] {
            x.store(1, relaxed);
            x.store(2, relaxed);
        });
        spawn([&] { require(x.load(relaxed) != 1, "not between"); });
        join();
    };
    const Outcome found = explore({}, body);
    ASSERT_FALSE(found.failure.empty());
    const Outcome again = replay({}, found.schedule, body);
    EXPECT_EQ(again.failure, found.failure);
    EXPECT_EQ(again.trace, found.trace);
    EXPECT_NE(again.trace.find("thread 2 loads"), std::string::npos) << again;
    EXPECT_TRUE(replay({}, ":0", body).failure.empty()) << "another schedule, which does not fail";
}

TEST(Checker, SaysWhenItStoppedAtItsLimit) {
    const Outcome outcome = explore({.schedules = 3}, [] {
        Atomic<int> x(0);
        for (int i = 0; i < 3; ++i) spawn([&] { x.fetch_add(1, relaxed); });
        join();
    });
    EXPECT_EQ(outcome.schedules, 3U);
    EXPECT_FALSE(outcome.complete);
    EXPECT_TRUE(outcome.failure.empty());
}

} // namespace
} // namespace hc::model
