// StealQueue on one thread: what each call promises. What threads make of it is explored in
// queue_model_test.cpp.
#include "core/runtime/sched/steal_queue.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace hc::runtime::sched {
namespace {

struct Item {
    int number;
};

class StealQueueTest : public testing::TestWithParam<std::uint32_t> {
protected:
    using Queue = StealQueue<Item, 8>;

    StealQueueTest() {
        for (std::size_t i = 0; i < items.size(); ++i) items[i].number = static_cast<int>(i);
    }
    // Pushes as many as told, with the numbers that follow.
    void push(int count) {
        for (int i = 0; i < count; ++i) {
            ASSERT_TRUE(queue.push(&items.at(static_cast<std::size_t>(pushed++))));
        }
    }
    static std::vector<int> drain(Queue& from) {
        std::vector<int> numbers;
        while (const Item* item = from.pop()) numbers.push_back(item->number);
        return numbers;
    }
    std::vector<int> overflow(Item* item) {
        std::vector<int> numbers;
        queue.push_or_overflow(item, [&](std::span<Item*> out) {
            for (const Item* each : out) numbers.push_back(each->number);
        });
        return numbers;
    }

    Queue queue{GetParam()};
    Queue mine{GetParam() / 2};
    std::array<Item, 64> items;
    int pushed = 0;
};

using Numbers = std::vector<int>;

TEST_P(StealQueueTest, IsFirstInFirstOut) {
    EXPECT_TRUE(queue.empty());
    EXPECT_EQ(queue.pop(), nullptr);
    for (int round = 0; round < 3; ++round) {
        push(5);
        EXPECT_EQ(queue.size(), 5U);
        EXPECT_EQ(queue.room(), 3U);
        EXPECT_EQ(drain(queue),
                  (Numbers{pushed - 5, pushed - 4, pushed - 3, pushed - 2, pushed - 1}));
        EXPECT_TRUE(queue.empty());
    }
}

TEST_P(StealQueueTest, TellsWhenItIsFull) {
    push(8);
    EXPECT_EQ(queue.room(), 0U);
    EXPECT_FALSE(queue.push(&items[8]));
    EXPECT_EQ(queue.pop()->number, 0);
    EXPECT_TRUE(queue.push(&items[8]));
    EXPECT_EQ(drain(queue), (Numbers{1, 2, 3, 4, 5, 6, 7, 8}));
}

TEST_P(StealQueueTest, TakesOfABatchWhatFits) {
    push(5);
    const std::array<Item*, 4> batch = {&items[5], &items[6], &items[7], &items[8]};
    EXPECT_EQ(queue.push_some(batch), 3U);
    EXPECT_EQ(queue.push_some(batch), 0U);
    EXPECT_EQ(drain(queue), (Numbers{0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST_P(StealQueueTest, SendsTheOlderHalfAwayWhenItOverflows) {
    push(7);
    EXPECT_EQ(overflow(&items[7]), Numbers{}) << "there was room";
    EXPECT_EQ(overflow(&items[8]), (Numbers{0, 1, 2, 3, 8}));
    EXPECT_EQ(overflow(&items[9]), Numbers{});
    EXPECT_EQ(drain(queue), (Numbers{4, 5, 6, 7, 9}));
}

TEST_P(StealQueueTest, GivesHalfToAThief) {
    EXPECT_EQ(queue.steal_into(mine), nullptr);
    push(7);
    EXPECT_EQ(queue.steal_into(mine)->number, 0) << "the oldest, to be run at once";
    EXPECT_EQ(mine.size(), 3U);
    EXPECT_EQ(queue.size(), 3U);
    EXPECT_EQ(queue.room(), 5U) << "the thief gave the slots back";
    EXPECT_EQ(drain(mine), (Numbers{1, 2, 3}));
    EXPECT_EQ(queue.steal_into(mine)->number, 4);
    EXPECT_EQ(drain(mine), (Numbers{5}));
    EXPECT_EQ(queue.steal_into(mine)->number, 6) << "the last one is half of one";
    EXPECT_TRUE(mine.empty());
    EXPECT_EQ(queue.steal_into(mine), nullptr);
}

TEST_P(StealQueueTest, StealsNothingWithoutRoomForHalf) {
    push(8);
    for (std::size_t i = 20; i < 25; ++i) ASSERT_TRUE(mine.push(&items[i]));
    EXPECT_EQ(queue.steal_into(mine), nullptr);
    EXPECT_EQ(mine.pop()->number, 20);
    EXPECT_EQ(queue.steal_into(mine)->number, 0);
    EXPECT_EQ(drain(mine), (Numbers{21, 22, 23, 24, 1, 2, 3}));
    EXPECT_EQ(drain(queue), (Numbers{4, 5, 6, 7}));
}

INSTANTIATE_TEST_SUITE_P(Indices, StealQueueTest,
                         testing::Values(0U, 1U, UINT32_MAX - 9, UINT32_MAX - 2, UINT32_MAX));

} // namespace
} // namespace hc::runtime::sched
