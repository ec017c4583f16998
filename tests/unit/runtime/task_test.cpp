#include "core/runtime/task.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <latch>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/base/random.hpp"
#include "core/runtime/runtime.hpp"
#include "core/runtime/sleep.hpp"
#include "tests/unit/backend.hpp"
#include "tests/unit/runtime/fake_system.hpp"

namespace hc::runtime {
namespace {

using namespace std::chrono_literals;

static_assert(Future<Task<int>>);
static_assert(Future<Sleep>);
static_assert(Future<YieldNow>);
static_assert(!Future<int>);
static_assert(!std::is_copy_constructible_v<Task<int>>);

/// Counts wakes and references.
struct Counter {
    std::atomic<int> wakes{0};
    std::atomic<int> references{0};

    Waker waker() {
        ++references;
        return {&table, this};
    }
    static constexpr WakerTable table{
        [](void* data) {
            ++static_cast<Counter*>(data)->references;
            return data;
        },
        [](void* data) noexcept { ++static_cast<Counter*>(data)->wakes; },
        [](void* data) noexcept { --static_cast<Counter*>(data)->references; }};
};

/// Ready when the test says so.
template <class T>
struct Gate {
    std::optional<T> value;
    std::exception_ptr error;
    int polls = 0;
    Waker waker;

