#include "core/runtime/sync/semaphore.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/random.hpp"
#include "core/runtime/coop.hpp"
#include "tests/unit/runtime/sync/probe.hpp"

namespace hc::runtime {
namespace {

using test::Probe;
using Acquires = std::deque<Probe<Semaphore::Acquire>>;

static_assert(Future<Semaphore::Acquire>);
static_assert(!std::is_copy_constructible_v<Semaphore::Permit>);

TEST(Semaphore, GivesWhatItHas) {
    Semaphore semaphore(3);
    Probe two(semaphore.acquire(2));
    ASSERT_TRUE(two.poll());
    EXPECT_EQ(two.value()->permits(), 2u);
    EXPECT_EQ(semaphore.available_permits(), 1u);
    EXPECT_EQ(semaphore.try_acquire(2).error(), ErrorKind::again);
    two.let_go();
    EXPECT_EQ(semaphore.available_permits(), 3u);
    EXPECT_TRUE(semaphore.try_acquire(3).has_value());
    EXPECT_EQ(semaphore.available_permits(), 3u);
}

TEST(Semaphore, NoPermitsAreAlwaysThere) {
    Semaphore semaphore(0);
    Probe none(semaphore.acquire(0));
    EXPECT_TRUE(none.poll());
    EXPECT_EQ(semaphore.available_permits(), 0u);
}

TEST(Semaphore, FirstComeFirstServed) {
    Semaphore semaphore(0);
    Acquires all;
    for (int i = 0; i < 5; ++i) EXPECT_FALSE(all.emplace_back(semaphore.acquire()).poll());
    for (std::size_t i = 0; i < 5; ++i) {
        semaphore.add_permits(1);
        for (std::size_t j = 0; j < 5; ++j) EXPECT_EQ(all[j].wakes(), j <= i ? 1 : 0);
        EXPECT_TRUE(all[i].poll());
        all[i].value()->forget();
    }
    EXPECT_EQ(semaphore.available_permits(), 0u);
}

TEST(Semaphore, NobodyOvertakesOneThatWantsMany) {
    Semaphore semaphore(2);
    Probe many(semaphore.acquire(3));
    EXPECT_FALSE(many.poll());
    Probe one(semaphore.acquire(1));
    EXPECT_FALSE(one.poll());
    EXPECT_EQ(semaphore.try_acquire().error(), ErrorKind::again);
    semaphore.add_permits(1);
    EXPECT_EQ(many.wakes(), 1);
    EXPECT_EQ(one.wakes(), 0);
    EXPECT_TRUE(many.poll());
    EXPECT_FALSE(one.poll());
    many.let_go();
    EXPECT_EQ(one.wakes(), 1);
    EXPECT_TRUE(one.poll());
}

TEST(Semaphore, GivingUpLetsThoseBehindGoOn) {
    Semaphore semaphore(2);
    Probe many(semaphore.acquire(3));
    EXPECT_FALSE(many.poll());
    Acquires ones;
    for (int i = 0; i < 3; ++i) EXPECT_FALSE(ones.emplace_back(semaphore.acquire()).poll());
    many.drop();
    EXPECT_EQ(ones[0].wakes(), 1);
    EXPECT_EQ(ones[1].wakes(), 1);
    EXPECT_EQ(ones[2].wakes(), 0);
    EXPECT_TRUE(ones[0].poll());
    EXPECT_TRUE(ones[1].poll());
    EXPECT_FALSE(ones[2].poll());
    ones[2].drop();
    ones[0].let_go();
    EXPECT_TRUE(semaphore.try_acquire().has_value()) << "the line is empty again";
}

TEST(Semaphore, WhatADroppedOneWasHandedGoesToTheNext) {
    Semaphore semaphore(0);
    Probe first(semaphore.acquire());
    Probe second(semaphore.acquire());
    EXPECT_FALSE(first.poll());
    EXPECT_FALSE(second.poll());
    semaphore.add_permits(1);
    EXPECT_EQ(first.wakes(), 1);
    first.drop();
    EXPECT_EQ(second.wakes(), 1);
    second.drop();
    EXPECT_EQ(semaphore.available_permits(), 1u);
}

TEST(Semaphore, DroppedBeforeItWasPolledItWasNeverThere) {
    Semaphore semaphore(1);
    Probe never(semaphore.acquire());
    never.drop();
    EXPECT_EQ(semaphore.available_permits(), 1u);
}

TEST(Semaphore, AFutureMovesBeforeItsFirstPoll) {
    Semaphore semaphore(0);
    auto one = semaphore.acquire();
    auto two = std::move(one);
    Probe probe(std::move(two));
    EXPECT_FALSE(probe.poll());
    semaphore.add_permits(1);
    EXPECT_TRUE(probe.poll());
}

TEST(Semaphore, TheLastWakerCounts) {
    Semaphore semaphore(0);
    test::CountingWaker other;
    Probe probe(semaphore.acquire());
    EXPECT_FALSE(probe.poll());
    EXPECT_FALSE(probe.poll_as(other.waker()));
    semaphore.add_permits(1);
    EXPECT_EQ(probe.wakes(), 0);
    EXPECT_EQ(other.wakes(), 1);
    probe.drop();
    EXPECT_EQ(semaphore.available_permits(), 1u);
    EXPECT_TRUE(probe.wakes() == 0);
}

TEST(Semaphore, ManyAreLetInByOneCall) {
    Semaphore semaphore(0);
    Acquires all;
    constexpr std::size_t count = 3 * sync_detail::WakeBatch::size_max + 5;
    for (std::size_t i = 0; i < count; ++i) {
        EXPECT_FALSE(all.emplace_back(semaphore.acquire()).poll());
    }
    semaphore.add_permits(count + 1);
    for (auto& probe : all) {
        EXPECT_EQ(probe.wakes(), 1);
        EXPECT_TRUE(probe.poll());
    }
    EXPECT_EQ(semaphore.available_permits(), 1u);
}

/// Calls something when it is woken for the first time.
class CallingWaker {
public:
    explicit CallingWaker(std::function<void()> call) : call_(std::move(call)) {}
    Waker waker() noexcept { return {&table, this}; }

private:
    std::function<void()> call_;
    static constexpr WakerTable table{[](void* data) { return data; },
                                      [](void* data) noexcept {
                                          auto call = std::exchange(
                                              static_cast<CallingWaker*>(data)->call_, nullptr);
                                          if (call) call();
                                      },
                                      [](void*) noexcept {}};
};

// Those who are woken first are done before the one that lets them in gets on to the next.
TEST(Semaphore, WhoHasAllPermitsMayDestroyItAlsoAfterMany) {
    constexpr std::size_t many = 40;
    auto semaphore = std::make_unique<Semaphore>(many);
    auto held = semaphore->try_acquire(many);
    Acquires ones;
    std::optional<Probe<Semaphore::Acquire>> all;
    std::size_t done = 0;
    const auto go_on = [&] {
        for (; done < ones.size() && ones[done].poll(); ++done) ones[done].let_go();
        if (semaphore == nullptr || !all->poll()) return;
        all->value()->forget();
        semaphore.reset();
    };
    CallingWaker early(go_on);
    ASSERT_FALSE(ones.emplace_back(semaphore->acquire()).poll_as(early.waker()));
    for (std::size_t i = 1; i < 17; ++i) {
        ASSERT_FALSE(ones.emplace_back(semaphore->acquire()).poll());
    }
    all.emplace(semaphore->acquire(many));
    CallingWaker late(go_on);
    ASSERT_FALSE(all->poll_as(late.waker()));
    held = std::unexpected(ErrorKind::again); // gives them back
    EXPECT_EQ(semaphore, nullptr);
}

TEST(Semaphore, ClosingTellsAllWhoWait) {
    Semaphore semaphore(1);
    auto out = semaphore.try_acquire();
    Acquires all;
    constexpr std::size_t count = sync_detail::WakeBatch::size_max + 3;
    for (std::size_t i = 0; i < count; ++i) {
        EXPECT_FALSE(all.emplace_back(semaphore.acquire()).poll());
    }
    semaphore.close();
    EXPECT_TRUE(semaphore.is_closed());
    all.front().drop();
    for (std::size_t i = 1; i < count; ++i) {
        EXPECT_EQ(all[i].wakes(), 1);
        ASSERT_TRUE(all[i].poll());
        EXPECT_EQ(all[i].value().error(), ErrorKind::closed);
    }
    EXPECT_EQ(semaphore.try_acquire().error(), ErrorKind::closed);
    Probe late(semaphore.acquire());
    ASSERT_TRUE(late.poll());
    EXPECT_EQ(late.value().error(), ErrorKind::closed);
    { const auto given_back = out->split(1); }
    EXPECT_EQ(semaphore.available_permits(), 1u);
    semaphore.close();
}

TEST(Semaphore, WhatWasHandedOutBeforeTheCloseIsValid) {
    Semaphore semaphore(0);
    Probe probe(semaphore.acquire());
    EXPECT_FALSE(probe.poll());
    semaphore.add_permits(1);
    semaphore.close();
    ASSERT_TRUE(probe.poll());
    EXPECT_TRUE(probe.value().has_value());
}

TEST(Semaphore, PermitsAreSplitMergedAndForgotten) {
    Semaphore semaphore(5);
    auto permit = *semaphore.try_acquire(5);
    {
        auto part = permit.split(2);
        EXPECT_EQ(permit.permits(), 3u);
        EXPECT_EQ(part.permits(), 2u);
    }
    EXPECT_EQ(semaphore.available_permits(), 2u);
    permit.merge(*semaphore.try_acquire(1));
    EXPECT_EQ(permit.permits(), 4u);
    permit = *semaphore.try_acquire(1);
    EXPECT_EQ(semaphore.available_permits(), 4u) << "assigning gives the old ones back";
    permit.forget();
    EXPECT_EQ(semaphore.available_permits(), 4u);
}

TEST(Semaphore, ATaskWithoutBudgetTakesNothing) {
    Semaphore semaphore(1);
    Probe probe(semaphore.acquire());
    {
        const coop::Budget none(0);
        EXPECT_FALSE(probe.poll());
        EXPECT_EQ(probe.wakes(), 1);
        EXPECT_EQ(semaphore.available_permits(), 1u);
    }
    const coop::Budget some(1);
    EXPECT_TRUE(probe.poll());
    Probe next(semaphore.acquire(0));
    EXPECT_FALSE(next.poll()) << "the first one spent it";
}

TEST(Semaphore, APendingPollSpendsNothing) {
    Semaphore semaphore(0);
    Probe waits(semaphore.acquire());
    Probe ready(semaphore.acquire(0));
    const coop::Budget one(1);
    EXPECT_TRUE(ready.poll());
    const coop::Budget again(1);
    EXPECT_FALSE(waits.poll());
    EXPECT_EQ(waits.wakes(), 0);
    semaphore.add_permits(1);
    EXPECT_TRUE(waits.poll());
    EXPECT_FALSE(Probe(semaphore.acquire(0)).poll()) << "a wait that ends spends one";
}

/// What the semaphore should do, said plainly.
struct Model {
    struct Waiting {
        std::size_t id;
        std::size_t permits;
    };
    std::size_t free = 0;
    std::deque<Waiting> line;
    std::vector<std::size_t> handed; // ids, not seen by their futures yet

