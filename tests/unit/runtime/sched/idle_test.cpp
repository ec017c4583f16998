// Idle on one thread: who is woken when. The races are explored in idle_model_test.cpp.
#include "core/runtime/sched/idle.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>

namespace hc::runtime::sched {
namespace {

TEST(IdleTest, WakesNobodyWhenAllAreAwake) {
    Idle<> idle(4);
    EXPECT_EQ(idle.worker_to_notify(), std::nullopt);
    EXPECT_EQ(idle.sleeping(), 0U);
    EXPECT_EQ(idle.searching(), 0U);
}

TEST(IdleTest, WakesOneSleeperWhichThenSearches) {
    Idle<> idle(4);
    EXPECT_TRUE(idle.transition_to_sleeping(1, false));
    EXPECT_TRUE(idle.transition_to_sleeping(3, false));
    EXPECT_TRUE(idle.is_sleeping(3));
    EXPECT_EQ(idle.sleeping(), 2U);
    EXPECT_EQ(idle.worker_to_notify(), 3U) << "the last to go to sleep";
    EXPECT_FALSE(idle.is_sleeping(3));
    EXPECT_EQ(idle.searching(), 1U);
    EXPECT_EQ(idle.worker_to_notify(), std::nullopt) << "one searches already";
    EXPECT_TRUE(idle.woke(3)) << "by a notifier";
    EXPECT_TRUE(idle.transition_from_searching()) << "it was the last";
    EXPECT_EQ(idle.worker_to_notify(), 1U);
    EXPECT_EQ(idle.sleeping(), 0U);
}

TEST(IdleTest, LetsHalfOfTheWorkersSearch) {
    Idle<> idle(5);
    EXPECT_TRUE(idle.transition_to_searching());
    EXPECT_TRUE(idle.transition_to_searching());
    EXPECT_TRUE(idle.transition_to_searching()) << "half, rounded up";
    EXPECT_FALSE(idle.transition_to_searching());
    EXPECT_FALSE(idle.transition_from_searching());
    EXPECT_TRUE(idle.transition_to_searching());
    Idle<> single(1);
    EXPECT_TRUE(single.transition_to_searching());
    EXPECT_FALSE(single.transition_to_searching());
}

TEST(IdleTest, OnlyTheLastSearcherLooksAgain) {
    Idle<> idle(6);
    ASSERT_TRUE(idle.transition_to_searching());
    ASSERT_TRUE(idle.transition_to_searching());
    EXPECT_FALSE(idle.transition_to_sleeping(2, false)) << "others search";
    EXPECT_FALSE(idle.transition_to_sleeping(0, true)) << "another searches";
    EXPECT_TRUE(idle.transition_to_sleeping(1, true));
    EXPECT_TRUE(idle.transition_to_sleeping(5, false)) << "nobody searches";
    EXPECT_EQ(idle.searching(), 0U);
    EXPECT_EQ(idle.sleeping(), 4U);
}

TEST(IdleTest, AWorkerThatWakesByItselfLeavesTheSleepers) {
    Idle<> idle(3);
    for (std::uint32_t worker = 0; worker < 3; ++worker) {
        idle.transition_to_sleeping(worker, false);
    }
    EXPECT_FALSE(idle.woke(0)) << "not by a notifier";
    EXPECT_FALSE(idle.is_sleeping(0));
    EXPECT_EQ(idle.searching(), 0U);
    EXPECT_EQ(idle.sleeping(), 2U);
    const std::optional<std::uint32_t> first = idle.worker_to_notify();
    ASSERT_TRUE(first.has_value());
    EXPECT_NE(*first, 0U);
    EXPECT_TRUE(idle.transition_from_searching());
    const std::optional<std::uint32_t> second = idle.worker_to_notify();
    ASSERT_TRUE(second.has_value());
    EXPECT_EQ(*first + *second, 3U) << "the other one of 1 and 2";
    EXPECT_TRUE(idle.transition_from_searching());
    EXPECT_EQ(idle.worker_to_notify(), std::nullopt);
}

TEST(IdleTest, KeepsAccountOfAThousand) {
    constexpr std::uint32_t workers = 1000;
    Idle<> idle(workers);
    for (std::uint32_t worker = 0; worker < workers; ++worker) {
        EXPECT_TRUE(idle.transition_to_sleeping(worker, false));
    }
    std::set<std::uint32_t> sleepers;
    for (std::uint32_t worker = 0; worker < workers; ++worker) {
        if (worker % 3 == 0) {
            EXPECT_FALSE(idle.woke(worker));
        } else {
            sleepers.insert(worker);
        }
    }
    EXPECT_EQ(idle.sleeping(), sleepers.size());
    while (const auto worker = idle.worker_to_notify()) {
        EXPECT_EQ(sleepers.erase(*worker), 1U);
        EXPECT_TRUE(idle.transition_from_searching());
    }
    EXPECT_TRUE(sleepers.empty());
    EXPECT_EQ(idle.sleeping(), 0U);
}

} // namespace
} // namespace hc::runtime::sched
