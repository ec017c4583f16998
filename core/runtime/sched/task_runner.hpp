// TaskRunner: the tasks of one worker. What is queued here, what it spawned, and how it gets more.
//
// Three queues: `local_` holds tasks that may run nowhere else; `shared_` those that other workers
// may steal; `next_` is a slot for the one that was made runnable last. A task that wakes another
// one mostly has just made what that one needs, so it runs next, while the data is warm. Two tasks
// that wake each other would keep the others out for ever: so the slot is used a few times in a
// row, then its task goes to the end of the queue. Others cannot steal from the slot.
//
// The order: the slot, then local_ and shared_ in turn, then the injector, then other workers'
// queues. The injector is looked at now and then in any case, so that a busy worker does not starve
// it.
//
// Only the worker's thread calls these functions, save stealable() and take_back().
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "core/base/intrusive_list.hpp"
#include "core/runtime/sched/scheduler.hpp"
#include "core/runtime/sched/steal_queue.hpp"
#include "core/runtime/sched/task_base.hpp"

namespace hc::runtime::sched {

class TaskRunner {
public:
    using Shared = StealQueue<TaskBase>;

    TaskRunner(Worker& worker, Scheduler& scheduler) noexcept
        : worker_(worker), scheduler_(scheduler) {}
    ~TaskRunner();

    Scheduler& scheduler() const noexcept { return scheduler_; }
    /// Any other worker's thread: what it may steal from.
    Shared& stealable() noexcept { return shared_; }
    /// Any thread: a task of this worker that has completed elsewhere.
    void take_back(TaskBase& task) noexcept;
    /// The task that is being polled, or nullptr.
    TaskBase* running() const noexcept { return running_; }
    /// True when it is the one that runs: then it is noted that it is to be polled again.
    bool note_self_wake(const TaskBase& task) noexcept {
        if (running_ != &task) return false;
        woke_itself_ = true;
        return true;
    }

    /// Takes over a new task whose entry the caller holds. A local one starts at once, or is queued
    /// when another task is being polled (so that tasks which spawn tasks do not pile up on the
    /// stack); one that may run anywhere is queued.
    void spawn(TaskBase& task) noexcept;
    void push_local(TaskBase& task) noexcept;
    void push_woken(TaskBase& task) noexcept;

    /// False as long as there cannot be any task here: a turn of a server that has none is short.
    bool in_use() const noexcept { return used_ || scheduler_.in_use(); }
    bool has_work() const noexcept {
        return next_ != nullptr || !local_.empty() || more_ || !shared_.empty() ||
               scheduler_.has_injected();
    }
    /// Polls tasks until none is left, here or elsewhere, or `polls` were made.
    void run(std::size_t polls) noexcept;

    // -- around a wait in the selector ----------------------------------------------------------
    /// The worker is about to sleep and its phase says so already: whoever adds work from now on
    /// wakes it. True when there is some already.
    bool prepare_to_sleep() noexcept;
    void woke() noexcept;
    /// Sockets and messages come first now, which may take a while: others are to look after what
    /// lies here, and to search in place of this one.
    void step_back() noexcept;

    /// The worker ends: nothing is polled any more, futures are destroyed.
    void end() noexcept;

private:
    static constexpr std::uint32_t slot_uses_max = 3;
    static constexpr std::uint32_t injector_interval = 61;
    static constexpr std::uint32_t ids_a_time = 1024;

    TaskId next_id() noexcept;
    TaskBase* next() noexcept;
    TaskBase* next_queued() noexcept;
    TaskBase* from_injector(std::size_t count) noexcept;
    TaskBase* search() noexcept;
    void found() noexcept;
    void poll(TaskBase& task) noexcept;
    void adopt(TaskBase& task) noexcept;
    void push_shared(TaskBase& task) noexcept;
    void push_again(TaskBase& task) noexcept;
    void drop_returned() noexcept;
    void end_queued() noexcept;

    Worker& worker_;
    Scheduler& scheduler_;
    TaskBase* running_ = nullptr;
    bool woke_itself_ = false;
    bool more_ = false; // run() stopped before it had looked everywhere
    bool used_ = false;
    bool searching_ = false;   // as the idle set counts
    bool taking_part_ = false; // in the idle set, while asleep
    std::uint32_t slot_uses_ = 0;
    std::uint32_t tick_ = 0;
    std::uint64_t id_ = 0;
    std::uint64_t id_end_ = 0;
    TaskBase* next_ = nullptr;
    LocalQueue local_;
    IntrusiveList<TaskBase> owned_;
    Shared shared_;
    alignas(64) std::atomic<TaskBase*> returned_{nullptr}; // a stack
};

} // namespace hc::runtime::sched
