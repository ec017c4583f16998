// Scheduler: what the workers of a runtime share to spread tasks that may run anywhere.
//
// A task that is spawned or woken on a worker goes into that worker's own queue; one that comes
// from another thread goes into the injector. Whoever adds to a queue looks whether a worker should
// be woken: only if nobody searches for work already and somebody sleeps. A woken worker searches;
// when it finds something and was the last to search, it wakes the next before it runs what it
// found. So wake-ups spread as far as there is work, one at a time, and not all at once.
//
// A runtime whose programs never spawn such a task pays nothing for all this: workers take part in
// it only from the first one on.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/runtime/sched/idle.hpp"
#include "core/runtime/sched/injector.hpp"
#include "core/runtime/sched/task_base.hpp"

namespace hc::runtime {
class BlockingPool;
} // namespace hc::runtime

namespace hc::runtime::sched {

class Scheduler {
public:
    using Queue = Injector<TaskBase, &TaskBase::next_in_queue>;

    Scheduler(std::uint32_t runtime, std::uint32_t workers, BlockingPool& pool)
        : runtime_(runtime), pool_(pool), idle_(workers) {}

    /// The one whose worker this thread is, or whose runtime it has entered; nullptr: neither.
    static Scheduler* current() noexcept;

    /// Before any thread starts.
    void add(Worker& worker) { workers_.push_back(&worker); }
    std::uint32_t runtime() const noexcept { return runtime_; }
    BlockingPool& pool() const noexcept { return pool_; }
    const std::vector<Worker*>& workers() const noexcept { return workers_; }
    Idle<>& idle() noexcept { return idle_; }

    /// The worker that looks after the timers and sockets of this thread's futures: its own, else
    /// one of the runtime that it has entered; nullptr: there is none.
    static Worker* home() noexcept;

    /// Any thread that keeps the runtime alive: queues an entry for whoever is free first.
    void inject(TaskBase& task) noexcept;
    bool has_injected() const noexcept { return !injector_.empty(); }
    Queue& injector() noexcept { return injector_; }
    /// Any thread, after adding to a queue.
    void notify() noexcept;

    /// Any thread: takes over a new task that comes from outside of the workers.
    void spawn(TaskBase& task) noexcept;
    /// True once a task that may run anywhere was spawned.
    bool in_use() const noexcept { return in_use_.load(std::memory_order_seq_cst); }
    /// The same, and there is more than one worker.
    bool spreads() const noexcept { return workers_.size() > 1 && in_use(); }
    /// Any thread, before the first such task is queued.
    void use() noexcept {
        if (!in_use()) wake_all();
    }

    /// The first worker that ends: whatever is injected from now on ends at once.
    void close() noexcept;

    /// A thread that is no worker belongs to a runtime while it is in block_on.
    class Entered {
    public:
        explicit Entered(Scheduler& scheduler) noexcept
            : before_(std::exchange(entered_, &scheduler)) {}
        ~Entered() { entered_ = before_; }
        Entered(const Entered&) = delete;
        Entered& operator=(const Entered&) = delete;

    private:
        Scheduler* before_;
    };

private:
    void wake_all() noexcept;

    static inline constinit thread_local Scheduler* entered_
        __attribute__((tls_model("initial-exec"))) = nullptr;

    const std::uint32_t runtime_;
    BlockingPool& pool_;
    std::vector<Worker*> workers_;
    std::atomic<bool> in_use_{false};
    std::atomic<std::uint32_t> next_home_{0};
    Idle<> idle_;
    Queue injector_;
};

} // namespace hc::runtime::sched
