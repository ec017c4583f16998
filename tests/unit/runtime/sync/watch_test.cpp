#include "core/runtime/sync/watch.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "core/runtime/park.hpp"
#include "tests/unit/runtime/sync/probe.hpp"

namespace hc::runtime {
namespace {

using test::Probe;
using test::Tracked;

static_assert(Future<watch::Receiver<int>::Changed>);
static_assert(Future<watch::Sender<int>::Closed>);

TEST(Watch, HoldsTheNewestValue) {
    auto [sender, receiver] = watch::channel<std::string>("a");
    EXPECT_EQ(*receiver.borrow(), "a");
    EXPECT_FALSE(receiver.has_changed().value());
    const auto kept = receiver.borrow();
    EXPECT_TRUE(sender.send("b").has_value());
    EXPECT_TRUE(sender.send("c").has_value());
    EXPECT_EQ(*sender.borrow(), "c");
    EXPECT_TRUE(receiver.has_changed().value());
    EXPECT_EQ(*receiver.borrow(), "c");
    EXPECT_TRUE(receiver.has_changed().value()) << "borrow does not count";
    EXPECT_EQ(*receiver.borrow_and_update(), "c");
    EXPECT_FALSE(receiver.has_changed().value());
    EXPECT_EQ(*kept, "a") << "what was borrowed stays as it was";
}

TEST(Watch, ChangedIsReadyOnceAChange) {
    auto [sender, receiver] = watch::channel(0);
    Probe waits(receiver.changed());
    EXPECT_FALSE(waits.poll());
    EXPECT_TRUE(sender.send(1).has_value());
    EXPECT_TRUE(sender.send(2).has_value());
    EXPECT_EQ(waits.wakes(), 1);
    ASSERT_TRUE(waits.poll());
    EXPECT_TRUE(waits.value().has_value());
    EXPECT_FALSE(Probe(receiver.changed()).poll()) << "both were seen";
    receiver.mark_changed();
    EXPECT_TRUE(Probe(receiver.changed()).poll());
    EXPECT_TRUE(sender.send(3).has_value());
    receiver.mark_unchanged();
    EXPECT_FALSE(Probe(receiver.changed()).poll());
}

TEST(Watch, ADroppedChangedHasSeenNothing) {
    auto [sender, receiver] = watch::channel(0);
    Probe waits(receiver.changed());
    EXPECT_FALSE(waits.poll());
    EXPECT_TRUE(sender.send(1).has_value());
    waits.drop();
    EXPECT_TRUE(receiver.has_changed().value());
    auto future = receiver.changed();
    EXPECT_TRUE(Probe(std::move(future)).poll());
}

TEST(Watch, AllReceiversAreTold) {
    auto [sender, receiver] = watch::channel(0);
    constexpr std::size_t count = 2 * sync_detail::WakeBatch::size_max + 1;
    std::deque<watch::Receiver<int>> copies;
    std::deque<Probe<watch::Receiver<int>::Changed>> all;
    for (std::size_t i = 0; i < count; ++i) {
        copies.push_back(receiver);
        EXPECT_FALSE(all.emplace_back(copies.back().changed()).poll());
    }
    EXPECT_EQ(sender.receiver_count(), count + 1);
    EXPECT_TRUE(copies.front().same_channel(receiver));
    EXPECT_TRUE(sender.send(1).has_value());
    for (auto& one : all) {
        EXPECT_EQ(one.wakes(), 1);
        EXPECT_TRUE(one.poll());
    }
}

TEST(Watch, TheEndIsToldAfterTheLastChange) {
    auto [sender, receiver] = watch::channel(0);
    std::optional copy = sender;
    { const auto gone = std::move(sender); }
    auto idle = receiver;
    Probe waits(idle.changed());
    EXPECT_FALSE(waits.poll());
    receiver.mark_changed();
    copy.reset();
    EXPECT_EQ(waits.wakes(), 1);
    ASSERT_TRUE(waits.poll());
    EXPECT_EQ(waits.value().error(), ErrorKind::closed);
    EXPECT_TRUE(receiver.has_changed().value());
    Probe last(receiver.changed());
    ASSERT_TRUE(last.poll());
    EXPECT_TRUE(last.value().has_value());
    EXPECT_EQ(receiver.has_changed().error(), ErrorKind::closed);
    EXPECT_EQ(*receiver.borrow(), 0);
}

TEST(Watch, WithoutReceiversASendGivesTheValueBack) {
    auto [sender, receiver] = watch::channel(Tracked(0));
    Probe closed(sender.closed());
    EXPECT_FALSE(closed.poll());
    EXPECT_FALSE(sender.is_closed());
    { const auto gone = std::move(receiver); }
    EXPECT_EQ(closed.wakes(), 1);
    EXPECT_TRUE(closed.poll());
    EXPECT_TRUE(sender.is_closed());
    auto sent = sender.send(Tracked(1));
    ASSERT_FALSE(sent.has_value());
    EXPECT_EQ(sent.error().value, 1);
    EXPECT_EQ(*sender.borrow(), 0);
    EXPECT_EQ(*sender.send_replace(Tracked(2)), 0);
    auto late = sender.subscribe();
    EXPECT_EQ(*late.borrow(), 2);
    EXPECT_FALSE(late.has_changed().value());
    EXPECT_FALSE(Probe(sender.closed()).poll());
}

TEST(Watch, OldValuesGo) {
    {
        auto [sender, receiver] = watch::channel(Tracked(0));
        for (int i = 1; i < 10; ++i) EXPECT_TRUE(sender.send(Tracked(i)).has_value());
        EXPECT_EQ(Tracked::alive, 1);
        sender.send_modify([](Tracked& value) { ++value.number; });
        EXPECT_EQ(Tracked::alive, 1);
        EXPECT_EQ(*receiver.borrow(), 10);
    }
    EXPECT_EQ(Tracked::alive, 0);
}

TEST(Watch, IsModifiedOnlyWhenItChanged) {
    auto [sender, receiver] = watch::channel(1);
    EXPECT_FALSE(sender.send_if_modified([](int& value) { return ++value > 5; }));
    EXPECT_EQ(*receiver.borrow(), 1) << "the copy is thrown away";
    EXPECT_FALSE(receiver.has_changed().value());
    EXPECT_TRUE(sender.send_if_modified([](int& value) { return ++value == 2; }));
    EXPECT_TRUE(receiver.has_changed().value());
    EXPECT_EQ(*receiver.borrow_and_update(), 2);
    sender.send_modify([](int& value) { value = 9; });
    EXPECT_EQ(*receiver.borrow_and_update(), 9);
}

TEST(Watch, WaitsForAValue) {
    auto [sender, receiver] = watch::channel(1);
    Probe now(receiver.wait_for([](int value) { return value == 1; }));
    ASSERT_TRUE(now.poll());
    EXPECT_EQ(**now.value(), 1);
    Probe later(receiver.wait_for([](int value) { return value > 3; }));
    EXPECT_FALSE(later.poll());
    EXPECT_TRUE(sender.send(2).has_value());
    EXPECT_EQ(later.wakes(), 1);
    EXPECT_FALSE(later.poll());
    EXPECT_FALSE(later.poll());
    EXPECT_TRUE(sender.send(4).has_value());
    EXPECT_EQ(later.wakes(), 2);
    ASSERT_TRUE(later.poll());
    EXPECT_EQ(**later.value(), 4);
    EXPECT_FALSE(receiver.has_changed().value());
    Probe never(receiver.wait_for([](int value) { return value == 0; }));
    EXPECT_FALSE(never.poll());
    { const auto gone = std::move(sender); }
    ASSERT_TRUE(never.poll());
    EXPECT_EQ(never.value().error(), ErrorKind::closed);
}

/// Sends once more when it is woken.
struct SendingWaker {
    const watch::Sender<int>& sender;
    int wakes = 0;

