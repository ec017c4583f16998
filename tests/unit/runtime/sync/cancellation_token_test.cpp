#include "core/runtime/sync/cancellation_token.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/random.hpp"
#include "core/runtime/sync/oneshot.hpp"
#include "tests/unit/runtime/sync/probe.hpp"

namespace hc::runtime {
namespace {

using test::Probe;

static_assert(Future<CancellationToken::Cancelled>);
static_assert(Future<CancellationToken::RunUntilCancelled<Task<int>>>);
static_assert(Future<CancellationToken::RunUntilCancelled<Task<void>>>);

TEST(CancellationToken, WakesAllWhoWait) {
    const CancellationToken token;
    constexpr std::size_t count = 2 * sync_detail::WakeBatch::size_max + 1;
    std::deque<Probe<CancellationToken::Cancelled>> all;
    for (std::size_t i = 0; i < count; ++i) {
        EXPECT_FALSE(all.emplace_back(token.cancelled()).poll());
    }
    all[3].drop();
    const CancellationToken copy = token;
    EXPECT_FALSE(copy.is_cancelled());
    copy.cancel();
    copy.cancel();
    EXPECT_TRUE(token.is_cancelled());
    for (std::size_t i = 0; i < count; ++i) {
        EXPECT_EQ(all[i].wakes(), i == 3 ? 0 : 1);
        if (i != 3) EXPECT_TRUE(all[i].poll());
    }
    EXPECT_TRUE(Probe(token.cancelled()).poll());
}

TEST(CancellationToken, AFutureOutlivesTheToken) {
    std::optional<CancellationToken> token(std::in_place);
    std::optional<CancellationToken> child = token->child_token();
    Probe waits(child->cancelled());
    EXPECT_FALSE(waits.poll());
    child.reset();
    token->cancel();
    token.reset();
    EXPECT_EQ(waits.wakes(), 1);
    EXPECT_TRUE(waits.poll());
}

TEST(CancellationToken, ChildrenAreCancelledParentsAreNot) {
    const CancellationToken root;
    const auto left = root.child_token();
    const auto right = root.child_token();
    const auto below = left.child_token();
    left.cancel();
    EXPECT_FALSE(root.is_cancelled());
    EXPECT_FALSE(right.is_cancelled());
    EXPECT_TRUE(below.is_cancelled());
    EXPECT_TRUE(left.child_token().is_cancelled()) << "born cancelled";
    root.cancel();
    EXPECT_TRUE(right.is_cancelled());
}

TEST(CancellationToken, ReachesThroughAParentThatNobodyHolds) {
    const CancellationToken root;
    const auto grandchild = root.child_token().child_token();
    EXPECT_FALSE(grandchild.is_cancelled());
    root.cancel();
    EXPECT_TRUE(grandchild.is_cancelled());
}

TEST(CancellationToken, DepthCostsNoStack) {
    const CancellationToken root;
    CancellationToken leaf = root;
    for (int i = 0; i < 100'000; ++i) leaf = leaf.child_token();
    root.cancel();
    EXPECT_TRUE(leaf.is_cancelled());
    leaf = CancellationToken(); // frees them all, one after the other
    EXPECT_FALSE(leaf.is_cancelled());
}

TEST(CancellationToken, MovedAndAssigned) {
    CancellationToken one;
    CancellationToken two = std::move(one);
    one = two;
    two = CancellationToken();
    one.cancel();
    EXPECT_TRUE(one.is_cancelled());
    EXPECT_FALSE(two.is_cancelled());
    auto future = two.cancelled();
    Probe probe(std::move(future));
    EXPECT_FALSE(probe.poll());
}

TEST(CancellationToken, AGuardCancelsUnlessItIsDisarmed) {
    const CancellationToken token;
    const auto child = token.child_token();
    {
        auto guard = child.drop_guard();
        auto moved = std::move(guard);
        EXPECT_FALSE(child.is_cancelled());
    }
    EXPECT_TRUE(child.is_cancelled());
    {
        auto guard = token.drop_guard();
        EXPECT_FALSE(std::move(guard).disarm().is_cancelled());
    }
    EXPECT_FALSE(token.is_cancelled());
}

TEST(CancellationToken, RunsAFutureUntilItIsCancelled) {
    const CancellationToken token;
    auto [sender, receiver] = oneshot::channel<int>();
    Probe run(token.run_until_cancelled(std::move(receiver)));
    EXPECT_FALSE(run.poll());
    EXPECT_FALSE(sender.is_closed());
    token.cancel();
    EXPECT_EQ(run.wakes(), 1);
    ASSERT_TRUE(run.poll());
    EXPECT_FALSE(run.value().has_value());
    run.drop();
    EXPECT_TRUE(sender.is_closed()) << "the future is gone";
}

TEST(CancellationToken, GivesTheValueOfAFutureThatIsReadyFirst) {
    const CancellationToken token;
    auto [sender, receiver] = oneshot::channel<int>();
    Probe run(token.run_until_cancelled(std::move(receiver)));
    EXPECT_FALSE(run.poll());
    EXPECT_TRUE(std::move(sender).send(7).has_value());
    EXPECT_EQ(run.wakes(), 1);
    ASSERT_TRUE(run.poll());
    EXPECT_EQ(run.value(), std::optional(std::optional(7)));
}

TEST(CancellationToken, TellsWhetherAFutureOfNothingWasReady) {
    const CancellationToken token;
    Probe ready(token.run_until_cancelled(yield_now()));
    EXPECT_FALSE(ready.poll());
    ASSERT_TRUE(ready.poll());
    EXPECT_TRUE(ready.value());
    Probe stopped(token.run_until_cancelled(yield_now()));
    EXPECT_FALSE(stopped.poll());
    token.cancel();
    ASSERT_TRUE(stopped.poll());
    EXPECT_FALSE(stopped.value());
}

TEST(CancellationToken, ATaskWithoutBudgetIsNotReady) {
    const CancellationToken token;
    token.cancel();
    Probe probe(token.cancelled());
    const coop::Budget none(0);
    EXPECT_FALSE(probe.poll());
    EXPECT_EQ(probe.wakes(), 1);
}

class CancellationTree : public testing::TestWithParam<std::uint64_t> {};

TEST_P(CancellationTree, CancelsWhatIsBelowAndNothingElse) {
    struct Node {
        std::optional<CancellationToken> token;
        std::unique_ptr<Probe<CancellationToken::Cancelled>> waits;
        std::size_t parent;
        bool cancelled = false;
    };
    Random random(GetParam());
    std::vector<Node> nodes;
    nodes.push_back({CancellationToken(), nullptr, 0});
    for (int step = 0; step < 300; ++step) {
        const auto id = random.below(nodes.size());
        auto& node = nodes[id];
        const auto dice = random.below(20);
        if (!node.token) continue;
        if (dice < 10) {
            const bool cancelled = node.cancelled;
            nodes.push_back({node.token->child_token(), nullptr, id, cancelled});
        } else if (dice < 16) {
            node.waits =
                std::make_unique<Probe<CancellationToken::Cancelled>>(node.token->cancelled());
            ASSERT_EQ(node.waits->poll(), node.cancelled);
            if (node.cancelled) node.waits.reset();
        } else if (dice < 18 && id != 0) {
            node.token.reset();
        } else if (dice < 19) {
            node.token->cancel();
            node.cancelled = true;
            for (auto& other : nodes) other.cancelled |= nodes[other.parent].cancelled;
        }
        for (auto& other : nodes) {
            if (other.token) ASSERT_EQ(other.token->is_cancelled(), other.cancelled);
            if (other.waits) ASSERT_EQ(other.waits->wakes(), other.cancelled ? 1 : 0);
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, CancellationTree, testing::Range<std::uint64_t>(1, 17));

} // namespace
} // namespace hc::runtime
