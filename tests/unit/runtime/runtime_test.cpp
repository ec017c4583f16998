#include "core/runtime/runtime.hpp"

#include <sys/wait.h>
#include <unistd.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <latch>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/base/random.hpp"
#include "core/runtime/sleep.hpp"
#include "tests/unit/backend.hpp"

namespace hc::runtime {
namespace {

using namespace std::chrono_literals;
constexpr Duration bound = 20s; // generous: only a broken test waits that long

template <class Run>
class Call final : public Message {
public:
    explicit Call(Run run) : run_(std::move(run)) {}
    void run(Worker& worker) override { run_(worker); }

private:
    Run run_;
};

template <class Run>
void post(Worker& worker, Run run) {
    worker.post(std::make_unique<Call<Run>>(std::move(run)));
}

std::unique_ptr<Runtime> make(std::uint32_t workers, LogSink log = {}) {
    RuntimeOptions options;
    options.workers = workers;
    options.io = hc::test::backend();
    options.thread_name = "test";
    options.log = log;
    auto made = Runtime::create(options);
    EXPECT_TRUE(made.has_value()) << made.error().message;
    return std::move(*made);
}

std::string read_file(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Runtime, RunsMessagesOnTheirWorkersThread) {
    auto runtime = make(2);
    ASSERT_TRUE(runtime->start().has_value());
    std::latch done(2);
    std::atomic<int> right{0};
    for (std::uint32_t i = 0; i < 2; ++i) {
        post(runtime->worker(i), [&, i](Worker& worker) {
            const bool holds = worker.is_current() && Worker::current() == &worker &&
                               runtime->current() == &worker && worker.index() == i &&
                               !runtime->worker(1 - i).is_current();
            right += holds ? 1 : 0;
            done.count_down();
        });
    }
    done.wait();
    EXPECT_EQ(right, 2);
    EXPECT_EQ(Worker::current(), nullptr);
    EXPECT_EQ(runtime->current(), nullptr);
}

TEST(Runtime, StopRunsItsCallOnceOnAWorkerAndThenJoinReturns) {
    auto runtime = make(3);
    ASSERT_TRUE(runtime->start().has_value());
    EXPECT_EQ(runtime->join(1ms).error().kind, ErrorKind::timeout);
    std::atomic<int> calls{0};
    std::atomic<bool> on_worker{false};
    std::atomic<bool> deadlock{false};
    runtime->stop([&] {
        on_worker = runtime->current() != nullptr;
        deadlock = runtime->join(std::nullopt).error().kind == ErrorKind::deadlock;
        ++calls;
    });
    ASSERT_TRUE(runtime->join(bound).has_value());
    EXPECT_EQ(calls, 1);
    EXPECT_TRUE(on_worker);
    EXPECT_TRUE(deadlock);
    runtime->stop([&] { ++calls; }); // stopped already: at once
    EXPECT_EQ(calls, 2);
    EXPECT_TRUE(runtime->join(std::nullopt).has_value());
    EXPECT_EQ(runtime->start().error().kind, ErrorKind::state);
}

TEST(Runtime, StopsFromItsOwnWorker) {
    auto runtime = make(2);
    ASSERT_TRUE(runtime->start().has_value());
    std::atomic<int> calls{0};
    post(runtime->worker(1), [&](Worker&) { runtime->stop([&] { ++calls; }); });
    ASSERT_TRUE(runtime->join(bound).has_value());
    EXPECT_EQ(calls, 1);
}

TEST(Runtime, StopsWithoutHavingStarted) {
    auto runtime = make(2);
    EXPECT_EQ(runtime->join(0ns).error().kind, ErrorKind::timeout);
    int calls = 0;
    runtime->stop([&] { ++calls; });
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(runtime->start().error().kind, ErrorKind::state);
    EXPECT_TRUE(runtime->join(std::nullopt).has_value());
}

TEST(Runtime, ThreadsAreNamedAndBlockSignals) {
    auto runtime = make(1);
    ASSERT_TRUE(runtime->start().has_value());
    std::latch done(2);
    std::string name;
    bool blocked = false;
    bool job_blocked = false;
    const auto blocks = [] {
        sigset_t mask;
        pthread_sigmask(SIG_SETMASK, nullptr, &mask);
        return sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGCHLD) == 1;
    };
    post(runtime->worker(0), [&](Worker&) {
        name = read_file("/proc/thread-self/comm");
        blocked = blocks();
        done.count_down();
    });
    ASSERT_TRUE(runtime->blocking()
                    .submit([&] {
                        job_blocked = blocks();
                        done.count_down();
                    })
                    .has_value());
    done.wait();
    EXPECT_EQ(name, "test-0\n");
    EXPECT_TRUE(blocked);
    EXPECT_TRUE(job_blocked);
    EXPECT_FALSE(blocks()); // the starter's own mask is as before
}

class Ends final : public WorkerLocal {
public:
    Ends(std::vector<std::string>& log, Worker& worker, std::string name)
        : log_(log), worker_(worker), name_(std::move(name)) {}
    ~Ends() override { log_.push_back(name_ + (worker_.is_current() ? "" : " elsewhere")); }

private:
    std::vector<std::string>& log_;
    Worker& worker_;
    std::string name_;
};

Task<void> wait_for_ever(Worker& worker, std::unique_ptr<Ends> mark) {
    co_await sleep(worker, 1h);
    mark.reset();
}

TEST(Runtime, AWorkerEndsTasksAndThenWhatIsAttachedOnItsThread) {
    for (const std::uint32_t workers : {1U, 0U}) {
        auto runtime = make(workers);
        ASSERT_TRUE(runtime->start().has_value());
        std::vector<std::string> log;
        Worker& worker = runtime->worker(0);
        std::atomic<bool> ready{false};
        post(worker, [&](Worker& here) {
            here.attach(std::make_unique<Ends>(log, here, "first"));
            auto& gone = here.attach(std::make_unique<Ends>(log, here, "detached"));
            here.attach(std::make_unique<Ends>(log, here, "second"));
            here.detach(gone).reset();
            EXPECT_EQ(here.detach(gone), nullptr);
            here.spawn_local(wait_for_ever(here, std::make_unique<Ends>(log, here, "task")));
            ready = true;
        });
        bool stopped = false;
        if (workers == 0) {
            ASSERT_TRUE(worker.turn(0ns, true).has_value());
            worker.flush();
            ASSERT_TRUE(ready);
            runtime->stop([&] { stopped = true; });
            EXPECT_FALSE(stopped);
            EXPECT_EQ(runtime->join(0ns).error().kind, ErrorKind::deadlock);
            ASSERT_TRUE(worker.turn(std::nullopt, true).has_value());
            EXPECT_EQ(worker.turn(0ns, true).error().kind, ErrorKind::closed);
        } else {
            while (!ready) std::this_thread::yield();
            runtime->stop([&] { stopped = true; });
        }
        ASSERT_TRUE(runtime->join(bound).has_value());
        EXPECT_TRUE(stopped);
        EXPECT_EQ(log, (std::vector<std::string>{"detached", "task", "second", "first"}));
    }
}

struct CountsItsEnd final : Message {
    CountsItsEnd(std::atomic<int>& ran_in, std::atomic<int>& gone_in)
        : ran(ran_in), gone(gone_in) {}
    ~CountsItsEnd() override { ++gone; }
    void run(Worker&) override { ++ran; }
    std::atomic<int>& ran;
    std::atomic<int>& gone;
};

TEST(Runtime, MessagesToAStoppedWorkerAreDeletedUndelivered) {
    std::atomic<int> ran{0};
    std::atomic<int> gone{0};
    auto runtime = make(1);
    ASSERT_TRUE(runtime->start().has_value());
    runtime->stop(nullptr);
    ASSERT_TRUE(runtime->join(bound).has_value());
    runtime->worker(0).post(std::make_unique<CountsItsEnd>(ran, gone));
    EXPECT_EQ(ran, 0);
    EXPECT_EQ(gone, 1);
}

// Every message either runs or is deleted, however posting and stopping meet.
TEST(Runtime, EveryMessageIsDeletedOnceWhileItStops) {
    for (int round = 0; round < 50; ++round) {
        std::atomic<int> ran{0};
        std::atomic<int> gone{0};
        constexpr int each = 200;
        auto runtime = make(1);
        ASSERT_TRUE(runtime->start().has_value());
        std::vector<std::thread> posters;
        for (int i = 0; i < 2; ++i) {
            posters.emplace_back([&] {
                for (int n = 0; n < each; ++n) {
                    runtime->worker(0).post(std::make_unique<CountsItsEnd>(ran, gone));
                }
            });
        }
        runtime->stop(nullptr);
        for (auto& poster : posters) poster.join();
        ASSERT_TRUE(runtime->join(bound).has_value());
        EXPECT_EQ(gone, 2 * each);
        EXPECT_LE(ran, 2 * each);
    }
}

TEST(Runtime, ReleaseNeverWaitsAlsoOnItsOwnWorker) {
    std::latch ended(3);
    std::latch begun(1);
    std::atomic<bool> go_on{false};
    {
        auto runtime = make(2);
        ASSERT_TRUE(runtime->start().has_value());
        runtime->stop([&] { ended.count_down(); });
        Runtime::release(std::move(runtime));
    }
    {
        auto owned = make(1);
        Runtime* runtime = owned.get();
        ASSERT_TRUE(runtime->start().has_value());
        ASSERT_TRUE(runtime->blocking()
                        .submit([&] {
                            begun.count_down();
                            while (!go_on) std::this_thread::yield();
                            ended.count_down();
                        })
                        .has_value());
        begun.wait();
        auto shared = std::make_shared<std::unique_ptr<Runtime>>(std::move(owned));
        post(runtime->worker(0), [&ended, shared](Worker&) {
            (*shared)->stop([&ended] { ended.count_down(); });
            Runtime::release(std::move(*shared));
        });
    }
    go_on = true;
    ended.wait();
}

TEST(Runtime, NumbersAreBoundedAndComeBack) {
    std::vector<std::unique_ptr<Runtime>> all;
    std::uint64_t seen = 0;
    for (;;) {
        RuntimeOptions options;
        options.workers = 0;
        auto made = Runtime::create(options);
        if (!made) {
            EXPECT_EQ(made.error().kind, ErrorKind::limit);
            break;
        }
        seen |= std::uint64_t{1} << (*made)->number();
        all.push_back(std::move(*made));
        ASSERT_LE(all.size(), RuntimeLimits::runtimes_max);
    }
    EXPECT_GE(all.size(), RuntimeLimits::runtimes_max - 4); // released ones may still be ending
    EXPECT_EQ(static_cast<std::size_t>(std::popcount(seen)), all.size());
    const std::uint32_t number = all[7]->number();
    all[7].reset();
    EXPECT_EQ(make(0)->number(), number);
}

TEST(Runtime, HandlesOfARuntimeBeforeStayStaleWhenItsNumberIsUsedAgain) {
    int object = 0;
    std::uint64_t old_id = 0;
    std::uint32_t number = 0;
    {
        auto runtime = make(0);
        number = runtime->number();
        old_id = runtime->worker(0).slots().insert(&object);
        EXPECT_EQ(&*WorkerRef::of(old_id), &runtime->worker(0));
        EXPECT_TRUE(runtime->worker(0).owns(old_id));
        EXPECT_EQ(runtime->worker(0).slots().find(old_id), &object);
    }
    EXPECT_FALSE(WorkerRef::of(old_id));
    auto runtime = make(0);
    ASSERT_EQ(runtime->number(), number);
    auto held = WorkerRef::of(old_id);
    ASSERT_TRUE(held);
    EXPECT_EQ(held->slots().pin(old_id), nullptr);
    EXPECT_EQ(held->slots().find(old_id), nullptr);
}

TEST(WorkerRef, AnswersForgedHandles) {
    EXPECT_FALSE(WorkerRef::of(0xFFFF'FFFF'FFFF'FFFF));
    auto runtime = make(1);
    const std::uint64_t beyond = Handle{runtime->number(), 1023, 0xFFFFF, 1}.pack();
    EXPECT_FALSE(WorkerRef::of(beyond));
    const std::uint64_t forged = Handle{runtime->number(), 0, 0xFFFFF, 0xFFFFFFF}.pack();
    auto held = WorkerRef::of(forged);
    ASSERT_TRUE(held);
    EXPECT_EQ(held->slots().pin(forged), nullptr);
    EXPECT_TRUE(WorkerRef::of(Handle{runtime->number(), 0, 0, 0}.pack()));
}

TEST(WorkerRef, TheEndOfTheWorkerWaitsForIt) {
    auto runtime = make(1);
    const std::uint64_t id = Handle{runtime->number(), 0, 0, 0}.pack();
    std::optional<WorkerRef> held(WorkerRef::of(id));
    ASSERT_TRUE(*held);
    std::atomic<bool> gone{false};
    std::thread end([&] {
        runtime.reset();
        gone = true;
    });
    while (WorkerRef::of(id)) std::this_thread::yield(); // until nobody new is let in
    std::this_thread::sleep_for(20ms); // time enough for an end that does not wait
    EXPECT_FALSE(gone);
    EXPECT_EQ((*held)->index(), 0U);
    held.reset();
    end.join();
    EXPECT_TRUE(gone);
}

// Threads follow random handles, and the ids of objects that come and go, while runtimes are made
// and destroyed.
TEST(WorkerRef, HoldsWhileRuntimesComeAndGo) {
    std::atomic<bool> over{false};
    std::atomic<std::uint64_t> id{0};
    std::atomic<std::uint64_t> held{0};
    std::vector<std::thread> threads;
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        threads.emplace_back([&, seed] {
            Random random(seed);
            while (!over) {
                std::uint64_t handle = id.load(std::memory_order_relaxed);
                if (random.below(4) == 0) {
                    handle = Handle{static_cast<std::uint32_t>(random.below(3)),
                                    static_cast<std::uint32_t>(random.below(3)),
                                    static_cast<std::uint32_t>(random.below(2000)), 5}
                                 .pack();
                }
                if (auto ref = WorkerRef::of(handle)) {
                    ++held;
                    if (auto* number = static_cast<int*>(ref->slots().pin(handle))) {
                        EXPECT_EQ(*number, 42);
                        ref->slots().unpin(handle); // its slot is recycled when the seat closes
                    }
                    post(*ref, [](Worker&) {});
                }
                std::this_thread::yield(); // three that never do keep the workers from their turns
            }
        });
    }
    int rounds = 0;
    // Objects outlive all pins here: destroying them with their ids is the upper layers' part.
    int object = 42;
    for (const auto until = std::chrono::steady_clock::now() + 1s;
         rounds < 100 || (held == 0 && std::chrono::steady_clock::now() < until + bound);
         ++rounds) {
        auto runtime = make(static_cast<std::uint32_t>(rounds % 3));
        ASSERT_TRUE(runtime->start().has_value());
        if (runtime->driven()) {
            id = runtime->worker(0).slots().insert(&object);
            ASSERT_TRUE(runtime->worker(0).turn(0ns, true).has_value());
        } else {
            std::latch done(1);
            post(runtime->worker(0), [&](Worker& worker) {
                id = worker.slots().insert(&object);
                done.count_down();
            });
            done.wait();
        }
    }
    over = true;
    for (auto& thread : threads) thread.join();
    EXPECT_GT(held, 0U);
}

TEST(Runtime, AForkedChildIsToldAndOnlyLeaks) {
    auto runtime = make(1);
    ASSERT_TRUE(runtime->start().has_value());
    EXPECT_FALSE(runtime->forked());
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        bool right = runtime->forked();
        right = right && runtime->join(0ns).error().kind == ErrorKind::forked;
        right = right && runtime->start().error().kind == ErrorKind::forked;
        runtime->stop([] { _exit(3); });
        runtime.reset(); // would hang if it joined
        auto released = make(0);
        right = right && !released->forked(); // a child may make its own
        _exit(right ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

} // namespace
} // namespace hc::runtime
