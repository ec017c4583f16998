#include "core/runtime/future/select.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include "core/runtime/future/poll_fn.hpp"
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

class SelectTest : public testing::Test {
protected:
    CountingWaker waker_;
    GateState<int> one_;
    GateState<std::string> two_;
    GateState<void> three_;
    auto all() { return select(Gate<int>(one_), Gate<std::string>(two_), Gate<void>(three_)); }
    int drops() const { return one_.drops + two_.drops + three_.drops; }
};

TEST_F(SelectTest, GivesTheFirstThatIsReadyAndDropsAll) {
    auto first = all();
    EXPECT_FALSE(first.poll(waker_.context()).is_ready());
    EXPECT_EQ(drops(), 0);
    two_.open("second");
    EXPECT_EQ(waker_.wakes(), 1);
    auto polled = first.poll(waker_.context());
    ASSERT_TRUE(polled.is_ready());
    EXPECT_EQ(polled.value().index(), 1U);
    EXPECT_EQ(std::get<1>(polled.value()), "second");
    EXPECT_EQ(drops(), 3); // before the select itself goes
    EXPECT_EQ(one_.polls, 2);
    EXPECT_EQ(three_.polls, 1); // not asked behind the one that was ready
}

TEST_F(SelectTest, OfSeveralTheFirstInOrder) {
    one_.open(1);
    two_.open("2");
    three_.open();
    EXPECT_EQ(park_on(all()).index(), 0U);
    EXPECT_EQ(two_.polls, 0);
    auto void_first = park_on(select(ready(), ready(3)));
    EXPECT_EQ(void_first.index(), 0U);
    EXPECT_EQ(std::get<0>(void_first), std::monostate());
}

TEST_F(SelectTest, GivenUpDropsWhatLivesInside) {
    {
        auto first = all();
        EXPECT_FALSE(first.poll(waker_.context()).is_ready());
    }
    EXPECT_EQ(drops(), 3);
}

TEST_F(SelectTest, NamedFuturesStayToBeAwaitedAgain) {
    {
        Gate<int> gate(one_);
        two_.open("other");
        EXPECT_EQ(park_on(select(gate, Gate<std::string>(two_))).index(), 1U);
        EXPECT_EQ(one_.drops, 0);
        one_.open(5);
        EXPECT_EQ(std::get<0>(park_on(select(gate, pending_forever()))), 5);
        EXPECT_EQ(one_.drops, 0);
    }
    EXPECT_EQ(one_.drops, 1);
}

Task<int> adds(Gate<int> gate) { co_return co_await std::move(gate) + 1; }

Task<int> tasks_by_name(GateState<int>* state, GateState<void>* stop) {
    auto task = adds(Gate<int>(*state));
    const auto first = co_await select(task, Gate<void>(*stop));
    if (first.index() == 0) co_return -1;
    state->open(41);
    co_return co_await std::move(task); // it goes on where it was
}

TEST_F(SelectTest, ANamedTaskGoesOnAfterwards) {
    auto task = tasks_by_name(&one_, &three_);
    EXPECT_FALSE(task.poll(waker_.context()).is_ready());
    three_.open();
    EXPECT_EQ(task.poll(waker_.context()).value(), 42);
}

TEST_F(SelectTest, TakesWhatCannotBeCopied) {
    auto first = park_on(select(pending_forever<int>(), ready(std::make_unique<int>(3))));
    EXPECT_EQ(*std::get<1>(first), 3);
}

TEST_F(SelectTest, PassesExceptions) {
    two_.error = std::make_exception_ptr(std::logic_error("second"));
    {
        auto first = all();
        EXPECT_THROW((void)first.poll(waker_.context()), std::logic_error);
    }
    EXPECT_EQ(drops(), 3);
}

TEST_F(SelectTest, LeavesNoWakerBehind) {
    std::optional<DuplexStream> a;
    auto [c, d] = duplex(4);
    a.emplace(std::move(c));
    std::array<char, 4> into{};
    {
        auto first = select(read(*a, into), pending_forever());
        EXPECT_FALSE(first.poll(waker_.context()).is_ready());
    }
    EXPECT_EQ(park_on(write(d, "kept")).value(), 4U); // what the lost read would have got
    EXPECT_EQ(park_on(read(*a, into)).value(), 4U);
    EXPECT_EQ(waker_.references(), 0);
}

