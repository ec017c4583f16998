// The pool by itself: its bound, its order, its warning by a clock of the test's, and its end.
#include "core/server/pool.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/server/service.hpp"

namespace hc::server::test {
namespace {

using namespace std::chrono_literals;

class TestClock final : public sys::Clock {
public:
    Instant now() noexcept override { return {ns}; }
    WallTime wall() noexcept override { return {}; }
    std::atomic<std::int64_t> ns{1};
};

/// Lets through those who wait, as many as it is told.
class Sluice {
public:
    void pass() {
        std::unique_lock lock(mutex_);
        ++inside_;
        changed_.notify_all();
        changed_.wait(lock, [this] { return allowed_ > 0; });
        --allowed_;
        --inside_;
        changed_.notify_all();
    }
    void open(int n) {
        const std::lock_guard lock(mutex_);
        allowed_ += n;
        changed_.notify_all();
    }
    void holds(int n) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return inside_ == n && allowed_ == 0; });
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    int inside_ = 0;
    int allowed_ = 0;
};

class TestJob final : public Pool::Job {
public:
    explicit TestJob(std::function<bool()> what, bool admitted = true)
        : Job(admitted), what_(std::move(what)) {}
    std::function<void()> on_refused;

private:
    bool run() noexcept override { return what_(); }
    void refused() noexcept override {
        if (on_refused) on_refused();
    }
    std::function<bool()> what_;
};

std::shared_ptr<TestJob> job(std::function<void()> what, bool admitted = true) {
    return std::make_shared<TestJob>(
        [what = std::move(what)] {
            what();
            return false;
        },
        admitted);
}

struct Lines {
    std::mutex mutex;
    std::vector<std::string> lines;
    LogSink sink() {
        return {
            .write =
                [](void* arg, LogLevel level, std::string_view component, std::string_view text) {
                    auto& it = *static_cast<Lines*>(arg);
                    const std::lock_guard lock(it.mutex);
                    if (level == LogLevel::warning && component == "pool") {
                        it.lines.emplace_back(text);
                    }
                },
            .arg = this,
            .minimum = LogLevel::info};
    }
    std::size_t count() {
        const std::lock_guard lock(mutex);
        return lines.size();
    }
};

void wait_until(const std::function<bool()>& condition) {
    while (!condition()) std::this_thread::yield();
}

class PoolOf : public testing::Test {
protected:
    void make(std::uint32_t threads, std::uint32_t queue_max) {
        pool = std::make_shared<Pool>(PoolOptions{.threads = threads,
                                                  .queue_max = queue_max,
                                                  .thread_name = "test",
                                                  .log = lines.sink(),
                                                  .runtime = 0,
                                                  .workers = 0},
                                      clock);
    }
    void TearDown() override {
        if (pool == nullptr) return;
        sluice.open(1'000'000);
        pool->end(nullptr);
        EXPECT_TRUE(pool->wait_ended(std::nullopt));
    }
    /// Admitted and queued: it waits in the sluice.
    bool add() {
        if (!pool->admit()) return false;
        pool->submit(job([this] {
            sluice.pass();
            ++ran;
        }));
        return true;
    }

    TestClock clock;
    Lines lines;
    Sluice sluice;
    std::atomic<int> ran{0};
    std::shared_ptr<Pool> pool;
};

TEST_F(PoolOf, StartsThreadsWhenTheyAreNeeded) {
    make(3, 5);
    EXPECT_EQ(pool->metrics().threads, 3U);
    EXPECT_EQ(pool->metrics().busy, 0U);
    for (int i = 1; i <= 3; ++i) {
        ASSERT_TRUE(add());
        sluice.holds(i);
        EXPECT_EQ(pool->metrics().busy, static_cast<std::uint64_t>(i));
    }
}

TEST_F(PoolOf, AdmitsItsThreadsAndItsQueueAndNoMore) {
    make(2, 3);
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(add());
    sluice.holds(2);
    EXPECT_FALSE(add());
    EXPECT_EQ(pool->metrics().queued, 3U);
    EXPECT_EQ(pool->metrics().refused, 1U);
    sluice.open(1);
    wait_until([&] { return pool->metrics().processed == 1; });
    EXPECT_TRUE(add());
    EXPECT_FALSE(add());
    sluice.open(5);
    wait_until([&] { return pool->metrics().processed == 6; });
    EXPECT_EQ(ran, 6);
    wait_until([&] { return pool->metrics().busy == 0; });
    EXPECT_EQ(pool->metrics().queued, 0U);
}

