#include "core/runtime/sync/oneshot.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <utility>

#include "core/runtime/park.hpp"
#include "tests/unit/runtime/sync/probe.hpp"

namespace hc::runtime {
namespace {

using test::Probe;
using test::Tracked;

static_assert(Future<oneshot::Receiver<int>>);
static_assert(Future<oneshot::Sender<int>::Closed>);

TEST(Oneshot, AValueSentBeforeItIsAskedFor) {
    auto [sender, receiver] = oneshot::channel<std::unique_ptr<int>>();
    EXPECT_FALSE(sender.is_closed());
    EXPECT_EQ(receiver.try_recv().error(), ErrorKind::again);
    EXPECT_TRUE(std::move(sender).send(std::make_unique<int>(5)).has_value());
    Probe probe(std::move(receiver));
    ASSERT_TRUE(probe.poll());
    EXPECT_EQ(**probe.value(), 5);
}

TEST(Oneshot, AValueThatIsWaitedFor) {
    auto [sender, receiver] = oneshot::channel<int>();
    Probe probe(std::move(receiver));
    EXPECT_FALSE(probe.poll());
    EXPECT_FALSE(probe.poll());
    EXPECT_TRUE(std::move(sender).send(6).has_value());
    EXPECT_EQ(probe.wakes(), 1);
    ASSERT_TRUE(probe.poll());
    EXPECT_EQ(probe.value(), 6);
}

TEST(Oneshot, TheLastWakerCounts) {
    auto [sender, receiver] = oneshot::channel<int>();
    test::CountingWaker other;
    Probe probe(std::move(receiver));
    EXPECT_FALSE(probe.poll());
    EXPECT_FALSE(probe.poll_as(other.waker()));
    EXPECT_TRUE(std::move(sender).send(6).has_value());
    EXPECT_EQ(probe.wakes(), 0);
    EXPECT_EQ(other.wakes(), 1);
    probe.drop();
}

TEST(Oneshot, ASenderThatGoesIsTold) {
    auto [sender, receiver] = oneshot::channel<int>();
    Probe probe(std::move(receiver));
    EXPECT_FALSE(probe.poll());
    { const auto gone = std::move(sender); }
    EXPECT_EQ(probe.wakes(), 1);
    ASSERT_TRUE(probe.poll());
    EXPECT_FALSE(probe.value().has_value());
}

TEST(Oneshot, TryRecvTellsOfTheEnd) {
    auto [sender, receiver] = oneshot::channel<int>();
    { const auto gone = std::move(sender); }
    EXPECT_EQ(receiver.try_recv().error(), ErrorKind::closed);
}

TEST(Oneshot, AReceiverThatGoesIsTold) {
    auto [sender, receiver] = oneshot::channel<Tracked>();
    Probe closed(sender.closed());
    EXPECT_FALSE(closed.poll());
    Probe probe(std::move(receiver));
    EXPECT_FALSE(probe.poll());
    probe.drop();
    EXPECT_EQ(closed.wakes(), 1);
    EXPECT_TRUE(closed.poll());
    EXPECT_TRUE(sender.is_closed());
    closed.drop();
    auto sent = std::move(sender).send(Tracked(9));
    ASSERT_FALSE(sent.has_value());
    EXPECT_EQ(sent.error(), 9) << "the value is given back";
}

TEST(Oneshot, ACloseRefusesWhatWasNotSent) {
    auto [sender, receiver] = oneshot::channel<int>();
    receiver.close();
    receiver.close();
    EXPECT_FALSE(std::move(sender).send(1).has_value());
    EXPECT_EQ(receiver.try_recv().error(), ErrorKind::closed);
    Probe probe(std::move(receiver));
    ASSERT_TRUE(probe.poll());
    EXPECT_FALSE(probe.value().has_value());
}

TEST(Oneshot, ACloseKeepsWhatWasSent) {
    auto [sender, receiver] = oneshot::channel<int>();
    EXPECT_TRUE(std::move(sender).send(1).has_value());
    receiver.close();
    EXPECT_EQ(receiver.try_recv(), 1);
    EXPECT_EQ(receiver.try_recv().error(), ErrorKind::closed);
}

TEST(Oneshot, AValueNobodyTookGoesWithTheReceiver) {
    auto [sender, receiver] = oneshot::channel<Tracked>();
    EXPECT_TRUE(std::move(sender).send(Tracked(1)).has_value());
    EXPECT_EQ(Tracked::alive, 1);
    { const auto gone = std::move(receiver); }
    EXPECT_EQ(Tracked::alive, 0);
}

TEST(Oneshot, DroppedWaitsLeaveNoWaker) {
    auto [sender, receiver] = oneshot::channel<int>();
    {
        Probe closed(sender.closed());
        EXPECT_FALSE(closed.poll());
    } // sees that no waker was kept
    Probe again(sender.closed());
    EXPECT_FALSE(again.poll());
    receiver.close();
    EXPECT_EQ(again.wakes(), 1);
    {
        Probe other(sender.closed());
        EXPECT_TRUE(other.poll());
    }
}

TEST(Oneshot, AReceiverThatGoesLeavesNoWaker) {
    auto [sender, receiver] = oneshot::channel<int>();
    {
        Probe probe(std::move(receiver));
        EXPECT_FALSE(probe.poll());
    } // sees that no waker was kept, while the sender lives on
    EXPECT_TRUE(sender.is_closed());
}

TEST(Oneshot, EndsMoveAtAnyTime) {
    auto [sender, receiver] = oneshot::channel<int>();
    test::CountingWaker counter;
    const Waker waker = counter.waker();
    Context context(waker);
    EXPECT_FALSE(receiver.poll(context).is_ready());
    auto [sender2, receiver2] = oneshot::channel<int>();
    receiver2 = std::move(receiver);
    EXPECT_TRUE(sender2.is_closed());
    sender2 = std::move(sender);
    EXPECT_TRUE(std::move(sender2).send(3).has_value());
    EXPECT_EQ(counter.wakes(), 1);
    EXPECT_EQ(receiver2.poll(context).value(), 3);
}

struct Unmovable { // when it comes to it
    Unmovable() = default;
    Unmovable(Unmovable&& other) : moves_left(other.moves_left - 1) {
        if (moves_left < 0) throw std::runtime_error("no more moves");
    }
    Unmovable& operator=(Unmovable&&) = default;
    int moves_left = 0;
};

TEST(Oneshot, AMoveThatThrowsSendsNothing) {
    auto [sender, receiver] = oneshot::channel<Unmovable>();
    EXPECT_THROW((void)std::move(sender).send(Unmovable()), std::runtime_error);
    EXPECT_EQ(receiver.try_recv().error(), ErrorKind::again) << "the sender is still there";
    Probe waits(std::move(receiver));
    EXPECT_FALSE(waits.poll());
    { const auto gone = std::move(sender); }
    ASSERT_TRUE(waits.poll());
    EXPECT_FALSE(waits.value().has_value());
}

TEST(Oneshot, ATaskWithoutBudgetTakesNothing) {
    auto [sender, receiver] = oneshot::channel<int>();
    EXPECT_TRUE(std::move(sender).send(1).has_value());
    Probe probe(std::move(receiver));
    {
        const coop::Budget none(0);
        EXPECT_FALSE(probe.poll());
        EXPECT_EQ(probe.wakes(), 1);
    }
    EXPECT_TRUE(probe.poll());
}

Task<int> doubled(oneshot::Receiver<int> receiver) { co_return 2 * *co_await receiver; }

TEST(Oneshot, IsAwaited) {
    auto [sender, receiver] = oneshot::channel<int>();
    EXPECT_TRUE(std::move(sender).send(21).has_value());
    EXPECT_EQ(park_on(doubled(std::move(receiver))), 42);
}

} // namespace
} // namespace hc::runtime