/// Always finds something; pending only without a budget.
auto greedy(int& turns) {
    return poll_fn([&turns](Context& context) -> Poll<void> {
        while (coop::spend(context)) ++turns;
        return pending;
    });
}
auto thrifty() {
    return poll_fn([](Context& context) -> Poll<void> {
        if (!coop::spend(context)) return pending;
        return Poll<void>::ready();
    });
}

TEST_F(SelectTest, ThoseInFrontLeaveSomeBudgetForThoseBehind) {
    int turns = 0;
    const coop::Budget budget(10);
    auto first = select(greedy(turns), greedy(turns), thrifty());
    auto polled = first.poll(waker_.context());
    ASSERT_TRUE(polled.is_ready());
    EXPECT_EQ(polled.value().index(), 2U);
    EXPECT_EQ(turns, 6); // a third of ten, half of the rest
    EXPECT_EQ(coop::detail::left, 3U);
}

TEST_F(SelectTest, WithoutBudgetThereIsAnotherTurn) {
    const coop::Budget budget(0);
    auto first = select(thrifty(), thrifty());
    EXPECT_FALSE(first.poll(waker_.context()).is_ready());
    EXPECT_GT(waker_.wakes(), 0);
    const coop::Budget more(1);
    EXPECT_TRUE(first.poll(waker_.context()).is_ready());
}

TEST_F(SelectTest, FairGivesEachItsTurn) {
    std::array<int, 3> wins{};
    for (int i = 0; i < 900; ++i) ++wins[park_on(select_fair(ready(), ready(), ready())).index()];
    for (const int each : wins) EXPECT_GT(each, 200);
}

// Selects that take turns must not fall in step with what makes them fair.
TEST_F(SelectTest, FairAlsoWhenSelectsTakeTurns) {
    std::array<int, 2> wins{};
    for (int i = 0; i < 600; ++i) {
        ++wins[park_on(select_fair(ready(), ready())).index()];
        park_on(select_fair(ready(), ready(), ready(), ready()));
    }
    for (const int each : wins) EXPECT_GT(each, 200);
}

TEST_F(SelectTest, FairAsksEachOnceAPoll) {
    auto first = select_fair(Gate<int>(one_), Gate<std::string>(two_), Gate<void>(three_));
    for (int i = 1; i <= 20; ++i) {
        EXPECT_FALSE(first.poll(waker_.context()).is_ready());
        EXPECT_EQ(one_.polls, i);
        EXPECT_EQ(two_.polls, i);
        EXPECT_EQ(three_.polls, i);
    }
    three_.open();
    EXPECT_EQ(first.poll(waker_.context()).value().index(), 2U);
    EXPECT_EQ(drops(), 3);
}

TEST_F(SelectTest, RaceGivesTheValueOfWhoeverWins) {
    GateState<int> other;
    auto first = race(Gate<int>(one_), Gate<int>(other));
    EXPECT_FALSE(first.poll(waker_.context()).is_ready());
    other.open(9);
    EXPECT_EQ(first.poll(waker_.context()).value(), 9);
    EXPECT_EQ(one_.drops + other.drops, 2);
    EXPECT_EQ(park_on(race(ready(1), ready(2))), 1);
    park_on(race(pending_forever(), ready()));
    EXPECT_EQ(park_on(race(ready(1))), 1);
}

// The wakers of both children go to the one task, from any thread.
TEST_F(SelectTest, IsWokenByAnyChildFromAnyThread) {
    for (int round = 0; round < 200; ++round) {
        auto [a, b] = duplex(1);
        auto [c, d] = duplex(1);
        std::array<char, 1> left{};
        std::array<char, 1> right{};
        std::thread writer([&, round] { (void)park_on(write(round % 2 == 0 ? b : d, "x")); });
        auto first = park_on(select(read(a, left), read(c, right)));
        EXPECT_EQ(first.index(), static_cast<std::size_t>(round % 2));
        writer.join();
    }
}

} // namespace
} // namespace hc::runtime