/// What has begun needs no place, and is never refused.
TEST_F(PoolOf, WhatComesBackIsQueuedThoughAllPlacesAreTaken) {
    make(1, 0);
    ASSERT_TRUE(add());
    sluice.holds(1);
    EXPECT_FALSE(pool->admit());
    std::atomic<bool> done{false};
    pool->submit(job([&] { done = true; }, false));
    EXPECT_FALSE(done);
    sluice.open(1);
    wait_until([&] { return done.load(); });
    wait_until([&] { return pool->metrics().busy == 0; });
    EXPECT_EQ(pool->metrics().processed, 1U);
}

TEST_F(PoolOf, AJobWithMoreToDoRunsAgainBehindTheOthers) {
    make(1, 10);
    ASSERT_TRUE(add());
    sluice.holds(1);
    std::string order; // one thread
    std::atomic<int> left{3};
    ASSERT_TRUE(pool->admit() && pool->admit());
    pool->submit(std::make_shared<TestJob>([&] {
        order += 'a';
        return --left > 0;
    }));
    pool->submit(job([&] { order += 'b'; }));
    sluice.open(1);
    wait_until([&] { return left == 0 && pool->metrics().busy == 0; });
    EXPECT_EQ(order, "abaa");
}

TEST_F(PoolOf, WithdrawnJobsFreeTheirPlaceAndNeverRun) {
    make(1, 1);
    ASSERT_TRUE(add());
    sluice.holds(1);
    ASSERT_TRUE(pool->admit());
    const auto one = job([&] { ADD_FAILURE() << "it was withdrawn"; });
    pool->submit(one);
    EXPECT_FALSE(pool->admit());
    EXPECT_TRUE(pool->withdraw(*one));
    EXPECT_FALSE(pool->withdraw(*one));
    EXPECT_EQ(one.use_count(), 1);
    EXPECT_EQ(pool->metrics().queued, 0U);
    EXPECT_TRUE(add());
    sluice.open(2);
    wait_until([&] { return ran == 2; });
}

TEST_F(PoolOf, WhatIsWithdrawnOnItsWayTakesNoPlaceEither) {
    make(1, 1);
    ASSERT_TRUE(add());
    sluice.holds(1);
    ASSERT_TRUE(pool->admit());
    const auto one = job([&] { ADD_FAILURE() << "it was withdrawn"; });
    EXPECT_TRUE(pool->withdraw(*one)); // a worker gathers it: it is not queued yet
    pool->submit(one);
    EXPECT_EQ(one.use_count(), 1);
    EXPECT_EQ(pool->metrics().queued, 0U);
    EXPECT_EQ(pool->metrics().refused, 0U);
    EXPECT_TRUE(add());
    EXPECT_FALSE(pool->admit());
    sluice.open(2);
    wait_until([&] { return ran == 2; });
}

TEST_F(PoolOf, ClosingRefusesWhatHasNotBegunAndLetsTheRestGoOn) {
    make(1, 10);
    ASSERT_TRUE(add());
    sluice.holds(1);
    std::atomic<int> refused{0};
    std::atomic<bool> begun_ran{false};
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(pool->admit());
        const auto one = job([&] { ADD_FAILURE() << "it was refused"; });
        one->on_refused = [&] { ++refused; };
        pool->submit(one);
    }
    ASSERT_TRUE(pool->admit()); // on its way while the pool closes
    pool->submit(job([&] { begun_ran = true; }, false));
    pool->close();
    EXPECT_EQ(refused, 3);
    EXPECT_FALSE(pool->admit());
    const auto late = job([&] { ADD_FAILURE() << "it was refused"; });
    late->on_refused = [&] { ++refused; };
    pool->submit(late);
    EXPECT_EQ(refused, 4);
    EXPECT_EQ(pool->metrics().refused, 5U);
    sluice.open(1);
    wait_until([&] { return begun_ran.load(); });
}

