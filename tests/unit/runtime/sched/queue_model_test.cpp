// StealQueue and Injector under every schedule within some bounds: each item comes out exactly
// once, in order for each who takes, and with what was written before it was pushed. Then the same
// programs on atomics that are broken on purpose, which must fail.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <span>

#include "core/runtime/sched/injector.hpp"
#include "core/runtime/sched/steal_queue.hpp"
#include "tests/support/model/atomics.hpp"
#include "tests/support/model/explore.hpp"

namespace hc::runtime::sched {
namespace {

using model::Limits;
using model::Outcome;
using model::require;

struct Item {
    model::Cell<int> value; // written by who pushes, read by who takes
    int number = 0;
    int taken = 0; // the model runs one thread at a time: plain for the test
    Item* next = nullptr;
};

constexpr int items_max = 12;
constexpr std::uint32_t near_wrap = UINT32_MAX - 1;

/// The objects of one run: the owner's queue, those of two thieves, and what overflowed.
template <class Atomics, std::uint32_t Capacity>
class Board {
public:
    using Queue = StealQueue<Item, Capacity, Atomics>;

    explicit Board(std::uint32_t first_index)
        : queue(first_index), thieves{Queue(first_index), Queue(first_index)} {
        for (int i = 0; i < items_max; ++i) items_[static_cast<std::size_t>(i)].number = i;
    }

    /// The next item, ready to be pushed.
    Item* make() {
        Item& item = items_.at(static_cast<std::size_t>(made_));
        item.value.store(made_++);
        return &item;
    }
    void unmake() { --made_; }

    /// One who takes items.
    class Taker {
    public:
        bool take(Item* item) {
            if (item == nullptr) return false;
            require(item->number > last_, "in order for each who takes");
            last_ = item->number;
            get(item);
            return true;
        }

    private:
        int last_ = -1;
    };
    static void get(Item* item) {
        require(++item->taken == 1, "taken once");
        require(item->value.load() == item->number, "with what was written before");
    }

    void push_or_overflow() {
        queue.push_or_overflow(make(), [](std::span<Item*> out) {
            require(out.size() == 1 || out.size() == Capacity / 2 + 1, "half and one, or one");
            for (Item* item : out) get(item);
        });
    }
    void steal(std::size_t thief, Taker& taker) {
        taker.take(queue.steal_into(thieves.at(thief)));
        while (taker.take(thieves.at(thief).pop())) {}
    }
    /// When all threads have ended.
    void finish() {
        Taker rest;
        while (rest.take(queue.pop())) {}
        require(queue.empty() && queue.room() == Capacity, "nothing is left");
        for (Queue& thief : thieves) {
            Taker of_thief;
            while (of_thief.take(thief.pop())) {}
        }
        for (int i = 0; i < made_; ++i) {
            require(items_[static_cast<std::size_t>(i)].taken == 1, "nothing is lost");
        }
    }

