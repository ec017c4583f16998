#include "core/runtime/sync/broadcast.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/random.hpp"
#include "core/runtime/park.hpp"
#include "tests/unit/runtime/sync/probe.hpp"

namespace hc::runtime {
namespace {

using broadcast::RecvError;
using test::Probe;
using test::Tracked;

static_assert(Future<broadcast::Receiver<int>::Recv>);

constexpr RecvError nothing_yet{ErrorKind::again};
constexpr RecvError closed{ErrorKind::closed};

TEST(Broadcast, EveryReceiverGetsEveryValue) {
    auto [sender, first] = broadcast::channel<int>(4);
    EXPECT_EQ(sender.send(1).value(), 1u);
    auto second = sender.subscribe();
    auto third = second.resubscribe();
    EXPECT_EQ(sender.receiver_count(), 3u);
    EXPECT_EQ(sender.send(2).value(), 3u);
    EXPECT_EQ(first.size(), 2u);
    EXPECT_EQ(first.try_recv(), 1);
    EXPECT_EQ(first.try_recv(), 2);
    EXPECT_EQ(first.try_recv().error(), nothing_yet);
    EXPECT_EQ(second.try_recv(), 2);
    EXPECT_EQ(third.try_recv(), 2);
    EXPECT_EQ(third.try_recv().error(), nothing_yet);
}

TEST(Broadcast, AllWhoWaitAreWoken) {
    auto [sender, unused] = broadcast::channel<int>(4);
    constexpr std::size_t count = 2 * sync_detail::WakeBatch::size_max + 1;
    std::deque<broadcast::Receiver<int>> receivers;
    std::deque<Probe<broadcast::Receiver<int>::Recv>> all;
    for (std::size_t i = 0; i < count; ++i) {
        receivers.push_back(sender.subscribe());
        EXPECT_FALSE(all.emplace_back(receivers.back().recv()).poll());
        EXPECT_FALSE(all.back().poll());
    }
    all[1].drop();
    EXPECT_EQ(sender.send(5).value(), count + 1);
    for (std::size_t i = 0; i < count; ++i) {
        if (i == 1) continue;
        EXPECT_EQ(all[i].wakes(), 1);
        ASSERT_TRUE(all[i].poll());
        EXPECT_EQ(all[i].value(), 5);
    }
    EXPECT_EQ(receivers[1].try_recv(), 5) << "a dropped recv takes nothing";
}

TEST(Broadcast, ASlowReceiverIsToldWhatItLost) {
    auto [sender, slow] = broadcast::channel<int>(3);
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(sender.send(i).has_value());
    EXPECT_EQ(slow.size(), 3u);
    Probe recv(slow.recv());
    ASSERT_TRUE(recv.poll());
    EXPECT_EQ(recv.value().error(), (RecvError{ErrorKind::limit, 2}));
    for (int i = 2; i < 5; ++i) EXPECT_EQ(slow.try_recv(), i);
    EXPECT_EQ(slow.try_recv().error(), nothing_yet);
}

TEST(Broadcast, EndsWithTheLastSender) {
    auto [sender, receiver] = broadcast::channel<int>(3);
    std::optional copy = sender;
    { const auto gone = std::move(sender); }
    EXPECT_TRUE(copy->send(1).has_value());
    auto second = receiver.resubscribe();
    Probe waits(second.recv());
    EXPECT_FALSE(waits.poll());
    copy.reset();
    EXPECT_EQ(waits.wakes(), 1);
    ASSERT_TRUE(waits.poll());
    EXPECT_EQ(waits.value().error(), closed);
    EXPECT_EQ(receiver.try_recv(), 1);
    EXPECT_EQ(receiver.try_recv().error(), closed);
}

TEST(Broadcast, WithoutReceiversTheValueComesBack) {
    auto [sender, receiver] = broadcast::channel<std::unique_ptr<int>*>(1);
    { const auto gone = std::move(receiver); }
    const auto sent = sender.send(nullptr);
    ASSERT_FALSE(sent.has_value());
    EXPECT_EQ(sent.error().kind, ErrorKind::closed);
    auto late = sender.subscribe();
    EXPECT_TRUE(sender.send(nullptr).has_value());
    EXPECT_TRUE(late.try_recv().has_value());
}

TEST(Broadcast, AValueGoesWhenAllHaveSeenIt) {
    auto [sender, first] = broadcast::channel<Tracked>(4);
    std::optional second = sender.subscribe();
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(sender.send(Tracked(i)).has_value());
    EXPECT_EQ(Tracked::alive, 3);
    EXPECT_EQ(first.try_recv()->number, 0);
    EXPECT_EQ(Tracked::alive, 3);
    EXPECT_EQ(second->try_recv()->number, 0);
    EXPECT_EQ(Tracked::alive, 2);
    EXPECT_EQ(first.try_recv()->number, 1);
    second.reset(); // it was the last that had yet to see 1
    EXPECT_EQ(Tracked::alive, 1);
    EXPECT_EQ(first.try_recv()->number, 2);
    EXPECT_EQ(Tracked::alive, 0);
}

TEST(Broadcast, ReceiversMove) {
    auto [sender, receiver] = broadcast::channel<int>(2);
    EXPECT_TRUE(sender.send(1).has_value());
    auto other = receiver.resubscribe();
    other = std::move(receiver);
    EXPECT_EQ(sender.receiver_count(), 1u);
    auto future = other.recv();
    Probe probe(std::move(future));
    ASSERT_TRUE(probe.poll());
    EXPECT_EQ(probe.value(), 1);
}

TEST(Broadcast, ATaskWithoutBudgetTakesNothing) {
    auto [sender, receiver] = broadcast::channel<int>(2);
    EXPECT_TRUE(sender.send(1).has_value());
    Probe probe(receiver.recv());
    {
        const coop::Budget none(0);
        EXPECT_FALSE(probe.poll());
        EXPECT_EQ(probe.wakes(), 1);
    }
    EXPECT_TRUE(probe.poll());
}

Task<int> sum(broadcast::Receiver<int> receiver) {
    int total = 0;
    while (const auto item = co_await receiver.recv()) total += *item;
    co_return total;
}

TEST(Broadcast, IsAwaited) {
    auto [sender, receiver] = broadcast::channel<int>(20);
    for (int i = 1; i <= 10; ++i) EXPECT_TRUE(sender.send(i).has_value());
    { const auto gone = std::move(sender); }
    EXPECT_EQ(park_on(sum(std::move(receiver))), 55);
}

class BroadcastProperty : public testing::TestWithParam<std::uint64_t> {};

TEST_P(BroadcastProperty, DoesWhatTheModelDoes) {
    struct Reader {
        broadcast::Receiver<Tracked> receiver;
        std::size_t next; // in `sent`
    };
    Random random(GetParam());
    {
        const std::size_t capacity = 1 + random.below(8);
        auto [sender, first] = broadcast::channel<Tracked>(capacity);
        std::vector<int> sent;
        std::vector<Reader> readers;
        readers.push_back({std::move(first), 0});
        for (int step = 0; step < 1000; ++step) {
            const auto dice = random.below(10);
            if (dice < 3) {
                const auto answer = sender.send(Tracked(step));
                ASSERT_EQ(answer.has_value(), !readers.empty());
                if (answer) {
                    ASSERT_EQ(*answer, readers.size());
                    sent.push_back(step);
                }
            } else if (dice == 3 && readers.size() < 6) {
                readers.push_back({sender.subscribe(), sent.size()});
            } else if (!readers.empty()) {
                const auto at = random.below(readers.size());
                auto& [receiver, next] = readers[at];
                if (dice == 4) {
                    readers.erase(readers.begin() + static_cast<std::ptrdiff_t>(at));
                    continue;
                }
                Probe probe(receiver.recv());
                ASSERT_EQ(probe.poll(), next < sent.size());
                if (next == sent.size()) continue;
                if (sent.size() - next > capacity) {
                    const auto lost = sent.size() - next - capacity;
                    ASSERT_EQ(probe.value().error(), (RecvError{ErrorKind::limit, lost}));
                    next += lost;
                } else {
                    ASSERT_EQ(probe.value()->number, sent[next++]);
                }
            }
            std::size_t oldest = sent.size();
            for (const auto& reader : readers) oldest = std::min(oldest, reader.next);
            const auto kept = std::min(sent.size() - oldest, capacity);
            ASSERT_EQ(Tracked::alive, static_cast<int>(kept)) << "no longer than anybody may ask";
        }
    }
    EXPECT_EQ(Tracked::alive, 0);
}

INSTANTIATE_TEST_SUITE_P(Seeds, BroadcastProperty, testing::Range<std::uint64_t>(1, 33));

} // namespace
} // namespace hc::runtime
