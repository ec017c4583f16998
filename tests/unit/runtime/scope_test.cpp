// Scopes: nothing outlives them, errors end siblings, being dropped reaches through.
#include "core/runtime/scope.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/runtime/future/poll_fn.hpp"
#include "core/runtime/future/ready.hpp"
#include "core/runtime/local_executor.hpp"
#include "core/runtime/sleep.hpp"
#include "tests/unit/runtime/kinds.hpp"

namespace hc::runtime {
namespace {

using namespace std::chrono_literals;

class Scoped : public test::OnKind {};
INSTANTIATE_TEST_SUITE_P(Kinds, Scoped,
                         testing::Values(test::driven, test::simulated, test::one, test::four),
                         test::name_of);

/// Counts itself as long as it lives.
class Alive {
public:
    explicit Alive(std::atomic<int>& count) : count_(count) { count_.fetch_add(1); }
    ~Alive() { count_.fetch_sub(1); }
    Alive(const Alive&) = delete;
    Alive& operator=(const Alive&) = delete;

private:
    std::atomic<int>& count_;
};

Task<void> adds(std::atomic<int>* sum, int value, int yields) {
    for (int i = 0; i < yields; ++i) co_await yield_now();
    sum->fetch_add(value);
}
Task<void> for_ever(std::atomic<int>* alive) {
    const Alive mark(*alive);
    for (;;) co_await yield_now();
}
Task<void> asleep(std::atomic<int>* alive) {
    const Alive mark(*alive);
    co_await sleep(24h);
}
Task<Result<int>> fails_after(int yields) {
    for (int i = 0; i < yields; ++i) co_await yield_now();
    co_return fail(ErrorKind::not_found, "no such page");
}
Task<int> throws_after(int yields) {
    for (int i = 0; i < yields; ++i) co_await yield_now();
    throw std::runtime_error("out of cheese");
}

Task<int> waits_for_all() {
    std::atomic<int> sum{0}; // borrowed by the children
    const Result<int> given = co_await scope([&](Scope& inside) -> Task<int> {
        for (int i = 0; i < 100; ++i) inside.spawn(adds(&sum, 1, i % 7)).detach();
        co_return 5;
    });
    co_return sum.load() + *given;
}

TEST_P(Scoped, EndsWhenAllItSpawnedHaveEnded) { EXPECT_EQ(run(waits_for_all()), 105); }

Task<std::string> borrows_and_joins() {
    const std::string greeting = "hello ";
    auto text = co_await scope([&](Scope& inside) -> Task<std::string> {
        struct Part {
            static Task<std::string> of(const std::string* all, std::size_t at) {
                co_await yield_now();
                co_return all->substr(at, 3);
            }
        };
        auto first = inside.spawn(Part::of(&greeting, 0));
        auto second = inside.spawn(Part::of(&greeting, 3));
        co_return *(co_await first) + *(co_await second);
    });
    co_return *text;
}

TEST_P(Scoped, ChildrenBorrowAndGiveResults) { EXPECT_EQ(run(borrows_and_joins()), "hello "); }

Task<std::size_t> captures_by_value(std::string text) {
    const auto body = [text, copy = text + text](Scope& inside) -> Task<std::size_t> {
        struct Measure {
            static Task<std::size_t> of(std::string text) {
                co_await yield_now();
                co_return text.size();
            }
        };
        auto measured = inside.spawn(Measure::of(copy));
        co_return *(co_await measured) + text.size();
    };
    auto given = co_await scope(body);
    co_return *given;
}

TEST_P(Scoped, TheBodyMayCaptureByValue) {
    EXPECT_EQ(run(captures_by_value(std::string(100, 'x'))), 300U);
}

Task<void> an_error_ends_siblings(int bad) {
    std::atomic<int> alive{0};
    const Result<void> result = co_await scope([&](Scope& inside) -> Task<void> {
        for (int i = 0; i < 20; ++i) {
            inside.spawn(for_ever(&alive)).detach();
            inside.spawn(asleep(&alive)).detach();
        }
        inside.spawn(fails_after(bad)).detach();
        co_await for_ever(&alive); // the body is ended, too
    });
    EXPECT_EQ(alive.load(), 0);
    EXPECT_EQ(result.error().kind, ErrorKind::not_found);
    EXPECT_EQ(result.error().message, "no such page");
}

TEST_P(Scoped, AnErrorEndsTheOthersAndIsGiven) {
    run(an_error_ends_siblings(0));
    run(an_error_ends_siblings(10));
}

Task<ErrorKind> the_body_fails() {
    std::atomic<int> alive{0};
    auto result = co_await scope([&](Scope& inside) -> Task<Result<int>> {
        inside.spawn(for_ever(&alive)).detach();
        inside.spawn(asleep(&alive)).detach();
        co_return fail(ErrorKind::refused, "not today");
    });
    EXPECT_EQ(alive.load(), 0);
    co_return result.error().kind;
}

TEST_P(Scoped, AnErrorOfTheBodyEndsTheChildren) {
    EXPECT_EQ(run(the_body_fails()), ErrorKind::refused);
}

Task<std::string> an_exception_ends_siblings(bool in_body) {
    std::atomic<int> alive{0};
    try {
        (void)co_await scope([&](Scope& inside) -> Task<void> {
            for (int i = 0; i < 10; ++i) inside.spawn(for_ever(&alive)).detach();
            if (in_body) (void)co_await throws_after(3);
            const auto child = inside.spawn(throws_after(3)); // its result ends with the body
            co_await for_ever(&alive);
        });
    } catch (const std::runtime_error& thrown) {
        EXPECT_EQ(alive.load(), 0);
        co_return thrown.what();
    }
    co_return "nothing";
}

TEST_P(Scoped, AnExceptionEndsTheOthersAndIsThrown) {
    EXPECT_EQ(run(an_exception_ends_siblings(false)), "out of cheese");
    EXPECT_EQ(run(an_exception_ends_siblings(true)), "out of cheese");
}

Task<int> an_aborted_child_is_no_error() {
    std::atomic<int> alive{0};
    auto result = co_await scope([&](Scope& inside) -> Task<int> {
        auto child = inside.spawn(for_ever(&alive));
        co_await yield_now();
        child.abort();
        auto ended = co_await child;
        EXPECT_EQ(ended.error().kind, ErrorKind::cancelled);
        co_return 3;
    });
    co_return *result;
}

TEST_P(Scoped, AnAbortedChildIsNoErrorOfTheScope) {
    EXPECT_EQ(run(an_aborted_child_is_no_error()), 3);
}

// A tree of scopes, three deep, that never ends by itself.
Task<Result<void>> tree(std::atomic<int>* alive, int depth) {
    const Alive mark(*alive);
    int borrowed = depth;
    co_return co_await scope([&](Scope& inside) -> Task<void> {
        for (int i = 0; i < 4; ++i) {
            if (borrowed > 0) {
                inside.spawn(tree(alive, borrowed - 1)).detach();
            } else {
                inside.spawn(i % 2 == 0 ? for_ever(alive) : asleep(alive)).detach();
            }
        }
        co_await asleep(alive);
    });
}
constexpr int tree_size = 1 + 4 + 16; // scopes; each with its body, the last ones with 4 leaves
constexpr int tree_alive = 2 * tree_size + 16 * 4;

Task<void> aborts_a_tree(std::atomic<int>* alive) {
    auto handle = spawn(tree(alive, 2));
    while (alive->load() < tree_alive) co_await yield_now();
    handle.abort();
    auto result = co_await handle;
    EXPECT_EQ(result.error().kind, ErrorKind::cancelled);
    EXPECT_EQ(alive->load(), 0) << "its joiner is told when nothing of it is left";
}

TEST_P(Scoped, BeingDroppedReachesThrough) {
    for (int i = 0; i < 10; ++i) {
        std::atomic<int> alive{0};
        run(aborts_a_tree(&alive));
        ASSERT_EQ(alive.load(), 0);
    }
}

Task<void> a_timeout_around(std::atomic<int>* alive) {
    const auto result = co_await timeout(3ms, tree(alive, 2));
    EXPECT_EQ(result.error().kind, ErrorKind::timeout);
    EXPECT_EQ(alive->load(), 0);
}

/// Where time passes while tasks are polled.
class ScopedReal : public test::OnKind {};
INSTANTIATE_TEST_SUITE_P(Kinds, ScopedReal, testing::Values(test::driven, test::one, test::four),
                         test::name_of);

TEST_P(ScopedReal, ATimeoutAroundItEndsAll) {
    for (int i = 0; i < 5; ++i) {
        std::atomic<int> alive{0};
        run(a_timeout_around(&alive));
    }
}

TEST_P(Scoped, TheEndOfTheRuntimeEndsScopes) {
    std::atomic<int> alive{0};
    auto handle = runtime_->spawn(tree(&alive, 2));
    struct Grown {
        static Task<void> all(std::atomic<int>* alive) {
            while (alive->load() < tree_alive) co_await yield_now();
        }
    };
    run(Grown::all(&alive));
    runtime_.reset();
    EXPECT_EQ(alive.load(), 0);
}

Task<int> children_spawn_siblings(std::atomic<int>* count) {
    auto result = co_await scope([&](Scope& inside) -> Task<int> {
        struct Grow {
            static Task<void> more(Scope* inside, std::atomic<int>* count, int left) {
                count->fetch_add(1);
                co_await yield_now();
                if (left == 0) co_return;
                inside->spawn(more(inside, count, left - 1)).detach();
                inside->spawn(more(inside, count, left - 1)).detach();
            }
        };
        inside.spawn(Grow::more(&inside, count, 7)).detach();
        co_return 1;
    });
    co_return *result;
}

TEST_P(Scoped, ChildrenMaySpawnSiblings) {
    std::atomic<int> count{0};
    EXPECT_EQ(run(children_spawn_siblings(&count)), 1);
    EXPECT_EQ(count.load(), 255);
}

// Scopes whose children spawn without end are dropped at any moment.
TEST(ScopedStress, DroppedWhileTheyGrow) {
    RuntimeOptions options;
    options.workers = 3;
    auto runtime = *Runtime::create(options);
    ASSERT_TRUE(runtime->start().has_value());
    struct Wild {
        static Task<void> more(Scope* inside, std::atomic<int>* alive) {
            const Alive mark(*alive);
            for (int i = 0;; ++i) {
                if (alive->load() < 50) inside->spawn(more(inside, alive)).detach();
                co_await yield_now();
            }
        }
        static Task<Result<void>> all(std::atomic<int>* alive) {
            co_return co_await scope(
                [&](Scope& inside) -> Task<void> { co_await more(&inside, alive); });
        }
        static Task<void> aborted(std::atomic<int>* alive, int after) {
            auto handle = spawn(all(alive));
            for (int i = 0; i < after; ++i) co_await yield_now();
            handle.abort();
            (void)co_await handle;
        }
    };
    for (int round = 0; round < 200; ++round) {
        std::atomic<int> alive{0};
        ASSERT_TRUE(runtime->block_on(Wild::aborted(&alive, round)).has_value());
        ASSERT_EQ(alive.load(), 0);
    }
}

TEST(ScopeNowhere, ChildrenAreRefused) {
    struct Tries {
        static Task<ErrorKind> once() {
            auto result = co_await scope([](Scope& inside) -> Task<ErrorKind> {
                struct One {
                    static Task<void> child() { co_return; }
                };
                auto child = co_await inside.spawn(One::child());
                co_return child.error().kind;
            });
            co_return *result;
        }
    };
    EXPECT_EQ(park_on(Tries::once()), ErrorKind::closed);
}

TEST(LocalExecutorDeathTest, DestroyedInsideItselfEndsTheProcessWithAMessage) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    struct Tasks {
        static Task<void> destroys(std::optional<LocalExecutor>* executor) {
            executor->reset();
            co_return;
        }
    };
    const auto run = [] {
        std::optional<LocalExecutor> executor(*LocalExecutor::create());
        (void)executor->block_on(Tasks::destroys(&executor));
    };
    EXPECT_DEATH(run(), "a driven runtime is destroyed inside of its own turn");
}

TEST(LocalExecutorTest, RunsTasksOnItsOwnThread) {
    auto executor = LocalExecutor::create();
    ASSERT_TRUE(executor.has_value());
    const auto here = std::this_thread::get_id();
    struct Tasks {
        static Task<bool> on(std::thread::id thread) {
            for (int i = 0; i < 10; ++i) {
                if (std::this_thread::get_id() != thread) co_return false;
                co_await sleep(100us);
            }
            co_return true;
        }
        static Task<int> all(std::vector<JoinHandle<bool>> handles) {
            int good = 0;
            for (auto& handle : handles) good += *(co_await handle) ? 1 : 0;
            co_return good;
        }
    };
    std::vector<JoinHandle<bool>> handles;
    for (int i = 0; i < 10; ++i) handles.push_back(executor->spawn(Tasks::on(here)));
    EXPECT_EQ(*executor->block_on(Tasks::all(std::move(handles))), 10);
    EXPECT_TRUE(executor->turn(0ns).has_value());
}

/// Calls something when the last reference to it goes.
class LastWaker {
public:
    explicit LastWaker(std::function<void()> call) : call_(std::move(call)) {}
    Waker waker() noexcept { return {&table, clone(this)}; }

private:
    int references_ = 0;
    std::function<void()> call_;

