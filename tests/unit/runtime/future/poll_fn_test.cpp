#include "core/runtime/future/poll_fn.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>

#include "core/runtime/park.hpp"

namespace hc::runtime {
namespace {

TEST(PollFn, AsksItsFunctionUntilItIsReady) {
    int calls = 0;
    auto future = poll_fn([&calls, kept = std::make_unique<int>(5)](Context& context) -> Poll<int> {
        if (++calls == 3) return *kept;
        context.waker().wake();
        return pending;
    });
    EXPECT_EQ(park_on(std::move(future)), 5);
    EXPECT_EQ(calls, 3);
}

Task<int> twice() {
    int left = 2;
    co_await poll_fn([&left](Context& context) -> Poll<void> {
        if (--left == 0) return Poll<void>::ready();
        context.waker().wake();
        return pending;
    });
    co_return left;
}

TEST(PollFn, MayBeAwaitedAndBeVoid) { EXPECT_EQ(park_on(twice()), 0); }

TEST(PollFn, ThrowsWhatItsFunctionThrows) {
    auto broken = poll_fn([](Context&) -> Poll<int> { throw std::runtime_error("broken"); });
    EXPECT_THROW(park_on(std::move(broken)), std::runtime_error);
}

} // namespace
} // namespace hc::runtime
