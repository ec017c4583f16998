#include "core/runtime/blocking_pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <latch>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace hc::runtime {
namespace {

RuntimeLimits limits(std::uint32_t threads, std::uint32_t queue, std::uint32_t idle_ms = 60'000) {
    RuntimeLimits limits;
    limits.blocking_threads_max = threads;
    limits.blocking_queue_max = queue;
    limits.blocking_idle_ms = idle_ms;
    return limits;
}

/// Jobs that run until they are let go.
struct Blocked {
    std::atomic<int> running{0};
    std::atomic<bool> open{false};
    void operator()() {
        ++running;
        while (!open) std::this_thread::yield();
        --running;
    }
    void wait_for(int count) const {
        while (running != count) std::this_thread::yield();
    }
};

TEST(BlockingPool, StartsThreadsOnDemandUpToItsMaximum) {
    Blocked blocked;
    BlockingPool pool(limits(3, 2));
    EXPECT_EQ(pool.threads(), 0U);
    for (std::uint32_t i = 1; i <= 3; ++i) {
        ASSERT_TRUE(pool.submit([&] { blocked(); }).has_value());
        EXPECT_EQ(pool.threads(), i);
    }
    blocked.wait_for(3);
    std::atomic<int> queued_ran{0};
    for (int i = 0; i < 2; ++i) ASSERT_TRUE(pool.submit([&] { ++queued_ran; }).has_value());
    EXPECT_EQ(pool.queued(), 2U);
    EXPECT_EQ(pool.threads(), 3U);
    auto refused = std::make_shared<int>(0);
    const std::weak_ptr<int> watch = refused;
    EXPECT_EQ(pool.submit([kept = std::move(refused)] {}).error().kind, ErrorKind::limit);
    EXPECT_TRUE(watch.expired()); // a refused job is destroyed
    blocked.open = true;
    while (queued_ran != 2) std::this_thread::yield();
}

TEST(BlockingPool, ReusesAnIdleThread) {
    BlockingPool pool(limits(8, 8));
    for (int i = 0; i < 20; ++i) {
        std::atomic<bool> ran{false};
        ASSERT_TRUE(pool.submit([&] { ran = true; }).has_value());
        while (!ran) std::this_thread::yield();
    }
    EXPECT_LE(pool.threads(), 3U); // a job may come just before the thread before is idle again
}

TEST(BlockingPool, ABurstGetsAThreadForEachJobEvenWithoutAQueue) {
    Blocked blocked;
    BlockingPool pool(limits(4, 0));
    for (int i = 0; i < 4; ++i) ASSERT_TRUE(pool.submit([&] { blocked(); }).has_value());
    EXPECT_EQ(pool.submit([] {}).error().kind, ErrorKind::limit);
    blocked.wait_for(4);
    EXPECT_EQ(pool.submit([] {}).error().kind, ErrorKind::limit);
    blocked.open = true;
}

TEST(BlockingPool, IdleThreadsEndAndNewOnesStart) {
    BlockingPool pool(limits(2, 2, 1));
    for (int round = 0; round < 3; ++round) {
        std::latch ran(1);
        ASSERT_TRUE(pool.submit([&] { ran.count_down(); }).has_value());
        ran.wait();
        while (pool.threads() != 0) std::this_thread::yield();
    }
}

TEST(BlockingPool, StopDropsWhatIsQueuedAndLetsTheRestFinish) {
    Blocked blocked;
    auto kept = std::make_shared<int>(0);
    const std::weak_ptr<int> watch = kept;
    bool queued_ran = false;
    {
        BlockingPool pool(limits(1, 4));
        ASSERT_TRUE(pool.submit([&] { blocked(); }).has_value());
        blocked.wait_for(1);
        ASSERT_TRUE(
            pool.submit([&queued_ran, held = std::move(kept)] { queued_ran = true; }).has_value());
        pool.stop();
        EXPECT_TRUE(watch.expired());
        EXPECT_EQ(pool.submit([] {}).error().kind, ErrorKind::closed);
        EXPECT_EQ(blocked.running, 1);
        blocked.open = true;
    }
    EXPECT_EQ(blocked.running, 0); // the destructor waited
    EXPECT_FALSE(queued_ran);
}

TEST(BlockingPool, AnAbandonedPoolLeavesItsThreadsToFinish) {
    auto blocked = std::make_shared<Blocked>();
    {
        BlockingPool pool(limits(1, 4));
        ASSERT_TRUE(pool.submit([blocked] { (*blocked)(); }).has_value());
        blocked->wait_for(1);
        pool.abandon();
    }
    EXPECT_EQ(blocked->running, 1);
    blocked->open = true;
    blocked->wait_for(0);
}

TEST(BlockingPool, AJobsExceptionIsLoggedAndTheThreadGoesOn) {
    struct Lines {
        std::latch two{2};
        std::vector<std::string> text; // one thread, so one writer
    } lines;
    LogSink log{.write =
                    [](void* arg, LogLevel, std::string_view component, std::string_view message) {
                        auto& to = *static_cast<Lines*>(arg);
                        to.text.push_back(std::string(component) + ": " + std::string(message));
                        to.two.count_down();
                    },
                .arg = &lines};
    BlockingPool pool(limits(1, 4), "test", log);
    ASSERT_TRUE(pool.submit([] { throw std::runtime_error("broken"); }).has_value());
    ASSERT_TRUE(pool.submit([] { throw 1; }).has_value());
    lines.two.wait();
    EXPECT_EQ(lines.text,
              (std::vector<std::string>{"blocking: broken",
                                        "blocking: a job ended with an unknown exception"}));
}

TEST(BlockingPool, ManyThreadsSubmitAndEveryJobRunsOnce) {
    std::atomic<int> ran{0};
    std::atomic<int> accepted{0};
    {
        BlockingPool pool(limits(3, 100, 1));
        std::vector<std::thread> threads;
        for (int t = 0; t < 3; ++t) {
            threads.emplace_back([&] {
                for (int i = 0; i < 2000; ++i) {
                    if (pool.submit([&] { ++ran; })) ++accepted;
                }
            });
        }
        for (auto& thread : threads) thread.join();
        while (ran != accepted) std::this_thread::yield();
    }
    EXPECT_EQ(ran, accepted);
    EXPECT_GT(accepted, 0);
}

} // namespace
} // namespace hc::runtime
