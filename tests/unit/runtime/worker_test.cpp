// One worker on a fake system: what a turn does, in which order, and how long it would wait.
#include "core/runtime/worker.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/runtime/http_date.hpp"
#include "core/runtime/runtime.hpp"
#include "core/runtime/sleep.hpp"
#include "tests/unit/runtime/fake_system.hpp"

namespace hc::runtime {
namespace {

using namespace std::chrono_literals;
using Log = std::vector<std::string>;
using test::FakeSelector;
using test::FakeSystem;

class Post final : public Message {
public:
    explicit Post(std::function<void(Worker&)> call) : call_(std::move(call)) {}
    void run(Worker& worker) override { call_(worker); }

private:
    std::function<void(Worker&)> call_;
};

class Later final : public Deferred {
public:
    explicit Later(std::function<void()> call) : call_(std::move(call)) {}
    void run_deferred() override { call_(); }

private:
    std::function<void()> call_;
};

class Buried final : public Retired {
public:
    Buried(Log& log, std::string name) : log_(log), name_(std::move(name)) {}
    ~Buried() override { log_.push_back(name_); }

private:
    Log& log_;
    std::string name_;
};

class Ready final : public Source {
public:
    explicit Ready(std::function<void()> call) : call_(std::move(call)) {}
    void on_ready(const sys::Event&) override { call_(); }

private:
    std::function<void()> call_;
};

class WorkerTest : public testing::Test {
protected:
    void SetUp() override {
        RuntimeOptions options;
        options.workers = 0;
        options.system = &system_;
        options.log = {
            .write =
                [](void* arg, LogLevel, std::string_view component, std::string_view message) {
                    static_cast<Log*>(arg)->push_back(std::string(component) + ": " +
                                                      std::string(message));
                },
            .arg = &logged_};
        runtime_ = *Runtime::create(options);
        ASSERT_TRUE(runtime_->start().has_value());
    }
    Worker& worker() { return runtime_->worker(0); }
    FakeSelector& selector() { return *system_.selector; }
    void turn(bool driven, std::optional<Duration> timeout = std::nullopt) {
        ASSERT_TRUE(worker().turn(timeout, driven).has_value());
    }
    /// The wait of the last turn.
    std::optional<Duration> waited() { return selector().waits.back(); }
    void post(std::function<void(Worker&)> call) {
        worker().post(std::make_unique<Post>(std::move(call)));
    }
    void ready(Source& source) {
        selector().ready.push_back(
            {.token = reinterpret_cast<sys::Token>(&source), .readable = true});
    }

