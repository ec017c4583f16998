#include "core/runtime/sched/task_runner.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "core/runtime/coop.hpp"
#include "core/runtime/worker.hpp"

namespace hc::runtime::sched {

TaskRunner::~TaskRunner() {
    end_queued();
    drop_returned();
}

// -- queues ---------------------------------------------------------------------------------------

void TaskRunner::spawn(TaskBase& task) noexcept {
    task.id_ = next_id();
    if (worker_.ended()) {
        if (task.start()) task.end_started(ErrorKind::cancelled);
        return;
    }
    adopt(task);
    if (task.reach_ == TaskBase::Reach::anywhere) {
        task.scheduler_ = &scheduler_;
        scheduler_.use();
        push_woken(task);
    } else if (running_ != nullptr) {
        push_local(task);
    } else {
        poll(task);
    }
}

TaskId TaskRunner::next_id() noexcept {
    if (id_ == id_end_) {
        id_ = TaskId::take(ids_a_time).value;
        id_end_ = id_ + ids_a_time;
    }
    return {id_++};
}

void TaskRunner::adopt(TaskBase& task) noexcept {
    task.home_ = &worker_;
    task.seat_ = &worker_.seat();
    owned_.push_back(task);
    used_ = true;
}

void TaskRunner::take_back(TaskBase& task) noexcept {
    TaskBase* head = returned_.load(std::memory_order_relaxed);
    do {
        task.next_in_queue = head;
    } while (!returned_.compare_exchange_weak(head, &task, std::memory_order_release,
                                              std::memory_order_relaxed));
}

void TaskRunner::drop_returned() noexcept {
    if (returned_.load(std::memory_order_relaxed) == nullptr) return;
    TaskBase* task = returned_.exchange(nullptr, std::memory_order_acquire);
    while (task != nullptr) {
        TaskBase* next = task->next_in_queue;
        task->unlink();
        task->drop();
        task = next;
    }
}

void TaskRunner::push_local(TaskBase& task) noexcept {
    local_.push(task);
    worker_.note_work();
}

void TaskRunner::push_woken(TaskBase& task) noexcept {
    TaskBase* before = std::exchange(next_, &task);
    if (before != nullptr) push_shared(*before);
    worker_.note_work();
}

/// At the end of the queue that others may steal from.
void TaskRunner::push_shared(TaskBase& task) noexcept {
    shared_.push_or_overflow(&task, [this](std::span<TaskBase*> tasks) {
        for (TaskBase* each : tasks) scheduler_.inject(*each);
    });
    if (scheduler_.spreads()) scheduler_.notify();
}

/// It was just polled here and goes to the end of the queue. Alone there it will be the next
/// anyway, and no other worker needs to come for it.
void TaskRunner::push_again(TaskBase& task) noexcept {
    if (shared_.empty() && next_ == nullptr && local_.empty()) {
        (void)shared_.push(&task);
    } else {
        push_shared(task);
    }
}

TaskBase* TaskRunner::next() noexcept {
    ++tick_;
    if (tick_ % injector_interval == 0 && scheduler_.has_injected()) {
        if (TaskBase* task = from_injector(1)) return task;
    }
    if (next_ != nullptr) {
        if (slot_uses_++ < slot_uses_max) return std::exchange(next_, nullptr);
        push_shared(*std::exchange(next_, nullptr));
    }
    slot_uses_ = 0;
    return next_queued();
}

TaskBase* TaskRunner::next_queued() noexcept {
    const bool local_first = tick_ % 2 == 0;
    TaskBase* task = local_first ? local_.pop() : shared_.pop();
    if (task == nullptr) task = local_first ? shared_.pop() : local_.pop();
    if (task == nullptr && scheduler_.has_injected()) {
        task = from_injector(Shared::capacity / 2);
    }
    return task;
}

/// Takes a fair share of what was injected, at most `count`, and gives the first of it.
TaskBase* TaskRunner::from_injector(std::size_t count) noexcept {
    std::array<TaskBase*, Shared::capacity / 2> taken;
    const std::size_t share = scheduler_.injector().size() / scheduler_.workers().size() + 1;
    const std::size_t got = scheduler_.injector().pop_some(
        std::span(taken).first(std::min({count, share, taken.size()})));
    for (std::size_t i = 1; i < got; ++i) push_shared(*taken[i]);
    return got == 0 ? nullptr : taken[0];
}

// -- work of others -------------------------------------------------------------------------------

TaskBase* TaskRunner::search() noexcept {
    if (!searching_) searching_ = scheduler_.idle().transition_to_searching();
    if (!searching_) return nullptr;
    const auto& workers = scheduler_.workers();
    const std::size_t own = worker_.index();
    // From the next one on, so that the workers do not all go to the same one first.
    for (std::size_t i = 1; i < workers.size(); ++i) {
        Worker& other = *workers[(own + i) % workers.size()];
        if (TaskBase* task = other.tasks().stealable().steal_into(shared_)) return task;
    }
    return scheduler_.has_injected() ? from_injector(1) : nullptr;
}

/// There is something to run: the last that searched passes the search on, before it runs it.
void TaskRunner::found() noexcept {
    searching_ = false;
    if (scheduler_.idle().transition_from_searching()) scheduler_.notify();
}

bool TaskRunner::prepare_to_sleep() noexcept {
    if (!scheduler_.in_use()) return false;
    if (!scheduler_.spreads()) {
        StdAtomics::fence_seq_cst(); // see Scheduler::notify
        return scheduler_.has_injected();
    }
    taking_part_ = true;
    const bool last =
        scheduler_.idle().transition_to_sleeping(worker_.index(), std::exchange(searching_, false));
    // Whoever added work while this one searched has woken nobody: so all queues are looked at once
    // more, by somebody who is woken for it (this one, maybe).
    if (!last) return false;
    bool work = scheduler_.has_injected();
    for (Worker* other : scheduler_.workers()) work |= !other->tasks().stealable().empty();
    if (work) scheduler_.notify();
    return false;
}

void TaskRunner::woke() noexcept {
    if (std::exchange(taking_part_, false)) searching_ = scheduler_.idle().woke(worker_.index());
}

void TaskRunner::step_back() noexcept {
    if (!scheduler_.spreads()) return;
    if (searching_) found();
    if (!shared_.empty()) scheduler_.notify();
}

// -- running --------------------------------------------------------------------------------------

void TaskRunner::run(std::size_t polls) noexcept {
    more_ = false;
    drop_returned();
    for (; polls > 0; --polls) {
        TaskBase* task = next();
        if (task == nullptr && scheduler_.spreads()) task = search();
        if (task == nullptr) return;
        if (searching_) found();
        if (task->home_ == nullptr) adopt(*task);
        poll(*task);
    }
    more_ = true;
}

void TaskRunner::poll(TaskBase& task) noexcept {
    if (!task.start()) return;
    if (task.is_cancelled()) {
        task.end_started(ErrorKind::cancelled);
        return;
    }
    running_ = &task;
    woke_itself_ = false;
    bool done = false;
    {
        const coop::Budget budget;
        Context context(task.waker_);
        done = task.poll_future(context);
    }
    running_ = nullptr;
    if (done) {
        task.complete();
    } else if (task.reach_ == TaskBase::Reach::local) {
        if (task.pause(woke_itself_)) push_local(task);
    } else {
        if (task.pause(woke_itself_)) push_again(task);
    }
}

// -- the end --------------------------------------------------------------------------------------

void TaskRunner::end_queued() noexcept {
    for (;;) {
        TaskBase* task = std::exchange(next_, nullptr);
        if (task == nullptr) task = local_.pop();
        if (task == nullptr) task = shared_.pop();
        if (task == nullptr) return;
        if (task->start()) task->end_started(ErrorKind::cancelled);
    }
}

void TaskRunner::end() noexcept {
    scheduler_.close();
    more_ = false;
    // Destructors of futures may wake and spawn: so until nothing is left.
    do {
        end_queued();
        // What another worker polls just now it will end itself.
        while (TaskBase* task = owned_.pop_front()) (void)task->try_end();
    } while (has_work());
    drop_returned();
}

} // namespace hc::runtime::sched
