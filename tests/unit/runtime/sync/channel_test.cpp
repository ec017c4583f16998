#include "core/runtime/sync/channel.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <numeric>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "core/base/random.hpp"
#include "core/runtime/park.hpp"
#include "tests/unit/runtime/sync/probe.hpp"

namespace hc::runtime {
namespace {

using test::Probe;
using test::Tracked;

static_assert(Future<Channel<int>::Send>);
static_assert(Future<Channel<int>::Recv>);

Task<int> total_of(Channel<int> channel) {
    int total = 0;
    while (const auto item = co_await channel.recv()) total += *item;
    co_return total;
}

TEST(Channel, WorkersLoopUntilItIsClosedAndDrained) {
    Channel<int> channel(10);
    for (int i = 1; i <= 10; ++i) EXPECT_TRUE(channel.try_send(i).has_value());
    channel.close();
    EXPECT_EQ(park_on(total_of(channel)), 55);
    EXPECT_EQ(park_on(total_of(channel)), 0);
}

TEST(Channel, ReceiversAreServedInOrder) {
    Channel<int> channel(4);
    Probe first(channel.recv());
    Probe second(channel.recv());
    EXPECT_FALSE(first.poll());
    EXPECT_FALSE(second.poll());
    EXPECT_TRUE(channel.try_send(1).has_value());
    EXPECT_EQ(first.wakes(), 1);
    EXPECT_EQ(second.wakes(), 0);
    EXPECT_EQ(channel.try_recv().error(), ErrorKind::again) << "it is the first one's";
    EXPECT_FALSE(Probe(channel.recv()).poll());
    EXPECT_FALSE(second.poll());
    ASSERT_TRUE(first.poll());
    EXPECT_EQ(first.value(), 1);
    EXPECT_TRUE(channel.try_send(2).has_value());
    EXPECT_EQ(second.wakes(), 1);
    ASSERT_TRUE(second.poll());
    EXPECT_EQ(second.value(), 2);
}

TEST(Channel, WhatADroppedReceiverWasToGetGoesToTheNext) {
    Channel<int> channel(4);
    Probe first(channel.recv());
    Probe second(channel.recv());
    EXPECT_FALSE(first.poll());
    EXPECT_FALSE(second.poll());
    EXPECT_TRUE(channel.try_send(1).has_value());
    first.drop();
    EXPECT_EQ(second.wakes(), 1);
    ASSERT_TRUE(second.poll());
    EXPECT_EQ(second.value(), 1);
}

TEST(Channel, ACloseTellsAllWhoWait) {
    Channel<int> channel(1);
    constexpr std::size_t count = 2 * sync_detail::WakeBatch::size_max + 1;
    std::deque<Probe<Channel<int>::Recv>> all;
    for (std::size_t i = 0; i < count; ++i) EXPECT_FALSE(all.emplace_back(channel.recv()).poll());
    channel.close();
    for (auto& one : all) {
        EXPECT_EQ(one.wakes(), 1);
        ASSERT_TRUE(one.poll());
        EXPECT_FALSE(one.value().has_value());
    }
    EXPECT_TRUE(channel.is_closed());
}

TEST(Channel, AReceiverThatWaitsBesideAClaimIsToldWhenItIsUsed) {
    Channel<int> channel(1);
    Probe first(channel.recv());
    EXPECT_FALSE(first.poll());
    EXPECT_TRUE(channel.try_send(1).has_value());
    channel.close();
    Probe second(channel.recv());
    EXPECT_FALSE(second.poll()) << "the first may yet give up what it was promised";
    ASSERT_TRUE(first.poll());
    EXPECT_EQ(second.wakes(), 1);
    ASSERT_TRUE(second.poll());
    EXPECT_FALSE(second.value().has_value());
}

TEST(Channel, FuturesKeepIt) {
    std::optional<Channel<int>> channel(std::in_place, 1);
    Probe recv(channel->recv());
    Probe send(channel->send(4));
    EXPECT_FALSE(recv.poll());
    channel.reset();
    EXPECT_TRUE(send.poll());
    ASSERT_TRUE(recv.poll());
    EXPECT_EQ(recv.value(), 4);
}

TEST(Channel, CopiesAreTheSame) {
    Channel<int> one(3);
    Channel<int> two = one;
    EXPECT_TRUE(one.same_channel(two));
    EXPECT_FALSE(one.same_channel(Channel<int>(3)));
    EXPECT_TRUE(two.try_send(1).has_value());
    EXPECT_EQ(one.size(), 1u);
    EXPECT_EQ(one.capacity(), 3u);
    EXPECT_EQ(one.try_recv(), 1);
}

/// The rules said plainly: room and items are granted in order, and kept until used or given up.
struct Model {
    std::size_t capacity = 0;
    std::deque<int> items{};
    std::vector<std::size_t> senders{}, receivers{};                     // ids in line
    std::set<std::size_t> room_for{}, item_for{}, refused{}, finished{}; // ids that were woken
    bool closed = false;