TEST_F(PoolOf, TheEndIsToldOnceWhenAllHasRun) {
    make(2, 10);
    std::atomic<int> told{0};
    ASSERT_TRUE(add() && add());
    sluice.holds(2);
    std::atomic<bool> more{false};
    pool->submit(job([&] { more = true; }, false));
    pool->end([&] {
        EXPECT_EQ(ran, 2);
        EXPECT_TRUE(more);
        ++told;
    });
    EXPECT_FALSE(pool->wait_ended(0ns));
    EXPECT_EQ(told, 0);
    sluice.open(2);
    EXPECT_TRUE(pool->wait_ended(std::nullopt));
    EXPECT_EQ(told, 1);
    // From here on the caller runs it.
    const std::thread::id here = std::this_thread::get_id();
    std::thread::id where;
    pool->submit(job([&] { where = std::this_thread::get_id(); }, false));
    EXPECT_EQ(where, here);
    pool->end([&] { ++told; });
    EXPECT_EQ(told, 2);
}

/// Whoever waits for the end of a pool that never had a thread is told of it too.
TEST_F(PoolOf, TheEndWithoutThreadsIsToldToThoseWhoWait) {
    for (int i = 0; i < 50; ++i) {
        make(1, 1);
        std::atomic<bool> waits{false};
        std::thread waiter([&] {
            waits = true;
            EXPECT_TRUE(pool->wait_ended(std::nullopt));
        });
        wait_until([&] { return waits.load(); });
        for (int turns = 0; turns < 100; ++turns) std::this_thread::yield();
        pool->end(nullptr);
        waiter.join();
    }
}

TEST_F(PoolOf, ThreadsOutliveAPoolThatIsGivenUpAndTakeTheLastOfItAlong) {
    make(1, 1);
    ASSERT_TRUE(add());
    sluice.holds(1);
    std::atomic<bool> after{false};
    // The job holds the pool, as the handlers of a server do.
    pool->submit(job([&, kept = pool] { after = true; }, false));
    pool.reset();
    EXPECT_FALSE(after);
    sluice.open(1);
    wait_until([&] { return after.load(); });
}

// -- the warning ----------------------------------------------------------------------------------

TEST_F(PoolOf, WarnsAboveFourOfFiveAndAgainOnlyAfterThreeOfFive) {
    make(10, 10);
    for (int i = 1; i <= 8; ++i) ASSERT_TRUE(add());
    sluice.holds(8);
    EXPECT_EQ(lines.count(), 0U);
    ASSERT_TRUE(add());
    sluice.holds(9);
    ASSERT_EQ(lines.count(), 1U);
    EXPECT_EQ(lines.lines[0], "high load: 9 of 10 threads are busy, 0 requests wait");
    // To and fro at the border, however late: one load, one warning.
    for (int i = 0; i < 5; ++i) {
        clock.ns += 60'000'000'000;
        sluice.open(2);
        sluice.holds(7);
        wait_until([&] { return pool->metrics().busy == 7; });
        ASSERT_TRUE(add() && add());
        sluice.holds(9);
    }
    EXPECT_EQ(lines.count(), 1U);
    sluice.open(3);
    sluice.holds(6);
    wait_until([&] { return pool->metrics().busy == 6; });
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(add());
    sluice.holds(9);
    EXPECT_EQ(lines.count(), 2U);
}

/// The load was high while nothing might be said; later, when it might, it is no longer.
TEST_F(PoolOf, DoesNotWarnOfALoadThatHasGoneDown) {
    make(10, 10);
    const auto go_to = [&](int from, int to) {
        for (int i = from; i < to; ++i) ASSERT_TRUE(add());
        if (to < from) sluice.open(from - to);
        sluice.holds(to);
        wait_until([&] { return pool->metrics().busy == static_cast<std::uint64_t>(to); });
    };
    go_to(0, 9);
    EXPECT_EQ(lines.count(), 1U);
    go_to(9, 6);
    clock.ns += 5'000'000'000;
    go_to(6, 9);
    go_to(9, 7);
    clock.ns += 20'000'000'000;
    go_to(7, 8);
    EXPECT_EQ(lines.count(), 1U);
    go_to(8, 9);
    EXPECT_EQ(lines.count(), 2U);
}

