#include "core/runtime/sync/barrier.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <utility>

#include "tests/unit/runtime/sync/probe.hpp"

namespace hc::runtime {
namespace {

using test::Probe;

static_assert(Future<Barrier::Wait>);

TEST(Barrier, TheLastOneLeads) {
    Barrier barrier(3);
    for (int round = 0; round < 3; ++round) {
        Probe a(barrier.wait());
        Probe b(barrier.wait());
        Probe c(barrier.wait());
        EXPECT_FALSE(a.poll());
        EXPECT_FALSE(b.poll());
        EXPECT_FALSE(a.poll()) << "asking again is not arriving again";
        ASSERT_TRUE(c.poll());
        EXPECT_TRUE(c.value().is_leader());
        EXPECT_EQ(a.wakes(), 1);
        EXPECT_EQ(b.wakes(), 1);
        ASSERT_TRUE(a.poll());
        ASSERT_TRUE(b.poll());
        EXPECT_FALSE(a.value().is_leader());
        EXPECT_FALSE(b.value().is_leader());
    }
}

TEST(Barrier, OneThatGivesUpHasNotArrived) {
    Barrier barrier(2);
    Probe a(barrier.wait());
    EXPECT_FALSE(a.poll());
    a.drop();
    Probe b(barrier.wait());
    EXPECT_FALSE(b.poll());
    Probe c(barrier.wait());
    EXPECT_TRUE(c.poll());
    b.drop(); // its round is over
    Probe d(barrier.wait());
    EXPECT_FALSE(d.poll());
}

TEST(Barrier, TheNextRoundMayStartBeforeAllHaveLeft) {
    Barrier barrier(2);
    Probe slow(barrier.wait());
    EXPECT_FALSE(slow.poll());
    EXPECT_TRUE(Probe(barrier.wait()).poll());
    Probe next(barrier.wait());
    EXPECT_FALSE(next.poll());
    EXPECT_TRUE(slow.poll());
    EXPECT_FALSE(next.poll());
}

TEST(Barrier, ManyGoTogether) {
    constexpr std::size_t count = 3 * sync_detail::WakeBatch::size_max;
    Barrier barrier(count + 1);
    std::deque<Probe<Barrier::Wait>> all;
    for (std::size_t i = 0; i < count; ++i) EXPECT_FALSE(all.emplace_back(barrier.wait()).poll());
    EXPECT_TRUE(Probe(barrier.wait()).poll());
    for (auto& one : all) {
        EXPECT_EQ(one.wakes(), 1);
        EXPECT_TRUE(one.poll());
    }
}

TEST(Barrier, OfOneOrNoneNobodyWaits) {
    for (const std::size_t parties : {0u, 1u}) {
        Barrier barrier(parties);
        Probe a(barrier.wait());
        ASSERT_TRUE(a.poll());
        EXPECT_TRUE(a.value().is_leader());
    }
}

TEST(Barrier, ATaskWithoutBudgetHasNotArrived) {
    Barrier barrier(2);
    Probe a(barrier.wait());
    EXPECT_FALSE(a.poll());
    Probe b(barrier.wait());
    {
        const coop::Budget none(0);
        EXPECT_FALSE(b.poll());
        EXPECT_EQ(b.wakes(), 1);
    }
    EXPECT_EQ(a.wakes(), 0);
    EXPECT_TRUE(b.poll());
}

} // namespace
} // namespace hc::runtime
