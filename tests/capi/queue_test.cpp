// The queue: no wake-up is lost, whichever way the consumer sleeps.
#include "tests/capi/support.hpp"

#include <poll.h>

#include <array>
#include <semaphore>

namespace capi_test {
namespace {

/// A runtime with one worker and a queue; no server.
class Queue : public testing::Test {
protected:
    explicit Queue(const char* workers = "1") {
        const Config config(Pairs{{"runtime.workers", workers}});
        EXPECT_EQ(hc_runtime_create(config.get(), &runtime_, nullptr), HC_OK);
        EXPECT_EQ(hc_queue_create(runtime_, 0, &queue_), HC_OK);
        EXPECT_EQ(hc_runtime_start(runtime_), HC_OK);
    }
    ~Queue() override {
        hc_queue_release(queue_);
        hc_runtime_release(runtime_);
    }
    std::uint32_t poll(std::int64_t timeout_ns = 0) {
        std::uint32_t n = 0;
        EXPECT_EQ(hc_queue_poll(queue_, events_.data(), events_.size(), timeout_ns, &n), HC_OK);
        return n;
    }
    bool readable(int fd, std::chrono::milliseconds wait) const {
        pollfd one{fd, POLLIN, 0};
        return ::poll(&one, 1, static_cast<int>(wait.count())) > 0;
    }

