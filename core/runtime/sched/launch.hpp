// How a future or a call becomes a task: what spawn(), Runtime::spawn and spawn_blocking share.
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include "core/runtime/blocking_pool.hpp"
#include "core/runtime/join_handle.hpp"
#include "core/runtime/sched/scheduler.hpp"
#include "core/runtime/worker.hpp"

namespace hc::runtime::sched {

/// Queues a new task on this thread's worker, or for any worker of `scheduler`.
inline void launch(TaskBase& task, Scheduler& scheduler) noexcept {
    Worker* here = Worker::current();
    if (here != nullptr && &here->tasks().scheduler() == &scheduler) {
        here->tasks().spawn(task);
    } else {
        scheduler.spawn(task);
    }
}

template <Future F>
JoinHandle<FutureValue<F>> spawn_on(Scheduler& scheduler, F future) {
    auto* task = new FutureTask<F>(TaskBase::Reach::anywhere, true, std::move(future));
    JoinHandle<FutureValue<F>> handle(*task);
    launch(*task, scheduler);
    return handle;
}

template <Future F>
JoinHandle<FutureValue<F>> spawn_local_on(Worker& worker, F future) {
    auto* task = new FutureTask<F>(TaskBase::Reach::local, true, std::move(future));
    JoinHandle<FutureValue<F>> handle(*task);
    worker.tasks().spawn(*task);
    return handle;
}

/// What spawn_blocking runs: a task that a thread of the pool starts and completes.
template <class Call>
class BlockingTask final : public Joinable<std::invoke_result_t<Call&>> {
    using Value = std::invoke_result_t<Call&>;

public:
    explicit BlockingTask(Call call)
        : Joinable<Value>(TaskBase::Reach::anywhere, true), call_(std::move(call)) {}

    /// On a thread of the pool.
    void run_job() noexcept {
        if (!this->start()) return;
        if (this->is_cancelled()) {
            this->end_started(ErrorKind::cancelled);
            return;
        }
        try {
            if constexpr (std::is_void_v<Value>) {
                std::invoke(*call_);
                this->outcome_.set();
            } else {
                this->outcome_.set(std::invoke(*call_));
            }
        } catch (...) {
            this->outcome_.set_thrown(std::current_exception());
        }
        call_.reset();
        this->complete();
    }
    void end(ErrorKind why) noexcept {
        if (this->start()) this->end_started(why);
    }
    // A job is destroyed without having run when the pool refuses it or stops. Only submit() tells
    // which, and it may be slower than the end of the pool: the later of the two ends the task.
    void dropped() noexcept {
        if (submission_.exchange(Submission::dropped) == Submission::taken) {
            end(ErrorKind::cancelled);
        }
    }
    void submitted(ErrorKind answer) noexcept {
        if (answer != ErrorKind::ok) {
            end(answer);
        } else if (submission_.exchange(Submission::taken) == Submission::dropped) {
            end(ErrorKind::cancelled);
        }
    }

private:
    bool poll_future(Context&) noexcept override { return true; } // no worker ever polls it
    void drop_future(ErrorKind why) noexcept override {
        this->outcome_.set_ended(why);
        call_.reset();
    }

    enum class Submission : std::uint8_t { open, taken, dropped };

    std::optional<Call> call_;
    std::atomic<Submission> submission_{Submission::open};
};

/// A handle of a task that never began.
template <class T>
JoinHandle<T> never_began(ErrorKind why) {
    auto* task = new BlockingTask<T (*)()>(nullptr);
    JoinHandle<T> handle(*task);
    task->end(why);
    return handle;
}

/// A job of the blocking pool that runs a task. It holds the scheduler's reference: destroyed
/// without having run, it ends the task.
template <class Call>
class BlockingJob {
public:
    explicit BlockingJob(BlockingTask<Call>& task) noexcept : task_(&task) {}
    BlockingJob(BlockingJob&& other) noexcept : task_(std::exchange(other.task_, nullptr)) {}
    BlockingJob& operator=(BlockingJob&&) = delete;
    ~BlockingJob() {
        if (task_ != nullptr) task_->dropped();
    }
    void operator()() noexcept { std::exchange(task_, nullptr)->run_job(); }

private:
    BlockingTask<Call>* task_;
};

template <class Call>
JoinHandle<std::invoke_result_t<Call&>> spawn_blocking(BlockingPool& pool, Call call) {
    auto* task = new BlockingTask<Call>(std::move(call));
    JoinHandle<std::invoke_result_t<Call&>> handle(*task);
    const auto queued = pool.submit(BlockingJob<Call>(*task));
    task->submitted(queued ? ErrorKind::ok : queued.error().kind);
    return handle;
}

} // namespace hc::runtime::sched
