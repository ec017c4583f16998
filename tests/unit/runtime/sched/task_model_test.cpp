// TaskWord under every schedule within some bounds: a task is run by one thread at a time, sees
// what was done before each wake, ends once, tells whoever waits, and is freed when nobody uses it
// any more. Then the same with one rule of the protocol broken, which must fail.
#include <gtest/gtest.h>

#include <cstdint>
#include <optional>

#include "core/runtime/sched/task_word.hpp"
#include "tests/support/model/atomics.hpp"
#include "tests/support/model/explore.hpp"

namespace hc::runtime::sched {
namespace {

using model::Limits;
using model::Outcome;
using model::require;

/// Who waits for the end of the task.
struct Joiner {
    model::Parker parker;
    int references = 0;
};

/// A waker of it, in memory that the model watches.
class Bell {
public:
    Bell() = default;
    explicit Bell(Joiner& joiner) { set(&joiner); }
    Bell(const Bell& other) { set(other.joiner_.load()); }
    Bell& operator=(const Bell& other) {
        set(other.joiner_.load());
        return *this;
    }
    ~Bell() { set(nullptr); }

    void wake() const {
        if (Joiner* joiner = joiner_.load()) joiner->parker.unpark();
    }
    bool will_wake(const Bell& other) const { return joiner_.load() == other.joiner_.load(); }

private:
    void set(Joiner* joiner) {
        if (Joiner* before = joiner_.load()) --before->references;
        if (joiner != nullptr) ++joiner->references;
        joiner_.store(joiner);
    }
    model::Cell<Joiner*> joiner_;
};

/// The rules of the protocol that a canary breaks, one at a time.
enum class Breach {
    none,
    wakes_only_who_is_not_queued, // without writing the word
    forgets_discarded_entries,
    forgets_the_joiner,
    forgets_who_woke_during_a_poll,
    polls_what_was_claimed,
};

/// A task, its queue, and the life that TaskBase gives it.
template <class Atomics>
class Task {
public:
    /// Done when `wakers` threads have each called wake(), or when it is ended.
    Task(unsigned wakers, Breach breach, bool yields = false)
        : all_news_((1U << wakers) - 1), breach_(breach), yields_(yields), refs_(2 + wakers) {
        word_.emplace(true);
        has_entry_ = true;
        pushers_ = wakers;
    }

    // -- threads of the test, each one once ------------------------------------------------------

    void wake(unsigned which) {
        news_.fetch_or(1U << which, std::memory_order_relaxed);
        const bool skips =
            breach_ == Breach::wakes_only_who_is_not_queued && word().state() == TaskState::queued;
        if (!skips && word().wake()) push();
        --pushers_;
        drop();
    }
    /// In the place of wake().
    void abort() {
        if (word().cancel()) push();
        --pushers_;
        drop();
    }
    void try_end() {
        if (word().claim() == Word::Claim::taken) {
            refs_.fetch_add(1, std::memory_order_relaxed);
            end();
            drop();
        }
        --pushers_;
        drop();
    }
    /// A worker: until nothing can come any more.
    void work() {
        for (;;) {
            model::Execution::current().wait_until(
                [](const void* object) {
                    const auto& self = *static_cast<const Task*>(object);
                    return self.has_entry_ || (self.completed_ && self.pushers_ == 0);
                },
                this);
            queue_.lock();
            const bool got = std::exchange(has_entry_, false);
            queue_.unlock();
            if (got) run();
            else if (completed_ && pushers_ == 0) return;
        }
    }
    /// The handle, which waits by the second of two wakers.
    void join(Joiner& first, Joiner& second) {
        if (!word().poll_complete(Bell(first)) && !word().poll_complete(Bell(second))) {
            second.parker.park();
            require(word().poll_complete(Bell(second)), "woken when it is done");
        }
        require(result_.load() == 1, "the result is there");
        leave();
    }
    /// The handle, which goes without having waited for the end.
    void look_and_leave(Joiner& joiner) {
        (void)word().poll_complete(Bell(joiner));
        leave();
    }

    /// When all threads have ended.
    void finish(bool ended_early) {
        require(freed_, "nobody keeps it");
        require(ended_early || polls_saw_ == all_news_, "it saw what every wake was about");
    }

private:
    using Word = TaskWord<Bell, Atomics>;

