#include "core/runtime/sync/notify.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "core/base/random.hpp"
#include "tests/unit/runtime/sync/probe.hpp"

namespace hc::runtime {
namespace {

using test::Probe;

static_assert(Future<Notify::Notified>);

TEST(Notify, OnePermitIsStored) {
    Notify notify;
    notify.notify_one();
    notify.notify_one();
    Probe first(notify.notified());
    Probe second(notify.notified());
    EXPECT_TRUE(first.poll());
    EXPECT_FALSE(second.poll());
}

TEST(Notify, OneWakesTheFirstInLine) {
    Notify notify;
    Probe first(notify.notified());
    Probe second(notify.notified());
    EXPECT_FALSE(first.poll());
    EXPECT_FALSE(second.poll());
    notify.notify_one();
    EXPECT_EQ(first.wakes(), 1);
    EXPECT_EQ(second.wakes(), 0);
    EXPECT_FALSE(second.poll());
    EXPECT_TRUE(first.poll());
    notify.notify_one();
    EXPECT_TRUE(second.poll());
    notify.notify_one();
    EXPECT_TRUE(Probe(notify.notified()).poll()) << "with nobody in line it is stored again";
}

TEST(Notify, AllAreLetGoAndNothingIsStored) {
    Notify notify;
    std::deque<Probe<Notify::Notified>> all;
    constexpr std::size_t count = 2 * sync_detail::WakeBatch::size_max + 1;
    for (std::size_t i = 0; i < count; ++i) {
        EXPECT_FALSE(all.emplace_back(notify.notified()).poll());
    }
    Probe not_polled(notify.notified());
    notify.notify_waiters();
    for (auto& one : all) {
        EXPECT_EQ(one.wakes(), 1);
        EXPECT_TRUE(one.poll());
    }
    EXPECT_TRUE(not_polled.poll()) << "it was there";
    EXPECT_FALSE(Probe(notify.notified()).poll());
}

TEST(Notify, ANotificationOfAllKeepsTheStoredOne) {
    Notify notify;
    notify.notify_one();
    Probe before(notify.notified());
    notify.notify_waiters();
    EXPECT_TRUE(before.poll());
    EXPECT_TRUE(Probe(notify.notified()).poll()) << "the permit was not needed for the other";
    EXPECT_FALSE(Probe(notify.notified()).poll());
}

TEST(Notify, ADroppedOnePassesItsNotificationOn) {
    Notify notify;
    Probe first(notify.notified());
    Probe second(notify.notified());
    EXPECT_FALSE(first.poll());
    EXPECT_FALSE(second.poll());
    notify.notify_one();
    first.drop();
    EXPECT_EQ(second.wakes(), 1);
    second.drop();
    EXPECT_TRUE(Probe(notify.notified()).poll()) << "with nobody left it is stored";
}

TEST(Notify, ADroppedOneDoesNotPassOnWhatAllWereTold) {
    Notify notify;
    Probe first(notify.notified());
    EXPECT_FALSE(first.poll());
    notify.notify_waiters();
    first.drop();
    EXPECT_FALSE(Probe(notify.notified()).poll());
}

TEST(Notify, LeavingTheLineLeavesNoTrace) {
    Notify notify;
    Probe first(notify.notified());
    EXPECT_FALSE(first.poll());
    first.drop();
    notify.notify_one();
    EXPECT_TRUE(Probe(notify.notified()).poll());
}

TEST(Notify, AFutureMovesBeforeItsFirstPoll) {
    Notify notify;
    auto one = notify.notified();
    notify.notify_waiters();
    Probe probe(std::move(one));
    EXPECT_TRUE(probe.poll()) << "the moved one was there as well";
}

TEST(Notify, ATaskWithoutBudgetTakesNothing) {
    Notify notify;
    notify.notify_one();
    Probe probe(notify.notified());
    {
        const coop::Budget none(0);
        EXPECT_FALSE(probe.poll());
        EXPECT_EQ(probe.wakes(), 1);
    }
    EXPECT_TRUE(probe.poll());
}

class NotifyProperty : public testing::TestWithParam<std::uint64_t> {};

TEST_P(NotifyProperty, DoesWhatTheModelDoes) {
    enum State { made, in_line, told, done };
    struct Entry {
        std::unique_ptr<Probe<Notify::Notified>> probe;
        State state;
        bool by_one;
    };
    Random random(GetParam());
    Notify notify;
    bool stored = false;
    std::vector<Entry> entries;
    std::vector<std::size_t> line;
    const auto one = [&] {
        if (line.empty()) {
            stored = true;
            return;
        }
        entries[line.front()].state = told;
        entries[line.front()].by_one = true;
        line.erase(line.begin());
    };
    for (int step = 0; step < 600; ++step) {
        const auto dice = random.below(12);
        if (dice < 3) {
            entries.push_back(
                {std::make_unique<Probe<Notify::Notified>>(notify.notified()), made, false});
        } else if (dice < 5) {
            notify.notify_one();
            one();
        } else if (dice < 6) {
            notify.notify_waiters();
            for (auto& entry : entries) {
                if (entry.state != made && entry.state != in_line) continue;
                entry.state = told;
                entry.by_one = false;
            }
            line.clear();
        } else if (!entries.empty()) {
            const auto id = random.below(entries.size());
            Entry& entry = entries[id];
            if (entry.state == done) continue;
            if (dice < 8) {
                entry.probe.reset();
                std::erase(line, id);
                if (std::exchange(entry.state, done) == told && entry.by_one) one();
                continue;
            }
            const bool ready = entry.state == told || (entry.state == made && stored);
            ASSERT_EQ(entry.probe->poll(), ready);
            if (entry.state == made && ready) stored = false;
            if (entry.state == made && !ready) line.push_back(id);
            entry.state = ready ? done : in_line;
        }
    }
    ASSERT_EQ(Probe(notify.notified()).poll(), stored && line.empty());
}

INSTANTIATE_TEST_SUITE_P(Seeds, NotifyProperty, testing::Range<std::uint64_t>(1, 33));

} // namespace
} // namespace hc::runtime
