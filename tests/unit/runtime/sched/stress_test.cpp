// The pieces of the scheduler on real threads, for ThreadSanitizer and for the processor's own
// memory order: many items, small queues, so that the rare paths run all the time.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <semaphore>
#include <span>
#include <thread>
#include <vector>

#include "core/runtime/sched/idle.hpp"
#include "core/runtime/sched/injector.hpp"
#include "core/runtime/sched/steal_queue.hpp"

namespace hc::runtime::sched {
namespace {

struct Item {
    int value = 0; // plain: who takes the item must see what who pushed it wrote
    int taken = 0;
    Item* next = nullptr;
};

constexpr int items_count = 100'000;

TEST(SchedStress, EachItemIsTakenOnceByOwnerOrThief) {
    using Queue = StealQueue<Item, 8>;
    constexpr std::size_t thieves = 3;
    std::vector<Item> items(items_count);
    Queue owned(UINT32_MAX - 1000); // the indices wrap on the way
    std::array<Queue, thieves> queues;
    std::atomic<int> taken{0};
    const auto take = [&](Item* item) {
        if (item == nullptr) return false;
        EXPECT_EQ(item->value, item - items.data());
        ++item->taken;
        taken.fetch_add(1, std::memory_order_relaxed);
        return true;
    };

    std::vector<std::thread> threads;
    for (std::size_t self = 0; self < thieves; ++self) {
        threads.emplace_back([&, self] {
            while (taken.load(std::memory_order_relaxed) < items_count) {
                bool found = take(owned.steal_into(queues.at(self)));
                found |= take(queues.at((self + 1) % thieves).steal_into(queues.at(self)));
                while (take(queues.at(self).pop())) found = true;
                if (!found) std::this_thread::yield();
            }
        });
    }
    for (int i = 0; i < items_count; ++i) {
        Item& item = items.at(static_cast<std::size_t>(i));
        item.value = i;
        owned.push_or_overflow(&item, [&](std::span<Item*> out) {
            for (Item* each : out) take(each);
        });
        if (i % 3 == 0) take(owned.pop());
    }
    while (taken.load(std::memory_order_relaxed) < items_count) {
        if (!take(owned.pop())) std::this_thread::yield();
    }
    for (std::thread& thread : threads) thread.join();
    for (const Item& item : items) ASSERT_EQ(item.taken, 1);
}

/// Workers as a runtime has them: they take, steal, and sleep on a semaphore when there is nothing.
class Pool {
public:
    static constexpr std::uint32_t workers = 4;

    Pool() {
        for (std::uint32_t i = 0; i < workers; ++i) {
            seats_.at(i).thread = std::thread([this, i] { work(i); });
        }
    }
    ~Pool() {
        stopped_.store(true);
        for (Seat& seat : seats_) seat.awake.release();
        for (Seat& seat : seats_) seat.thread.join();
    }
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    void push(Item& item) {
        EXPECT_TRUE(injector_.push(&item));
        notify();
    }
    /// Until so many items have run.
    void wait_for(int count) const {
        for (int now = ran_.load(); now < count; now = ran_.load()) ran_.wait(now);
    }
    /// As I/O or a timer does it.
    void disturb(std::uint32_t worker) { seats_.at(worker).awake.release(); }

private:
    struct Seat {
        StealQueue<Item, 8> queue;
        std::counting_semaphore<> awake{0};
        std::thread thread;
    };

    void notify() {
        if (const auto worker = idle_.worker_to_notify()) seats_.at(*worker).awake.release();
    }
    Item* take_own(std::uint32_t worker) {
        auto& queue = seats_.at(worker).queue;
        if (Item* item = queue.pop()) return item;
        std::array<Item*, 4> batch{};
        const std::size_t count = injector_.pop_some(batch);
        if (count == 0) return nullptr;
        EXPECT_EQ(queue.push_some(std::span(batch).subspan(1, count - 1)), count - 1);
        return batch[0];
    }
    Item* steal(std::uint32_t worker) {
        for (std::uint32_t i = 1; i < workers; ++i) {
            auto& victim = seats_.at((worker + i) % workers).queue;
            if (Item* item = victim.steal_into(seats_.at(worker).queue)) return item;
        }
        return take_own(worker);
    }
    bool is_work_left() const {
        bool left = !injector_.empty();
        for (const Seat& seat : seats_) left |= !seat.queue.empty();
        return left;
    }
    void work(std::uint32_t worker) {
        bool searching = false;
        while (!stopped_.load()) {
            Item* item = take_own(worker);
            if (item == nullptr && !searching) searching = idle_.transition_to_searching();
            if (item == nullptr && searching) item = steal(worker);
            if (item != nullptr) {
                // What came along in the batch is for others as well.
                if (searching ? idle_.transition_from_searching() : is_work_left()) notify();
                searching = false;
                ++item->taken;
                ran_.fetch_add(1);
                ran_.notify_all();
                continue;
            }
            if (idle_.transition_to_sleeping(worker, searching) && is_work_left()) notify();
            seats_.at(worker).awake.acquire();
            searching = idle_.woke(worker);
        }
    }

    Idle<> idle_{workers};
    Injector<Item, &Item::next> injector_;
    std::array<Seat, workers> seats_;
    std::atomic<int> ran_{0};
    std::atomic<bool> stopped_{false};
};

// Were a wake-up lost, it would wait for ever: the workers go to sleep after each item.
TEST(SchedStress, NoWakeUpIsLostWhenItemsComeOneByOne) {
    std::vector<Item> items(4'000);
    Pool pool;
    for (std::size_t i = 0; i < items.size(); ++i) {
        pool.push(items[i]);
        pool.wait_for(static_cast<int>(i) + 1);
        if (i % 16 == 0) pool.disturb(static_cast<std::uint32_t>(i / 16) % Pool::workers);
    }
    for (const Item& item : items) ASSERT_EQ(item.taken, 1);
}

TEST(SchedStress, AllItemsOfManyPushersRun) {
    constexpr std::size_t pushers = 3;
    constexpr std::size_t each = 10'000;
    std::vector<Item> items(pushers * each);
    Pool pool;
    std::vector<std::thread> threads;
    for (std::size_t p = 0; p < pushers; ++p) {
        threads.emplace_back([&, p] {
            for (std::size_t i = 0; i < each; ++i) pool.push(items.at(p * each + i));
        });
    }
    for (std::thread& thread : threads) thread.join();
    pool.wait_for(static_cast<int>(items.size()));
    for (const Item& item : items) ASSERT_EQ(item.taken, 1);
}

} // namespace
} // namespace hc::runtime::sched