    hc_runtime* runtime_ = nullptr;
    hc_queue* queue_ = nullptr;
    std::array<hc_event, 8> events_{};
};

/// The same, turned by the test itself.
class DrivenQueue : public Queue {
protected:
    DrivenQueue() : Queue("0") {}
};

TEST_F(Queue, WakesAreMergedAndCounted) {
    for (int i = 0; i < 5; ++i) ASSERT_EQ(hc_queue_wake(queue_), HC_OK);
    ASSERT_EQ(poll(), 1U);
    EXPECT_EQ(events_[0].type, HC_EV_WAKE);
    EXPECT_EQ(events_[0].n, 5U);
    EXPECT_EQ(poll(), 0U);
    ASSERT_EQ(hc_queue_wake(queue_), HC_OK);
    ASSERT_EQ(poll(-1), 1U);
    EXPECT_EQ(events_[0].n, 1U);
}

TEST_F(Queue, TimeOutsAreOkWithoutEvents) {
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(poll(20'000'000), 0U);
    EXPECT_GE(std::chrono::steady_clock::now() - start, 20ms);
}

TEST_F(Queue, ArmTellsOfEventsThatAreThereAlready) {
    EXPECT_EQ(hc_queue_arm(queue_), HC_OK);
    ASSERT_EQ(hc_queue_wake(queue_), HC_OK);
    EXPECT_EQ(hc_queue_arm(queue_), HC_E_AGAIN);
    for (int i = 0; i < 10; ++i) {
        ASSERT_EQ(hc_timer(queue_, 0, 0, nullptr), HC_OK);
    }
    std::uint32_t seen = 0;
    while (seen < 11) seen += poll(-1);
    EXPECT_EQ(hc_queue_arm(queue_), HC_OK);
}

TEST_F(DrivenQueue, DescriptorIsReadableFromTheWakeUpUntilAllIsPolled) {
    const auto fd = static_cast<int>(hc_queue_fd(queue_));
    ASSERT_GE(fd, 0);
    EXPECT_EQ(hc_queue_fd(queue_), fd);
    ASSERT_EQ(hc_queue_wake(queue_), HC_OK); // not armed: the descriptor stays quiet
    EXPECT_FALSE(readable(fd, 20ms));
    EXPECT_EQ(poll(), 1U);
    ASSERT_EQ(hc_queue_arm(queue_), HC_OK);
    for (int i = 0; i < 12; ++i) ASSERT_EQ(hc_timer(queue_, 0, 0, nullptr), HC_OK);
    EXPECT_FALSE(readable(fd, 0ms));
    // All of them are due by then, and one turn reports what is due.
    std::this_thread::sleep_for(20ms);
    ASSERT_EQ(hc_runtime_turn(runtime_, 0), HC_OK);
    EXPECT_TRUE(readable(fd, 0ms));
    EXPECT_EQ(poll(), 8U);
    EXPECT_TRUE(readable(fd, 0ms)); // level-triggered: as long as something is left
    EXPECT_EQ(poll(), 4U);
    EXPECT_FALSE(readable(fd, 0ms));
    EXPECT_EQ(poll(), 0U);
}

TEST_F(Queue, OnlyOneThreadPollsAtATime) {
    std::atomic<bool> refused{false};
    std::thread sleeper([&] {
        std::array<hc_event, 1> events{};
        std::uint32_t n = 0;
        // Whoever comes second is told so; the other sleeps until the wake.
        if (hc_queue_poll(queue_, events.data(), 1, -1, &n) == HC_E_STATE) refused = true;
    });
    hc_event event{};
    std::uint32_t n = 0;
    EXPECT_TRUE(eventually(
        [&] { return refused || hc_queue_poll(queue_, &event, 1, 0, &n) == HC_E_STATE; }));
    hc_queue_wake(queue_);
    sleeper.join();
}

/// Producers on three threads against a consumer that arms and sleeps whenever it finds nothing. A
/// lost wake-up leaves it asleep with events in the queue, which the bound on the wait shows.
template <class Sleep>
void stress(hc_queue* queue, Sleep&& sleep) {
    constexpr std::uint64_t each = 3'000;
    constexpr int producers = 3;
    std::atomic<std::uint64_t> woken{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < producers; ++i) {
        threads.emplace_back([queue, i] {
            for (std::uint64_t k = 0; k < each; ++k) {
                // Wakes are merged, timers are not: both ways into the queue are tried.
                if (i == 0) {
                    EXPECT_EQ(hc_queue_wake(queue), HC_OK);
                } else {
                    EXPECT_EQ(hc_timer(queue, k % 3 * 100'000, 0, nullptr), HC_OK);
                }
                if (k % 64 == 0) std::this_thread::yield();
            }
        });
    }
    std::uint64_t seen = 0;
    while (seen < each * producers) {
        hc_event events[16];
        std::uint32_t n = 0;
        ASSERT_EQ(hc_queue_poll(queue, events, 16, 0, &n), HC_OK);
        for (std::uint32_t i = 0; i < n; ++i) {
            seen += events[i].type == HC_EV_WAKE ? events[i].n : 1;
        }
        if (n > 0) continue;
        const hc_status armed = hc_queue_arm(queue);
        if (armed == HC_E_AGAIN) continue;
        ASSERT_EQ(armed, HC_OK);
        ASSERT_TRUE(sleep()) << "a wake-up was lost after " << seen;
    }
    EXPECT_EQ(seen, each * producers);
    for (std::thread& thread : threads) thread.join();
}

TEST_F(Queue, NoWakeUpIsLostByTheDescriptor) {
    const auto fd = static_cast<int>(hc_queue_fd(queue_));
    stress(queue_, [&] { return readable(fd, patience); });
}

TEST_F(Queue, NoWakeUpIsLostByTheFunction) {
    std::counting_semaphore<> woken(0);
    const auto wake = [](void* s) { static_cast<std::counting_semaphore<>*>(s)->release(); };
    ASSERT_EQ(hc_queue_set_wakeup(queue_, wake, &woken, nullptr), HC_OK);
    stress(queue_, [&] { return woken.try_acquire_for(patience); });
    EXPECT_FALSE(woken.try_acquire()) << "more wake-ups than arms";
    ASSERT_EQ(hc_queue_set_wakeup(queue_, nullptr, nullptr, nullptr), HC_OK);
}

TEST_F(Queue, WakeupDropRunsOnce) {
    std::atomic<int> drops{0};
    const auto drop = [](void* n) { ++*static_cast<std::atomic<int>*>(n); };
    ASSERT_EQ(hc_queue_set_wakeup(queue_, [](void*) {}, &drops, drop), HC_OK);
    EXPECT_EQ(drops, 0);
    ASSERT_EQ(hc_queue_set_wakeup(queue_, [](void*) {}, &drops, drop), HC_OK);
    EXPECT_EQ(drops, 1);
    ASSERT_EQ(hc_queue_retain(queue_), HC_OK);
    hc_queue_release(queue_);
    EXPECT_EQ(drops, 1);
    hc_queue_release(queue_);
    queue_ = nullptr;
    EXPECT_EQ(drops, 2);
}

} // namespace
} // namespace capi_test