    void serve() {
        while (!line.empty() && line.front().permits <= free) {
            free -= line.front().permits;
            handed.push_back(line.front().id);
            line.pop_front();
        }
    }
};

class SemaphoreProperty : public testing::TestWithParam<std::uint64_t> {};

TEST_P(SemaphoreProperty, DoesWhatTheModelDoes) {
    struct Entry {
        std::unique_ptr<Probe<Semaphore::Acquire>> probe;
        std::size_t permits;
        bool ready = false;
    };
    Random random(GetParam());
    Semaphore semaphore(2);
    Model model{.free = 2, .line = {}, .handed = {}};
    std::vector<Entry> entries;
    for (int step = 0; step < 600; ++step) {
        const auto dice = random.below(10);
        if (dice < 4) {
            const std::size_t permits = random.below(4);
            auto& entry = entries.emplace_back(
                std::make_unique<Probe<Semaphore::Acquire>>(semaphore.acquire(permits)), permits);
            entry.ready = entry.probe->poll();
            const bool expected = model.line.empty() && permits <= model.free;
            ASSERT_EQ(entry.ready, expected);
            if (expected) {
                model.free -= permits;
            } else {
                model.line.push_back({entries.size() - 1, permits});
            }
        } else if (dice < 5 && model.free + model.line.size() < 20) {
            const std::size_t permits = random.below(3);
            semaphore.add_permits(permits);
            model.free += permits;
        } else if (!entries.empty()) {
            const auto id = random.below(entries.size());
            Entry& entry = entries[id];
            if (entry.probe == nullptr) continue;
            const bool handed = std::erase(model.handed, id) != 0;
            const bool in_line =
                std::erase_if(model.line, [id](auto& w) { return w.id == id; }) != 0;
            if (dice < 8 || entry.ready) { // drop it, or what it gave
                if (!in_line) model.free += entry.permits;
                entry.probe.reset();
            } else {
                ASSERT_EQ(entry.probe->wakes(), handed ? 1 : 0);
                ASSERT_EQ(entry.ready = entry.probe->poll(), handed);
                if (in_line) { // put it back where it was: ids grow along the line
                    auto place = model.line.begin();
                    while (place != model.line.end() && place->id < id) ++place;
                    model.line.insert(place, {id, entry.permits});
                }
            }
        }
        model.serve();
        ASSERT_EQ(semaphore.available_permits(), model.free);
        for (const auto id : model.handed) ASSERT_EQ(entries[id].probe->wakes(), 1);
        for (const auto& w : model.line) ASSERT_EQ(entries[w.id].probe->wakes(), 0);
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, SemaphoreProperty, testing::Range<std::uint64_t>(1, 33));

} // namespace
} // namespace hc::runtime
