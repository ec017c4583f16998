#include "core/runtime/runtime.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <span>
#include <system_error>
#include <thread>
#include <vector>

#include "core/sys/process.hpp"

namespace hc::runtime {

// created --start--> running --stop--> stopping --last worker ended--> stopped
//    `---------------stop----------------^
// `mutex` guards what is below it. No callback runs and no worker ends under it.
struct Runtime::State {
    enum class Phase : std::uint8_t { created, running, stopping, stopped };

    RuntimeOptions options;
    const std::uint32_t number;
    const bool driven;
    const sys::ForkToken made_in = sys::fork_token();
    BlockingPool pool;
    sched::Scheduler scheduler;
    std::vector<std::unique_ptr<Worker>> workers;

    std::mutex mutex;
    std::condition_variable changed;
    Phase phase = Phase::created;
    std::size_t ended = 0; // workers
    std::vector<std::move_only_function<void()>> on_stopped;
    std::vector<std::thread> threads;

    State(const RuntimeOptions& given, std::uint32_t number_taken)
        : options(given), number(number_taken), driven(given.workers == 0),
          pool(given.limits, given.thread_name, given.log),
          scheduler(number_taken, std::max(given.workers, 1U), pool) {}
    ~State() {
        pool.join();                                            // its jobs may post to workers
        for (auto& worker : workers) worker->on_ended(nullptr); // create() failed
        workers.clear();
        Seat::give_number_back(number);
    }