    Waker waker() noexcept { return {&table, this}; }
    static constexpr WakerTable table{[](void* data) { return data; },
                                      [](void* data) noexcept {
                                          auto& self = *static_cast<SendingWaker*>(data);
                                          if (++self.wakes == 1)
                                              EXPECT_TRUE(
                                                  self.sender.send(*self.sender.borrow() + 1));
                                      },
                                      [](void*) noexcept {}};
};

TEST(Watch, WhoIsWokenMaySendAtOnce) {
    auto [sender, receiver] = watch::channel(0);
    const auto add_ten = [](int& value) { value += 10; };
    for (const bool modified : {false, true}) {
        SendingWaker sending{sender};
        Probe changed(receiver.changed());
        EXPECT_FALSE(changed.poll_as(sending.waker()));
        if (modified) sender.send_modify(add_ten);
        else EXPECT_TRUE(sender.send(10));
        EXPECT_EQ(sending.wakes, 1);
        EXPECT_TRUE(changed.poll());
    }
    EXPECT_EQ(*receiver.borrow(), 22);
}

TEST(Watch, ATaskWithoutBudgetHasSeenNothing) {
    auto [sender, receiver] = watch::channel(1);
    EXPECT_TRUE(sender.send(2).has_value());
    Probe changed(receiver.changed());
    Probe found(receiver.wait_for([](int value) { return value == 2; }));
    {
        const coop::Budget none(0);
        EXPECT_FALSE(changed.poll());
        EXPECT_FALSE(found.poll());
        EXPECT_EQ(changed.wakes(), 1);
        EXPECT_EQ(found.wakes(), 1);
    }
    EXPECT_TRUE(receiver.has_changed().value());
    EXPECT_TRUE(changed.poll());
    EXPECT_TRUE(found.poll());
}

Task<int> newest_at_the_end(watch::Receiver<int> receiver) {
    while (const auto changed = co_await receiver.changed()) {}
    co_return *receiver.borrow();
}

TEST(Watch, IsAwaited) {
    auto [sender, receiver] = watch::channel(1);
    EXPECT_TRUE(sender.send(2).has_value());
    { const auto gone = std::move(sender); }
    EXPECT_EQ(park_on(newest_at_the_end(receiver)), 2);
}

} // namespace
} // namespace hc::runtime
