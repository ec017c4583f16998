#include "core/server/pool.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "core/sys/process.hpp"

namespace hc::server {

namespace {
// The warning: when more than 4 of 5 threads are busy, and again only after no more than 3 of 5
// were, so that a load at the border is told of once.
constexpr std::uint64_t high_above_percent = 80;
constexpr std::uint64_t cool_at_percent = 60;
constexpr Duration warning_pause = std::chrono::seconds(10);

// A burst must not keep its memory for ever: a batch beyond this gives it back.
constexpr std::size_t kept_jobs = 4'096;
} // namespace

// Threads are detached and share this, so that the pool can go without them.
//
// `mutex` guards what is below it; jobs run, are refused and are destroyed, and the log is written,
// outside of it. The counters are written under it too, but for `load` and `refused`, which workers
// change without it: `load` is what is admitted and has not begun, and the threads that run a job.
struct Pool::State {
    State(PoolOptions with, sys::Clock& of) : options(std::move(with)), clock(of) {}

    const PoolOptions options;
    sys::Clock& clock;
    std::atomic<std::uint64_t> load{0};
    std::atomic<std::uint64_t> refused{0};
    std::atomic<bool> closed{false};
    std::atomic<std::uint32_t> busy{0};
    std::atomic<std::uint32_t> queued{0};
    std::atomic<std::uint64_t> processed{0};

    std::mutex mutex;
    std::condition_variable work; // a wake-up was given, or the pool ends
    std::condition_variable gone; // the last thread is through
    IntrusiveList<Job> ready;
    std::uint32_t threads = 0;
    std::uint32_t sleepers = 0; // of them, without those that a wake-up was given to
    std::uint32_t wakeups = 0;  // given and not taken yet
    bool ending = false;
    bool through = false; // the threads have ended, and those who asked were told
    bool told = false;    // that more than so many are busy, since they were few
    Instant told_at = Instant{INT64_MIN};
    std::vector<std::move_only_function<void()>> on_end;

