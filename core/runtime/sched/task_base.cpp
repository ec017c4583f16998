#include "core/runtime/sched/task_base.hpp"

#include <memory>
#include <utility>

#include "core/runtime/sched/scheduler.hpp"
#include "core/runtime/worker.hpp"

namespace hc::runtime {

TaskId TaskId::take(std::uint64_t count) noexcept {
    static constinit std::atomic<std::uint64_t> next{1};
    return {next.fetch_add(count, std::memory_order_relaxed)};
}

} // namespace hc::runtime

namespace hc::runtime::sched {

constexpr WakerTable TaskBase::waker_table{&TaskBase::clone_waker, &TaskBase::wake_waker,
                                           &TaskBase::drop_waker};

TaskBase::TaskBase(Reach reach, bool joined) noexcept
    : state_(queued_bit | (joined ? joined_bit : 0)), refs_(joined ? 2 : 1), reach_(reach) {
    std::construct_at(&waker_, &waker_table, this);
}

TaskBase::~TaskBase() {} // not waker_

TaskState TaskBase::state() const noexcept {
    const std::uint32_t now = state_.load(std::memory_order_acquire);
    if ((now & complete_bit) != 0) return TaskState::done;
    if ((now & running_bit) != 0) return TaskState::running;
    return (now & queued_bit) != 0 ? TaskState::queued : TaskState::waiting;
}

// -- waking ---------------------------------------------------------------------------------------

void TaskBase::wake() noexcept {
    // A task that wakes itself while it is polled (yield_now, a budget that is used up) needs no
    // atomic operation: its worker looks when the poll is over.
    if (Worker* here = Worker::current(); here != nullptr && here->tasks().note_self_wake(*this)) {
        return;
    }
    // Always written, also when the bit is set: the thread that clears it then sees what was done
    // before this wake.
    const std::uint32_t before = state_.fetch_or(queued_bit, std::memory_order_acq_rel);
    if ((before & (queued_bit | running_bit | complete_bit)) == 0) schedule();
}

void TaskBase::abort() noexcept {
    const std::uint32_t before =
        state_.fetch_or(queued_bit | cancelled_bit, std::memory_order_acq_rel);
    if ((before & (queued_bit | running_bit | complete_bit)) == 0) schedule();
}

/// This thread has set `queued` on an idle task: it holds the entry and finds a queue for it.
void TaskBase::schedule() noexcept {
    Worker* here = Worker::current();
    if (reach_ == Reach::local) {
        schedule_local(here);
    } else if (here != nullptr && &here->tasks().scheduler() == scheduler_) {
        here->tasks().push_woken(*this);
    } else if (seat_->hold() != nullptr) { // the scheduler outlives the workers
        scheduler_->inject(*this);
        seat_->let_go();
    } else {
        discard_entry();
    }
}

void TaskBase::schedule_local(Worker* here) noexcept {
    if (here == home_) {
        here->tasks().push_local(*this);
    } else if (seat_->hold() == nullptr) {
        discard_entry();
    } else {
        if (seat_->is_current()) { // one thread drives several workers
            home_->tasks().push_local(*this);
        } else {
            home_->post_raw(*this);
        }
        seat_->let_go();
    }
}

// -- the life of an entry -------------------------------------------------------------------------

/// The entry was taken out of its queue. False: the task has ended, or is being ended; the entry is
/// used up.
bool TaskBase::start() noexcept {
    std::uint32_t now = state_.load(std::memory_order_relaxed);
    for (;;) {
        if ((now & (complete_bit | orphan_bit)) != 0) {
            discard_entry();
            return false;
        }
        const std::uint32_t after = (now & ~queued_bit) | running_bit;
        if (state_.compare_exchange_weak(now, after, std::memory_order_acq_rel,
                                         std::memory_order_relaxed)) {
            return true;
        }
    }
}

/// The entry goes without a poll. What has not ended is idle again, and its home will end it.
void TaskBase::discard_entry() noexcept {
    std::uint32_t now = state_.load(std::memory_order_acquire);
    for (;;) {
        if ((now & complete_bit) != 0) { // an orphan: the entry holds the scheduler's reference
            go_home();
            return;
        }
        const std::uint32_t after = now & ~((now & orphan_bit) != 0 ? orphan_bit : queued_bit);
        if (state_.compare_exchange_weak(now, after, std::memory_order_acq_rel,
                                         std::memory_order_acquire)) {
            return;
        }
    }
}

/// After a poll that was pending. True: it was woken meanwhile and the caller holds a new entry.
/// Else the task must not be touched any more: it may run elsewhere.
bool TaskBase::pause(bool yielded) noexcept {
    if (!yielded) {
        const std::uint32_t before = state_.fetch_sub(running_bit, std::memory_order_acq_rel);
        return (before & queued_bit) != 0;
    }
    std::uint32_t now = state_.load(std::memory_order_relaxed);
    while (!state_.compare_exchange_weak(now, (now & ~running_bit) | queued_bit,
                                         std::memory_order_acq_rel, std::memory_order_relaxed)) {}
    return true;
}

// -- the end --------------------------------------------------------------------------------------

void TaskBase::complete() noexcept {
    const std::uint32_t before =
        state_.fetch_xor(running_bit | complete_bit, std::memory_order_acq_rel);
    if ((before & joined_bit) == 0) {
        drop_result(log());
    } else if ((before & join_waker_bit) != 0) {
        join_waker_.wake();
    }
    if ((before & orphan_bit) == 0) go_home();
}

void TaskBase::end_started(ErrorKind why) noexcept {
    drop_future(why);
    complete();
}

bool TaskBase::try_end() noexcept {
    std::uint32_t now = state_.load(std::memory_order_acquire);
    for (;;) {
        if ((now & complete_bit) != 0) return true;
        std::uint32_t after = now | cancelled_bit;
        if ((now & running_bit) != 0) {
            after |= queued_bit;
        } else {
            after |= running_bit;
            if ((now & queued_bit) != 0) after = (after & ~queued_bit) | orphan_bit;
        }
        if (state_.compare_exchange_weak(now, after, std::memory_order_acq_rel,
                                         std::memory_order_acquire)) {
            break;
        }
    }
    if ((now & running_bit) != 0) return false;
    hold(); // an orphan's entry may go at any time once the task is complete
    end_started(ErrorKind::cancelled);
    drop();
    return true;
}

/// Gives the scheduler's reference to the home worker, which unlinks the task.
void TaskBase::go_home() noexcept {
    if (home_ == nullptr) { // no worker ever had it
        drop();
        return;
    }
    Worker* here = Worker::current();
    if (here == home_) {
        unlink();
        drop();
    } else if (here != nullptr && &here->tasks().scheduler() == scheduler_) {
        home_->tasks().take_back(*this); // workers of one runtime outlive each other's threads
    } else if (seat_->hold() != nullptr) {
        home_->tasks().take_back(*this);
        seat_->let_go();
    } else {
        drop();
    }
}

LogSink TaskBase::log() const noexcept {
    const Worker* here = Worker::current();
    return here == nullptr ? LogSink{} : here->log();
}

/// From the inbox of its home: it was woken on another thread.
void TaskBase::deliver(Worker& worker) { worker.tasks().push_local(*this); }

// -- the handle -----------------------------------------------------------------------------------

bool TaskBase::poll_complete(Context& context) {
    std::uint32_t now = state_.load(std::memory_order_acquire);
    if ((now & complete_bit) != 0) return true;
    if ((now & join_waker_bit) != 0) {
        if (join_waker_.will_wake(context.waker())) return false;
        now = state_.fetch_and(~join_waker_bit, std::memory_order_acq_rel);
        if ((now & complete_bit) != 0) return true; // whoever completed it may still look at it
    }
    join_waker_ = context.waker();
    now = state_.fetch_or(join_waker_bit, std::memory_order_acq_rel);
    return (now & complete_bit) != 0;
}

void TaskBase::leave() noexcept {
    const std::uint32_t before = state_.fetch_and(~joined_bit, std::memory_order_acq_rel);
    if ((before & complete_bit) != 0) drop_result(LogSink{});
    drop();
}

// -- wakers ---------------------------------------------------------------------------------------

void* TaskBase::clone_waker(void* data) {
    static_cast<TaskBase*>(data)->hold();
    return data;
}
void TaskBase::wake_waker(void* data) noexcept { static_cast<TaskBase*>(data)->wake(); }
void TaskBase::drop_waker(void* data) noexcept { static_cast<TaskBase*>(data)->drop(); }

} // namespace hc::runtime::sched
