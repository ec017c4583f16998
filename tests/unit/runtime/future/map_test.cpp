#include "core/runtime/future/map.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "core/runtime/future/ready.hpp"
#include "core/runtime/park.hpp"
#include "tests/unit/runtime/counting_waker.hpp"
#include "tests/unit/runtime/future/gate.hpp"

namespace hc::runtime {
namespace {

using test::CountingWaker;
using test::Gate;
using test::GateState;

TEST(Map, ValuesAndVoidOnBothSides) {
    EXPECT_EQ(park_on(map(ready(20), [](int value) { return std::to_string(value + 1); })), "21");
    EXPECT_EQ(park_on(map(ready(), [] { return 4; })), 4);
    int seen = 0;
    park_on(map(ready(5), [&](int value) { seen = value; }));
    EXPECT_EQ(seen, 5);
    park_on(map(ready(), [&] { seen = 6; }));
    EXPECT_EQ(seen, 6);
}

TEST(Map, MovesWhatCannotBeCopied) {
    auto unwrap = [bonus = std::make_unique<int>(1)](std::unique_ptr<int> value) {
        *value += *bonus;
        return value;
    };
    EXPECT_EQ(*park_on(map(ready(std::make_unique<int>(7)), std::move(unwrap))), 8);
    EXPECT_EQ(park_on(map(ready(std::string("abc")), &std::string::size)), 3U);
}

TEST(Map, WaitsAndCallsOnce) {
    CountingWaker waker;
    GateState<int> state;
    int calls = 0;
    auto mapped = map(Gate<int>(state), [&](int value) {
        ++calls;
        return -value;
    });
    EXPECT_FALSE(mapped.poll(waker.context()).is_ready());
    EXPECT_EQ(calls, 0);
    state.open(3);
    EXPECT_EQ(waker.wakes(), 1);
    EXPECT_EQ(mapped.poll(waker.context()).value(), -3);
    EXPECT_EQ(calls, 1);
}

TEST(Map, RefersToANamedFuture) {
    CountingWaker waker;
    GateState<int> state;
    {
        Gate<int> gate(state);
        {
            auto mapped = map(gate, [](int value) { return value; });
            EXPECT_FALSE(mapped.poll(waker.context()).is_ready());
        }
        EXPECT_EQ(state.drops, 0);
        state.open(1);
        EXPECT_EQ(gate.poll(waker.context()).value(), 1);
    }
    EXPECT_EQ(state.drops, 1);
}

TEST(Map, PassesExceptionsOfBoth) {
    GateState<int> state;
    state.error = std::make_exception_ptr(std::logic_error("future"));
    EXPECT_THROW(park_on(map(Gate<int>(state), [](int value) { return value; })), std::logic_error);
    EXPECT_THROW(park_on(map(ready(1), [](int) -> int { throw std::runtime_error("call"); })),
                 std::runtime_error);
}

} // namespace
} // namespace hc::runtime
