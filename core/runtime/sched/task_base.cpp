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
    : word_(joined), refs_(joined ? 2 : 1), reach_(reach) {
    std::construct_at(&waker_, &waker_table, this);
}

TaskBase::~TaskBase() {} // not waker_

// -- waking ---------------------------------------------------------------------------------------

void TaskBase::wake() noexcept {
    // A task that wakes itself while it is polled (yield_now, a budget that is used up) needs no
    // atomic operation: its worker looks when the poll is over.
    if (Worker* here = Worker::current(); here != nullptr && here->tasks().note_self_wake(*this)) {
        return;
    }
    if (word_.wake()) schedule();
}

void TaskBase::abort() noexcept {
    if (word_.cancel()) schedule();
}

/// Empty once the home worker has gone: who sits there now, if anybody, is of a later runtime of
/// the same number.
WorkerRef TaskBase::hold_home() const noexcept {
    WorkerRef held(*seat_);
    const bool at_home =
        held.get() == home_ && (scheduler_ == nullptr || &held->tasks().scheduler() == scheduler_);
    return at_home ? std::move(held) : WorkerRef();
}

/// This thread has set `queued` on an idle task: it holds the entry and finds a queue for it.
void TaskBase::schedule() noexcept {
    Worker* here = Worker::current();
    if (reach_ == Reach::local) {
        schedule_local(here);
    } else if (here != nullptr && &here->tasks().scheduler() == scheduler_) {
        here->tasks().push_woken(*this);
    } else if (const WorkerRef held = hold_home(); !held || !scheduler_->inject(*this)) {
        // An idle task is still in its home's list, which ends it together with the rest.
        discard_entry();
    }
}

void TaskBase::schedule_local(Worker* here) noexcept {
    if (here == home_) {
        here->tasks().push_local(*this);
    } else if (const WorkerRef held = hold_home(); !held) {
        discard_entry();
    } else if (held->is_current()) { // one thread drives several workers
        held->tasks().push_local(*this);
    } else {
        held->post_raw(*this);
    }
}

// -- the life of an entry -------------------------------------------------------------------------

/// The entry was taken out of its queue. False: the task has ended, or is being ended; the entry is
/// used up.
bool TaskBase::start() noexcept {
    if (word_.start()) return true;
    discard_entry();
    return false;
}

void TaskBase::discard_entry() noexcept {
    if (word_.discard()) go_home();
}

// -- the end --------------------------------------------------------------------------------------

void TaskBase::complete() noexcept {
    const auto [joined, waited, orphan] = word_.complete();
    if (!joined) drop_result(log());
    ended();
    if (waited) word_.wake_joiner();
    if (!orphan) go_home();
}

void TaskBase::end_started(ErrorKind why) noexcept {
    drop_future(why);
    complete();
}

bool TaskBase::try_end() noexcept {
    using enum TaskWord<Waker>::Claim;
    const auto claim = word_.claim();
    if (claim != taken) return claim == ended;
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
    } else if (const WorkerRef held = hold_home()) {
        held->tasks().take_back(*this);
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

void TaskBase::leave() noexcept {
    if (word_.leave()) drop_result(LogSink{});
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
