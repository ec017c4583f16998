#include "core/runtime/sync/block_queue.hpp"

#include <gtest/gtest.h>

#include <array>
#include <deque>

#include "core/base/random.hpp"
#include "tests/unit/runtime/sync/probe.hpp"

namespace hc::runtime {
namespace {

using sync_detail::BlockQueue;
using test::Tracked;

static_assert(BlockQueue<std::array<char, 4096>>::block_slots == 4);
static_assert(BlockQueue<char>::block_slots == 64);

class BlockQueueProperty : public testing::TestWithParam<std::uint64_t> {};

TEST_P(BlockQueueProperty, IsAQueue) {
    Random random(GetParam());
    {
        BlockQueue<Tracked> queue;
        std::deque<int> model;
        for (int step = 0; step < 3000; ++step) {
            // Long runs of one kind, so that blocks come and go.
            const bool push = random.below(100) < ((step / 300) % 2 == 0 ? 70u : 30u);
            if (push) {
                queue.push(Tracked(step));
                model.push_back(step);
            } else if (!model.empty()) {
                ASSERT_EQ(queue.front(), model.front());
                queue.pop();
                model.pop_front();
            }
            ASSERT_EQ(queue.size(), model.size());
            ASSERT_EQ(queue.empty(), model.empty());
            ASSERT_EQ(Tracked::alive, static_cast<int>(model.size()));
            if (step == 1000) {
                BlockQueue<Tracked> other;
                other.swap(queue);
                ASSERT_TRUE(queue.empty());
                queue.swap(other);
            }
        }
    }
    EXPECT_EQ(Tracked::alive, 0);
}

INSTANTIATE_TEST_SUITE_P(Seeds, BlockQueueProperty, testing::Range<std::uint64_t>(1, 9));

} // namespace
} // namespace hc::runtime