    bool rouse(const std::shared_ptr<State>& self) noexcept;
    bool start_thread(const std::shared_ptr<State>& self) noexcept;
    void run_jobs(const std::shared_ptr<State>& self);
    bool sleep(std::unique_lock<std::mutex>& lock);
    std::shared_ptr<Job> take(bool& fresh) noexcept;
    void done(bool fresh) noexcept;
    bool note_load() noexcept;
    void warn(std::uint32_t now_busy, std::uint32_t waiting) const;
    void leave(std::unique_lock<std::mutex>& lock);
    static void add(std::atomic<std::uint32_t>& counter, std::int32_t change) noexcept {
        counter.store(counter.load(std::memory_order_relaxed) + static_cast<std::uint32_t>(change),
                      std::memory_order_relaxed);
    }
};

// -- threads, under the lock ----------------------------------------------------------------------

/// Something waits for a thread. True when the caller is to notify one, without the lock.
bool Pool::State::rouse(const std::shared_ptr<State>& self) noexcept {
    if (sleepers > 0) {
        --sleepers;
        ++wakeups;
        return true;
    }
    if (threads < options.threads) start_thread(self);
    return false;
}

/// False when the system gives no more.
bool Pool::State::start_thread(const std::shared_ptr<State>& self) noexcept {
    try {
        const sys::SignalsBlocked blocked; // the thread inherits the mask
        std::thread([self] {
            sys::name_thread(self->options.thread_name);
            self->run_jobs(self);
        }).detach();
    } catch (const std::exception&) {
        return false;
    }
    ++threads;
    return true;
}

/// False when there is nothing to wait for any more.
bool Pool::State::sleep(std::unique_lock<std::mutex>& lock) {
    if (ending) return false;
    ++sleepers;
    work.wait(lock, [this] { return wakeups > 0 || ending; });
    if (wakeups > 0) {
        --wakeups;
    } else {
        --sleepers;
    }
    return true;
}

std::shared_ptr<Pool::Job> Pool::State::take(bool& fresh) noexcept {
    Job* job = ready.pop_front();
    fresh = std::exchange(job->fresh_, false);
    if (fresh) {
        add(queued, -1); // its place becomes the thread's
    } else {
        load.fetch_add(1, std::memory_order_relaxed);
    }
    add(busy, 1);
    return std::move(job->self_);
}

void Pool::State::done(bool fresh) noexcept {
    add(busy, -1);
    load.fetch_sub(1, std::memory_order_relaxed);
    if (fresh) {
        processed.store(processed.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
    if (told && busy.load(std::memory_order_relaxed) * std::uint64_t{100} <=
                    options.threads * cool_at_percent) {
        told = false;
    }
}

/// One more is busy. True when a warning is due.
bool Pool::State::note_load() noexcept {
    if (told) return false;
    const std::uint64_t now_busy = busy.load(std::memory_order_relaxed);
    if (now_busy * 100 <= options.threads * high_above_percent) return false;
    if (!options.log.wants(LogLevel::warning)) return false;
    const Instant now = clock.now();
    if (told_at != Instant{INT64_MIN} && now - told_at < warning_pause) return false;
    told = true;
    told_at = now;
    return true;
}

void Pool::State::warn(std::uint32_t now_busy, std::uint32_t waiting) const {
    options.log(LogLevel::warning, "pool",
                fmt::format("high load: {} of {} threads are busy, {} requests wait", now_busy,
                            options.threads, waiting));
}

void Pool::State::run_jobs(const std::shared_ptr<State>& self) {
    std::unique_lock lock(mutex);
    for (;;) {
        if (ready.empty()) {
            if (sleep(lock)) continue;
            break;
        }
        bool fresh = false;
        std::shared_ptr<Job> job = take(fresh);
        const bool hurry = !ready.empty() && rouse(self);
        const bool high = note_load();
        const std::uint32_t now_busy = busy.load(std::memory_order_relaxed);
        const std::uint32_t waiting = queued.load(std::memory_order_relaxed);
        lock.unlock();
        if (hurry) work.notify_one();
        if (high) warn(now_busy, waiting);
        const bool again = job->run();
        if (!again) job.reset(); // may be the last of its user, and of the pool
        lock.lock();
        done(fresh);
        if (!again) continue;
        ready.push_back(*job);
        job->self_ = std::move(job); // NOLINT(bugprone-use-after-move): the pointer, not the job
    }
    leave(lock);
}

/// The thread ends. The last one tells.
void Pool::State::leave(std::unique_lock<std::mutex>& lock) {
    if (--threads > 0) return;
    while (!on_end.empty()) { // more may come meanwhile
        auto calls = std::exchange(on_end, {});
        lock.unlock();
        for (auto& call : calls) call();
        calls.clear();
        lock.lock();
    }
    through = true;
    gone.notify_all();
}

// -- the pool -------------------------------------------------------------------------------------

Pool::Pool(PoolOptions options, sys::Clock& clock)
    : runtime_(options.runtime), workers_(options.workers),
      batches_(std::make_unique<Batch[]>(options.workers)),
      state_(std::make_shared<State>(std::move(options), clock)) {
    for (std::uint32_t i = 0; i < workers_; ++i) batches_[i].owner = this;
}

Pool::~Pool() { end(nullptr); }

bool Pool::admit() noexcept {
    State& state = *state_;
    const std::uint64_t most = std::uint64_t{state.options.threads} + state.options.queue_max;
    if (!state.closed.load(std::memory_order_relaxed)) {
        if (state.load.fetch_add(1, std::memory_order_relaxed) < most) return true;
        state.load.fetch_sub(1, std::memory_order_relaxed);
    }
    state.refused.fetch_add(1, std::memory_order_relaxed);
    return false;
}

void Pool::submit(std::shared_ptr<Job> job) {
    runtime::Worker* worker = runtime::Worker::current();
    if (worker == nullptr || worker->runtime() != runtime_ || worker->ended()) {
        queue({&job, 1});
        return;
    }
    Batch& batch = batches_[worker->index()];
    batch.jobs.push_back(std::move(job));
    if (batch.self != nullptr) return;
    batch.self = shared_from_this();
    if (!batch.is_deferred()) worker->defer(batch);
}

void Pool::publish(Batch& batch) {
    const auto kept = std::move(batch.self); // may be the last reference
    // What runs or is refused in here may gather more: that is for the next pass.
    std::vector<std::shared_ptr<Job>> jobs;
    jobs.swap(batch.jobs);
    if (jobs.empty()) return;
    queue(jobs);
    jobs.clear();
    if (batch.jobs.empty() && jobs.capacity() <= kept_jobs) batch.jobs.swap(jobs);
}

void Pool::publish(std::uint32_t worker) {
    batches_[worker].cancel_deferred();
    publish(batches_[worker]);
}

void Pool::publish_all() {
    for (std::uint32_t i = 0; i < workers_; ++i) publish(i);
}

/// Takes the jobs over.
void Pool::queue(std::span<std::shared_ptr<Job>> jobs) {
    State& state = *state_;
    std::vector<std::shared_ptr<Job>> unwanted; // withdrawn, refused, or to be run here
    bool hurry = false;
    bool nobody = false;
    {
        const std::lock_guard lock(state.mutex);
        const bool closed = state.closed.load(std::memory_order_relaxed);
        const bool first = state.threads == 0;
        nobody = first && (state.ending || !state.start_thread(state_));
        for (std::shared_ptr<Job>& job : jobs) {
            if (nobody || job->withdrawn_ || (closed && job->fresh_)) {
                unwanted.push_back(std::move(job));
                continue;
            }
            if (job->fresh_) State::add(state.queued, 1);
            Job& kept = *job;
            kept.self_ = std::move(job);
            state.ready.push_back(kept);
        }
        if (!first && !state.ready.empty()) hurry = state.rouse(state_);
    }
    if (hurry) state.work.notify_one();
    for (const std::shared_ptr<Job>& job : unwanted) {
        if (job->withdrawn_) {
            state.load.fetch_sub(1, std::memory_order_relaxed);
        } else if (job->fresh_) {
            state.load.fetch_sub(1, std::memory_order_relaxed);
            state.refused.fetch_add(1, std::memory_order_relaxed);
            job->refused();
        } else {
            run_here(*job);
        }
    }
}

/// There are no threads (any more).
void Pool::run_here(Job& job) noexcept {
    while (job.run()) {}
}

bool Pool::withdraw(Job& job) noexcept {
    std::shared_ptr<Job> kept; // goes after the lock
    const std::lock_guard lock(state_->mutex);
    if (!job.fresh_ || job.withdrawn_) return false;
    job.withdrawn_ = true;
    if (!job.linked()) return true; // its worker has gathered it, and will not get rid of it
    job.unlink();
    kept = std::move(job.self_);
    State::add(state_->queued, -1);
    state_->load.fetch_sub(1, std::memory_order_relaxed);
    return true;
}

// -- the end --------------------------------------------------------------------------------------

void Pool::close() {
    State& state = *state_;
    std::vector<std::shared_ptr<Job>> refused;
    {
        const std::lock_guard lock(state.mutex);
        state.closed.store(true, std::memory_order_relaxed);
        state.ready.for_each([&](Job& job) {
            if (!job.fresh_) return;
            job.unlink();
            refused.push_back(std::move(job.self_));
            State::add(state.queued, -1);
        });
    }
    for (const std::shared_ptr<Job>& job : refused) {
        state.load.fetch_sub(1, std::memory_order_relaxed);
        state.refused.fetch_add(1, std::memory_order_relaxed);
        job->refused();
    }
}

void Pool::end(std::move_only_function<void()> ended) {
    close();
    State& state = *state_;
    {
        const std::lock_guard lock(state.mutex);
        state.ending = true;
        if (state.threads > 0) {
            if (ended) state.on_end.push_back(std::move(ended));
            ended = nullptr;
        } else {
            state.through = true;
            state.gone.notify_all();
        }
    }
    state.work.notify_all();
    if (ended) ended();
}

bool Pool::wait_ended(std::optional<Duration> timeout) {
    State& state = *state_;
    std::unique_lock lock(state.mutex);
    const auto through = [&state] { return state.through; };
    constexpr Duration longest = std::chrono::hours(24 * 365); // the clock's sum must not overflow
    if (timeout) return state.gone.wait_for(lock, std::min(*timeout, longest), through);
    state.gone.wait(lock, through);
    return true;
}

PoolMetrics Pool::metrics() const noexcept {
    const State& state = *state_;
    return {.threads = state.options.threads,
            .busy = state.busy.load(std::memory_order_relaxed),
            .queued = state.queued.load(std::memory_order_relaxed),
            .processed = state.processed.load(std::memory_order_relaxed),
            .refused = state.refused.load(std::memory_order_relaxed)};
}

} // namespace hc::server