    Queue queue;
    std::array<Queue, 2> thieves;

private:
    std::array<Item, items_max> items_;
    int made_ = 0;
};

/// The owner pushes `count` and pops every `pop_every`th time.
template <class Board>
void own(Board& board, int count, int pop_every) {
    typename Board::Taker owner;
    for (int i = 0; i < count; ++i) {
        if (!board.queue.push(board.make())) {
            board.unmake();
            owner.take(board.queue.pop());
        }
        if (i % pop_every == pop_every - 1) owner.take(board.queue.pop());
    }
    while (owner.take(board.queue.pop())) {}
}

/// An owner that pushes and pops, and one thief that steals twice.
template <class Atomics, std::uint32_t Capacity>
Outcome one_thief(const Limits& limits, std::uint32_t first_index) {
    return model::explore(limits, [=] {
        Board<Atomics, Capacity> board(first_index);
        typename Board<Atomics, Capacity>::Taker thief;
        model::spawn([&] { own(board, Capacity + 2, 3); });
        model::spawn([&] {
            board.steal(0, thief);
            board.steal(0, thief);
        });
        model::join();
        board.finish();
    });
}

/// Two thieves at one owner; the second also steals from the first.
template <class Atomics, std::uint32_t Capacity>
Outcome two_thieves(const Limits& limits, std::uint32_t first_index) {
    return model::explore(limits, [=] {
        using B = Board<Atomics, Capacity>;
        B board(first_index);
        for (std::uint32_t i = 0; i < Capacity; ++i) {
            require(board.queue.push(board.make()), "room at the beginning");
        }
        model::spawn([&] { own(board, 2, 2); });
        model::spawn([&] {
            typename B::Taker thief;
            thief.take(board.queue.steal_into(board.thieves[0]));
            thief.take(board.thieves[0].pop());
        });
        model::spawn([&] {
            typename B::Taker from_owner;
            typename B::Taker from_thief;
            from_thief.take(board.thieves[0].steal_into(board.thieves[1]));
            while (from_thief.take(board.thieves[1].pop())) {}
            board.steal(1, from_owner);
        });
        model::join();
        board.finish();
    });
}

/// The owner's queue overflows while a thief makes room.
template <class Atomics, std::uint32_t Capacity>
Outcome overflow(const Limits& limits, std::uint32_t first_index) {
    return model::explore(limits, [=] {
        using B = Board<Atomics, Capacity>;
        B board(first_index);
        model::spawn([&] {
            typename B::Taker owner;
            for (std::uint32_t i = 0; i < Capacity + 3; ++i) board.push_or_overflow();
            owner.take(board.queue.pop());
            board.push_or_overflow();
        });
        model::spawn([&] {
            typename B::Taker thief;
            board.steal(0, thief);
            board.steal(0, thief);
        });
        model::join();
        board.finish();
    });
}

/// Many at once, and somebody who only asks how many there are.
template <class Atomics>
Outcome batches(const Limits& limits, std::uint32_t first_index) {
    return model::explore(limits, [=] {
        using B = Board<Atomics, 4>;
        B board(first_index);
        model::spawn([&] {
            typename B::Taker owner;
            const std::array<Item*, 3> first = {board.make(), board.make(), board.make()};
            require(board.queue.push_some(first) == 3, "room at the beginning");
            owner.take(board.queue.pop());
            const std::array<Item*, 2> more = {board.make(), board.make()};
            const std::size_t pushed = board.queue.push_some(more);
            require(pushed >= 1, "there was room for two");
            if (pushed == 1) board.unmake();
        });
        model::spawn([&] {
            typename B::Taker thief;
            board.steal(0, thief);
        });
        model::spawn([&] {
            require(board.queue.size() <= 4, "at most what it holds");
            require(board.thieves[0].size() <= 1, "at most what was stolen and not run");
        });
        model::join();
        board.finish();
    });
}

class QueueModel : public testing::TestWithParam<std::uint32_t> {};

TEST_P(QueueModel, OneThief) {
    const Outcome two = one_thief<model::Atomics, 2>({.preemptions = model::deep(3)}, GetParam());
    EXPECT_TRUE(two) << two;
    const Outcome four = one_thief<model::Atomics, 4>({.preemptions = model::deep(2)}, GetParam());
    EXPECT_TRUE(four) << four;
    RecordProperty("schedules", std::to_string(two.schedules + four.schedules));
}

TEST_P(QueueModel, TwoThieves) {
    const Outcome two = two_thieves<model::Atomics, 2>({.preemptions = model::deep(2)}, GetParam());
    EXPECT_TRUE(two) << two;
    const Outcome four =
        two_thieves<model::Atomics, 4>({.preemptions = model::deep(2)}, GetParam());
    EXPECT_TRUE(four) << four;
    RecordProperty("schedules", std::to_string(two.schedules + four.schedules));
}

TEST_P(QueueModel, Overflow) {
    const Outcome two = overflow<model::Atomics, 2>({.preemptions = model::deep(3)}, GetParam());
    EXPECT_TRUE(two) << two;
    const Outcome four = overflow<model::Atomics, 4>({.preemptions = model::deep(2)}, GetParam());
    EXPECT_TRUE(four) << four;
    RecordProperty("schedules", std::to_string(two.schedules + four.schedules));
}

TEST_P(QueueModel, Batches) {
    const Outcome outcome = batches<model::Atomics>({.preemptions = model::deep(2)}, GetParam());
    EXPECT_TRUE(outcome) << outcome;
    RecordProperty("schedules", std::to_string(outcome.schedules));
}

INSTANTIATE_TEST_SUITE_P(Indices, QueueModel, testing::Values(0U, near_wrap));

// -- canaries: each breach must be found ----------------------------------------------------------

TEST(QueueCanary, AThiefThatClaimsWithoutComparing) {
    EXPECT_FALSE((one_thief<model::BlindExchanges, 4>({}, 0).failure.empty()));
    EXPECT_FALSE((two_thieves<model::BlindExchanges, 4>({}, 0).failure.empty()));
    EXPECT_FALSE((overflow<model::BlindExchanges, 4>({}, 0).failure.empty()));
}

template <model::Drop drop>
bool found() {
    using Weak = model::WeakAtomics<drop>;
    return !one_thief<Weak, 2>({}, 0).failure.empty() ||
           !two_thieves<Weak, 4>({}, 0).failure.empty() ||
           !overflow<Weak, 2>({}, 0).failure.empty() || !batches<Weak>({}, 0).failure.empty();
}

TEST(QueueCanary, OrdersThatAreWeaker) {
    EXPECT_TRUE(found<model::Drop::everything>());
    EXPECT_TRUE(found<model::Drop::acquire_loads>());
    EXPECT_TRUE(found<model::Drop::release_stores>());
    EXPECT_TRUE(found<model::Drop::release_changes>());
}

// -- the injector ---------------------------------------------------------------------------------

struct Linked {
    model::Cell<int> value;
    int taken = 0;
    Linked* next = nullptr;
};

template <class Atomics>
Outcome shared_queue(const Limits& limits) {
    return model::explore(limits, [] {
        Injector<Linked, &Linked::next, Atomics> queue;
        std::array<Linked, 5> items;
        bool accepted = false;
        const auto push = [&](std::size_t from, std::size_t count) {
            std::array<Linked*, 2> batch{};
            for (std::size_t i = 0; i < count; ++i) {
                items.at(from + i).value.store(static_cast<int>(from + i));
                batch.at(i) = &items.at(from + i);
            }
            return queue.push_many(std::span(batch).first(count));
        };
        const auto take = [&](Linked* item) {
            require(++item->taken == 1, "taken once");
            require(&items.at(static_cast<std::size_t>(item->value.load())) == item,
                    "with what was written before");
        };
        require(push(0, 2), "open");
        model::spawn([&] {
            require(push(2, 1), "open");
            accepted = push(3, 2);
        });
        model::spawn([&] {
            std::array<Linked*, 3> out{};
            const std::size_t count = queue.pop_some(out);
            require(count >= 1, "one can pop one of the first two, no more");
            for (std::size_t i = 0; i < count; ++i) take(out.at(i));
        });
        model::spawn([&] {
            if (Linked* item = queue.pop()) take(item);
            if (items[2].taken == 1) require(queue.close(), "closes once");
        });
        model::join();
        while (Linked* item = queue.pop()) take(item);
        require(queue.empty(), "nothing is left");
        for (std::size_t i = 0; i < 5; ++i) {
            require(items.at(i).taken == (i < 3 || accepted ? 1 : 0), "once, or given back");
        }
    });
}

TEST(InjectorModel, EachItemOnce) {
    const Outcome outcome = shared_queue<model::Atomics>({.preemptions = model::deep(3)});
    EXPECT_TRUE(outcome) << outcome;
}

} // namespace
} // namespace hc::runtime::sched
