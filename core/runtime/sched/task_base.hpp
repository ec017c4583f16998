// TaskBase: what every spawned task has, whatever it computes: its state, its references, its place
// in queues and who waits for its result.
//
// Its states and who holds the scheduler's reference are told at the top of task_word.hpp. `refs_`
// counts one reference for each waker, each handle, and one for the scheduler.
//
// Who may touch what
//
//   future, result   the thread that has set `running`; the result, once `complete`, the handle, or
//                    when there is none the thread that completes
//   home_, seat_     written once: when spawned on a worker, or by the first worker that takes the
//                    task out of the injector, before the first poll, so that every waker knows
//                    them
//   list links       the home worker's thread
//   next_in_queue    whoever holds the entry
//
// A local task (spawn_local) is started and ended on its home worker's thread only; wakes from
// other threads go there by the inbox. One that may run anywhere lies in the run queue of a worker,
// which others steal from, or in the injector; when it completes away from home, home finds it
// among what was returned, in its next turn.
#pragma once

#include <atomic>
#include <compare>
#include <cstdint>

#include "core/base/block_cache.hpp"
#include "core/base/error.hpp"
#include "core/base/intrusive_list.hpp"
#include "core/base/log.hpp"
#include "core/runtime/inbox.hpp"
#include "core/runtime/sched/task_word.hpp"
#include "core/runtime/waker.hpp"

namespace hc::runtime {

class Seat;
class Worker;
class WorkerRef;

/// Unique in the process; 0 is no task.
struct TaskId {
    std::uint64_t value = 0;
    friend auto operator<=>(const TaskId&, const TaskId&) = default;

    /// Any thread: the first of `count` that nobody else gets.
    static TaskId take(std::uint64_t count) noexcept;
};

namespace sched {

class Scheduler;
class TaskRunner;

class TaskBase : private ListNode, private Message, public Cached {
public:
    /// Where it may run: on one worker, or on any of a runtime.
    enum class Reach : std::uint8_t { local, anywhere };

    TaskBase(const TaskBase&) = delete;
    TaskBase& operator=(const TaskBase&) = delete;

    // -- any thread ---------------------------------------------------------------------------
    TaskId id() const noexcept { return id_; }
    TaskState state() const noexcept { return word_.state(); }
    void wake() noexcept;
    /// Asks for its end: its future is destroyed where it would have been polled next.
    void abort() noexcept;
    void hold() noexcept { refs_.fetch_add(1, std::memory_order_relaxed); }
    void drop() noexcept {
        if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }
    /// Destroys its future at once and on this thread, unless it has ended, or is being polled:
    /// then that thread will do so, and the answer is false. A local task: on its worker's thread
    /// only.
    bool try_end() noexcept;

    // -- the handle ---------------------------------------------------------------------------
    bool is_complete() const noexcept { return word_.is_complete(); }
    /// True when complete; else the waker is kept.
    bool poll_complete(const Context& context) { return word_.poll_complete(context.waker()); }
    /// The handle goes.
    void leave() noexcept;

protected:
    TaskBase(Reach reach, bool joined) noexcept;
    ~TaskBase() override;

    /// One poll. True when it is done: the result is stored and the future destroyed.
    virtual bool poll_future(Context& context) noexcept = 0;
    /// Destroys the future; the result is to be that it was ended for this reason.
    virtual void drop_future(ErrorKind why) noexcept = 0;
    /// Destroys the result, which nobody wants; an exception in it is reported.
    virtual void drop_result(LogSink log) noexcept = 0;
    /// It is complete, and a result that nobody wants is destroyed; nobody who waits knows yet.
    virtual void ended() noexcept {}

    // For work that no worker polls (a blocking job): the same life without a queue.
    bool start() noexcept;
    void complete() noexcept;
    void end_started(ErrorKind why) noexcept;
    bool is_cancelled() const noexcept { return word_.is_cancelled(); }

private:
    friend class TaskRunner;
    friend class Scheduler;
    friend class LocalQueue;
    friend class hc::IntrusiveList<TaskBase>;

    bool pause(bool yielded) noexcept { return word_.pause(yielded); }
    void schedule() noexcept;
    void schedule_local(Worker* here) noexcept;
    void discard_entry() noexcept;
    void go_home() noexcept;
    WorkerRef hold_home() const noexcept;
    LogSink log() const noexcept;

    void run(Worker&) override {}
    void deliver(Worker& worker) override;
    void discard() noexcept override { discard_entry(); }

    static void* clone_waker(void* data);
    static void wake_waker(void* data) noexcept;
    static void drop_waker(void* data) noexcept;
    static const WakerTable waker_table;

    TaskWord<Waker> word_;
    std::atomic<std::uint32_t> refs_;
    const Reach reach_;
    TaskId id_;
    Worker* home_ = nullptr;
    Seat* seat_ = nullptr;           // the home worker's
    Scheduler* scheduler_ = nullptr; // for a task that may run anywhere
    // What a poll shows the task. It lives as long as the task and counts no reference, therefore
    // it is never destroyed.
    union {
        Waker waker_;
    };

public:
    TaskBase* next_in_queue = nullptr;
};

/// First-in first-out queue of one thread.
class LocalQueue {
public:
    bool empty() const noexcept { return head_ == nullptr; }
    void push(TaskBase& task) noexcept {
        task.next_in_queue = nullptr;
        *tail_ = &task;
        tail_ = &task.next_in_queue;
    }
    TaskBase* pop() noexcept {
        TaskBase* task = head_;
        if (task == nullptr) return nullptr;
        head_ = task->next_in_queue;
        if (head_ == nullptr) tail_ = &head_;
        return task;
    }

private:
    TaskBase* head_ = nullptr;
    TaskBase** tail_ = &head_;
};

} // namespace sched
} // namespace hc::runtime
