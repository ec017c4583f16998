#include "core/base/slot_table.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "core/base/random.hpp"

namespace hc {
namespace {

TEST(Handle, PacksAndUnpacks) {
    const Handle handle{.runtime = 63, .worker = 1023, .slot = 0xFFFFF, .generation = 0xFFFFFFF};
    EXPECT_EQ(handle.pack(), UINT64_MAX);
    const Handle parts = Handle::unpack(Handle{1, 2, 3, 4}.pack());
    EXPECT_EQ(parts.runtime, 1U);
    EXPECT_EQ(parts.worker, 2U);
    EXPECT_EQ(parts.slot, 3U);
    EXPECT_EQ(parts.generation, 4U);
}

TEST(SlotTable, AnIdIsGoodUntilItIsRemoved) {
    SlotTable table(5, 6, 1, 2048);
    int a = 0;
    int b = 0;
    const std::uint64_t id_a = table.insert(&a);
    const std::uint64_t id_b = table.insert(&b);
    EXPECT_EQ(Handle::unpack(id_a).runtime, 5U);
    EXPECT_EQ(Handle::unpack(id_a).worker, 6U);
    EXPECT_EQ(table.find(id_a), &a);
    EXPECT_EQ(table.find(id_b), &b);
    EXPECT_EQ(table.live(), 2U);
    EXPECT_TRUE(table.remove(id_a));
    EXPECT_EQ(table.find(id_a), nullptr);
    EXPECT_EQ(table.pin(id_a), nullptr);
    EXPECT_TRUE(table.remove(id_a)); // stale: changes nothing
    EXPECT_EQ(table.live(), 1U);
    EXPECT_EQ(table.find(id_b), &b);
}

TEST(SlotTable, ForgedIdsAreAnswered) {
    SlotTable table(0, 0, 1, 2048);
    int object = 0;
    const std::uint64_t good = table.insert(&object);
    Random random(7);
    for (int i = 0; i < 100'000; ++i) {
        const std::uint64_t id = random.next() & 0xFFFF'FFFF'FFFF; // of this table
        if (id == good) continue;
        ASSERT_EQ(table.find(id), nullptr);
        ASSERT_EQ(table.pin(id), nullptr);
        ASSERT_TRUE(table.remove(id));
    }
    EXPECT_EQ(table.find(0), nullptr);
    EXPECT_EQ(table.live(), 1U);
}

TEST(SlotTable, PinsDeferTheEnd) {
    SlotTable table(0, 0, 1, 1024);
    int object = 0;
    const std::uint64_t id = table.insert(&object);
    EXPECT_EQ(table.pin(id), &object);
    EXPECT_EQ(table.pin(id), &object);
    EXPECT_FALSE(table.unpin(id));  // still live
    EXPECT_FALSE(table.remove(id)); // pinned
    EXPECT_EQ(table.pin(id), nullptr);
    EXPECT_EQ(table.find(id), nullptr);
    EXPECT_TRUE(table.unpin(id)); // the last one
    EXPECT_EQ(table.recycle(Handle::unpack(id).slot), &object);
    EXPECT_EQ(table.live(), 0U);
}

TEST(SlotTable, SlotsAreReusedFirstInFirstOut) {
    SlotTable table(0, 0, 1, 1024);
    int object = 0;
    std::vector<std::uint64_t> ids;
    for (int i = 0; i < 1024; ++i) ids.push_back(table.insert(&object));
    EXPECT_EQ(table.insert(&object), 0U); // full
    for (const std::size_t i : {500, 3, 900}) EXPECT_TRUE(table.remove(ids[i]));
    for (const std::size_t i : {500, 3, 900}) {
        const std::uint64_t id = table.insert(&object);
        EXPECT_EQ(Handle::unpack(id).slot, Handle::unpack(ids[i]).slot);
        EXPECT_NE(id, ids[i]);
        // The one before stays stale though somebody sits there.
        EXPECT_EQ(table.find(ids[i]), nullptr);
        EXPECT_EQ(table.pin(ids[i]), nullptr);
        EXPECT_TRUE(table.remove(ids[i]));
        EXPECT_EQ(table.find(id), &object);
    }
}

TEST(SlotTable, GenerationsGoOnAndTheirSeedShows) {
    SlotTable table(0, 0, 1, 1024);
    SlotTable other(0, 0, 2, 1024);
    int object = 0;
    EXPECT_NE(table.insert(&object), other.insert(&object));
    // One slot at a time goes round the whole table; no id ever comes twice or is 0.
    std::set<std::uint64_t> seen;
    for (int i = 0; i < 20'000; ++i) {
        const std::uint64_t id = table.insert(&object);
        ASSERT_NE(id, 0U);
        ASSERT_TRUE(seen.insert(id).second);
        ASSERT_TRUE(table.remove(id));
    }
}

TEST(SlotTable, GrowsPageByPage) {
    SlotTable table(0, 0, 1, 3000); // rounded up to whole pages
    std::vector<int> objects(3072);
    std::map<std::uint64_t, int*> ids;
    for (int& object : objects) {
        const std::uint64_t id = table.insert(&object);
        ASSERT_NE(id, 0U);
        ids[id] = &object;
    }
    EXPECT_EQ(table.insert(&objects[0]), 0U);
    for (const auto& [id, object] : ids) ASSERT_EQ(table.find(id), object);
}

TEST(SlotTable, RenewedForItsNextOwnerKeepsOldIdsStale) {
    SlotTable table(0, 0, 1, 1024);
    int object = 0;
    std::vector<std::uint64_t> old;
    for (int i = 0; i < 1024; ++i) old.push_back(table.insert(&object));
    EXPECT_TRUE(table.remove(old[1]));
    EXPECT_EQ(table.pin(old[2]), &object);
    EXPECT_FALSE(table.remove(old[2])); // and recycle() never comes
    EXPECT_EQ(table.pin(old[3]), &object);
    table.end_all();
    EXPECT_EQ(table.live(), 0U);
    EXPECT_TRUE(table.unpin(old[2]));
    EXPECT_TRUE(table.unpin(old[3]));
    table.renew();
    std::set<std::uint64_t> fresh;
    for (int i = 0; i < 1024; ++i) fresh.insert(table.insert(&object)); // none was lost
    EXPECT_EQ(fresh.size(), 1024U);
    EXPECT_EQ(fresh.count(0), 0U);
    for (const std::uint64_t id : old) {
        EXPECT_EQ(table.find(id), nullptr);
        EXPECT_EQ(fresh.count(id), 0U);
    }
}

/// An object whose end shows.
struct Object {
    static constexpr std::uint64_t living = 0x600D600D600D600D;
    std::uint64_t state = living;
};

/// What other threads send to the owner: slots to recycle.
class Mailbox {
public:
    void post(std::uint32_t slot) {
        const std::lock_guard lock(mutex_);
        slots_.push_back(slot);
    }
    std::deque<std::uint32_t> take() {
        const std::lock_guard lock(mutex_);
        return std::exchange(slots_, {});
    }

private:
    std::mutex mutex_;
    std::deque<std::uint32_t> slots_;
};

// The owner inserts, finds and removes while others pin what they can; nobody ever sees an object
// that has ended, and every object ends once.
TEST(SlotTable, PinnedObjectsAreNotDestroyed) {
    constexpr int rounds = 30'000;
    constexpr std::size_t shown = 16;
    SlotTable table(0, 0, 1, 1024);
    std::array<std::atomic<std::uint64_t>, shown> ids{};
    std::atomic<bool> over{false};
    std::atomic<std::uint64_t> pinned{0};
    Mailbox mailbox;
    std::vector<std::thread> threads;
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        threads.emplace_back([&, seed] {
            Random random(seed);
            while (!over) {
                const std::uint64_t id = ids[random.below(shown)].load(std::memory_order_relaxed);
                auto* object = static_cast<Object*>(table.pin(id));
                if (object == nullptr) continue;
                EXPECT_EQ(object->state, Object::living);
                if (random.below(64) == 0) std::this_thread::yield(); // let the owner remove it
                EXPECT_EQ(object->state, Object::living);
                ++pinned;
                if (table.unpin(id)) mailbox.post(Handle::unpack(id).slot);
            }
        });
    }
    Random random(99);
    std::uint64_t made = 0;
    std::uint64_t ended = 0;
    std::uint64_t waited = 0;
    const auto end = [&](Object* object) {
        object->state = 0; // a pinned reader would see this, and TSan the write
        delete object;
        ++ended;
    };
    const auto recycle = [&] {
        for (const std::uint32_t slot : mailbox.take())
            end(static_cast<Object*>(table.recycle(slot)));
    };
    for (int round = 0; round < rounds || (pinned == 0 || waited == 0); ++round) {
        auto& shown_id = ids[random.below(shown)];
        const std::uint64_t old = shown_id.load(std::memory_order_relaxed);
        if (old != 0) {
            auto* object = static_cast<Object*>(table.find(old));
            ASSERT_NE(object, nullptr);
            if (table.remove(old)) {
                end(object);
            } else {
                ++waited;
            }
        }
        const std::uint64_t id = table.insert(new Object);
        ASSERT_NE(id, 0U);
        ++made;
        shown_id.store(id, std::memory_order_relaxed);
        recycle();
        if (round % 256 == 0) std::this_thread::yield();
    }
    over = true;
    for (auto& thread : threads) thread.join();
    recycle();
    for (auto& id : ids) {
        if (id == 0) continue;
        auto* object = static_cast<Object*>(table.find(id));
        ASSERT_TRUE(table.remove(id));
        end(object);
    }
    EXPECT_EQ(made, ended);
    EXPECT_EQ(table.live(), 0U);
}

} // namespace
} // namespace hc
