// Spawned tasks: handles, results, ends, and where they run.
#include "core/runtime/spawn.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <latch>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/runtime/sleep.hpp"
#include "tests/unit/runtime/kinds.hpp"

namespace hc::runtime {
namespace {

using namespace std::chrono_literals;
using test::Kind;

/// Pending for ever; says when it is destroyed.
struct Stuck {
    std::shared_ptr<std::atomic<int>> alive;
    explicit Stuck(std::shared_ptr<std::atomic<int>> count) : alive(std::move(count)) {
        alive->fetch_add(1);
    }
    Stuck(Stuck&& other) noexcept : alive(std::move(other.alive)) {}
    ~Stuck() {
        if (alive) alive->fetch_sub(1);
    }
    Poll<void> poll(Context&) { return pending; }
};

std::shared_ptr<std::atomic<int>> counter() { return std::make_shared<std::atomic<int>>(0); }

Task<int> give(int value) { co_return value; }
Task<int> give_late(int value, int yields) {
    for (int i = 0; i < yields; ++i) co_await yield_now();
    co_return value;
}
Task<int> throws(std::string text) {
    co_await yield_now();
    throw std::runtime_error(text);
}
Task<void> stuck(std::shared_ptr<std::atomic<int>> alive) { co_await Stuck(alive); }

/// Waits, without a task's help, until `done`.
template <class Done>
void wait_until(Done done) {
    while (!done()) std::this_thread::sleep_for(100us);
}

class Spawn : public test::OnKind {};
INSTANTIATE_TEST_SUITE_P(Kinds, Spawn,
                         testing::Values(test::driven, test::simulated, test::one, test::four),
                         test::name_of);

Task<int> sum_of_spawned() {
    std::vector<JoinHandle<int>> handles;
    for (int i = 0; i < 1000; ++i) handles.push_back(spawn(give_late(i, i % 5)));
    for (int i = 0; i < 1000; ++i) handles.push_back(spawn(give(1)));
    int sum = 0;
    for (auto& handle : handles) sum += *(co_await handle);
    co_return sum;
}

TEST_P(Spawn, HandlesGiveTheResults) { EXPECT_EQ(run(sum_of_spawned()), 499'500 + 1000); }

Task<std::string> joins_one_that_throws() {
    JoinHandle<int> handle = spawn(throws("out of cheese"));
    try {
        (void)co_await handle;
    } catch (const std::runtime_error& thrown) {
        co_return thrown.what();
    }
    co_return "nothing";
}

TEST_P(Spawn, AnExceptionReachesWhoeverJoins) {
    EXPECT_EQ(run(joins_one_that_throws()), "out of cheese");
}

Task<ErrorKind> aborts_one(std::shared_ptr<std::atomic<int>> alive, int yields) {
    JoinHandle<void> handle = spawn(stuck(alive));
    for (int i = 0; i < yields; ++i) co_await yield_now();
    handle.abort();
    handle.abort();
    const Result<void> result = co_await handle;
    EXPECT_TRUE(handle.is_finished());
    EXPECT_EQ(handle.state(), TaskState::done);
    EXPECT_EQ(alive->load(), 0) << "gone before its joiner is told";
    co_return result ? ErrorKind::ok : result.error().kind;
}

TEST_P(Spawn, AnAbortedTaskIsDestroyedAndItsJoinerTold) {
    for (const int yields : {0, 1, 50}) {
        EXPECT_EQ(run(aborts_one(counter(), yields)), ErrorKind::cancelled);
    }
}

Task<int> aborts_one_that_is_done() {
    JoinHandle<int> handle = spawn(give(7));
    const AbortHandle abort = handle.abort_handle();
    while (!handle.is_finished()) co_await yield_now();
    abort.abort();
    co_return *(co_await handle);
}

TEST_P(Spawn, AbortingAFinishedTaskChangesNothing) { EXPECT_EQ(run(aborts_one_that_is_done()), 7); }

TEST_P(Spawn, AJoinerMayBePolledByDifferentTasks) {
    struct Pass {
        static Task<int> first_half(JoinHandle<int>* handle) {
            // Polls it once, and gives up.
            struct Once {
                JoinHandle<int>* handle;
                Poll<bool> poll(Context& context) { return handle->poll(context).is_ready(); }
            };
            const bool ready = co_await Once{handle};
            co_return ready ? 1 : 0;
        }
        static Task<int> all() {
            auto gate = std::make_shared<std::atomic<bool>>(false);
            struct Closed {
                std::shared_ptr<std::atomic<bool>> open;
                Poll<int> poll(Context& context) {
                    if (open->load()) return 5;
                    context.waker().wake();
                    return pending;
                }
            };
            JoinHandle<int> handle = spawn(Closed{gate});
            JoinHandle<int> helper = spawn(first_half(&handle));
            EXPECT_EQ(*(co_await helper), 0);
            gate->store(true);
            co_return *(co_await handle); // by another waker than before
        }
    };
    EXPECT_EQ(run(Pass::all()), 5);
}

TEST_P(Spawn, ADroppedHandleLetsTheTaskGoOn) {
    struct Detached {
        static Task<void> work(std::shared_ptr<std::atomic<int>> done) {
            co_await yield_now();
            done->fetch_add(1);
        }
        static Task<void> all(std::shared_ptr<std::atomic<int>> done) {
            for (int i = 0; i < 10; ++i) spawn(work(done)).detach();
            while (done->load() < 10) co_await yield_now();
        }
    };
    auto done = counter();
    run(Detached::all(done));
    EXPECT_EQ(done->load(), 10);
}

TEST_P(Spawn, FromOutsideOfTheRuntime) {
    std::vector<JoinHandle<int>> handles;
    for (int i = 0; i < 600; ++i) handles.push_back(runtime_->spawn(give_late(i, 3)));
    struct Sum {
        static Task<int> of(std::vector<JoinHandle<int>> handles) {
            int sum = 0;
            for (auto& handle : handles) sum += *(co_await handle);
            co_return sum;
        }
    };
    EXPECT_EQ(run(Sum::of(std::move(handles))), 600 * 599 / 2);
}

TEST_P(Spawn, LocalTasksStayOnTheirWorker) {
    struct Local {
        static Task<bool> stays(Worker* home) {
            for (int i = 0; i < 100; ++i) {
                if (Worker::current() != home) co_return false;
                co_await yield_now();
            }
            co_return true;
        }
        static Task<int> all() {
            // On a worker, so that there is one to stay on.
            Worker* here = Worker::current();
            std::vector<JoinHandle<bool>> handles;
            for (int i = 0; i < 50; ++i) handles.push_back(spawn_local(stays(here)));
            int stayed = 0;
            for (auto& handle : handles) stayed += *(co_await handle) ? 1 : 0;
            co_return stayed;
        }
        static Task<int> on_a_worker() { co_return *(co_await spawn(all())); }
    };
    EXPECT_EQ(run(Local::on_a_worker()), 50);
}

TEST(SpawnNowhere, IsToldByTheHandle) {
    EXPECT_EQ(park_on(spawn(give(1))).error().kind, ErrorKind::closed);
    EXPECT_EQ(park_on(spawn_local(give(1))).error().kind, ErrorKind::closed);
    EXPECT_EQ(park_on(spawn_blocking([] { return 1; })).error().kind, ErrorKind::closed);
}

TEST_P(Spawn, IdsAreUniqueAndStatesAreTold) {
    struct Look {
        static Task<void> all(std::shared_ptr<std::atomic<int>> alive) {
            std::set<TaskId> ids;
            std::vector<JoinHandle<void>> handles;
            for (int i = 0; i < 3000; ++i) {
                handles.push_back(spawn(stuck(alive)));
                EXPECT_TRUE(ids.insert(handles.back().id()).second);
            }
            EXPECT_FALSE(ids.contains(TaskId{}));
            while (alive->load() < 3000 || handles[0].state() != TaskState::waiting) {
                co_await yield_now();
            }
            for (auto& handle : handles) handle.abort();
            for (auto& handle : handles) EXPECT_FALSE((co_await handle).has_value());
        }
    };
    auto alive = counter();
    run(Look::all(alive));
    EXPECT_EQ(alive->load(), 0);
}

TEST_P(Spawn, ABusyTaskLetsOthersRun) {
    // One that finds its handle ready each time would never wait: its budget makes it.
    struct Busy {
        static Task<int> greedy(std::shared_ptr<std::atomic<int>> others) {
            int rounds = 0;
            while (others->load() == 0) {
                JoinHandle<int> ready = spawn(give(1));
                while (!ready.is_finished() && others->load() == 0) co_await yield_now();
                if (others->load() == 0) rounds += *(co_await ready);
            }
            co_return rounds;
        }
        static Task<void> other(std::shared_ptr<std::atomic<int>> others) {
            others->fetch_add(1);
            co_return;
        }
        static Task<void> all() {
            auto others = counter();
            JoinHandle<int> first = spawn(greedy(others));
            JoinHandle<void> second = spawn(other(others));
            EXPECT_TRUE((co_await first).has_value());
            EXPECT_TRUE((co_await second).has_value());
        }
    };
    run(Busy::all());
}

// Two that wake each other use the slot for what runs next all the time; a third one still runs.
TEST_P(Spawn, TheSlotStarvesNobody) {
    struct Shared {
        std::atomic<bool> over{false};
        std::mutex mutex;
        Waker wakers[2];
        int turn = 0;
    };
    struct PingPong {
        std::shared_ptr<Shared> shared;
        int side;
        Poll<void> poll(Context& context) {
            if (shared->over) {
                shared->wakers[1 - side].wake();
                return Poll<void>::ready();
            }
            Waker other;
            {
                const std::lock_guard lock(shared->mutex);
                shared->wakers[side] = context.waker();
                other = shared->wakers[1 - side];
            }
            other.wake();
            return pending;
        }
    };
    struct Third {
        static Task<void> ends(std::shared_ptr<Shared> shared) {
            for (int i = 0; i < 20; ++i) co_await yield_now();
            shared->over = true;
            Waker waker;
            {
                const std::lock_guard lock(shared->mutex);
                waker = shared->wakers[0];
            }
            waker.wake();
        }
        static Task<void> all() {
            auto shared = std::make_shared<Shared>();
            JoinHandle<void> a = spawn(PingPong{shared, 0});
            JoinHandle<void> b = spawn(PingPong{shared, 1});
            JoinHandle<void> c = spawn(ends(shared));
            EXPECT_TRUE((co_await c).has_value());
            EXPECT_TRUE((co_await a).has_value());
            b.abort();
            (void)co_await b;
        }
    };
    run(Third::all());
}

TEST_P(Spawn, MoreThanAQueueHolds) {
    struct Many {
        static Task<int> all() {
            std::vector<JoinHandle<int>> handles;
            handles.reserve(20'000);
            for (int i = 0; i < 20'000; ++i) handles.push_back(spawn(give_late(1, i % 3)));
            int sum = 0;
            for (auto& handle : handles) sum += *(co_await handle);
            co_return sum;
        }
    };
    EXPECT_EQ(run(Many::all()), 20'000);
}

// -- blocking -------------------------------------------------------------------------------------

Task<int> asks_the_pool() {
    std::vector<JoinHandle<std::thread::id>> handles;
    for (int i = 0; i < 20; ++i) {
        handles.push_back(spawn_blocking([] { return std::this_thread::get_id(); }));
    }
    int elsewhere = 0;
    for (auto& handle : handles) elsewhere += *(co_await handle) != std::this_thread::get_id();
    JoinHandle<void> throws = spawn_blocking([] { throw std::runtime_error("no such file"); });
    bool thrown = false;
    try {
        (void)co_await throws;
    } catch (const std::runtime_error&) {
        thrown = true;
    }
    co_return thrown ? elsewhere : -1;
}

class SpawnBlocking : public test::OnKind {};
INSTANTIATE_TEST_SUITE_P(Kinds, SpawnBlocking, testing::Values(test::driven, test::one, test::four),
                         test::name_of);

TEST_P(SpawnBlocking, RunsOnAThreadOfThePool) { EXPECT_EQ(run(asks_the_pool()), 20); }

TEST_P(SpawnBlocking, AFullQueueIsToldByTheHandle) {
    RuntimeOptions few = options();
    few.limits.blocking_threads_max = 1;
    few.limits.blocking_queue_max = 1;
    auto runtime = make(few);
    std::latch begun(1);
    std::latch go(1);
    JoinHandle<int> first = runtime->spawn_blocking([&] {
        begun.count_down();
        go.wait();
        return 1;
    });
    begun.wait();
    JoinHandle<int> second = runtime->spawn_blocking([] { return 2; });
    JoinHandle<int> third = runtime->spawn_blocking([] { return 3; });
    JoinHandle<int> fourth = runtime->spawn_blocking([] { return 4; });
    second.abort(); // before it began
    go.count_down();
    EXPECT_EQ(*park_on(std::move(first)), 1);
    EXPECT_EQ(park_on(std::move(second)).error().kind, ErrorKind::cancelled);
    EXPECT_EQ(park_on(std::move(third)).error().kind, ErrorKind::limit);
    EXPECT_EQ(park_on(std::move(fourth)).error().kind, ErrorKind::limit);
}

TEST_P(SpawnBlocking, WhatIsQueuedWhenTheRuntimeStopsIsCancelled) {
    RuntimeOptions few = options();
    few.limits.blocking_threads_max = 1;
    auto runtime = make(few);
    std::latch begun(1);
    std::latch go(1);
    JoinHandle<int> first = runtime->spawn_blocking([&] {
        begun.count_down();
        go.wait();
        return 1;
    });
    begun.wait();
    JoinHandle<int> second = runtime->spawn_blocking([] { return 2; });
    runtime->blocking().stop();
    EXPECT_EQ(park_on(std::move(second)).error().kind, ErrorKind::cancelled);
    EXPECT_EQ(park_on(runtime->spawn_blocking([] { return 3; })).error().kind, ErrorKind::closed);
    go.count_down();
    EXPECT_EQ(*park_on(std::move(first)), 1);
}

// -- the end of a runtime -------------------------------------------------------------------------

TEST_P(Spawn, TheEndOfTheRuntimeDestroysAllTasks) {
    auto alive = counter();
    struct Crowd {
        static Task<void> spinning(std::shared_ptr<std::atomic<int>> alive) {
            const Stuck mark(alive);
            for (;;) co_await yield_now();
        }
        static Task<void> parent(std::shared_ptr<std::atomic<int>> alive) {
            for (int i = 0; i < 300; ++i) {
                spawn(stuck(alive)).detach();
                spawn(spinning(alive)).detach();
                spawn_local(spinning(alive)).detach();
            }
            co_await Stuck(alive);
        }
        static Task<void> grown(std::shared_ptr<std::atomic<int>> alive) {
            while (alive->load() < 901) co_await yield_now();
        }
    };
    JoinHandle<void> parent = runtime_->spawn(Crowd::parent(alive));
    run(Crowd::grown(alive));
    JoinHandle<void> waiting = runtime_->spawn(stuck(alive));
    runtime_.reset();
    EXPECT_EQ(alive->load(), 0);
    EXPECT_EQ(park_on(std::move(parent)).error().kind, ErrorKind::cancelled);
    EXPECT_EQ(park_on(std::move(waiting)).error().kind, ErrorKind::cancelled);
}

TEST_P(Spawn, AfterTheEndHandlesAreCancelled) {
    runtime_->stop(nullptr);
    if (GetParam().workers > 0) {
        ASSERT_TRUE(runtime_->join(std::nullopt).has_value());
    } else {
        (void)runtime_->worker(0).turn(0ns, true);
    }
    EXPECT_EQ(park_on(runtime_->spawn(give(1))).error().kind, ErrorKind::cancelled);
    const ErrorKind expected = GetParam().workers > 0 ? ErrorKind::state : ErrorKind::closed;
    EXPECT_EQ(runtime_->block_on(give(1)).error().kind, expected);
}

/// Keeps a worker until it is let go.
class Keep final : public Message {
public:
    explicit Keep(std::shared_ptr<std::latch> go) : go_(std::move(go)) {}
    void run(Worker&) override { go_->wait(); }

private:
    std::shared_ptr<std::latch> go_;
};

Task<void> lets_go(std::shared_ptr<std::latch> go) {
    go->count_down();
    co_return;
}

// One worker is kept by a message, whatever it was about to do: the other takes what is spawned.
TEST(SpawnStress, AKeptWorkerKeepsNoWorkFromOthers) {
    RuntimeOptions options;
    options.workers = 2;
    auto runtime = *Runtime::create(options);
    ASSERT_TRUE(runtime->start().has_value());
    for (int round = 0; round < 2'000; ++round) {
        auto go = std::make_shared<std::latch>(1);
        runtime->spawn(give(1)).detach(); // somebody is woken to search
        runtime->worker(0).post(std::make_unique<Keep>(go));
        runtime->spawn(give(1)).detach();
        runtime->spawn(lets_go(go)).detach();
        go->wait(); // hangs when worker 0 is waited for
    }
}

// Tasks spawn, wake and end while their runtime is stopped at any moment.
TEST(SpawnStress, RuntimesEndInTheMiddleOfAnything) {
    for (int round = 0; round < 60; ++round) {
        auto alive = counter();
        RuntimeOptions options;
        options.io = hc::test::backend();
        options.workers = 1 + static_cast<std::uint32_t>(round) % 4;
        auto runtime = *Runtime::create(options);
        ASSERT_TRUE(runtime->start().has_value());
        struct Storm {
            static Task<void> child(std::shared_ptr<std::atomic<int>> alive, int depth) {
                const Stuck mark(alive);
                for (int i = 0; i < 3; ++i) {
                    if (depth > 0) spawn(child(alive, depth - 1)).detach();
                    co_await yield_now();
                }
                JoinHandle<void> last = spawn(stuck(alive));
                last.abort();
                (void)co_await last;
            }
            static Task<void> all(std::shared_ptr<std::atomic<int>> alive) {
                for (;;) {
                    JoinHandle<void> done = spawn(child(alive, 4));
                    (void)co_await done;
                }
            }
        };
        JoinHandle<void> storm = runtime->spawn(Storm::all(alive));
        for (int i = 0; i < 3; ++i) runtime->spawn(Storm::all(alive)).detach();
        std::thread outside([&] {
            for (int i = 0; i < 200; ++i) runtime->spawn(stuck(alive)).detach();
        });
        outside.join();
        std::this_thread::sleep_for(std::chrono::microseconds(50 * (round % 20)));
        runtime.reset();
        EXPECT_EQ(alive->load(), 0);
        EXPECT_EQ(park_on(std::move(storm)).error().kind, ErrorKind::cancelled);
    }
}

// -- block_on -------------------------------------------------------------------------------------

TEST_P(Spawn, BlockOnInsideItselfIsRefused) {
    struct Inside {
        static Task<ErrorKind> nested(Runtime* runtime) {
            auto result = runtime->block_on(give(1));
            co_return result ? ErrorKind::ok : result.error().kind;
        }
        static Task<ErrorKind> in_task(Runtime* runtime) {
            co_return *(co_await spawn(nested(runtime)));
        }
    };
    EXPECT_EQ(run(Inside::nested(runtime_.get())), ErrorKind::deadlock);
    EXPECT_EQ(run(Inside::in_task(runtime_.get())), ErrorKind::deadlock);
}

TEST_P(Spawn, BlockOnThrowsWhatTheFutureThrows) {
    EXPECT_THROW((void)runtime_->block_on(throws("x")), std::runtime_error);
}

TEST(RuntimeHooks, RunOnEachWorkersThread) {
    std::atomic<int> started{0};
    std::atomic<int> stopped{0};
    {
        RuntimeOptions options;
        options.io = hc::test::backend();
        options.workers = 3;
        options.on_thread_start = [&](std::uint32_t index) { started += 1 << (4 * index); };
        options.on_thread_stop = [&](std::uint32_t index) { stopped += 1 << (4 * index); };
        auto runtime = *Runtime::create(options);
        ASSERT_TRUE(runtime->start().has_value());
    }
    EXPECT_EQ(started.load(), 0x111);
    EXPECT_EQ(stopped.load(), 0x111);
}

TEST(RuntimeInside, DroppedByItsOwnTaskItEndsByItself) {
    RuntimeOptions options;
    options.workers = 2;
    options.io = hc::test::backend();
    std::latch ended(1);
    auto alive = counter();
    auto* runtime = new std::unique_ptr<Runtime>(*Runtime::create(options));
    ASSERT_TRUE((*runtime)->start().has_value());
    struct Drops {
        static Task<void> itself(std::unique_ptr<Runtime>* runtime, std::latch* ended,
                                 std::shared_ptr<std::atomic<int>> alive) {
            const Stuck mark(alive);
            const auto refused = (*runtime)->join(std::nullopt);
            EXPECT_EQ(refused.error().kind, ErrorKind::deadlock);
            EXPECT_FALSE(refused.error().message.empty());
            (*runtime)->stop([ended] { ended->count_down(); });
            delete runtime;
            co_await Stuck(alive);
        }
    };
    (*runtime)->spawn(Drops::itself(runtime, &ended, alive)).detach();
    ended.wait();
    EXPECT_EQ(alive->load(), 0);
}

} // namespace
} // namespace hc::runtime
