#include "core/runtime/local_task.hpp"

#include <memory>
#include <new>
#include <string>

namespace hc::runtime {

constexpr WakerTable LocalTask::waker_table{&LocalTask::clone_waker, &LocalTask::wake_waker,
                                            &LocalTask::drop_waker};

LocalTask::LocalTask(Worker& worker, Task<void> task) noexcept
    : worker_(&worker), seat_(&worker.seat_), task_(std::move(task)) {
    std::construct_at(&waker_, &waker_table, this);
}

void LocalTask::start(Worker& worker, Task<void> task) {
    auto* local = new LocalTask(worker, std::move(task));
    if (worker.polling_) {
        local->queue();
    } else {
        local->poll();
    }
}

void LocalTask::poll() noexcept {
    queued_ = false;
    worker_->polling_ = true;
    bool finished = true;
    try {
        Context context(waker_);
        finished = task_.poll(context).is_ready();
    } catch (const std::exception& thrown) {
        worker_->log_(LogLevel::error, "task", thrown.what());
    } catch (...) {
        worker_->log_(LogLevel::error, "task", "a task ended with an unknown exception");
    }
    worker_->polling_ = false;
    if (finished) {
        end();
    } else if (!queued_) {
        worker_->waiting_.push_back(*this);
    }
}

void LocalTask::end() noexcept {
    done_.store(true, std::memory_order_release); // before its destructors can wake it
    unlink();
    task_ = Task<void>();
    drop();
}

void LocalTask::queue() noexcept {
    if (queued_ || done_.load(std::memory_order_relaxed)) return;
    queued_ = true;
    unlink();
    worker_->run_queue_.push_back(*this);
    worker_->note_work();
}

void LocalTask::wake() noexcept {
    // A worker that took the place of ours in memory may be equal; then we are done.
    if (Worker::current() == worker_) {
        queue();
        return;
    }
    if (seat_->hold() == nullptr) return;
    if (!done_.load(std::memory_order_acquire)) {
        if (seat_->is_current()) { // one thread drives several workers
            queue();
        } else if (!posted_.exchange(true, std::memory_order_acq_rel)) {
            hold();
            worker_->post_raw(*this);
        }
    }
    seat_->let_go();
}

void LocalTask::run(Worker&) {
    posted_.exchange(false, std::memory_order_acq_rel);
    queue();
}

void LocalTask::drop() noexcept {
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

void* LocalTask::clone_waker(void* data) {
    static_cast<LocalTask*>(data)->hold();
    return data;
}

void LocalTask::wake_waker(void* data) noexcept { static_cast<LocalTask*>(data)->wake(); }

void LocalTask::drop_waker(void* data) noexcept { static_cast<LocalTask*>(data)->drop(); }

} // namespace hc::runtime
