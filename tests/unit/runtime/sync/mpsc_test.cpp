#include "core/runtime/sync/mpsc.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "core/runtime/park.hpp"
#include "tests/unit/runtime/sync/probe.hpp"

namespace hc::runtime {
namespace {

using test::Probe;
using test::Tracked;

static_assert(Future<mpsc::Sender<int>::Send>);
static_assert(Future<mpsc::Sender<int>::Reserve>);
static_assert(Future<mpsc::Sender<int>::Closed>);
static_assert(Future<mpsc::Receiver<int>::Recv>);
static_assert(std::is_copy_constructible_v<mpsc::Sender<int>>);
static_assert(!std::is_copy_constructible_v<mpsc::Receiver<int>>);
static_assert(std::is_move_assignable_v<mpsc::Sender<int>>);

TEST(Mpsc, KeepsTheOrder) {
    auto [sender, receiver] = mpsc::channel<int>(4);
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(sender.try_send(i).has_value());
    const auto full = sender.try_send(4);
    ASSERT_FALSE(full.has_value());
    EXPECT_EQ(full.error().kind, ErrorKind::again);
    EXPECT_EQ(full.error().value, 4);
    EXPECT_EQ(sender.capacity(), 0u);
    EXPECT_EQ(sender.max_capacity(), 4u);
    for (int i = 0; i < 4; ++i) {
        Probe recv(receiver.recv());
        ASSERT_TRUE(recv.poll());
        EXPECT_EQ(recv.value(), i);
    }
    EXPECT_EQ(receiver.try_recv().error(), ErrorKind::again);
    EXPECT_EQ(sender.capacity(), 4u);
}

TEST(Mpsc, AReceiverThatWaitsIsWoken) {
    auto [sender, receiver] = mpsc::channel<int>(1);
    Probe recv(receiver.recv());
    EXPECT_FALSE(recv.poll());
    Probe send(sender.send(7));
    EXPECT_TRUE(send.poll());
    EXPECT_EQ(recv.wakes(), 1);
    ASSERT_TRUE(recv.poll());
    EXPECT_EQ(recv.value(), 7);
}

TEST(Mpsc, SendersWaitInOrder) {
    auto [sender, receiver] = mpsc::channel<int>(1);
    std::deque<Probe<mpsc::Sender<int>::Send>> sends;
    for (int i = 0; i < 4; ++i) EXPECT_EQ(sends.emplace_back(sender.send(i)).poll(), i == 0);
    for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(receiver.try_recv(), i);
        EXPECT_FALSE(sender.try_send(9).has_value() && i < 3) << "the room is the next one's";
        for (std::size_t j = 1; j < 4; ++j) {
            EXPECT_EQ(sends[j].wakes(), static_cast<int>(j) <= i + 1 ? 1 : 0);
        }
        if (i < 3) EXPECT_TRUE(sends[static_cast<std::size_t>(i) + 1].poll());
    }
}

TEST(Mpsc, ADroppedSendSendsNothingAndPassesItsRoomOn) {
    auto [sender, receiver] = mpsc::channel<Tracked>(1);
    EXPECT_TRUE(sender.try_send(Tracked(0)).has_value());
    Probe first(sender.send(Tracked(1)));
    Probe second(sender.send(Tracked(2)));
    Probe third(sender.send(Tracked(3)));
    EXPECT_FALSE(first.poll());
    EXPECT_FALSE(second.poll());
    EXPECT_FALSE(third.poll());
    second.drop(); // in line
    EXPECT_EQ(receiver.try_recv()->number, 0);
    EXPECT_EQ(first.wakes(), 1);
    first.drop(); // woken
    EXPECT_EQ(third.wakes(), 1);
    EXPECT_TRUE(third.poll());
    third.drop();
    EXPECT_EQ(receiver.try_recv()->number, 3);
    EXPECT_EQ(sender.capacity(), 1u);
    EXPECT_EQ(Tracked::alive, 0);
}

TEST(Mpsc, ADroppedRecvTakesNothing) {
    auto [sender, receiver] = mpsc::channel<int>(2);
    Probe recv(receiver.recv());
    EXPECT_FALSE(recv.poll());
    EXPECT_TRUE(sender.try_send(1).has_value());
    EXPECT_EQ(recv.wakes(), 1);
    recv.drop();
    EXPECT_EQ(receiver.try_recv(), 1);
    Probe waits(receiver.recv());
    EXPECT_FALSE(waits.poll());
    waits.drop();
    EXPECT_TRUE(sender.try_send(2).has_value());
    EXPECT_EQ(receiver.try_recv(), 2);
}

TEST(Mpsc, EndsWithTheLastSender) {
    auto [sender, receiver] = mpsc::channel<int>(2);
    std::optional copy = sender;
    std::optional original = std::move(sender);
    EXPECT_TRUE(original->try_send(1).has_value());
    original.reset();
    EXPECT_FALSE(receiver.is_closed());
    EXPECT_TRUE(copy->try_send(2).has_value());
    copy.reset();
    EXPECT_TRUE(receiver.is_closed());
    EXPECT_EQ(receiver.try_recv(), 1);
    Probe second(receiver.recv());
    ASSERT_TRUE(second.poll());
    EXPECT_EQ(second.value(), 2);
    Probe end(receiver.recv());
    ASSERT_TRUE(end.poll());
    EXPECT_FALSE(end.value().has_value());
    EXPECT_EQ(receiver.try_recv().error(), ErrorKind::closed);
}

TEST(Mpsc, TheLastSenderWakesTheReceiver) {
    auto [sender, receiver] = mpsc::channel<int>(2);
    Probe recv(receiver.recv());
    EXPECT_FALSE(recv.poll());
    { const auto gone = std::move(sender); }
    EXPECT_EQ(recv.wakes(), 1);
    ASSERT_TRUE(recv.poll());
    EXPECT_FALSE(recv.value().has_value());
}

TEST(Mpsc, AReceiverThatGoesClosesAndEmptiesTheChannel) {
    auto [sender, receiver] = mpsc::channel<Tracked>(1);
    EXPECT_TRUE(sender.try_send(Tracked(1)).has_value());
    Probe send(sender.send(Tracked(2)));
    EXPECT_FALSE(send.poll());
    Probe closed(sender.closed());
    EXPECT_FALSE(closed.poll());
    { const auto gone = std::move(receiver); }
    EXPECT_EQ(Tracked::alive, 1) << "what nobody will receive is destroyed";
    EXPECT_EQ(closed.wakes(), 1);
    EXPECT_TRUE(closed.poll());
    EXPECT_EQ(send.wakes(), 1);
    ASSERT_TRUE(send.poll());
    ASSERT_FALSE(send.value().has_value());
    EXPECT_EQ(send.value().error().kind, ErrorKind::closed);
    EXPECT_EQ(send.value().error().value, 2);
    EXPECT_EQ(sender.try_send(Tracked(3)).error().value, 3);
    EXPECT_EQ(sender.try_reserve().error(), ErrorKind::closed);
    EXPECT_TRUE(sender.is_closed());
}

TEST(Mpsc, ASendThatWasGivenRoomBeforeTheReceiverWentGetsItsValueBack) {
    auto [sender, receiver] = mpsc::channel<int>(1);
    EXPECT_TRUE(sender.try_send(1).has_value());
    Probe send(sender.send(2));
    EXPECT_FALSE(send.poll());
    EXPECT_EQ(receiver.try_recv(), 1);
    { const auto gone = std::move(receiver); }
    ASSERT_TRUE(send.poll());
    EXPECT_EQ(send.value().error().value, 2);
}

TEST(Mpsc, ACloseRefusesTheNewAndDrainsTheOld) {
    auto [sender, receiver] = mpsc::channel<int>(2);
    EXPECT_TRUE(sender.try_send(1).has_value());
    auto permit = sender.try_reserve();
    ASSERT_TRUE(permit.has_value());
    Probe send(sender.send(3));
    EXPECT_FALSE(send.poll());
    receiver.close();
    receiver.close();
    ASSERT_TRUE(send.poll());
    EXPECT_EQ(send.value().error().value, 3);
    EXPECT_EQ(sender.try_send(4).error().kind, ErrorKind::closed);
    EXPECT_EQ(receiver.try_recv(), 1);
    Probe recv(receiver.recv());
    EXPECT_FALSE(recv.poll()) << "a permit is out";
    std::move(*permit).send(2);
    EXPECT_EQ(recv.wakes(), 1);
    ASSERT_TRUE(recv.poll());
    EXPECT_EQ(recv.value(), 2);
    Probe end(receiver.recv());
    ASSERT_TRUE(end.poll());
    EXPECT_FALSE(end.value().has_value());
}

TEST(Mpsc, APermitGivenBackEndsAClosedChannel) {
    auto [sender, receiver] = mpsc::channel<int>(1);
    {
        auto permit = sender.try_reserve();
        receiver.close();
        Probe recv(receiver.recv());
        EXPECT_FALSE(recv.poll());
        permit = std::unexpected(ErrorKind::closed);
        EXPECT_EQ(recv.wakes(), 1);
        ASSERT_TRUE(recv.poll());
        EXPECT_FALSE(recv.value().has_value());
    }
}

TEST(Mpsc, APermitIsRoomThatIsKept) {
    auto [sender, receiver] = mpsc::channel<int>(1);
    {
        Probe reserve(sender.reserve());
        ASSERT_TRUE(reserve.poll());
        EXPECT_EQ(sender.try_send(1).error().kind, ErrorKind::again);
        EXPECT_EQ(sender.try_reserve().error(), ErrorKind::again);
        Probe next(sender.reserve());
        EXPECT_FALSE(next.poll());
        reserve.let_go();
        EXPECT_EQ(next.wakes(), 1);
        next.drop(); // passes it on
        EXPECT_EQ(sender.capacity(), 1u);
    }
    auto permit = sender.try_reserve();
    Probe recv(receiver.recv());
    EXPECT_FALSE(recv.poll());
    std::move(*permit).send(5);
    EXPECT_EQ(recv.wakes(), 1);
    ASSERT_TRUE(recv.poll());
    EXPECT_EQ(recv.value(), 5);
}

TEST(Mpsc, APermitWithoutAReceiverDestroysTheValue) {
    auto [sender, receiver] = mpsc::channel<Tracked>(1);
    auto permit = sender.try_reserve();
    { const auto gone = std::move(receiver); }
    std::move(*permit).send(Tracked(1));
    EXPECT_EQ(Tracked::alive, 0);
}

TEST(Mpsc, UnboundedNeverWaits) {
    auto [sender, receiver] = mpsc::unbounded_channel<Tracked>();
    for (int i = 0; i < 1000; ++i) EXPECT_TRUE(sender.send(Tracked(i)).has_value());
    EXPECT_EQ(receiver.size(), 1000u);
    for (int i = 0; i < 500; ++i) EXPECT_EQ(receiver.try_recv()->number, i);
    Probe closed(sender.closed());
    EXPECT_FALSE(closed.poll());
    { const auto gone = std::move(receiver); }
    EXPECT_EQ(Tracked::alive, 0);
    EXPECT_EQ(sender.send(Tracked(1)).error().value, 1);
    EXPECT_TRUE(closed.poll());
    EXPECT_TRUE(sender.is_closed());
}

TEST(Mpsc, UnboundedEndsWithTheLastSender) {
    auto [sender, receiver] = mpsc::unbounded_channel<int>();
    {
        auto copy = sender;
        EXPECT_TRUE(copy.same_channel(sender));
        sender = std::move(copy);
    }
    EXPECT_TRUE(sender.send(1).has_value());
    { const auto gone = std::move(sender); }
    EXPECT_EQ(receiver.try_recv(), 1);
    EXPECT_EQ(receiver.try_recv().error(), ErrorKind::closed);
}

TEST(Mpsc, WhatNobodyReceivedIsDestroyedWithTheChannel) {
    {
        auto [sender, receiver] = mpsc::channel<Tracked>(200);
        for (int i = 0; i < 200; ++i) EXPECT_TRUE(sender.try_send(Tracked(i)).has_value());
        EXPECT_EQ(Tracked::alive, 200);
    }
    EXPECT_EQ(Tracked::alive, 0);
}

TEST(Mpsc, FuturesMoveBeforeTheirFirstPoll) {
    auto [sender, receiver] = mpsc::channel<std::unique_ptr<int>>(1);
    auto send = sender.send(std::make_unique<int>(1));
    Probe sent(std::move(send));
    EXPECT_TRUE(sent.poll());
    auto recv = receiver.recv();
    Probe received(std::move(recv));
    ASSERT_TRUE(received.poll());
    EXPECT_EQ(**received.value(), 1);
    auto other = sender;
    EXPECT_TRUE(other.same_channel(sender));
}

TEST(Mpsc, ATaskWithoutBudgetTakesNothing) {
    auto [sender, receiver] = mpsc::channel<int>(1);
    Probe send(sender.send(1));
    Probe recv(receiver.recv());
    Probe reserve(sender.reserve());
    {
        const coop::Budget none(0);
        EXPECT_FALSE(send.poll());
        EXPECT_FALSE(reserve.poll());
        EXPECT_EQ(sender.capacity(), 1u);
        EXPECT_EQ(send.wakes(), 1);
    }
    const coop::Budget two(2);
    EXPECT_TRUE(send.poll());
    EXPECT_FALSE(reserve.poll()) << "no room";
    ASSERT_TRUE(recv.poll());
    EXPECT_FALSE(reserve.poll()) << "no budget";
    const coop::Budget more(1);
    EXPECT_TRUE(reserve.poll());
}

Task<int> sum(mpsc::Receiver<int> receiver) {
    int total = 0;
    while (const auto item = co_await receiver.recv()) total += *item;
    co_return total;
}

TEST(Mpsc, IsAwaited) {
    auto [sender, receiver] = mpsc::unbounded_channel<int>();
    for (int i = 1; i <= 1000; ++i) EXPECT_TRUE(sender.send(i).has_value());
    { const auto gone = std::move(sender); }
    EXPECT_EQ(park_on(sum(std::move(receiver))), 500500);
}

} // namespace
} // namespace hc::runtime
