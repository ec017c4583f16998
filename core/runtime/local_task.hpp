// LocalTask: a Task<void> that a worker runs, and what its wakers refer to.
//
// Ownership. `refs` counts: one for the worker as long as the task is not done (it is then in the
// run queue, in the list of waiting ones, or being polled), one a waker, and one while a wake from
// another thread is in the inbox. The last to go, on any thread, frees the memory. The coroutine
// itself is destroyed earlier and always on the worker's thread: when it ends, or when the worker
// does.
//
//   field          who                       rule
//   task, queued,  the worker's thread
//   list links
//   done           written by the worker's   true for ever once the coroutine is about to go; from
//                  thread, read by all       then on a wake does nothing
//   posted         any thread                set by the first waker on another thread, which posts
//                                            this task to the inbox with a reference; cleared by
//                                            the worker before it queues the task. Who finds it
//                                            set leaves it at that: the exchange that clears it
//                                            comes later and sees what was done before the wake.
//   worker         any thread that holds     A worker ends with all its tasks done, before its
//                  the seat and found        seat is given to another. So "held and not done"
//                  `done` false; its own     means that it is there.
//                  thread
#pragma once

#include <atomic>
#include <cstdint>

#include "core/base/intrusive_list.hpp"
#include "core/runtime/task.hpp"
#include "core/runtime/worker.hpp"

namespace hc::runtime {

class LocalTask final : private ListNode, private Message {
public:
    /// Starts the task at once, or queues it when another one is being polled (so that tasks which
    /// spawn tasks do not pile up on the stack).
    static void start(Worker& worker, Task<void> task);
    /// Runs a task from the run queue until it is pending or done.
    void poll() noexcept;
    /// The worker ends: destroys the coroutine.
    void end() noexcept;

private:
    friend class IntrusiveList<LocalTask>;
    friend class Worker;

    LocalTask(Worker& worker, Task<void> task) noexcept;
    ~LocalTask() override {}

    void wake() noexcept;
    void queue() noexcept;
    void run(Worker&) override; // a wake that came through the inbox
    void discard() noexcept override { drop(); }
    void hold() noexcept { refs_.fetch_add(1, std::memory_order_relaxed); }
    void drop() noexcept;

    static void* clone_waker(void* data);
    static void wake_waker(void* data) noexcept;
    static void drop_waker(void* data) noexcept;
    static const WakerTable waker_table;

    Worker* const worker_;
    Seat* const seat_;
    Task<void> task_;
    // What poll() shows the task. It lives as long as the task and counts no reference, therefore
    // it is never destroyed.
    union {
        Waker waker_;
    };
    std::atomic<std::uint32_t> refs_{1};
    std::atomic<bool> done_{false};
    std::atomic<bool> posted_{false};
    bool queued_ = false;
};

} // namespace hc::runtime