    Poll<T> poll(Context& context) {
        ++polls;
        if (error) std::rethrow_exception(error);
        if (value) return *value;
        waker = context.waker();
        return pending;
    }
};

/// What it says when it is destroyed.
struct Mark {
    std::vector<std::string>* log;
    std::string name;
    Mark(std::vector<std::string>* to, std::string what) : log(to), name(std::move(what)) {}
    Mark(const Mark&) = delete;
    ~Mark() { log->push_back(name); }
};

class TaskTest : public testing::Test {
protected:
    Counter counter_;
    Waker waker_ = counter_.waker();
    Context context_{waker_};
    std::vector<std::string> log_;
};

Task<int> add(Gate<int>* left, Gate<int>* right) {
    const int a = co_await *left;
    const int b = co_await *right;
    co_return a + b;
}

TEST_F(TaskTest, IsLazyAndAsksOnlyWhatItWaitsFor) {
    Gate<int> left;
    Gate<int> right;
    Task<int> task = add(&left, &right);
    EXPECT_EQ(left.polls, 0);
    EXPECT_FALSE(task.poll(context_).is_ready());
    EXPECT_FALSE(task.poll(context_).is_ready());
    EXPECT_EQ(left.polls, 2);
    left.waker.wake();
    EXPECT_EQ(counter_.wakes, 1);
    left.value = 20;
    EXPECT_FALSE(task.poll(context_).is_ready());
    EXPECT_EQ(left.polls, 3);
    right.value = 22;
    Poll<int> answer = task.poll(context_);
    ASSERT_TRUE(answer.is_ready());
    EXPECT_EQ(answer.value(), 42);
    EXPECT_EQ(left.polls, 3);
}

Task<std::unique_ptr<int>> deep(Gate<int>* gate, int depth) {
    if (depth == 0) co_return std::make_unique<int>(co_await *gate);
    auto inner = co_await deep(gate, depth - 1);
    ++*inner;
    co_return inner;
}

TEST_F(TaskTest, AwaitsTasksToAnyDepthAndPollsOnlyTheInnermost) {
    Gate<int> gate;
    auto task = deep(&gate, 1000);
    EXPECT_FALSE(task.poll(context_).is_ready());
    EXPECT_FALSE(task.poll(context_).is_ready());
    gate.value = 1;
    auto answer = task.poll(context_);
    ASSERT_TRUE(answer.is_ready());
    EXPECT_EQ(*answer.value(), 1001);
    EXPECT_EQ(gate.polls, 3);
}

Task<int> one() { co_return 1; }
Task<int> many(int count) {
    int sum = 0;
    for (int i = 0; i < count; ++i) sum += co_await one();
    co_return sum;
}

// Tasks that are done at once return to the loop, not to each other: the stack does not grow.
TEST_F(TaskTest, AMillionFinishedTasksNeedNoStack) {
    auto task = many(1'000'000);
    auto answer = task.poll(context_);
    ASSERT_TRUE(answer.is_ready());
    EXPECT_EQ(answer.value(), 1'000'000);
}

Task<int> pass_on(Task<int> inner) { co_return co_await std::move(inner) + 1; }

TEST_F(TaskTest, AwaitsATaskThatWasPolledBefore) {
    Gate<int> left;
    Gate<int> right{.value = 2, .error = {}, .waker = {}};
    Task<int> inner = add(&left, &right);
    EXPECT_FALSE(inner.poll(context_).is_ready());
    Task<int> outer = pass_on(std::move(inner));
    EXPECT_FALSE(outer.poll(context_).is_ready());
    left.value = 1;
    auto answer = outer.poll(context_);
    ASSERT_TRUE(answer.is_ready());
    EXPECT_EQ(answer.value(), 4);
}

Task<void> throws_after(Gate<int>* gate) {
    co_await *gate;
    throw std::runtime_error("inner");
}
Task<std::string> catches(Gate<int>* gate) {
    try {
        co_await throws_after(gate);
    } catch (const std::runtime_error& error) {
        co_return error.what();
    }
    co_return "nothing thrown";
}

TEST_F(TaskTest, ExceptionsGoToWhoeverAwaits) {
    Gate<int> gate;
    auto task = catches(&gate);
    EXPECT_FALSE(task.poll(context_).is_ready());
    gate.value = 1;
    EXPECT_EQ(task.poll(context_).value(), "inner");

    auto bare = throws_after(&gate);
    EXPECT_THROW((void)bare.poll(context_), std::runtime_error);
}

TEST_F(TaskTest, AFutureThatThrowsThrowsIntoTheTask) {
    Gate<int> gate;
    Gate<int> other;
    auto task = add(&gate, &other);
    EXPECT_FALSE(task.poll(context_).is_ready());
    gate.error = std::make_exception_ptr(std::logic_error("late"));
    EXPECT_THROW((void)task.poll(context_), std::logic_error);
    auto at_once = add(&gate, &other);
    EXPECT_THROW((void)at_once.poll(context_), std::logic_error);
}

Task<void> holds(std::vector<std::string>* log, Gate<int>* gate, int depth) {
    const Mark mark(log, std::to_string(depth));
    if (depth == 0) {
        co_await *gate;
    } else {
        co_await holds(log, gate, depth - 1);
    }
}

TEST_F(TaskTest, DestroyingASuspendedTaskDestroysItsFramesInnermostFirst) {
    Gate<int> gate;
    {
        auto task = holds(&log_, &gate, 2);
        auto never_started = holds(&log_, &gate, 7);
        EXPECT_FALSE(task.poll(context_).is_ready());
        EXPECT_TRUE(log_.empty());
    }
    EXPECT_EQ(log_, (std::vector<std::string>{"0", "1", "2"}));
    gate.waker.wake(); // a late wake is harmless
    gate.waker = Waker();
    waker_ = Waker();
    EXPECT_EQ(counter_.references, 0);
}

// -- on a worker ----------------------------------------------------------------------------------

class LocalTaskTest : public TaskTest {
protected:
    void SetUp() override {
        RuntimeOptions options;
        options.workers = 0;
        options.system = &system_;
        runtime_ = *Runtime::create(options);
        turn();
    }
    Worker& worker() { return runtime_->worker(0); }
    void turn() {
        ASSERT_TRUE(worker().turn(0ns, true).has_value());
        worker().flush();
    }
    test::FakeSystem system_;
    std::unique_ptr<Runtime> runtime_;
};

Task<void> record(Gate<int>* gate, std::vector<std::string>* log) {
    const Mark mark(log, "gone");
    log->push_back(std::to_string(co_await *gate));
}

TEST_F(LocalTaskTest, StartsAtOnceAndRunsWhenWoken) {
    Gate<int> gate;
    worker().spawn_local(record(&gate, &log_));
    EXPECT_EQ(gate.polls, 1);
    turn();
    EXPECT_EQ(gate.polls, 1);
    gate.waker.wake();
    gate.waker.wake(); // merges
    turn();
    EXPECT_EQ(gate.polls, 2);
    gate.value = 5;
    gate.waker.wake();
    turn();
    EXPECT_EQ(log_, (std::vector<std::string>{"5", "gone"}));
    gate.waker.wake(); // of a finished task: nothing
    turn();
    EXPECT_EQ(gate.polls, 3);
}

Task<void> spawns(Worker* worker, int depth, int* started) {
    ++*started;
    if (depth > 0) worker->spawn_local(spawns(worker, depth - 1, started));
    co_return;
}

TEST_F(LocalTaskTest, TasksThatSpawnTasksDoNotPileUpOnTheStack) {
    int started = 0;
    worker().spawn_local(spawns(&worker(), 100'000, &started));
    EXPECT_EQ(started, 1);
    for (int turns = 0; started <= 100'000 && turns < 1000; ++turns) turn();
    EXPECT_EQ(started, 100'001);
}

Task<void> sleeper(Worker* worker, std::vector<std::string>* log) {
    co_await sleep(*worker, 10ms);
    log->push_back("10");
    co_await sleep_until(*worker, worker->now() + 5ms);
    log->push_back("15");
    co_await sleep(*worker, 0ns);
    log->push_back("at once");
}

TEST_F(LocalTaskTest, SleepsOnTheWheel) {
    worker().spawn_local(sleeper(&worker(), &log_));
    const auto pass_ms = [&](int ms) {
        system_.time = system_.time + std::chrono::milliseconds(ms);
        turn();
    };
    pass_ms(9);
    EXPECT_TRUE(log_.empty());
    pass_ms(1);
    EXPECT_EQ(log_.size(), 1U);
    pass_ms(4);
    EXPECT_EQ(log_.size(), 1U);
    pass_ms(1);
    EXPECT_EQ(log_, (std::vector<std::string>{"10", "15", "at once"}));
    EXPECT_TRUE(worker().timers().next().is_never());
}

TEST_F(LocalTaskTest, WakersOutliveTaskWorkerAndRuntime) {
    Gate<int> gate;
    worker().spawn_local(record(&gate, &log_));
    runtime_.reset();
    EXPECT_EQ(log_, (std::vector<std::string>{"gone"}));
    gate.waker.wake();
    const Waker copy = gate.waker;
    SetUp(); // another runtime of the same number, maybe at the same place
    copy.wake();
    turn();
    EXPECT_EQ(gate.polls, 1);
    std::thread([&copy] { copy.wake(); }).join();
    turn();
    EXPECT_EQ(gate.polls, 1);
}

/// Counts up from other threads; each waits for what the other side saw.
struct Tally {
    std::atomic<int> given{0};
    std::atomic<int> seen{0};
    std::mutex mutex;
    Waker waker;

    void give() {
        given.fetch_add(1, std::memory_order_relaxed);
        Waker copy;
        {
            const std::lock_guard lock(mutex);
            copy = waker;
        }
        copy.wake();
    }
};

struct UntilGiven {
    Tally* tally;
    int wanted;
    Poll<void> poll(Context& context) {
        {
            const std::lock_guard lock(tally->mutex);
            if (!tally->waker.will_wake(context.waker())) tally->waker = context.waker();
        }
        const int given = tally->given.load(std::memory_order_relaxed);
        tally->seen = given;
        if (given >= wanted) return Poll<void>::ready();
        return pending;
    }
};

Task<void> count_to(std::shared_ptr<Tally> tally, int wanted, std::latch* done) {
    co_await UntilGiven{tally.get(), wanted};
    done->count_down();
}

class SpawnMessage final : public Message {
public:
    explicit SpawnMessage(Task<void> task) : task_(std::move(task)) {}
    void run(Worker& worker) override { worker.spawn_local(std::move(task_)); }

private:
    Task<void> task_;
};

// Wakes from other threads are merged but none is lost: the task sees every count.
TEST(LocalTask, NoWakeFromAnotherThreadIsLost) {
    RuntimeOptions options;
    options.io = hc::test::backend();
    auto runtime = *Runtime::create(options);
    ASSERT_TRUE(runtime->start().has_value());
    auto tally = std::make_shared<Tally>();
    constexpr int each = 3000;
    std::latch done(1);
    runtime->worker(0).post(std::make_unique<SpawnMessage>(count_to(tally, 2 * each, &done)));
    std::vector<std::thread> givers;
    for (int i = 0; i < 2; ++i) {
        givers.emplace_back([&, i] {
            Random random(static_cast<std::uint64_t>(i));
            for (int n = 0; n < each; ++n) {
                tally->give();
                // Now and then let the worker fall asleep first, to meet that moment too.
                if (random.below(8) == 0) {
                    const int mine = tally->given;
                    while (tally->seen < mine && tally->seen < 2 * each) {
                        const std::lock_guard lock(tally->mutex);
                        if (!tally->waker) break; // not started yet
                    }
                }
            }
        });
    }
    done.wait(); // hangs when a wake is lost
    for (auto& giver : givers) giver.join();
}

// Threads wake tasks of workers that end at any time.
TEST(LocalTask, WakesMeetTheEndOfTheWorker) {
    for (int round = 0; round < 100; ++round) {
        RuntimeOptions options;
        options.io = hc::test::backend();
        auto runtime = *Runtime::create(options);
        ASSERT_TRUE(runtime->start().has_value());
        auto tally = std::make_shared<Tally>();
        std::latch never(1);
        runtime->worker(0).post(std::make_unique<SpawnMessage>(count_to(tally, INT_MAX, &never)));
        std::atomic<bool> over{false};
        std::thread giver([&] {
            while (!over) tally->give();
        });
        while (tally->seen < 3) std::this_thread::yield();
        runtime.reset();
        tally->give();
        over = true;
        giver.join();
    }
}

} // namespace
} // namespace hc::runtime