    FakeSystem system_;
    Log logged_;
    Log log_;
    std::unique_ptr<Runtime> runtime_;
};

Task<void> say(Log& log, std::string what) {
    log.push_back(what + " starts");
    co_await yield_now();
    log.push_back(std::move(what));
}

TEST_F(WorkerTest, ATurnGoesInTheOrderItPromises) {
    Later flush([&] { log_.push_back("deferred"); });
    class Alarm : public Timer {
    public:
        explicit Alarm(Log& log) : Timer(&Alarm::fired), log_(log) {}

    private:
        static void fired(Timer& timer) noexcept {
            static_cast<Alarm&>(timer).log_.push_back("timer");
        }
        Log& log_;
    } alarm(log_);
    Ready source([&] {
        worker().defer(flush);
        worker().defer(flush);
        worker().retire(std::make_unique<Buried>(log_, "buried"));
        worker().spawn_local(say(log_, "task"));
        log_.push_back("event");
    });
    post([&](Worker&) { log_.push_back("message 1"); });
    post([&](Worker&) { log_.push_back("message 2"); });
    worker().timers().set(alarm, worker().now() + 5ms);
    system_.time = system_.time + 5ms;
    ready(source);
    turn(false);
    EXPECT_EQ(log_, (Log{"task starts", "event", "message 1", "message 2", "timer", "task",
                         "deferred", "buried"}));
    EXPECT_EQ(waited(), Duration::zero()); // a message waited
}

TEST_F(WorkerTest, WaitsUntilTheNextTimerAndNotAtAllWithWork) {
    turn(false);
    EXPECT_EQ(waited(), std::nullopt);
    turn(false, 7ms);
    EXPECT_EQ(waited(), 7ms);
    Waker none;
    Context context(none);
    Sleep sleeping = sleep(worker(), 20ms);
    EXPECT_FALSE(sleeping.poll(context).is_ready());
    turn(false, 30ms);
    EXPECT_EQ(waited(), 20ms);
    turn(false, 7ms);
    EXPECT_EQ(waited(), 7ms);
    system_.time = system_.time + 15ms; // a long pass: seen although `now` is older
    turn(false);
    EXPECT_EQ(waited(), 5ms);
    post([](Worker&) {});
    turn(false);
    EXPECT_EQ(waited(), Duration::zero());
    Later again([] {});
    post([&](Worker& here) { here.defer(again); });
    turn(false);
    turn(false, 1ms);
    EXPECT_EQ(waited(), 1ms); // it ran in its own pass
}

// The narrow moment: the worker has found nothing to do, but is not marked asleep yet, so that the
// poster does not wake it. It reads the clock just then, for a timer that is near.
TEST_F(WorkerTest, WhatComesJustBeforeItFallsAsleepKeepsItAwake) {
    turn(false);
    Timer timer([](Timer&) noexcept {});
    int ran = 0;
    const auto next_wait = [&](std::function<void()> meanwhile) {
        worker().timers().set(timer, worker().now() + 20ms);
        system_.on_clock_read = std::move(meanwhile);
        turn(false);
        return waited();
    };
    EXPECT_EQ(next_wait([] {}), 20ms);
    EXPECT_EQ(next_wait([&] { post([&](Worker&) { ++ran; }); }), Duration::zero());
    EXPECT_EQ(ran, 1);
    EXPECT_EQ(next_wait([&] { runtime_->stop(nullptr); }), Duration::zero());
}

TEST_F(WorkerTest, ADeferredItemMayDeferAgainForTheNextPass) {
    int runs = 0;
    Later* self = nullptr;
    Later again([&] {
        if (++runs < 3) worker().defer(*self);
    });
    self = &again;
    post([&](Worker& here) { here.defer(again); });
    turn(false);
    EXPECT_EQ(runs, 1);
    turn(false);
    EXPECT_EQ(runs, 2);
    EXPECT_EQ(waited(), Duration::zero());
    turn(false);
    turn(false);
    EXPECT_EQ(runs, 3);
    EXPECT_EQ(waited(), std::nullopt);

    worker().defer(again);
    EXPECT_TRUE(again.is_deferred());
    again.cancel_deferred();
    turn(false);
    EXPECT_EQ(runs, 3);
}

TEST_F(WorkerTest, NoEventReachesASourceAfterUnwatch) {
    const auto socket = sys::Socket{99};
    int events = 0;
    auto second = std::make_unique<Ready>([&] { ++events; });
    Ready first([&] {
        ++events;
        worker().unwatch(socket, *second);
        second.reset(); // its event is in the same batch
    });
    ASSERT_TRUE(worker().watch(socket, *second, sys::Interest::read()).has_value());
    ready(first);
    ready(*second);
    turn(false);
    EXPECT_EQ(events, 1);
    EXPECT_TRUE(selector().watched.empty());
}

TEST_F(WorkerTest, OneClockReadATurnAndTheWallOnlyWhenAsked) {
    turn(false);
    const int clock = system_.clock_reads;
    turn(false);
    EXPECT_EQ(system_.clock_reads, clock + 1);
    EXPECT_EQ(system_.wall_reads, 0);
    EXPECT_EQ(worker().wall().seconds, 784'111'777);
    EXPECT_EQ(worker().wall().seconds, 784'111'777);
    EXPECT_EQ(system_.wall_reads, 1);
}

TEST_F(WorkerTest, TheDateIsRenderedOnceASecond) {
    system_.wall_time.nanos = 400'000'000;
    turn(false);
    EXPECT_EQ(worker().http_date(), "Sun, 06 Nov 1994 08:49:37 GMT");
    system_.time = system_.time + 599ms;
    system_.wall_time.seconds += 100; // would be seen if it were read
    turn(false);
    EXPECT_EQ(worker().http_date(), "Sun, 06 Nov 1994 08:49:37 GMT");
    EXPECT_EQ(system_.wall_reads, 1);
    system_.time = system_.time + 1ms;
    turn(false);
    EXPECT_EQ(worker().http_date(), "Sun, 06 Nov 1994 08:51:17 GMT");
}

TEST(HttpDate, RendersAnyDay) {
    const auto render = [](std::int64_t seconds) {
        std::array<char, 29> out{};
        render_http_date(seconds, out);
        return std::string(out.data(), out.size());
    };
    EXPECT_EQ(render(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    EXPECT_EQ(render(951'782'399), "Mon, 28 Feb 2000 23:59:59 GMT");
    EXPECT_EQ(render(951'782'400), "Tue, 29 Feb 2000 00:00:00 GMT");
    EXPECT_EQ(render(1'735'689'599), "Tue, 31 Dec 2024 23:59:59 GMT");
    EXPECT_EQ(render(253'402'300'799), "Fri, 31 Dec 9999 23:59:59 GMT");
    EXPECT_EQ(render(-1), "Wed, 31 Dec 1969 23:59:59 GMT");
}

TEST_F(WorkerTest, TurnsDoNotNest) {
    Result<void> nested;
    post([&](Worker& here) {
        nested = here.turn(0ns, true);
        here.flush(); // ignored
    });
    turn(true);
    EXPECT_EQ(nested.error().kind, ErrorKind::deadlock);
}

TEST_F(WorkerTest, ABrokenSelectorIsReportedAndTheRestOfTheTurnRuns) {
    selector().broken = true;
    int ran = 0;
    post([&](Worker&) { ++ran; });
    EXPECT_EQ(worker().turn(0ns, true).error().kind, ErrorKind::io);
    EXPECT_EQ(ran, 1);
}

TEST_F(WorkerTest, ManyTasksShareTheTurnWithSockets) {
    std::size_t polls = 0;
    struct Busy {
        static Task<void> loop(std::size_t* polls) {
            for (;;) {
                ++*polls;
                co_await yield_now();
            }
        }
    };
    worker().spawn_local(Busy::loop(&polls));
    turn(false);
    EXPECT_EQ(polls, 1 + Worker::polls_per_turn);
    turn(false);
    EXPECT_EQ(waited(), Duration::zero());
}

TEST_F(WorkerTest, ATasksExceptionIsLogged) {
    struct Throws {
        static Task<void> known() {
            co_await yield_now();
            throw std::runtime_error("out of cheese");
        }
        static Task<void> unknown() {
            co_await yield_now();
            throw 5;
        }
    };
    worker().spawn_local(Throws::known());
    worker().spawn_local(Throws::unknown());
    turn(false);
    EXPECT_EQ(logged_,
              (Log{"task: out of cheese", "task: a task ended with an unknown exception"}));
}

// -- driven ---------------------------------------------------------------------------------------

TEST_F(WorkerTest, DrivenDeferredWorkWaitsForFlush) {
    int runs = 0;
    Later flush([&] { ++runs; });
    post([&](Worker& here) { here.defer(flush); });
    turn(true, 0ns);
    EXPECT_EQ(runs, 0);
    EXPECT_EQ(selector().wakes, 0); // flush() is to follow
    worker().flush();
    EXPECT_EQ(runs, 1);
    EXPECT_EQ(selector().wakes, 0);

    turn(true, 0ns);
    worker().defer(flush); // between turn and flush: no wake
    EXPECT_EQ(selector().wakes, 0);
    turn(true, 5ms); // the host forgot to flush
    EXPECT_EQ(runs, 2);
    EXPECT_EQ(waited(), 5ms);
}

TEST_F(WorkerTest, DrivenWorkOutsideTheRhythmWakesOnceAQuietPeriod) {
    Later flush([] {});
    Later other([] {});
    const auto quiet = [&] {
        turn(true, 0ns);
        worker().flush();
        EXPECT_EQ(selector().wakes, 0);
    };
    quiet();
    worker().defer(flush);
    worker().defer(other);
    post([](Worker&) {});
    EXPECT_EQ(selector().wakes, 1);
    quiet();
    post([](Worker&) {});
    post([](Worker&) {});
    EXPECT_EQ(selector().wakes, 1);
    quiet();
    worker().retire(std::make_unique<Buried>(log_, "buried"));
    EXPECT_EQ(selector().wakes, 1);
    quiet();
    EXPECT_EQ(log_, (Log{"buried"}));
    Timer timer([](Timer&) noexcept {});
    worker().timers().set(timer, worker().now() + 1h);
    EXPECT_EQ(selector().wakes, 1);
    quiet();
    worker().spawn_local(say(log_, "task")); // starts at once, then waits to be polled
    EXPECT_EQ(selector().wakes, 1);
    quiet();
    EXPECT_EQ(log_.back(), "task");
    turn(true, 0ns);
    post([](Worker&) {}); // before flush
    worker().flush();
    EXPECT_EQ(selector().wakes, 1);
    quiet();
    runtime_->stop(nullptr);
    EXPECT_EQ(selector().wakes, 1);
}

TEST_F(WorkerTest, DrivenLeftOversMakeTheHandleReadable) {
    post([](Worker& here) {
        here.post(std::make_unique<Post>([](Worker&) {})); // for the next turn
    });
    turn(true, 0ns);
    EXPECT_EQ(selector().wakes, 1);
    turn(true, 0ns);
    EXPECT_EQ(selector().wakes, 0);
    int runs = 0;
    Later* self = nullptr;
    Later again([&] {
        if (++runs == 1) worker().defer(*self);
    });
    self = &again;
    worker().defer(again);
    worker().flush();
    EXPECT_EQ(runs, 1);
    EXPECT_EQ(selector().wakes, 1); // it deferred itself again
    turn(true, std::nullopt);
    EXPECT_EQ(runs, 2);
}

TEST_F(WorkerTest, DrivenDeadlineFollowsTheFirstTimer) {
    turn(true, 0ns);
    EXPECT_TRUE(selector().deadlines.back().is_never());
    Timer timer([](Timer&) noexcept {});
    worker().timers().set(timer, worker().now() + 30ms);
    worker().flush();
    EXPECT_EQ(selector().deadlines.back(), worker().now() + 30ms);
    post([&](Worker& here) { here.timers().cancel(timer); });
    turn(true, 0ns);
    EXPECT_TRUE(selector().deadlines.back().is_never());
}

TEST_F(WorkerTest, OneThreadMayDriveSeveralWorkers) {
    FakeSystem other_system;
    RuntimeOptions options;
    options.workers = 0;
    options.system = &other_system;
    {
        auto other = *Runtime::create(options);
        EXPECT_FALSE(worker().is_current()); // never turned
        EXPECT_EQ(Worker::current(), nullptr);
        turn(true, 0ns);
        ASSERT_TRUE(other->worker(0).turn(0ns, true).has_value());
        EXPECT_EQ(Worker::current(), &other->worker(0));
        EXPECT_TRUE(worker().is_current());
        EXPECT_TRUE(other->worker(0).is_current());
        EXPECT_EQ(runtime_->current(), &worker());
    }
    EXPECT_EQ(Worker::current(), &worker()); // the one that is left
    EXPECT_TRUE(worker().is_current());
}

} // namespace
} // namespace hc::runtime
