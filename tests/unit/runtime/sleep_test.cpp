// Times: sleeps, intervals and timeouts, on every kind of runtime; a million of them; moves between
// threads.
#include "core/runtime/sleep.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "core/base/random.hpp"
#include "core/runtime/coop.hpp"
#include "core/runtime/future/poll_fn.hpp"
#include "core/runtime/future/ready.hpp"
#include "core/runtime/spawn.hpp"
#include "tests/unit/runtime/counting_waker.hpp"
#include "tests/unit/runtime/kinds.hpp"

namespace hc::runtime {
namespace {

using namespace std::chrono_literals;
using test::CountingWaker;

class Sleeping : public test::OnKind {};
INSTANTIATE_TEST_SUITE_P(Kinds, Sleeping,
                         testing::Values(test::driven, test::simulated, test::one, test::four),
                         test::name_of);
/// Where time passes while tasks are polled.
class SleepingReal : public test::OnKind {};
INSTANTIATE_TEST_SUITE_P(Kinds, SleepingReal, testing::Values(test::driven, test::one, test::four),
                         test::name_of);
/// On a clock that says exactly how much time has passed.
class SleepingSimulated : public test::OnKind {};
INSTANTIATE_TEST_SUITE_P(Kinds, SleepingSimulated, testing::Values(test::simulated), test::name_of);

Task<bool> sleeps(Duration how_long) {
    const Instant start = clock_now();
    co_await sleep(how_long);
    co_return clock_now() - start >= how_long;
}

Task<int> many_sleep() {
    std::vector<JoinHandle<bool>> handles;
    for (int i = 0; i < 200; ++i) handles.push_back(spawn(sleeps(i % 20 * 1ms)));
    int good = 0;
    for (auto& handle : handles) good += *(co_await handle) ? 1 : 0;
    good += co_await sleeps(1ms) ? 1 : 0; // by the thread of block_on itself
    co_return good;
}

TEST_P(Sleeping, NeverEndsEarly) { EXPECT_EQ(run(many_sleep()), 201); }

/// Pending until `open`, and polled often.
struct Watching {
    std::atomic<bool>* open;
    Poll<void> poll(Context& context) {
        if (open->load()) return Poll<void>::ready();
        context.waker().wake();
        return pending;
    }
};

struct Both {
    Sleep sleep;
    Watching watching;
    bool slept = false;
    // Ready with the second; whether the first was.
    Poll<bool> poll(Context& context) {
        if (!slept) slept = sleep.poll(context).is_ready();
        if (!watching.poll(context).is_ready()) return pending;
        return slept;
    }
};

// Polled on all workers in turn, then dropped wherever it happens to be.
Task<void> dropped_anywhere() {
    std::vector<JoinHandle<bool>> handles;
    auto open = std::make_shared<std::atomic<bool>>(false);
    for (int i = 0; i < 100; ++i) handles.push_back(spawn(Both{sleep(1h), {open.get()}}));
    co_await sleep(5ms);
    open->store(true);
    for (auto& handle : handles) EXPECT_FALSE(*(co_await handle));
}

TEST_P(SleepingReal, MayMoveBetweenWorkersAndBeDroppedAnywhere) {
    run(dropped_anywhere());
    run(dropped_anywhere());
}

Task<ErrorKind> times_out(Duration allowed, Duration needed) {
    const Result<bool> result = co_await timeout(allowed, sleeps(needed));
    co_return result ? ErrorKind::ok : result.error().kind;
}

TEST_P(Sleeping, ATimeoutGivesTheValueOrTheError) {
    EXPECT_EQ(run(times_out(1h, 2ms)), ErrorKind::ok);
    EXPECT_EQ(run(times_out(2ms, 1h)), ErrorKind::timeout);
    EXPECT_EQ(run(times_out(0ms, 0ms)), ErrorKind::ok) << "the value counts when both are there";
}

// Never waits, and would go on for much longer than one poll.
Task<int> busy() {
    int turns = 0;
    while (turns < 1000) {
        Sleep over(Instant{INT64_MIN});
        co_await over;
        ++turns;
    }
    co_return turns;
}

Task<ErrorKind> limits_a_busy_one() {
    const Result<int> result = co_await timeout_at(Instant{INT64_MIN}, busy());
    co_return result ? ErrorKind::ok : result.error().kind;
}

TEST_P(Sleeping, ATimeoutEndsOneThatSpendsAllOfItsTurns) {
    const Result<ErrorKind> kind = run(runtime_->spawn(limits_a_busy_one()));
    EXPECT_EQ(*kind, ErrorKind::timeout);
}

TEST_P(Sleeping, ATimeoutWithoutBudgetGivesWay) {
    CountingWaker waker;
    Timeout limited(Sleep(Instant{INT64_MIN}), pending_forever());
    run(poll_fn([&](Context&) { // where there is a clock
        {
            const coop::Budget none(0);
            EXPECT_FALSE(limited.poll(waker.context()).is_ready());
            EXPECT_EQ(waker.wakes(), 1);
        }
        const coop::Budget last(1);
        EXPECT_TRUE(limited.poll(waker.context()).is_ready());
        EXPECT_TRUE(coop::is_exhausted());
        return Poll<void>::ready();
    }));
}

struct Moved {
    Sleep sleep;
    Poll<void> poll(Context& context) { return sleep.poll(context); }
};

Task<void> moved_between_polls() {
    Sleep first = sleep(1ms);
    struct Once {
        Sleep* sleep;
        Poll<bool> poll(Context& context) { return sleep->poll(context).is_ready(); }
    };
    (void)co_await Once{&first};
    Sleep second = std::move(first);
    Moved moved{std::move(second)}; // not within the co_await: see docs/runtime.md
    co_await moved;
}

TEST_P(Sleeping, MayBeMovedAfterItsFirstPoll) { run(moved_between_polls()); }

Task<void> endless(std::shared_ptr<std::atomic<int>> started) {
    started->fetch_add(1);
    co_await sleep(24h);
}

TEST_P(Sleeping, TheEndOfTheRuntimeEndsSleepersWithIt) {
    auto started = std::make_shared<std::atomic<int>>(0);
    std::vector<JoinHandle<void>> handles;
    for (int i = 0; i < 200; ++i) handles.push_back(runtime_->spawn(endless(started)));
    struct Until {
        static Task<void> all(std::shared_ptr<std::atomic<int>> started) {
            while (started->load() < 200) co_await yield_now();
        }
    };
    run(Until::all(started));
    runtime_.reset();
    for (auto& handle : handles) {
        EXPECT_EQ(park_on(std::move(handle)).error().kind, ErrorKind::cancelled);
    }
}

TEST(SleepOutside, OfABlockOnEndsWithTheRuntime) {
    RuntimeOptions options;
    options.workers = 2;
    options.io = hc::test::backend();
    auto runtime = *Runtime::create(options);
    ASSERT_TRUE(runtime->start().has_value());
    struct Until {
        static Task<void> stopped(Runtime* runtime) {
            runtime->stop(nullptr);
            co_await sleep(24h); // its worker ends, before or after this
            co_await sleep(24h);
        }
    };
    EXPECT_TRUE(runtime->block_on(Until::stopped(runtime.get())).has_value());
}

// -- exact times ----------------------------------------------------------------------------------

Task<std::vector<std::int64_t>> ticks(Interval::Missed missed) {
    const Instant start = clock_now();
    Interval interval(10ms, missed);
    std::vector<std::int64_t> at;
    for (int i = 0; i < 6; ++i) {
        (void)co_await interval.tick();
        at.push_back((clock_now() - start) / 1ms);
        if (i == 1) co_await sleep(25ms);
    }
    co_return at;
}

TEST_P(SleepingSimulated, IntervalsMakeUpForWhatTheyMissed) {
    using V = std::vector<std::int64_t>;
    EXPECT_EQ(run(ticks(Interval::Missed::burst)), (V{0, 10, 35, 35, 40, 50}));
    EXPECT_EQ(run(ticks(Interval::Missed::delay)), (V{0, 10, 35, 45, 55, 65}));
    EXPECT_EQ(run(ticks(Interval::Missed::skip)), (V{0, 10, 35, 40, 50, 60}));
}

Task<std::int64_t> reset_twice() {
    const Instant start = clock_now();
    Sleep sleeping = sleep(50ms);
    struct Once {
        Sleep* sleep;
        Poll<bool> poll(Context& context) { return sleep->poll(context).is_ready(); }
    };
    (void)co_await Once{&sleeping};
    sleeping.reset(start + 80ms);
    co_await sleep(10ms);
    sleeping.reset(start + 20ms);
    co_await sleeping;
    const std::int64_t first = (clock_now() - start) / 1ms;
    sleeping.reset(start + 70ms);
    co_await sleeping;
    co_return first * 1000 + (clock_now() - start) / 1ms;
}

TEST_P(SleepingSimulated, MayBeResetEarlierLaterAndAfterItsEnd) {
    EXPECT_EQ(run(reset_twice()), 20'070);
}

struct Order {
    Instant last;
    std::size_t woken = 0;
    bool sorted = true;
};

Task<void> one_of_many(Order* order, Instant deadline) {
    co_await sleep_until(deadline);
    const Instant now = clock_now();
    // In the order of their ticks, each at its time.
    order->sorted = order->sorted && now >= deadline && now >= order->last && now - deadline < 2ms;
    order->last = now;
    ++order->woken;
}

Task<void> a_million(Order* order, std::size_t count) {
    Random random(7);
    std::vector<JoinHandle<void>> handles;
    handles.reserve(count);
    const Instant start = clock_now();
    for (std::size_t i = 0; i < count; ++i) {
        const auto after = std::chrono::microseconds(random.below(20'000'000));
        handles.push_back(spawn_local(one_of_many(order, start + after)));
    }
    for (auto& handle : handles) (void)co_await handle;
}

TEST_P(SleepingSimulated, AMillionAtOnceEachAtItsTime) {
    Order order;
    const std::size_t count = 1'000'000;
    run(a_million(&order, count));
    EXPECT_EQ(order.woken, count);
    EXPECT_TRUE(order.sorted);
}

} // namespace
} // namespace hc::runtime
