// TaskBase: what every spawned task has, whatever it computes: its state, its references, its place
// in queues and who waits for its result.
//
// States. One atomic word, of these bits:
//
//   queued      An entry of the task is in a queue (or on its way into one): it will be polled. Set
//               while it runs, it says that it has to be queued again.
//   running     One thread polls it, or destroys its future.
//   complete    The future is gone and the result is there. For ever.
//   cancelled   It is not to be polled again: whoever would poll it destroys its future.
//   orphan      It is being ended (or has ended) while an entry of it was in a queue.
//   joined      A JoinHandle exists.
//   join_waker  The handle's waker is in `join_waker_`.
//
//   idle --wake--> queued --start--> running --pending--> idle, or queued when woken meanwhile
//                                       '----ready, or cancelled----> complete
//   idle or queued --try_end--> running and cancelled (and orphan, when queued) --> complete
//
// References. `refs_` counts one for each waker, each handle, and one for the scheduler. Whoever
// is named here holds the scheduler's, and passes it on by the change of state:
//
//   idle          the home worker's list of tasks
//   queued        the entry in the queue
//   running       the thread that polls; at the end it goes to the home worker, which unlinks the
//                 task from its list and drops it
//   orphan        the entry: who takes it out of the queue drops it when the task is complete. When
//                 the ending thread finds the entry gone before it is through, it drops it itself.
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
//   join_waker_      the handle while the bit is not set; nobody writes it while it is set
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
#include "core/runtime/waker.hpp"

namespace hc::runtime {

class Seat;
class Worker;

/// Unique in the process; 0 is no task.
struct TaskId {
    std::uint64_t value = 0;
    friend auto operator<=>(const TaskId&, const TaskId&) = default;

    /// Any thread: the first of `count` that nobody else gets.
    static TaskId take(std::uint64_t count) noexcept;
};

enum class TaskState : std::uint8_t { waiting, queued, running, done };

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
    TaskState state() const noexcept;
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
    bool is_complete() const noexcept {
        return (state_.load(std::memory_order_acquire) & complete_bit) != 0;
    }
    /// True when complete; else the waker is kept.
    bool poll_complete(Context& context);
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

    // For work that no worker polls (a blocking job): the same life without a queue.
    bool start() noexcept;
    void complete() noexcept;
    void end_started(ErrorKind why) noexcept;
    bool is_cancelled() const noexcept {
        return (state_.load(std::memory_order_relaxed) & cancelled_bit) != 0;
    }

private:
    friend class TaskRunner;
    friend class Scheduler;
    friend class LocalQueue;
    friend class hc::IntrusiveList<TaskBase>;

    static constexpr std::uint32_t queued_bit = 1;
    static constexpr std::uint32_t running_bit = 2;
    static constexpr std::uint32_t complete_bit = 4;
    static constexpr std::uint32_t cancelled_bit = 8;
    static constexpr std::uint32_t orphan_bit = 16;
    static constexpr std::uint32_t joined_bit = 32;
    static constexpr std::uint32_t join_waker_bit = 64;

    bool pause(bool yielded) noexcept;
    void schedule() noexcept;
    void schedule_local(Worker* here) noexcept;
    void discard_entry() noexcept;
    void go_home() noexcept;
    LogSink log() const noexcept;

    void run(Worker&) override {}
    void deliver(Worker& worker) override;
    void discard() noexcept override { discard_entry(); }

    static void* clone_waker(void* data);
    static void wake_waker(void* data) noexcept;
    static void drop_waker(void* data) noexcept;
    static const WakerTable waker_table;

    std::atomic<std::uint32_t> state_;
    std::atomic<std::uint32_t> refs_;
    const Reach reach_;
    TaskId id_;
    Worker* home_ = nullptr;
    Seat* seat_ = nullptr;           // the home worker's
    Scheduler* scheduler_ = nullptr; // for a task that may run anywhere
    Waker join_waker_;
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
