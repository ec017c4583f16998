#include "core/runtime/future/ready.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "core/runtime/park.hpp"
#include "core/runtime/task.hpp"
#include "tests/unit/runtime/counting_waker.hpp"

namespace hc::runtime {
namespace {

static_assert(Future<Ready<int>>);
static_assert(Future<Ready<void>>);
static_assert(Future<PendingForever<int>>);
static_assert(std::is_same_v<FutureValue<decltype(pending_forever())>, void>);

Task<std::string> awaits() {
    co_await ready();
    const std::string name = "b";
    co_return "a" + co_await ready(name);
}

TEST(Ready, HasItsValue) {
    EXPECT_EQ(park_on(ready(3)), 3);
    EXPECT_EQ(*park_on(ready(std::make_unique<int>(4))), 4);
    park_on(ready());
    EXPECT_EQ(park_on(awaits()), "ab");
}

TEST(PendingForever, IsNeverReadyAndKeepsNoWaker) {
    test::CountingWaker waker;
    auto never = pending_forever<int>();
    for (int i = 0; i < 3; ++i) EXPECT_FALSE(never.poll(waker.context()).is_ready());
    EXPECT_EQ(waker.references(), 0);
    EXPECT_EQ(waker.wakes(), 0);
}

} // namespace
} // namespace hc::runtime
