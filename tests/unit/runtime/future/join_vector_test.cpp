#include "core/runtime/future/join_vector.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/base/random.hpp"
#include "core/runtime/future/ready.hpp"
#include "core/runtime/io/duplex.hpp"
#include "core/runtime/io/read_ext.hpp"
#include "core/runtime/io/write_ext.hpp"
#include "core/runtime/park.hpp"
#include "tests/unit/runtime/counting_waker.hpp"
#include "tests/unit/runtime/future/gate.hpp"

namespace hc::runtime {
namespace {

using test::CountingWaker;
using test::Gate;
using test::GateState;

template <class T>
class Gates {
public:
    explicit Gates(std::size_t count) : states_(count) {}
    GateState<T>& operator[](std::size_t index) { return states_[index]; }
    std::vector<Gate<T>> futures() {
        std::vector<Gate<T>> all;
        for (auto& state : states_) all.emplace_back(state);
        return all;
    }
    int polls() const {
        int sum = 0;
        for (const auto& state : states_) sum += state.polls;
        return sum;
    }
    int drops() const {
        int sum = 0;
        for (const auto& state : states_) sum += state.drops;
        return sum;
    }

private:
    std::vector<GateState<T>> states_;
};

TEST(JoinVector, WaitsForAllAndKeepsTheOrder) {
    CountingWaker waker;
    Gates<std::string> gates(3);
    auto all = join_all(gates.futures());
    EXPECT_FALSE(all.poll(waker.context()).is_ready());
    gates[2].open("c");
    EXPECT_FALSE(all.poll(waker.context()).is_ready());
    EXPECT_EQ(gates[2].drops, 1);
    gates[0].open("a");
    gates[1].open("b");
    auto polled = all.poll(waker.context());
    ASSERT_TRUE(polled.is_ready());
    EXPECT_EQ(polled.value(), (std::vector<std::string>{"a", "b", "c"}));
}

TEST(JoinVector, OfNothingIsReady) {
    EXPECT_TRUE(park_on(join_all(std::vector<Ready<int>>())).empty());
    park_on(join_all(std::vector<Ready<void>>()));
    EXPECT_TRUE(park_on(try_join_all(std::vector<Ready<Result<int>>>())).value().empty());
}

TEST(JoinVector, OfVoidAndOfWhatCannotBeCopied) {
    park_on(join_all(std::vector<Ready<void>>(3)));
    std::vector<Ready<std::unique_ptr<int>>> pointers;
    pointers.push_back(ready(std::make_unique<int>(3)));
    EXPECT_EQ(*park_on(join_all(std::move(pointers)))[0], 3);
}

TEST(JoinVector, AWakeCostsOnePollHoweverManyThereAre) {
    constexpr std::size_t count = 10'000;
    CountingWaker waker;
    Gates<int> gates(count);
    auto all = join_all(gates.futures());
    EXPECT_FALSE(all.poll(waker.context()).is_ready());
    EXPECT_EQ(gates.polls(), static_cast<int>(count));
    int polls = gates.polls();
    for (std::size_t i = 0; i + 1 < count; ++i) {
        gates[i * 7 % count].open(static_cast<int>(i)); // 7 and 10,000 have no divisor in common
        EXPECT_EQ(waker.new_wakes(), 1);
        ASSERT_FALSE(all.poll(waker.context()).is_ready());
    }
    EXPECT_EQ(gates.polls(), polls + static_cast<int>(count) - 1);
    polls = gates.polls();
    EXPECT_FALSE(all.poll(waker.context()).is_ready()); // a poll without a wake asks nobody
    EXPECT_EQ(gates.polls(), polls);
    gates[(count - 1) * 7 % count].open(0);
    EXPECT_TRUE(all.poll(waker.context()).is_ready());
}

TEST(JoinVector, ManyWakesAreOneForTheParent) {
    CountingWaker waker;
    Gates<int> gates(100);
    auto all = join_all(gates.futures());
    EXPECT_FALSE(all.poll(waker.context()).is_ready());
    for (std::size_t i = 0; i < 50; ++i) {
        const Waker child = gates[i].waker;
        child.wake();
        child.wake();
    }
    EXPECT_EQ(waker.new_wakes(), 1);
    EXPECT_FALSE(all.poll(waker.context()).is_ready());
    EXPECT_EQ(gates.polls(), 150);
    EXPECT_EQ(waker.new_wakes(), 0);
}

TEST(JoinVector, AnotherContextTakesOver) {
    CountingWaker before;
    CountingWaker after;
    Gates<int> gates(2);
    auto all = join_all(gates.futures());
    EXPECT_FALSE(all.poll(before.context()).is_ready());
    EXPECT_FALSE(all.poll(after.context()).is_ready());
    EXPECT_EQ(before.references(), 0);
    gates[1].open(1);
    EXPECT_EQ(before.wakes(), 0);
    EXPECT_EQ(after.wakes(), 1);
}

TEST(JoinVector, GivenUpDropsAllAndLateWakesAreHarmless) {
    CountingWaker waker;
    Gates<int> gates(3);
    {
        auto all = join_all(gates.futures());
        EXPECT_FALSE(all.poll(waker.context()).is_ready());
        gates[1].open(1);
    }
    EXPECT_EQ(gates.drops(), 3);
    EXPECT_EQ(waker.references(), 0);
    EXPECT_EQ(waker.wakes(), 1);
    gates[0].open(1);
    gates[2].open(1);
    EXPECT_EQ(waker.wakes(), 1);
}

TEST(JoinVector, WakesOfOneThatIsDoneDoNothing) {
    CountingWaker waker;
    Gates<int> gates(2);
    auto all = join_all(gates.futures());
    EXPECT_FALSE(all.poll(waker.context()).is_ready());
    const Waker late = gates[0].waker;
    gates[0].open(1);
    EXPECT_FALSE(all.poll(waker.context()).is_ready());
    EXPECT_EQ(waker.new_wakes(), 1);
    late.wake();
    EXPECT_EQ(waker.new_wakes(), 0);
    gates[1].open(2);
    EXPECT_EQ(all.poll(waker.context()).value(), (std::vector{1, 2}));
}

Task<int> yields(int times) {
    for (int i = 0; i < times; ++i) co_await yield_now();
    co_return times;
}

TEST(JoinVector, ChildrenThatWakeThemselvesTakeTurns) {
    CountingWaker waker;
    std::vector<Task<int>> tasks;
    for (const int times : {3, 0, 1}) tasks.push_back(yields(times));
    auto all = join_all(std::move(tasks));
    for (int i = 0; i < 3; ++i) {
        EXPECT_FALSE(all.poll(waker.context()).is_ready()); // each at most once a poll
        EXPECT_EQ(waker.new_wakes(), 1);
    }
    EXPECT_EQ(all.poll(waker.context()).value(), (std::vector{3, 0, 1}));
}

TEST(JoinVector, ATaskMayMoveItBeforeItIsPolled) {
    Gates<int> gates(2);
    auto first = join_all(gates.futures());
    auto moved = std::move(first);
    gates[0].open(1);
    gates[1].open(2);
    EXPECT_EQ(park_on(std::move(moved)), (std::vector{1, 2}));
}

/// Takes from a source that is never empty, as long as the budget lasts.
class Greedy {
public:
    explicit Greedy(int& taken) : taken_(&taken) {}
    Poll<int> poll(Context& context) {
        while (*taken_ < 1000) {
            if (!coop::spend(context)) return pending;
            ++*taken_;
        }
        return *taken_;
    }

private:
    int* taken_;
};

TEST(JoinVector, TheBudgetGoesRound) {
    CountingWaker waker;
    std::vector<int> taken(5);
    std::vector<Greedy> greedy(taken.begin(), taken.end());
    auto all = join_all(std::move(greedy));
    for (int turn = 1; turn <= 10; ++turn) {
        const coop::Budget budget(20);
        EXPECT_FALSE(all.poll(waker.context()).is_ready());
        EXPECT_GT(waker.new_wakes(), 0);
        EXPECT_EQ(std::accumulate(taken.begin(), taken.end(), 0), turn * 20);
    }
    for (const int each : taken) EXPECT_EQ(each, 40); // each had the whole of two turns
    EXPECT_EQ(park_on(std::move(all)).size(), 5U);
}

TEST(JoinVector, PassesExceptionsAndDropsTheRest) {
    Gates<int> gates(3);
    gates[1].error = std::make_exception_ptr(std::logic_error("second"));
    EXPECT_THROW(park_on(join_all(gates.futures())), std::logic_error);
    EXPECT_EQ(gates.drops(), 3);
}

TEST(TryJoinVector, GivesWhatIsInTheResults) {
    std::vector<Ready<Result<int>>> values;
    for (int i = 0; i < 3; ++i) values.push_back(ready(Result<int>(i)));
    EXPECT_EQ(park_on(try_join_all(std::move(values))).value(), (std::vector{0, 1, 2}));
    std::vector<Ready<Result<void>>> nothing(2, Ready<Result<void>>(Result<void>()));
    EXPECT_TRUE(park_on(try_join_all(std::move(nothing))).has_value());
}

TEST(TryJoinVector, EndsWithTheFirstErrorAndDropsTheRest) {
    CountingWaker waker;
    Gates<Result<int>> gates(4);
    auto all = try_join_all(gates.futures());
    EXPECT_FALSE(all.poll(waker.context()).is_ready());
    gates[3].open(1);
    gates[1].open(fail(ErrorKind::refused, "scripted"));
    gates[2].open(fail(ErrorKind::timeout, "scripted")); // woken later
    auto polled = all.poll(waker.context());
    ASSERT_TRUE(polled.is_ready());
    EXPECT_EQ(polled.value().error().kind, ErrorKind::refused);
    EXPECT_EQ(gates.drops(), 4);
    EXPECT_EQ(gates[2].polls, 1);
}

// -- threads --------------------------------------------------------------------------------------

Task<int> read_byte(DuplexStream stream) {
    char byte = 0;
    const auto count = co_await read(stream, std::span(&byte, 1));
    co_return count.value_or(0) == 1 ? byte : -1;
}

TEST(JoinVector, ChildrenAreWokenFromManyThreads) {
    constexpr std::size_t count = 300;
    for (int round = 0; round < 5; ++round) {
        std::vector<DuplexStream> theirs;
        std::vector<Task<int>> tasks;
        for (std::size_t i = 0; i < count; ++i) {
            auto [ours, other] = duplex(1);
            tasks.push_back(read_byte(std::move(ours)));
            theirs.push_back(std::move(other));
        }
        std::vector<std::thread> threads;
        for (std::size_t t = 0; t < 3; ++t) {
            threads.emplace_back([&, t] {
                for (std::size_t i = t; i < count; i += 3) {
                    const char byte = static_cast<char>(i % 100);
                    (void)park_on(write(theirs[i], std::string_view(&byte, 1)));
                }
            });
        }
        const std::vector<int> bytes = park_on(join_all(std::move(tasks)));
        for (auto& thread : threads) thread.join();
        for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(bytes[i], static_cast<int>(i % 100));
    }
}

// The join is dropped while its children are being woken.
TEST(JoinVector, GivenUpWhileOthersWake) {
    for (int round = 0; round < 200; ++round) {
        CountingWaker waker;
        Gates<int> gates(4);
        std::vector<Waker> wakers;
        std::atomic<bool> go{false};
        std::optional<JoinVector<Gate<int>>> all;
        all.emplace(gates.futures());
        EXPECT_FALSE(all->poll(waker.context()).is_ready());
        for (std::size_t i = 0; i < 4; ++i) wakers.push_back(gates[i].waker);
        std::thread other([&, mine = std::move(wakers)]() mutable {
            while (!go) std::this_thread::yield();
            for (auto& each : mine) std::exchange(each, Waker()).wake();
        });
        go = true;
        if (round % 2 == 0) EXPECT_FALSE(all->poll(waker.context()).is_ready());
        all.reset();
        other.join();
        EXPECT_EQ(waker.references(), 0);
    }
}

} // namespace
} // namespace hc::runtime
