// The driven mode on the real system: the host waits for the worker's descriptor and nothing else.
#include <poll.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <thread>

#include "core/runtime/runtime.hpp"
#include "core/runtime/sleep.hpp"
#include "tests/unit/backend.hpp"

namespace hc::runtime {
namespace {

using namespace std::chrono_literals;

class Flush final : public Deferred {
public:
    int runs = 0;
    void run_deferred() override { ++runs; }
};

class Count final : public Message {
public:
    explicit Count(std::atomic<int>& ran) : ran_(ran) {}
    void run(Worker&) override { ++ran_; }

private:
    std::atomic<int>& ran_;
};

class Driven : public testing::Test {
protected:
    void SetUp() override {
        RuntimeOptions options;
        options.workers = 0;
        options.io = hc::test::backend();
        runtime_ = *Runtime::create(options);
        ASSERT_TRUE(runtime_->start().has_value());
    }
    Worker& worker() { return runtime_->worker(0); }
    bool readable(int timeout_ms = 0) {
        pollfd watched{static_cast<int>(worker().native_handle()), POLLIN, 0};
        return poll(&watched, 1, timeout_ms) == 1;
    }
    void cycle() {
        ASSERT_TRUE(worker().turn(0ns, true).has_value());
        worker().flush();
    }
    /// Turns until the descriptor is quiet, as a host would.
    void settle() {
        cycle();
        for (int i = 0; readable() && i < 10; ++i) cycle();
        ASSERT_FALSE(readable());
    }
    static constexpr int bound_ms = 20'000;
    std::unique_ptr<Runtime> runtime_;
};

TEST_F(Driven, TheDescriptorIsReadableExactlyWhenThereIsSomethingToDo) {
    settle();
    Flush flush;
    worker().defer(flush);
    EXPECT_TRUE(readable());
    settle();
    EXPECT_EQ(flush.runs, 1);

    std::atomic<int> ran{0};
    std::thread([&] { worker().post(std::make_unique<Count>(ran)); }).join();
    EXPECT_TRUE(readable());
    settle();
    EXPECT_EQ(ran, 1);

    ASSERT_TRUE(worker().turn(0ns, true).has_value());
    worker().defer(flush);
    EXPECT_FALSE(readable()); // flush() is to come
    std::thread([&] { worker().post(std::make_unique<Count>(ran)); }).join();
    worker().flush();
    EXPECT_EQ(flush.runs, 2);
    EXPECT_TRUE(readable());
    settle();
    EXPECT_EQ(ran, 2);

    runtime_->stop(nullptr);
    EXPECT_TRUE(readable());
}

TEST_F(Driven, BeforeTheFirstTurnToo) {
    EXPECT_FALSE(readable());
    std::atomic<int> ran{0};
    worker().post(std::make_unique<Count>(ran));
    EXPECT_TRUE(readable());
    settle();
    EXPECT_EQ(ran, 1);
}

Task<void> nap(Worker* worker, Duration length, bool* done) {
    co_await sleep(*worker, length);
    *done = true;
}

TEST_F(Driven, TimersMakeItReadable) {
    settle();
    bool done = false;
    worker().spawn_local(nap(&worker(), 30ms, &done)); // outside a turn
    const Instant asked = worker().system().clock().now();
    for (int cycles = 0; !done; ++cycles) {
        ASSERT_TRUE(readable(bound_ms));
        cycle();
        ASSERT_LT(cycles, 20); // woken by deadlines, not spinning
    }
    EXPECT_GE(worker().system().clock().now() - asked, 20ms); // `now` was a little older
    settle();
}

// Posts from another thread meet the host at any point of its cycle; none waits for another event.
TEST_F(Driven, NoPostIsLost) {
    std::atomic<int> ran{0};
    constexpr int count = 5000;
    std::thread poster([&] {
        for (int n = 1; n <= count; ++n) {
            worker().post(std::make_unique<Count>(ran));
            if (n % 3 == 0) {
                while (ran < n) std::this_thread::yield();
            }
        }
    });
    while (ran < count) {
        if (!readable(bound_ms)) {
            ADD_FAILURE() << "a message was lost";
            ran = count;
            break;
        }
        cycle();
    }
    poster.join();
}

TEST_F(Driven, TheHostMayMoveToAnotherThread) {
    settle();
    EXPECT_TRUE(worker().is_current());
    bool theirs = false;
    bool after = true;
    std::thread([&] {
        theirs = !worker().is_current();
        cycle();
        theirs = theirs && worker().is_current() && Worker::current() == &worker();
    }).join();
    after = worker().is_current();
    EXPECT_TRUE(theirs);
    EXPECT_FALSE(after);
    EXPECT_EQ(Worker::current(), nullptr);
}

} // namespace
} // namespace hc::runtime