    Word& word() {
        require(!freed_, "it is there while somebody uses it");
        return *word_;
    }
    void push() {
        queue_.lock();
        require(!std::exchange(has_entry_, true), "one entry at a time");
        queue_.unlock();
    }
    void run() {
        if (!word().start() && breach_ != Breach::polls_what_was_claimed) {
            if (breach_ != Breach::forgets_discarded_entries && word().discard()) drop();
            return;
        }
        if (word().is_cancelled()) return end();
        require(!std::exchange(running_, true), "one thread runs it at a time");
        future_.store(future_.load() + 1);
        polls_saw_ = news_.load(std::memory_order_relaxed);
        running_ = false;
        if (polls_saw_ == all_news_) return complete();
        const bool again = word().pause(yields_ && future_.load() == 1);
        if (again && breach_ != Breach::forgets_who_woke_during_a_poll) push();
    }
    void end() {
        require(!std::exchange(running_, true), "one thread ends it");
        future_.store(-1);
        running_ = false;
        complete();
    }
    void complete() {
        result_.store(1);
        const auto ended = word().complete();
        require(!std::exchange(completed_, true), "it ends once");
        if (!ended.joined) drop_result();
        if (ended.waited && breach_ != Breach::forgets_the_joiner) word().wake_joiner();
        if (!ended.orphan) drop();
    }
    void leave() {
        if (word().leave()) drop_result();
        drop();
    }
    void drop_result() {
        require(result_.load() == 1, "a result is destroyed once");
        result_.store(0);
    }
    void drop() {
        if (refs_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
        require(!std::exchange(freed_, true), "it is freed once");
        require(result_.load() == 0, "nobody forgets the result");
        future_.store(0);
        word_.reset();
    }

    const unsigned all_news_;
    const Breach breach_;
    const bool yields_;
    std::optional<Word> word_;
    model::Atomic<std::uint32_t> refs_;
    model::Atomic<unsigned> news_;
    model::Cell<int> future_;
    model::Cell<int> result_;
    model::Mutex queue_;
    // The model runs one thread at a time: these are plain for the test.
    bool has_entry_ = false;
    bool running_ = false;
    bool completed_ = false;
    bool freed_ = false;
    unsigned pushers_ = 0;
    unsigned polls_saw_ = 0;
};

/// Two workers, one task that two threads wake, and a handle that waits.
template <class Atomics>
Outcome wakes(const Limits& limits, Breach breach, bool yields = false) {
    return model::explore(limits, [=] {
        Task<Atomics> task(2, breach, yields);
        Joiner first;
        Joiner second;
        model::spawn([&] { task.work(); });
        model::spawn([&] { task.work(); });
        model::spawn([&] { task.wake(0); });
        model::spawn([&] { task.wake(1); });
        model::spawn([&] { task.join(first, second); });
        model::join();
        task.finish(false);
        require(first.references + second.references == 0, "no waker is kept");
    });
}

/// The end from elsewhere, while the task is woken and run, and its handle goes.
template <class Atomics>
Outcome ends(const Limits& limits, Breach breach, bool waits) {
    return model::explore(limits, [=] {
        Task<Atomics> task(2, breach);
        Joiner first;
        Joiner second;
        model::spawn([&] { task.work(); });
        model::spawn([&] { task.wake(0); });
        model::spawn([&] { task.try_end(); });
        model::spawn([&] {
            if (waits) task.join(first, second);
            else task.look_and_leave(first);
        });
        model::join();
        task.finish(true);
        require(first.references + second.references == 0, "no waker is kept");
    });
}

/// Two ways to be ended at once.
template <class Atomics>
Outcome abort_and_end(const Limits& limits, Breach breach) {
    return model::explore(limits, [=] {
        Task<Atomics> task(2, breach);
        Joiner joiner;
        model::spawn([&] { task.work(); });
        model::spawn([&] { task.abort(); });
        model::spawn([&] { task.try_end(); });
        model::spawn([&] { task.look_and_leave(joiner); });
        model::join();
        task.finish(true);
        require(joiner.references == 0, "no waker is kept");
    });
}

void expect_none(const Outcome& outcome) {
    EXPECT_TRUE(outcome) << outcome;
    testing::Test::RecordProperty("schedules", std::to_string(outcome.schedules));
}

// Who runs next when a thread must wait is free: that alone makes many schedules.
constexpr Limits few{.preemptions = 1, .stale_reads = model::is_sanitized ? 0 : 1};
constexpr Limits more{.preemptions = model::deep(3), .stale_reads = 0};

TEST(TaskModel, Wakes) { expect_none(wakes<model::Atomics>(few, Breach::none)); }
TEST(TaskModel, WakesOfOneThatYields) {
    expect_none(wakes<model::Atomics>(few, Breach::none, true));
}
TEST(TaskModel, EndsWhileSomebodyWaits) {
    expect_none(ends<model::Atomics>(more, Breach::none, true));
}
TEST(TaskModel, EndsWhileItsHandleGoes) {
    expect_none(ends<model::Atomics>(more, Breach::none, false));
}
TEST(TaskModel, AbortAndEnd) { expect_none(abort_and_end<model::Atomics>(more, Breach::none)); }

// -- canaries: each breach must be found ----------------------------------------------------------

TEST(TaskCanary, AWakeThatWritesNothing) {
    const Breach breach = Breach::wakes_only_who_is_not_queued;
    EXPECT_FALSE(wakes<model::Atomics>({}, breach).failure.empty());
}
TEST(TaskCanary, AnEntryThatIsForgotten) {
    const Breach breach = Breach::forgets_discarded_entries;
    EXPECT_FALSE(ends<model::Atomics>({}, breach, true).failure.empty());
}
TEST(TaskCanary, AJoinerThatIsForgotten) {
    EXPECT_FALSE(wakes<model::Atomics>({}, Breach::forgets_the_joiner).failure.empty());
}
TEST(TaskCanary, AWakeDuringAPollThatIsForgotten) {
    const Breach breach = Breach::forgets_who_woke_during_a_poll;
    EXPECT_FALSE(wakes<model::Atomics>({}, breach).failure.empty());
}
TEST(TaskCanary, APollOfWhatWasClaimed) {
    EXPECT_FALSE(ends<model::Atomics>({}, Breach::polls_what_was_claimed, true).failure.empty());
}
TEST(TaskCanary, ExchangesThatDoNotCompare) {
    EXPECT_FALSE(ends<model::BlindExchanges>({}, Breach::none, true).failure.empty());
}
TEST(TaskCanary, ChangesThatReleaseNothing) {
    using Weak = model::WeakAtomics<model::Drop::release_changes>;
    EXPECT_FALSE(wakes<Weak>({}, Breach::none).failure.empty());
}
TEST(TaskCanary, ChangesThatAcquireNothing) {
    using Weak = model::WeakAtomics<model::Drop::acquire_changes>;
    EXPECT_FALSE(wakes<Weak>({}, Breach::none).failure.empty());
}

} // namespace
} // namespace hc::runtime::sched
