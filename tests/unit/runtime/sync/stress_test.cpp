// All primitives under several threads at once. What is checked is what must hold in the end; most
// of the worth is what ThreadSanitizer and AddressSanitizer see on the way.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/random.hpp"
#include "core/runtime/sync/barrier.hpp"
#include "core/runtime/sync/broadcast.hpp"
#include "core/runtime/sync/cancellation_token.hpp"
#include "core/runtime/sync/channel.hpp"
#include "core/runtime/sync/mpsc.hpp"
#include "core/runtime/sync/mutex.hpp"
#include "core/runtime/sync/notify.hpp"
#include "core/runtime/sync/oneshot.hpp"
#include "core/runtime/sync/rw_lock.hpp"
#include "core/runtime/sync/semaphore.hpp"
#include "core/runtime/sync/watch.hpp"
#include "tests/unit/runtime/sync/crew.hpp"
#include "tests/unit/runtime/sync/probe.hpp"

namespace hc::runtime {
namespace {

using test::Crew;
using test::Impatient;
using test::Tracked;

constexpr int tasks = 6;
constexpr int rounds = 400;

Task<void> take_permits(Semaphore* semaphore, std::atomic<int>* out, std::uint64_t seed) {
    Random random(seed);
    for (int i = 0; i < rounds; ++i) {
        const std::size_t count = 1 + random.below(3);
        const int patience = static_cast<int>(random.below(8));
        auto taken = co_await Impatient(semaphore->acquire(count), patience);
        if (!taken) continue; // given up
        EXPECT_LE(out->fetch_add(static_cast<int>(count)) + static_cast<int>(count), 3);
        if (random.below(4) == 0) co_await yield_now();
        out->fetch_sub(static_cast<int>(count));
    }
}

TEST(SyncStress, NoPermitIsLostOrMade) {
    Semaphore semaphore(3);
    std::atomic<int> out{0};
    {
        Crew crew;
        for (int i = 0; i < tasks; ++i) {
            crew.add(take_permits(&semaphore, &out, static_cast<std::uint64_t>(i)));
        }
    }
    EXPECT_EQ(semaphore.available_permits(), 3u);
}

Task<void> count_up(Mutex<int>* mutex) {
    for (int i = 0; i < rounds; ++i) {
        auto guard = co_await mutex->lock();
        const int before = *guard;
        if (i % 16 == 0) co_await yield_now();
        *guard = before + 1;
    }
}

TEST(SyncStress, AMutexExcludes) {
    Mutex<int> mutex(0);
    {
        Crew crew;
        for (int i = 0; i < tasks; ++i) crew.add(count_up(&mutex));
    }
    EXPECT_EQ(mutex.get_mut(), tasks * rounds);
}

Task<void> lock_and_free(Mutex<int>* mutex) {
    bool last = false;
    {
        auto guard = co_await mutex->lock();
        last = ++*guard == tasks;
    }
    // The one before may still be inside of its unlock.
    if (last) delete mutex;
}

TEST(SyncStress, AMutexMayGoWithItsLastTask) {
    Crew crew;
    for (int i = 0; i < 40; ++i) {
        auto* const mutex = new Mutex<int>(0);
        for (int j = 0; j < tasks; ++j) crew.add(lock_and_free(mutex));
        crew.finish(); // under ASan a mutex that is left would be a leak
    }
}

struct Pair {
    int a = 0;
    int b = 0;
};

Task<void> read_and_write(RwLock<Pair>* lock, std::uint64_t seed, std::atomic<int>* writes) {
    Random random(seed);
    for (int i = 0; i < rounds; ++i) {
        if (random.below(4) == 0) {
            auto write = co_await lock->write();
            ++write->a;
            if (random.below(8) == 0) co_await yield_now();
            ++write->b;
            ++*writes;
            if (random.below(2) == 0) {
                const auto read = std::move(write).downgrade();
                EXPECT_EQ(read->a, read->b);
            }
        } else if (random.below(4) == 0) {
            auto tried = co_await Impatient(lock->write(), static_cast<int>(random.below(3)));
            if (tried) EXPECT_EQ((*tried)->a, (*tried)->b);
        } else {
            const auto read = co_await lock->read();
            EXPECT_EQ(read->a, read->b);
        }
    }
}

TEST(SyncStress, ReadersNeverSeeAWriterHalfWay) {
    RwLock<Pair> lock;
    std::atomic<int> writes{0};
    {
        Crew crew;
        for (int i = 0; i < tasks; ++i) {
            crew.add(read_and_write(&lock, static_cast<std::uint64_t>(i), &writes));
        }
    }
    EXPECT_EQ(lock.get_mut().a, writes);
    EXPECT_EQ(lock.get_mut().b, writes);
}

/// A queue of one that is guarded by notifications alone: each round trip needs both.
Task<void> ping(Notify* out, Notify* back, std::atomic<int>* turn) {
    for (int i = 0; i < rounds; ++i) {
        turn->store(1, std::memory_order_relaxed);
        out->notify_one();
        while (turn->load(std::memory_order_relaxed) != 0) co_await back->notified();
    }
}
Task<void> pong(Notify* out, Notify* back, std::atomic<int>* turn) {
    for (int i = 0; i < rounds; ++i) {
        while (turn->load(std::memory_order_relaxed) != 1) {
            co_await Impatient(out->notified(), 3);
        }
        turn->store(0, std::memory_order_relaxed);
        back->notify_one();
    }
}

TEST(SyncStress, NoNotificationIsLost) {
    Notify out, back;
    std::atomic<int> turn{0};
    Crew crew;
    crew.add(ping(&out, &back, &turn));
    crew.add(pong(&out, &back, &turn));
    crew.finish();
}

Task<void> wait_for_flag(Notify* notify, std::atomic<bool>* flag) {
    for (;;) {
        auto notified = notify->notified();
        if (flag->load(std::memory_order_relaxed)) co_return;
        co_await std::move(notified);
    }
}
Task<void> raise_flag(Notify* notify, std::atomic<bool>* flag) {
    co_await yield_now();
    flag->store(true, std::memory_order_relaxed);
    notify->notify_waiters();
}

TEST(SyncStress, WhoAsksBeforeLookingIsNotMissed) {
    Crew crew;
    for (int i = 0; i < 50; ++i) {
        Notify notify;
        std::atomic<bool> flag{false};
        for (int j = 0; j < 3; ++j) crew.add(wait_for_flag(&notify, &flag));
        crew.add(raise_flag(&notify, &flag));
        crew.finish();
    }
}

Task<void> meet(Barrier* barrier, std::atomic<int>* arrived, std::atomic<int>* leaders) {
    for (int i = 1; i <= rounds; ++i) {
        ++*arrived;
        auto turn = co_await barrier->wait();
        if (turn.is_leader()) ++*leaders;
        EXPECT_GE(*arrived, i * tasks);
    }
}

TEST(SyncStress, NobodyPassesABarrierAlone) {
    Barrier barrier(tasks);
    std::atomic<int> arrived{0}, leaders{0};
    {
        Crew crew;
        for (int i = 0; i < tasks; ++i) crew.add(meet(&barrier, &arrived, &leaders));
    }
    EXPECT_EQ(leaders, rounds);
}

Task<void> grow_tree(CancellationToken token, int depth) {
    for (int i = 0; i < 8 && depth > 0; ++i) {
        auto child = token.child_token();
        co_await token.run_until_cancelled(grow_tree(child, depth - 1));
        if (i == 5) child.cancel();
        const bool given_up = !co_await Impatient(child.cancelled(), 1);
        EXPECT_TRUE(given_up || child.is_cancelled());
    }
    co_await token.cancelled();
}
Task<void> cancel_later(CancellationToken token, int yields) {
    for (int i = 0; i < yields; ++i) co_await yield_now();
    token.cancel();
}

TEST(SyncStress, ACancelReachesWhatGrowsMeanwhile) {
    Crew crew;
    for (int i = 0; i < 30; ++i) {
        const CancellationToken root;
        for (int j = 0; j < 4; ++j) crew.add(grow_tree(root.child_token(), 3));
        crew.add(cancel_later(root, i));
        crew.finish();
    }
}

Task<void> send_or_go(oneshot::Sender<Tracked> sender, int kind, std::atomic<int>* sent) {
    if (kind % 3 == 0) co_return;
    if (kind % 3 == 1) {
        const bool closed_first = (co_await Impatient(sender.closed(), 2)).has_value();
        if (closed_first) EXPECT_TRUE(sender.is_closed());
    }
    if (std::move(sender).send(Tracked(kind))) ++*sent;
}
Task<void> receive_or_go(oneshot::Receiver<Tracked> receiver, int kind, std::atomic<int>* got) {
    if (kind % 4 == 0) co_return;
    if (kind % 4 == 1) {
        const auto value = co_await Impatient(std::move(receiver), 1);
        if (value && *value) ++*got;
        co_return;
    }
    const auto value = co_await receiver;
    if (value) ++*got;
}

TEST(SyncStress, OneshotsInEveryOrder) {
    std::atomic<int> sent{0}, got{0};
    {
        Crew crew;
        for (int i = 0; i < 240; ++i) {
            auto [sender, receiver] = oneshot::channel<Tracked>();
            crew.add(send_or_go(std::move(sender), i, &sent));
            crew.add(receive_or_go(std::move(receiver), i / 3, &got));
            if (i % 2 == 0) crew.add(cancel_later(CancellationToken(), 0)); // turns the sides round
            if (i % 24 == 23) crew.finish();
        }
    }
    EXPECT_LE(got, sent);
    EXPECT_EQ(Tracked::alive, 0);
}

Task<void> produce(mpsc::Sender<Tracked> sender, int from, std::atomic<int>* sent) {
    for (int i = 0; i < rounds; ++i) {
        if (i % 5 == 0) {
            auto permit = co_await sender.reserve();
            if (!permit) co_return;
            if (i % 10 == 0) {
                std::move(*permit).send(Tracked(from + i));
                ++*sent;
            }
        } else if (i % 5 == 1) {
            const auto done = co_await Impatient(sender.send(Tracked(from + i)), 2);
            if (done && *done) ++*sent;
        } else {
            auto done = co_await sender.send(Tracked(from + i));
            if (!done) co_return;
            ++*sent;
        }
    }
}
Task<void> consume(mpsc::Receiver<Tracked> receiver, std::vector<int>* got) {
    for (int i = 0;; ++i) {
        if (i % 7 == 0) {
            auto item = co_await Impatient(receiver.recv(), 1);
            if (!item) continue; // given up
            if (!*item) co_return;
            got->push_back((*item)->number);
            continue;
        }
        auto item = co_await receiver.recv();
        if (!item) co_return;
        got->push_back(item->number);
    }
}

TEST(SyncStress, MpscLosesNothingAndKeepsEachSendersOrder) {
    std::vector<int> got;
    std::atomic<int> sent{0};
    {
        Crew crew;
        auto [sender, receiver] = mpsc::channel<Tracked>(3);
        for (int i = 0; i < tasks; ++i) crew.add(produce(sender, i * rounds, &sent));
        { const auto gone = std::move(sender); }
        crew.add(consume(std::move(receiver), &got));
    }
    EXPECT_EQ(static_cast<int>(got.size()), sent);
    std::vector<int> last(tasks, -1);
    for (const int number : got) {
        int& before = last[static_cast<std::size_t>(number / rounds)];
        EXPECT_LT(before, number);
        before = number;
    }
    EXPECT_EQ(Tracked::alive, 0);
}

Task<void> consume_some(mpsc::Receiver<Tracked> receiver, int count) {
    for (int i = 0; i < count; ++i) {
        const auto item = co_await receiver.recv();
        if (!item) co_return;
    }
}

TEST(SyncStress, MpscWhoseReceiverGoes) {
    std::atomic<int> sent{0};
    Crew crew;
    for (int i = 0; i < 20; ++i) {
        auto [sender, receiver] = mpsc::channel<Tracked>(2);
        for (int j = 0; j < 4; ++j) crew.add(produce(sender, j * rounds, &sent));
        crew.add(consume_some(std::move(receiver), i * 10));
        { const auto gone = std::move(sender); }
        crew.finish();
        EXPECT_EQ(Tracked::alive, 0);
    }
}

Task<void> produce_all(Channel<int> channel, std::atomic<int>* producers) {
    for (int i = 1; i <= rounds; ++i) {
        for (;;) {
            const auto sent = co_await Impatient(channel.send(i), 4);
            if (!sent) continue;
            EXPECT_TRUE(sent->has_value());
            break;
        }
    }
    if (--*producers == 0) channel.close();
}
Task<void> work(Channel<int> channel, std::atomic<int>* total, std::uint64_t seed) {
    Random random(seed);
    for (;;) {
        if (random.below(8) == 0) {
            const auto item = co_await Impatient(channel.recv(), 1);
            if (item && *item) *total += **item;
            continue; // the end is seen below
        }
        const auto item = co_await channel.recv();
        if (!item) co_return;
        *total += *item;
    }
}

TEST(SyncStress, ChannelGivesEachItemToOneWorker) {
    std::atomic<int> producers{3}, total{0};
    {
        Crew crew;
        const Channel<int> channel(4);
        for (int i = 0; i < 3; ++i) {
            crew.add(produce_all(channel, &producers));
            crew.add(work(channel, &total, static_cast<std::uint64_t>(i)));
            crew.add(work(channel, &total, static_cast<std::uint64_t>(i + 10)));
        }
    }
    EXPECT_EQ(total, 3 * rounds * (rounds + 1) / 2);
}

Task<void> tell_all(broadcast::Sender<Tracked> sender) {
    for (int i = 0; i < rounds; ++i) {
        EXPECT_TRUE(sender.send(Tracked(i)).has_value());
        if (i % 8 == 0) co_await yield_now();
    }
}
Task<void> hear_all(broadcast::Receiver<Tracked> receiver, std::atomic<int>* heard) {
    for (;;) {
        const auto item = co_await receiver.recv();
        if (item) ++*heard;
        else if (item.error().kind != ErrorKind::limit) co_return;
        else *heard += static_cast<int>(item.error().lagged);
    }
}

TEST(SyncStress, BroadcastTellsEachOfAllOrSaysHowManyItLost) {
    std::atomic<int> heard{0};
    {
        Crew crew;
        auto [sender, receiver] = broadcast::channel<Tracked>(16);
        for (int i = 0; i < 4; ++i) crew.add(hear_all(receiver.resubscribe(), &heard));
        crew.add(tell_all(sender));
        crew.add(tell_all(std::move(sender)));
        crew.finish();
    }
    EXPECT_EQ(heard, 4 * 2 * rounds);
    EXPECT_EQ(Tracked::alive, 0);
}

Task<void> change(watch::Sender<int> sender) {
    for (int i = 0; i < rounds; ++i) {
        if (i % 2 == 0) sender.send_modify([](int& value) { ++value; });
        else EXPECT_TRUE(sender.send_if_modified([](int& value) { return ++value > 0; }));
        if (i % 8 == 0) co_await yield_now();
    }
}
Task<void> follow(watch::Receiver<int> receiver, int end) {
    int newest = 0;
    for (;;) {
        const auto changed = co_await receiver.changed();
        if (!changed) break;
        const int value = *receiver.borrow_and_update();
        EXPECT_GE(value, newest);
        newest = value;
    }
    EXPECT_EQ(newest, end) << "the last change is never missed";
}
Task<void> wait_for_value(watch::Receiver<int> receiver, int end) {
    const auto value = co_await receiver.wait_for([end](int now) { return now >= end; });
    EXPECT_TRUE(value.has_value());
}

TEST(SyncStress, WatchLosesNoChange) {
    Crew crew;
    auto [sender, receiver] = watch::channel(0);
    for (int i = 0; i < 3; ++i) crew.add(follow(receiver, 3 * rounds));
    crew.add(wait_for_value(receiver, 2 * rounds));
    for (int i = 0; i < 3; ++i) crew.add(change(sender));
    { const auto gone = std::move(sender); }
    crew.finish();
}

} // namespace
} // namespace hc::runtime