    bool forked() const noexcept { return sys::forked_since(made_in); }
    Result<void> choose_system();
    Result<void> make_workers();
    void worker_ended();
    void stop(std::move_only_function<void()> call);
    void end_here(std::size_t first);
    void run_thread(std::size_t index);
    void join_threads();
};

Result<void> Runtime::State::choose_system() {
    if (options.system != nullptr) return {};
    auto system = sys::native(options.io, driven ? sys::Loop::host : sys::Loop::own);
    if (!system) return fail(std::move(system.error()));
    options.system = *system;
    return {};
}

Result<void> Runtime::State::make_workers() {
    sys::System& system = *options.system;
    const std::uint32_t count = driven ? 1 : options.workers;
    for (std::uint32_t index = 0; index < count; ++index) {
        std::uint64_t seed = 0;
        auto random = system.entropy(std::as_writable_bytes(std::span(&seed, 1)));
        if (!random) return random;
        Seat* seat = Seat::make(number, index, seed);
        if (seat == nullptr) return fail(ErrorKind::no_memory, "no memory for a worker");
        auto worker = Worker::create(system, *seat, scheduler, index, options.log);
        if (!worker) return fail(std::move(worker.error()));
        (*worker)->on_ended([this] { worker_ended(); });
        scheduler.add(**worker);
        workers.push_back(std::move(*worker));
    }
    return {};
}

void Runtime::State::worker_ended() {
    std::unique_lock lock(mutex);
    if (++ended < workers.size()) return;
    lock.unlock();
    pool.stop();
    lock.lock();
    while (!on_stopped.empty()) { // more may come meanwhile
        auto calls = std::exchange(on_stopped, {});
        lock.unlock();
        for (auto& call : calls) call();
        calls.clear();
        lock.lock();
    }
    phase = Phase::stopped;
    changed.notify_all();
}

void Runtime::State::stop(std::move_only_function<void()> call) {
    std::unique_lock lock(mutex);
    if (phase == Phase::stopped) {
        lock.unlock();
        if (call) call();
        return;
    }
    if (call) on_stopped.push_back(std::move(call));
    if (phase == Phase::stopping) return;
    const bool nobody_runs = phase == Phase::created && !driven;
    phase = Phase::stopping;
    // Under the lock: what keeps the workers in place is that the last one has yet to take it.
    for (auto& worker : workers) worker->stop();
    lock.unlock();
    if (nobody_runs) end_here(0);
}

/// Workers that have no thread, from `first` on, end on this one.
void Runtime::State::end_here(std::size_t first) {
    for (std::size_t i = first; i < workers.size(); ++i) workers[i]->run(); // they see the stop
}

void Runtime::State::run_thread(std::size_t index) {
    sys::name_thread(options.thread_name + "-" + std::to_string(index));
    if (options.on_thread_start) options.on_thread_start(static_cast<std::uint32_t>(index));
    workers[index]->run();
    if (options.on_thread_stop) options.on_thread_stop(static_cast<std::uint32_t>(index));
}

void Runtime::State::join_threads() {
    std::unique_lock lock(mutex);
    auto ending = std::exchange(threads, {});
    lock.unlock();
    for (auto& thread : ending) thread.join();
}

Result<std::unique_ptr<Runtime>> Runtime::create(const RuntimeOptions& options) {
    if (options.workers > RuntimeLimits::workers_max) {
        return fail(ErrorKind::invalid, "too many workers");
    }
    const auto number = Seat::take_number();
    if (!number) return fail(ErrorKind::limit, "too many runtimes in this process");
    auto state = std::make_shared<State>(options, *number);
    if (auto chosen = state->choose_system(); !chosen) return fail(std::move(chosen.error()));
    if (auto made = state->make_workers(); !made) return fail(std::move(made.error()));
    return std::unique_ptr<Runtime>(new Runtime(std::move(state)));
}

namespace {
/// There is nobody to give an error to, and what runs just now would go on in freed memory.
[[noreturn]] void destroyed_inside_itself(const LogSink& log) noexcept {
    constexpr const char* what = "a driven runtime is destroyed inside of its own turn";
    log(LogLevel::error, "runtime", what);
    std::fprintf(stderr, "libhttpcore: %s\n", what);
    std::abort();
}
} // namespace

Runtime::~Runtime() {
    if (state_ == nullptr) return; // released
    if (forked()) {
        new std::shared_ptr<State>(std::move(state_)); // for ever
        return;
    }
    if (!state_->driven && current() != nullptr) {
        release(std::unique_ptr<Runtime>(new Runtime(std::move(state_))));
        return;
    }
    if (state_->driven && worker(0).is_current() && worker(0).is_turning()) {
        destroyed_inside_itself(options().log);
    }
    stop(nullptr);
    if (state_->driven) {
        state_->end_here(0); // no turn will see the stop
    } else {
        (void)join(std::nullopt);
    }
}

void Runtime::release(std::unique_ptr<Runtime> runtime) {
    if (runtime->forked()) return;
    State& state = *runtime->state_;
    state.pool.abandon();
    runtime->stop(nullptr);
    if (state.driven) {
        state.end_here(0);
    } else {
        const std::lock_guard lock(state.mutex);
        for (auto& thread : state.threads) thread.detach();
        state.threads.clear();
    }
    runtime->state_.reset(); // the last thread to let go destroys it
}

Result<void> Runtime::start() {
    State& state = *state_;
    if (forked()) return fail(ErrorKind::forked, "the runtime belongs to the parent process");
    std::unique_lock lock(state.mutex);
    if (state.phase != State::Phase::created) {
        return fail(ErrorKind::state, "the runtime was started or stopped before");
    }
    state.phase = State::Phase::running;
    if (state.driven) return {};
    const sys::SignalsBlocked blocked; // threads inherit the mask
    try {
        for (std::size_t i = 0; i < state.workers.size(); ++i) {
            state.threads.emplace_back([shared = state_, i] { shared->run_thread(i); });
        }
        return {};
    } catch (const std::system_error&) {
        const std::size_t started = state.threads.size();
        lock.unlock();
        state.stop(nullptr);
        state.end_here(started);
        (void)join(std::nullopt);
        return fail(ErrorKind::limit, "the system gives no more threads");
    }
}

void Runtime::stop(std::move_only_function<void()> on_stopped) {
    if (!forked()) state_->stop(std::move(on_stopped));
}

Result<void> Runtime::join(std::optional<Duration> timeout) {
    State& state = *state_;
    if (forked()) return fail(ErrorKind::forked, "the runtime belongs to the parent process");
    const bool own_thread = current() != nullptr;
    std::unique_lock lock(state.mutex);
    const auto stopped = [&state] { return state.phase == State::Phase::stopped; };
    if (!stopped() && own_thread) {
        return fail(ErrorKind::deadlock, "a worker cannot wait for its own end");
    }
    constexpr Duration longest = std::chrono::hours(24 * 365); // the clock's sum must not overflow
    if (!timeout || *timeout > longest) {
        state.changed.wait(lock, stopped);
    } else if (!state.changed.wait_for(lock, *timeout, stopped)) {
        return fail(ErrorKind::timeout, "the runtime has not stopped yet");
    }
    lock.unlock();
    state.join_threads();
    return {};
}

bool Runtime::driven() const noexcept { return state_->driven; }
bool Runtime::forked() const noexcept { return state_->forked(); }
std::uint32_t Runtime::number() const noexcept { return state_->number; }
std::uint32_t Runtime::workers() const noexcept {
    return static_cast<std::uint32_t>(state_->workers.size());
}
Worker& Runtime::worker(std::uint32_t index) noexcept { return *state_->workers[index]; }
sched::Scheduler& Runtime::scheduler() noexcept { return state_->scheduler; }

Result<void> Runtime::may_block() noexcept {
    if (forked()) return fail(ErrorKind::forked, "the runtime belongs to the parent process");
    if (!driven() && (Worker::current() != nullptr || sched::Scheduler::current() != nullptr)) {
        return fail(ErrorKind::deadlock, "a thread that runs tasks cannot wait for one");
    }
    const std::lock_guard lock(state_->mutex);
    if (driven() || state_->phase == State::Phase::running) return {};
    return fail(ErrorKind::state, "the runtime is not running");
}

Worker* Runtime::current() noexcept {
    Worker* here = Worker::current();
    if (here != nullptr && here->runtime() == state_->number) return here;
    for (auto& worker : state_->workers) { // one thread may drive several runtimes
        if (worker->is_current()) return worker.get();
    }
    return nullptr;
}

BlockingPool& Runtime::blocking() noexcept { return state_->pool; }
const RuntimeOptions& Runtime::options() const noexcept { return state_->options; }

} // namespace hc::runtime