TEST_F(PoolOf, WarnsAtMostOnceInTenSeconds) {
    make(1, 10);
    const auto busy_once = [&] {
        ASSERT_TRUE(add());
        sluice.holds(1);
        sluice.open(1);
        wait_until([&] { return pool->metrics().busy == 0; });
    };
    for (int i = 0; i < 10; ++i) {
        busy_once();
        clock.ns += 999'999'999; // not quite ten seconds in all
    }
    EXPECT_EQ(lines.count(), 1U);
    clock.ns += 10;
    busy_once();
    EXPECT_EQ(lines.count(), 2U);
}

// -- of a server ----------------------------------------------------------------------------------

/// What a job on the pool has for the worker.
class Finish final : public runtime::Message {
public:
    explicit Finish(Echo& echo) : echo_(echo) {}
    void run(runtime::Worker&) override { echo_.finish(); }

private:
    Echo& echo_;
};

/// A handler of C++ takes its work to the pool and comes back with a message.
TEST(PoolOfAServer, RunsJobsWhileTheWorkerServesOthers) {
    Service service;
    service.options.execution = Execution::hybrid;
    service.options.pool_threads = 2;
    service.start();
    const std::shared_ptr<Pool> pool = service.server->pool();
    ASSERT_NE(pool, nullptr);
    Sluice sluice;
    service.echo->holds = true;
    auto waiting = service.connect("198.51.100.1:0", get);
    service.settle();
    ASSERT_EQ(service.echo->held.size(), 1U);
    ASSERT_TRUE(pool->admit());
    pool->submit(job([&] {
        sluice.pass();
        service.runtime->worker(0).post(std::make_unique<Finish>(*service.echo));
    }));
    service.turn_for(1ms); // at the end of its pass
    sluice.holds(1);
    EXPECT_EQ(service.metrics().pool_threads, 2U);
    EXPECT_EQ(service.metrics().pool_busy, 1U);
    service.echo->holds = false;
    auto other = service.connect("198.51.100.1:0", get);
    service.settle();
    EXPECT_TRUE(has(other->received(), "198.51.100.1 /a"));
    EXPECT_EQ(waiting->received(), "");
    sluice.open(1);
    wait_until([&] { return pool->metrics().processed == 1; });
    service.settle();
    EXPECT_TRUE(has(waiting->received(), "198.51.100.1 /a"));
    pool->end(nullptr);
    EXPECT_TRUE(pool->wait_ended(std::nullopt));
}

TEST(PoolOfAServer, IsNotThereWhereAllRunsOnTheWorkers) {
    Service service;
    service.start();
    EXPECT_EQ(service.server->pool(), nullptr);
    EXPECT_EQ(service.metrics().pool_threads, 0U);
}

// -- many ----------------------------------------------------------------------------------------

/// Every job runs as often as it was submitted, and never on two threads.
TEST_F(PoolOf, NothingIsLostOrDoubledUnderLoad) {
    constexpr int producers = 3;
    constexpr int rounds = 3'000;
    make(4, 1'000'000);
    std::atomic<int> total{0};
    std::atomic<int> overlaps{0};
    std::vector<std::thread> threads;
    for (int p = 0; p < producers; ++p) {
        threads.emplace_back([&] {
            for (int i = 0; i < rounds; ++i) {
                if (!pool->admit()) continue;
                const auto left = std::make_shared<int>(i % 3); // no lock: one run at a time
                const auto inside = std::make_shared<std::atomic<int>>(0);
                pool->submit(std::make_shared<TestJob>([&, left, inside] {
                    if (inside->fetch_add(1) != 0) ++overlaps;
                    ++total;
                    inside->fetch_sub(1);
                    return (*left)-- > 0;
                }));
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    const int expected = producers * (rounds / 3) * (1 + 2 + 3);
    wait_until([&] { return total == expected; });
    wait_until([&] { return pool->metrics().busy == 0; });
    EXPECT_EQ(overlaps, 0);
    EXPECT_EQ(pool->metrics().processed, static_cast<std::uint64_t>(producers * rounds));
    EXPECT_EQ(pool->metrics().queued, 0U);
}

} // namespace
} // namespace hc::server::test