    static void* clone(void* data) {
        ++static_cast<LastWaker*>(data)->references_;
        return data;
    }
    static constexpr WakerTable table{&LastWaker::clone, [](void*) noexcept {},
                                      [](void* data) noexcept {
                                          auto& self = *static_cast<LastWaker*>(data);
                                          if (--self.references_ == 0) self.call_();
                                      }};
};

TEST(ScopeWakers, WhatGoesWithAnOldOneMaySpawn) {
    auto executor = *LocalExecutor::create();
    Scope* around = nullptr;
    auto body = [&](Scope& inside) -> Task<void> {
        around = &inside;
        inside.spawn(pending_forever()).detach();
        co_await pending_forever();
    };
    int ended = 0;
    const auto ends = executor.block_on(poll_fn([&](Context& context) {
        Task<Result<void>> scoped = scope(body);
        LastWaker old([&] {
            around->spawn(ready()).detach();
            ++ended;
        });
        {
            const Waker waker = old.waker();
            Context first(waker);
            EXPECT_FALSE(scoped.poll(first).is_ready());
        }
        EXPECT_EQ(ended, 0);
        EXPECT_FALSE(scoped.poll(context).is_ready());
        EXPECT_EQ(ended, 1);
        return Poll<void>::ready();
    }));
    EXPECT_TRUE(ends);
}

} // namespace
} // namespace hc::runtime
