// Edges of tasks, handles, sleeps and scopes: fairness where others never give way, ends in odd
// orders, what outlives a runtime.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "core/runtime/local_executor.hpp"
#include "core/runtime/scope.hpp"
#include "core/runtime/sleep.hpp"
#include "core/runtime/spawn.hpp"
#include "tests/unit/runtime/counting_waker.hpp"
#include "tests/unit/runtime/kinds.hpp"

namespace hc::runtime {
namespace {

using namespace std::chrono_literals;
using test::CountingWaker;

std::unique_ptr<Runtime> start(std::uint32_t workers) {
    RuntimeOptions options;
    options.workers = workers;
    options.io = hc::test::backend();
    auto runtime = *Runtime::create(options);
    EXPECT_TRUE(runtime->start().has_value());
    return runtime;
}

LocalExecutor local_executor() {
    RuntimeOptions options;
    options.io = hc::test::backend();
    return *LocalExecutor::create(options);
}

/// Pending for ever; says when it is destroyed.
struct Stuck {
    std::atomic<int>* alive;
    explicit Stuck(std::atomic<int>* count) : alive(count) { alive->fetch_add(1); }
    Stuck(Stuck&& other) noexcept : alive(std::exchange(other.alive, nullptr)) {}
    ~Stuck() {
        if (alive != nullptr) alive->fetch_sub(1);
    }
    Poll<void> poll(Context&) { return pending; }
};

Task<int> give(int value) { co_return value; }

// -- fairness -------------------------------------------------------------------------------------

/// Two tasks that do nothing but wake each other, on one worker.
struct Court {
    static constexpr int polls_max = 100'000;
    Waker players[2];
    int polls = 0;
    bool over = false;
};
struct Player {
    Court* court;
    int side;
    Poll<void> poll(Context& context) {
        court->players[side] = context.waker();
        court->players[1 - side].wake();
        if (court->over || ++court->polls > Court::polls_max) return Poll<void>::ready();
        return pending;
    }
};

Task<void> yields(int times, int* done, Court* court) {
    for (; *done < times; ++*done) co_await yield_now();
    court->over = true;
}

Task<int> local_beside_players(Court* court) {
    int done = 0;
    JoinHandle<void> one = spawn(Player{court, 0});
    JoinHandle<void> two = spawn(Player{court, 1});
    JoinHandle<void> local = spawn_local(yields(1000, &done, court));
    (void)co_await one;
    (void)co_await two;
    const int reached = done;
    (void)co_await local;
    co_return reached;
}

TEST(Edges, LocalTasksGetTheirTurnWhileOthersWakeEachOther) {
    auto runtime = start(1);
    Court court;
    auto reached = runtime->block_on(runtime->spawn(local_beside_players(&court)));
    EXPECT_EQ(**reached, 1000);
}

/// Keeps its worker busy until something has happened, or for so long that it never will.
bool busy_until(const std::atomic<bool>& happened) {
    const auto give_up = std::chrono::steady_clock::now() + 10s;
    while (!happened && std::chrono::steady_clock::now() < give_up) std::this_thread::yield();
    return happened;
}

Task<bool> hogs(std::atomic<bool>* happened) { co_return busy_until(*happened); }

Task<bool> yields_behind_a_hog(int extra) {
    const auto& idle = Worker::current()->tasks().scheduler().idle();
    while (idle.sleeping() == 0) std::this_thread::yield();
    for (int i = 0; i < extra; ++i) co_await yield_now();
    std::atomic<bool> went_on{false};
    JoinHandle<bool> hog = spawn_local(hogs(&went_on));
    co_await yield_now();
    went_on = true;
    co_return *co_await hog;
}

TEST(Edges, ATaskThatYieldsIsNotHeldUpByALocalOneWhileOthersSleep) {
    auto runtime = start(2);
    for (int i = 0; i < 20; ++i) {
        auto saw = runtime->block_on(runtime->spawn(yields_behind_a_hog(i % 4)));
        ASSERT_TRUE(**saw);
    }
}

class Hog final : public Message {
public:
    explicit Hog(std::atomic<bool>& happened, std::atomic<int>& in_time)
        : happened_(happened), in_time_(in_time) {}
    void run(Worker& worker) override { worker.spawn_local(hog(&happened_, &in_time_)); }

private:
    static Task<void> hog(std::atomic<bool>* happened, std::atomic<int>* in_time) {
        if (busy_until(*happened)) in_time->fetch_add(1);
        co_return;
    }
    std::atomic<bool>& happened_;
    std::atomic<int>& in_time_;
};

Task<void> sets(std::atomic<bool>* flag) {
    *flag = true;
    co_return;
}

// A worker that is woken to search, and finds a message of its own first, lets another search.
TEST(Edges, AWorkerThatIsBusyDoesNotCountAsSearching) {
    auto runtime = start(3);
    (void)runtime->block_on(runtime->spawn(give(0)));
    for (int i = 0; i < 300; ++i) {
        while (runtime->scheduler().idle().sleeping() < 3) std::this_thread::yield();
        std::atomic<bool> ran{false};
        std::atomic<int> in_time{0};
        JoinHandle<void> task = runtime->spawn(sets(&ran));
        for (std::uint32_t worker = 0; worker < 2; ++worker) {
            runtime->worker(worker).post(std::make_unique<Hog>(ran, in_time));
        }
        (void)runtime->block_on(std::move(task));
        const auto give_up = std::chrono::steady_clock::now() + 20s;
        while (in_time < 2 && std::chrono::steady_clock::now() < give_up) std::this_thread::yield();
        ASSERT_EQ(in_time, 2) << "in round " << i;
    }
}

// -- block_on -------------------------------------------------------------------------------------

Task<int> blocks_inside(LocalExecutor* executor, std::atomic<int>* alive) {
    const auto refused = executor->block_on(Stuck(alive));
    EXPECT_EQ(refused ? ErrorKind::ok : refused.error().kind, ErrorKind::deadlock);
    co_return alive->load(); // what it was given may borrow from here
}

TEST(Edges, ARefusedBlockOnKeepsNothing) {
    LocalExecutor executor = local_executor();
    std::atomic<int> alive{0};
    EXPECT_EQ(*executor.block_on(blocks_inside(&executor, &alive)), 0);
}

TEST(Edges, BlockOnGivesItsValueToATaskThatHasSpentItsBudget) {
    LocalExecutor executor = local_executor();
    const coop::Budget spent(0);
    EXPECT_EQ(*executor.block_on(give(3)), 3);
}

// -- memory ---------------------------------------------------------------------------------------

struct alignas(256) Wide {
    Poll<bool> poll(Context&) { return reinterpret_cast<std::uintptr_t>(this) % 256 == 0; }
};

TEST(Edges, FuturesThatWantAnAlignmentGetIt) {
    auto runtime = start(1);
    std::vector<JoinHandle<bool>> handles;
    for (int i = 0; i < 50; ++i) handles.push_back(runtime->spawn(Wide{}));
    for (auto& handle : handles) EXPECT_TRUE(**runtime->block_on(std::move(handle)));
}

// -- handles --------------------------------------------------------------------------------------

TEST(Edges, AHandleThatIsDroppedLeavesNoWaker) {
    auto runtime = start(1);
    std::atomic<int> alive{0};
    CountingWaker waker;
    auto handle = std::make_optional(runtime->spawn(Stuck(&alive)));
    EXPECT_FALSE(handle->poll(waker.context()).is_ready());
    EXPECT_EQ(waker.references(), 1);
    handle.reset();
    EXPECT_EQ(waker.references(), 0);
    runtime.reset();
    EXPECT_EQ(waker.wakes(), 0);
}

TEST(Edges, ATaskThatIsDoneKeepsNoWaker) {
    LocalExecutor executor = local_executor();
    std::atomic<int> alive{0};
    CountingWaker waker;
    auto handle = std::make_optional(executor.spawn(Stuck(&alive)));
    const AbortHandle abort = handle->abort_handle();
    EXPECT_FALSE(handle->poll(waker.context()).is_ready());
    abort.abort();
    ASSERT_TRUE(executor.turn(0ns).has_value());
    EXPECT_EQ(waker.wakes(), 1);
    EXPECT_TRUE(handle->poll(waker.context()).is_ready());
    handle.reset();
    EXPECT_EQ(waker.references(), 0);
}

/// Pending for ever; shows its waker.
struct Shown {
    Stuck stuck;
    Waker* waker;
    std::atomic<bool>* polled;
    Poll<void> poll(Context& context) {
        if (!polled->load()) {
            *waker = context.waker();
            *polled = true;
        }
        return pending;
    }
};

Task<void> hog_at_home(Waker* waker, std::atomic<int>* alive, std::atomic<bool>* polled,
                       const std::atomic<bool>* over) {
    spawn(Shown{Stuck(alive), waker, polled}).detach();
    auto stays = [](std::atomic<bool>* seen, const std::atomic<bool>* until) -> Task<void> {
        while (!*seen) co_await yield_now();
        (void)busy_until(*until);
    };
    spawn_local(stays(polled, over)).detach();
    co_return;
}

// Whoever wakes may be in the middle of something that the task's destructors wait for.
TEST(Edges, AWakeEndsNoTaskWhileItsRuntimeEnds) {
    auto runtime = start(2);
    Waker waker;
    std::atomic<int> alive{0};
    std::atomic<bool> polled{false};
    std::atomic<bool> over{false};
    runtime->spawn(hog_at_home(&waker, &alive, &polled, &over)).detach();
    while (!polled) std::this_thread::yield();
    runtime->stop(nullptr);
    while (!runtime->scheduler().injector().is_closed()) std::this_thread::yield();
    waker.wake();
    EXPECT_EQ(alive, 1);
    over = true;
    runtime.reset();
    EXPECT_EQ(alive, 0);
}

// -- sleeps ---------------------------------------------------------------------------------------

struct PollOnce {
    Sleep* sleep;
    Poll<bool> poll(Context& context) { return sleep->poll(context).is_ready(); }
};
struct PollToTheEnd {
    Sleep* sleep;
    Poll<void> poll(Context& context) { return sleep->poll(context); }
};

TEST(Edges, ASleepGoesOnInAnotherRuntimeWhenItsOwnIsGone) {
    Sleep nap(clock_now() + 1h);
    EXPECT_FALSE(*start(1)->block_on(PollOnce{&nap}));
    nap.reset(clock_now() + 2ms);
    EXPECT_TRUE(start(1)->block_on(PollToTheEnd{&nap}).has_value());
    EXPECT_GE(clock_now(), nap.deadline());
    nap.reset(clock_now() + 1h); // nobody is there any more who could end it
    park_on(PollToTheEnd{&nap});
}

/// Its first wake calls something, on the thread that wakes.
struct Calling {
    std::move_only_function<void()> call;
    static constexpr WakerTable table{[](void* data) { return data; },
                                      [](void* data) noexcept {
                                          auto& self = *static_cast<Calling*>(data);
                                          if (self.call) std::exchange(self.call, nullptr)();
                                      },
                                      [](void*) noexcept {}};
};

TEST(Edges, ASleepThatIsMovedLaterFromAnotherThreadDoesNotEndBefore) {
    LocalExecutor executor = local_executor();
    executor.worker().enter();
    const Instant begin = clock_now();
    Sleep first(begin + 1ms);
    Sleep second(begin + 20ms);
    Calling calling{[&] { std::thread([&] { second.reset(begin + 200ms); }).join(); }};
    const Waker waker(&Calling::table, &calling);
    Context context(waker);
    ASSERT_FALSE(first.poll(context).is_ready());
    ASSERT_FALSE(second.poll(context).is_ready());
    while (clock_now() < second.deadline()) std::this_thread::yield();
    ASSERT_TRUE(executor.turn(0ns).has_value()); // both fire in it
    ASSERT_TRUE(first.poll(context).is_ready());
    ASSERT_TRUE(executor.block_on(PollToTheEnd{&second}).has_value());
    EXPECT_GE(clock_now(), begin + 200ms);
}

// -- threads --------------------------------------------------------------------------------------

// The system gives a new thread the memory of one that has ended.
TEST(Edges, AThreadIsNotTakenForOneThatHasEnded) {
    LocalExecutor executor = local_executor();
    std::thread([&] { ASSERT_TRUE(executor.turn(0ns).has_value()); }).join();
    for (int i = 0; i < 10; ++i) {
        std::thread([&] { EXPECT_FALSE(executor.worker().is_current()); }).join();
    }
}

// -- scopes ---------------------------------------------------------------------------------------

/// A result that borrows from around the scope, and takes its time to end.
struct Borrower {
    std::atomic<int>* ended;
    explicit Borrower(std::atomic<int>* count) : ended(count) {}
    Borrower(Borrower&& other) noexcept : ended(std::exchange(other.ended, nullptr)) {}
    ~Borrower() {
        if (ended == nullptr) return;
        for (int i = 0; i < 10; ++i) std::this_thread::yield();
        ended->fetch_add(1);
    }
};

Task<Borrower> borrows(std::atomic<int>* ended) {
    co_await yield_now();
    co_return Borrower(ended);
}

Task<int> lends(std::atomic<int>* ended) {
    auto body = [&](Scope& inside) -> Task<void> {
        for (int i = 0; i < 4; ++i) inside.spawn(borrows(ended)).detach();
        co_return;
    };
    (void)co_await scope(body);
    co_return ended->load();
}

TEST(Edges, ResultsThatNobodyTakesEndBeforeTheScopeDoes) {
    auto runtime = start(4);
    for (int i = 0; i < 100; ++i) {
        std::atomic<int> ended{0};
        ASSERT_EQ(**runtime->block_on(runtime->spawn(lends(&ended))), 4);
        while (ended < 4) std::this_thread::yield();
    }
}

Task<void> many_stuck(std::atomic<int>* alive, int count) {
    auto body = [&](Scope& inside) -> Task<void> {
        for (int i = 0; i < count; ++i) inside.spawn(Stuck(alive)).detach();
        co_await Stuck(alive);
    };
    (void)co_await scope(body);
}

// Takes minutes when to find the next one takes a look at all.
TEST(Edges, AScopeOfManyChildrenEndsThem) {
    constexpr int count = 100'000;
    auto runtime = start(2);
    std::atomic<int> alive{0};
    auto handle = runtime->spawn(many_stuck(&alive, count));
    while (alive < count + 1) std::this_thread::yield();
    handle.abort();
    EXPECT_FALSE(runtime->block_on(std::move(handle))->has_value());
    EXPECT_EQ(alive, 0);
}

} // namespace
} // namespace hc::runtime
