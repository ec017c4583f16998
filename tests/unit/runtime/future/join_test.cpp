#include "core/runtime/future/join.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "core/runtime/future/poll_fn.hpp"
#include "core/runtime/future/ready.hpp"
#include "core/runtime/park.hpp"
#include "tests/unit/runtime/counting_waker.hpp"
#include "tests/unit/runtime/future/gate.hpp"

namespace hc::runtime {
namespace {

using test::CountingWaker;
using test::Gate;
using test::GateState;

class JoinTest : public testing::Test {
protected:
    CountingWaker waker_;
    GateState<int> one_;
    GateState<std::string> two_;
    GateState<void> three_;
    int drops() const { return one_.drops + two_.drops + three_.drops; }
};

TEST_F(JoinTest, WaitsForAllAndDropsEachWhenItIsReady) {
    auto all = join_all(Gate<int>(one_), Gate<std::string>(two_), Gate<void>(three_));
    EXPECT_FALSE(all.poll(waker_.context()).is_ready());
    two_.open("two");
    EXPECT_FALSE(all.poll(waker_.context()).is_ready());
    EXPECT_EQ(two_.drops, 1);
    EXPECT_EQ(drops(), 1);
    three_.open();
    one_.open(1);
    EXPECT_EQ(waker_.wakes(), 3);
    auto polled = all.poll(waker_.context());
    ASSERT_TRUE(polled.is_ready());
    EXPECT_EQ(polled.value(), std::make_tuple(1, std::string("two"), std::monostate()));
    EXPECT_EQ(two_.polls, 2);
    EXPECT_EQ(drops(), 3);
}

Task<int> awaits(GateState<int>* state) {
    Gate<int> named(*state);
    const std::string word = "abc";
    auto [number, text, nothing] = co_await join_all(named, ready(word), ready());
    static_assert(std::is_same_v<decltype(nothing), std::monostate>);
    co_return number + static_cast<int>(text.size());
}

TEST_F(JoinTest, IsAwaitedWithNamedFutures) {
    auto task = awaits(&one_);
    EXPECT_FALSE(task.poll(waker_.context()).is_ready());
    one_.open(4);
    EXPECT_EQ(task.poll(waker_.context()).value(), 7);
    EXPECT_EQ(one_.drops, 1);
}

TEST_F(JoinTest, GivenUpDropsWhatLivesInside) {
    two_.open("two");
    {
        Gate<int> named(one_);
        {
            auto all = join_all(named, Gate<std::string>(two_), Gate<void>(three_));
            EXPECT_FALSE(all.poll(waker_.context()).is_ready());
        }
        EXPECT_EQ(drops(), 2);
        EXPECT_EQ(one_.drops, 0);
    }
}

TEST_F(JoinTest, PassesExceptions) {
    two_.error = std::make_exception_ptr(std::logic_error("second"));
    EXPECT_THROW(park_on(join_all(Gate<int>(one_), Gate<std::string>(two_))), std::logic_error);
    EXPECT_EQ(drops(), 2);
}

TEST_F(JoinTest, TakesWhatCannotBeCopied) {
    auto [pointer] = park_on(join_all(ready(std::make_unique<int>(3))));
    EXPECT_EQ(*pointer, 3);
}

TEST_F(JoinTest, AGreedyOneDoesNotKeepTheOthersFromTheirTurn) {
    int turns = 0;
    int others = 0;
    auto all = join_all(poll_fn([&](Context& context) -> Poll<void> {
                            while (coop::spend(context)) ++turns;
                            return pending;
                        }),
                        poll_fn([&](Context& context) -> Poll<void> {
                            if (!coop::spend(context) || ++others < 5) return pending;
                            return Poll<void>::ready();
                        }));
    for (int i = 1; i <= 5; ++i) {
        const coop::Budget budget(10);
        EXPECT_FALSE(all.poll(waker_.context()).is_ready());
        EXPECT_EQ(others, i);
    }
    EXPECT_EQ(turns, 25);
    const coop::Budget budget(10);
    EXPECT_FALSE(all.poll(waker_.context()).is_ready());
    EXPECT_EQ(turns, 35); // the share of one that is done goes to the others
}

Result<int> failed(ErrorKind kind) { return fail(kind, "scripted"); }

TEST_F(JoinTest, TryGivesWhatIsInTheResults) {
    auto all = park_on(try_join_all(ready(Result<int>(1)), ready(Result<void>()),
                                    ready(Result<std::unique_ptr<int>>(std::make_unique<int>(2)))));
    ASSERT_TRUE(all.has_value());
    EXPECT_EQ(std::get<0>(*all), 1);
    EXPECT_EQ(*std::get<2>(*all), 2);
}

TEST_F(JoinTest, TryEndsWithTheFirstErrorAndDropsTheRest) {
    GateState<Result<int>> early;
    GateState<Result<int>> broken;
    GateState<Result<void>> late;
    auto all =
        try_join_all(Gate<Result<int>>(early), Gate<Result<int>>(broken), Gate<Result<void>>(late));
    early.open(1);
    EXPECT_FALSE(all.poll(waker_.context()).is_ready());
    EXPECT_EQ(late.polls, 1);
    broken.open(failed(ErrorKind::refused));
    auto polled = all.poll(waker_.context());
    ASSERT_TRUE(polled.is_ready());
    EXPECT_EQ(polled.value().error().kind, ErrorKind::refused);
    EXPECT_EQ(late.drops, 1);
    EXPECT_EQ(late.polls, 1); // not asked behind the error
}

TEST_F(JoinTest, TryPassesExceptions) {
    GateState<Result<int>> broken;
    broken.error = std::make_exception_ptr(std::logic_error("thrown"));
    EXPECT_THROW(park_on(try_join_all(Gate<Result<int>>(broken))), std::logic_error);
}

static_assert(ResultFuture<Ready<Result<void>>>);
static_assert(!ResultFuture<Ready<int>>);

} // namespace
} // namespace hc::runtime