    void settle() {
        while (!senders.empty() && items.size() + room_for.size() < capacity && !closed) {
            room_for.insert(senders.front());
            senders.erase(senders.begin());
        }
        while (!receivers.empty() && item_for.size() < items.size()) {
            item_for.insert(receivers.front());
            receivers.erase(receivers.begin());
        }
        if (closed && items.empty() && room_for.empty()) {
            finished.insert(receivers.begin(), receivers.end());
            receivers.clear();
        }
    }
    void close() {
        closed = true;
        refused.insert(senders.begin(), senders.end());
        senders.clear();
    }
};

class ChannelProperty : public testing::TestWithParam<std::uint64_t> {
protected:
    using Send = Probe<Channel<Tracked>::Send>;
    using Recv = Probe<Channel<Tracked>::Recv>;
    struct Entry {
        std::unique_ptr<Send> send;
        std::unique_ptr<Recv> recv;
        int value = 0;
        bool polled = false;
    };

    void poll_send(std::size_t id) {
        Entry& entry = entries_[id];
        const bool ready = entry.send->poll();
        const bool was_polled = std::exchange(entry.polled, true);
        bool expect_sent = model_.room_for.erase(id) != 0;
        const bool expect_refused = model_.refused.erase(id) != 0 || (!was_polled && model_.closed);
        if (!was_polled && !model_.closed && model_.senders.empty() &&
            model_.items.size() + model_.room_for.size() < model_.capacity) {
            expect_sent = true;
        }
        ASSERT_EQ(ready, expect_sent || expect_refused);
        if (expect_sent) model_.items.push_back(entry.value);
        if (!ready && !was_polled) model_.senders.push_back(id);
        if (!ready) return;
        ASSERT_EQ(entry.send->value().has_value(), expect_sent);
        if (!expect_sent) ASSERT_EQ(entry.send->value().error().value, entry.value);
        entry.send.reset();
    }
    void poll_recv(std::size_t id) {
        Entry& entry = entries_[id];
        const bool ready = entry.recv->poll();
        const bool was_polled = std::exchange(entry.polled, true);
        bool expect_item = model_.item_for.erase(id) != 0;
        bool expect_end = model_.finished.erase(id) != 0;
        if (!was_polled) {
            expect_item = model_.item_for.size() < model_.items.size();
            expect_end = model_.closed && model_.items.empty() && model_.room_for.empty();
        }
        ASSERT_EQ(ready, expect_item || expect_end);
        if (!ready && !was_polled) model_.receivers.push_back(id);
        if (!ready) return;
        ASSERT_EQ(entry.recv->value().has_value(), expect_item);
        if (expect_item) {
            ASSERT_EQ(*entry.recv->value(), model_.items.front());
            model_.items.pop_front();
        }
        entry.recv.reset();
    }
    void drop(std::size_t id) {
        entries_[id].send.reset();
        entries_[id].recv.reset();
        std::erase(model_.senders, id);
        std::erase(model_.receivers, id);
        for (auto* woken :
             {&model_.room_for, &model_.item_for, &model_.refused, &model_.finished}) {
            woken->erase(id);
        }
    }
    void check_wakes() {
        for (std::size_t id = 0; id < entries_.size(); ++id) {
            const Entry& entry = entries_[id];
            if (entry.send) {
                const bool woken = model_.room_for.contains(id) || model_.refused.contains(id);
                ASSERT_EQ(entry.send->wakes(), woken ? 1 : 0) << id;
            }
            if (entry.recv) {
                const bool woken = model_.item_for.contains(id) || model_.finished.contains(id);
                ASSERT_EQ(entry.recv->wakes(), woken ? 1 : 0) << id;
            }
        }
    }

    Random random_{GetParam()};
    Model model_{.capacity = 1 + random_.below(4)};
    std::vector<Entry> entries_;
};

TEST_P(ChannelProperty, DoesWhatTheModelDoes) {
    {
        Channel<Tracked> channel(model_.capacity);
        for (int step = 0; step < 500; ++step) {
            const auto dice = random_.below(100);
            if (dice < 15) {
                entries_.push_back(
                    {std::make_unique<Send>(channel.send(Tracked(step))), nullptr, step, false});
            } else if (dice < 30) {
                entries_.push_back({nullptr, std::make_unique<Recv>(channel.recv()), 0, false});
            } else if (step > 400 && dice < 32) {
                channel.close();
                model_.close();
            } else if (!entries_.empty()) {
                const auto id = random_.below(entries_.size());
                if (dice < 40) drop(id);
                else if (entries_[id].send) poll_send(id);
                else if (entries_[id].recv) poll_recv(id);
            }
            model_.settle();
            ASSERT_EQ(channel.size(), model_.items.size());
            check_wakes();
            if (HasFatalFailure()) return;
        }
        entries_.clear();
    }
    EXPECT_EQ(Tracked::alive, 0);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ChannelProperty, testing::Range<std::uint64_t>(1, 65));

TEST(Channel, ATaskWithoutBudgetTakesNothing) {
    Channel<int> channel(1);
    EXPECT_TRUE(channel.try_send(1).has_value());
    Probe recv(channel.recv());
    {
        const coop::Budget none(0);
        EXPECT_FALSE(recv.poll());
        EXPECT_EQ(recv.wakes(), 1);
        EXPECT_EQ(channel.size(), 1u);
    }
    EXPECT_TRUE(recv.poll());
}

} // namespace
} // namespace hc::runtime
