#include "core/runtime/blocking_pool.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "core/sys/process.hpp"

namespace hc::runtime {

// Threads are detached and share the state, so that the pool can also go without them (abandon).
// All fields are read and written under `mutex`. Jobs run and are destroyed outside of it.
struct BlockingPool::State {
    const std::uint32_t threads_max;
    const std::uint32_t queue_max;
    const std::chrono::milliseconds idle_max;
    const std::string thread_name;
    const LogSink log;

    mutable std::mutex mutex;
    std::condition_variable work;  // a job was queued, or the pool stops
    std::condition_variable ended; // a thread has ended
    std::deque<std::move_only_function<void()>> jobs;
    std::uint32_t threads = 0;
    std::uint32_t idle = 0; // of them wait for a job, or have one in `jobs` that they will take
    bool stopped = false;
    bool abandoned = false;

    void run_jobs();
    void run(std::move_only_function<void()> job) noexcept;
};

void BlockingPool::State::run(std::move_only_function<void()> job) noexcept {
    try {
        job();
    } catch (const std::exception& thrown) {
        log(LogLevel::error, "blocking", thrown.what());
    } catch (...) {
        log(LogLevel::error, "blocking", "a job ended with an unknown exception");
    }
}

void BlockingPool::State::run_jobs() {
    std::unique_lock lock(mutex);
    for (;;) { // here the thread counts as idle
        const bool woken =
            work.wait_for(lock, idle_max, [this] { return stopped || !jobs.empty(); });
        if (!woken || jobs.empty()) break;
        --idle;
        auto job = std::move(jobs.front());
        jobs.pop_front();
        lock.unlock();
        run(std::move(job));
        lock.lock();
        ++idle;
    }
    --idle;
    --threads;
    ended.notify_all();
}

BlockingPool::BlockingPool(const RuntimeLimits& limits, std::string_view name, LogSink log)
    : state_(new State{.threads_max = limits.blocking_threads_max,
                       .queue_max = limits.blocking_queue_max,
                       .idle_max = std::chrono::milliseconds(limits.blocking_idle_ms),
                       .thread_name = std::string(name) + "-job",
                       .log = log,
                       .mutex = {},
                       .work = {},
                       .ended = {},
                       .jobs = {}}) {}

BlockingPool::~BlockingPool() { join(); }

void BlockingPool::join() noexcept {
    stop();
    std::unique_lock lock(state_->mutex);
    if (state_->abandoned) return;
    state_->ended.wait(lock, [this] { return state_->threads == 0; });
}

Result<void> BlockingPool::submit(std::move_only_function<void()> job) {
    State& state = *state_;
    // Declared before the lock, so that a job that is refused is destroyed without it.
    std::move_only_function<void()> refused;
    std::unique_lock lock(state.mutex);
    if (state.stopped) {
        refused = std::move(job);
        return fail(ErrorKind::closed, "the blocking pool has stopped");
    }
    const bool all_busy = state.jobs.size() >= state.idle; // or soon to be, by what is queued
    const bool full = all_busy && state.jobs.size() - state.idle >= state.queue_max;
    if (all_busy && state.threads < state.threads_max && start_thread()) {
        state.jobs.push_back(std::move(job));
        return {};
    }
    if (full || state.threads == 0) {
        refused = std::move(job);
        return fail(ErrorKind::limit, "too many blocking jobs wait for a thread");
    }
    state.jobs.push_back(std::move(job));
    state.work.notify_one();
    return {};
}

/// Under the lock; the new thread counts as idle. False when the system gives no more.
bool BlockingPool::start_thread() noexcept {
    try {
        const sys::SignalsBlocked blocked; // the thread inherits the mask
        std::thread([shared = state_] {
            sys::name_thread(shared->thread_name);
            shared->run_jobs();
        }).detach();
    } catch (const std::exception&) {
        return false;
    }
    ++state_->threads;
    ++state_->idle;
    return true;
}

void BlockingPool::stop() noexcept {
    std::deque<std::move_only_function<void()>> dropped;
    {
        const std::lock_guard lock(state_->mutex);
        state_->stopped = true;
        dropped.swap(state_->jobs);
    }
    state_->work.notify_all();
}

void BlockingPool::abandon() noexcept {
    {
        const std::lock_guard lock(state_->mutex);
        state_->abandoned = true;
    }
    stop();
}

std::uint32_t BlockingPool::threads() const noexcept {
    const std::lock_guard lock(state_->mutex);
    return state_->threads;
}

std::uint32_t BlockingPool::queued() const noexcept {
    const std::lock_guard lock(state_->mutex);
    const std::size_t jobs = state_->jobs.size();
    return static_cast<std::uint32_t>(jobs - std::min<std::size_t>(jobs, state_->idle));
}

} // namespace hc::runtime
