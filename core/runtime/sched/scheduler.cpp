#include "core/runtime/sched/scheduler.hpp"

#include "core/runtime/worker.hpp"

namespace hc::runtime::sched {

Scheduler* Scheduler::current() noexcept {
    Worker* here = Worker::current();
    return here != nullptr ? &here->tasks().scheduler() : entered_;
}

Worker* Scheduler::home() noexcept {
    if (Worker* here = Worker::current()) return here;
    if (entered_ == nullptr) return nullptr;
    const std::uint32_t turn = entered_->next_home_.fetch_add(1, std::memory_order_relaxed);
    return entered_->workers_[turn % entered_->workers_.size()];
}

void Scheduler::spawn(TaskBase& task) noexcept {
    task.id_ = TaskId::take(1);
    task.scheduler_ = this;
    use();
    if (!inject(task) && task.start()) task.end_started(ErrorKind::cancelled);
}

bool Scheduler::inject(TaskBase& task) noexcept {
    if (!injector_.push(&task)) return false;
    notify();
    return true;
}

void Scheduler::notify() noexcept {
    if (workers_.size() == 1) {
        // "Push, then look whether it sleeps" against "say that it sleeps, then look": see Idle.
        StdAtomics::fence_seq_cst();
        workers_.front()->wake_once();
    } else if (const auto worker = idle_.worker_to_notify()) {
        workers_[*worker]->wake_once();
    }
}

/// A worker that fell asleep before does not count among the sleepers yet.
void Scheduler::wake_all() noexcept {
    if (in_use_.exchange(true, std::memory_order_seq_cst)) return;
    for (Worker* worker : workers_) worker->wake_once();
}

void Scheduler::close() noexcept {
    injector_.close();
    while (TaskBase* task = injector_.pop()) {
        if (task->start()) task->end_started(ErrorKind::cancelled);
    }
}

} // namespace hc::runtime::sched
