// Runtime: N workers on N threads (or one worker driven by the caller), and the blocking pool.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "core/base/limits.hpp"
#include "core/base/log.hpp"
#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "core/runtime/blocking_pool.hpp"
#include "core/runtime/coop.hpp"
#include "core/runtime/park.hpp"
#include "core/runtime/sched/launch.hpp"
#include "core/runtime/seat.hpp"
#include "core/runtime/worker.hpp"

namespace hc::runtime {

/// How a runtime is built: name what is to be other than usual.
///
///     auto runtime = Runtime::create({.workers = 4, .thread_name = "files"});
struct RuntimeOptions {
    std::uint32_t workers = 1;      // 0: driven mode
    std::string thread_name = "hc"; // "hc-0", "hc-1", ...
    RuntimeLimits limits;
    LogSink log;
    sys::System* system = nullptr; // nullptr: sys::native(io)
    sys::Backend io = sys::Backend::automatic;
    // On each worker's own thread, before its first turn and after its last; the worker's index.
    // Not called in driven mode. They must not throw.
    std::function<void(std::uint32_t)> on_thread_start;
    std::function<void(std::uint32_t)> on_thread_stop;
};

/// Turns a worker on the calling thread until a future, which runs there, is done. The errors are
/// those of Worker::turn.
template <Future F>
Result<FutureValue<F>> drive(Worker& worker, F future) {
    if (worker.ended()) return fail(ErrorKind::closed, "the runtime has stopped");
    worker.enter();
    JoinHandle<FutureValue<F>> handle = sched::spawn_local_on(worker, std::move(future));
    while (!handle.is_finished()) {
        worker.flush();
        if (auto turned = worker.turn(std::nullopt, true); !turned) {
            (void)handle.task().try_end(); // it may borrow from whoever waits here
            return fail(std::move(turned.error()));
        }
    }
    worker.flush();
    const coop::Budget unlimited(coop::unlimited); // that of a task around this may be spent
    const Waker nobody;
    Context context(nobody);
    return handle.poll(context).value();
}

/// Life: created -> start() -> stop() (asynchronous) -> join(). No thread exists before start().
/// All functions may be called from any thread.
class Runtime {
public:
    /// Takes one of the process's runtime numbers (at most RuntimeLimits::runtimes_max): `limit`.
    static Result<std::unique_ptr<Runtime>> create(const RuntimeOptions& options);
    /// Stops and joins when that was not done. On one of its own worker threads it is released
    /// instead. Inside of a driven turn there is no way out: the process is ended, with a message.
    /// Not while the caller holds a WorkerRef of it.
    /// In a forked child everything is leaked: its threads exist in the parent only.
    ~Runtime();
    /// Gives the runtime up without waiting, on any thread but not inside a driven turn: it stops,
    /// and its last thread destroys it. Blocking jobs that run go on by themselves.
    static void release(std::unique_ptr<Runtime> runtime);

    /// `state` when it was started or stopped before, `limit` when the system gives no more threads
    /// (then it has stopped), `forked` in a forked child.
    Result<void> start();
    /// Each worker finishes its pass, drops what is in its inbox, destroys its tasks and then what
    /// was attached to it, and ends. `on_stopped` runs once, on the last worker to end (driven:
    /// inside the turn that sees it; never started: in here; already stopped: in here).
    void stop(std::move_only_function<void()> on_stopped);
    /// Waits until all workers have ended: `timeout`; `deadlock` on a worker's own thread before
    /// that; `forked` in a forked child. Does not stop them.
    Result<void> join(std::optional<Duration> timeout);

    // -- tasks ----------------------------------------------------------------------------------
    /// Any thread: spawns a future that any worker may run (see spawn.hpp).
    template <Future F>
    JoinHandle<FutureValue<F>> spawn(F future) {
        return sched::spawn_on(scheduler(), std::move(future));
    }
    /// Any thread: see spawn_blocking in spawn.hpp.
    template <class Call>
    JoinHandle<std::invoke_result_t<Call&>> spawn_blocking(Call call) {
        return sched::spawn_blocking(blocking(), std::move(call));
    }
    /// Runs a future to its end on the calling thread, which sleeps while it is pending; what it
    /// spawns runs on the workers, and its timers and sockets are looked after there. Driven: turns
    /// the worker until the future is done, and runs it there. Throws what the future throws.
    /// `deadlock` on a worker's thread or inside another block_on, `state` before start() or after
    /// stop(), `closed` when a driven runtime stops meanwhile, `forked` in a forked child.
    template <Future F>
    Result<FutureValue<F>> block_on(F future);

    bool driven() const noexcept;
    bool forked() const noexcept; // this process is a forked child of the one that made it
    std::uint32_t number() const noexcept;
    std::uint32_t workers() const noexcept;
    Worker& worker(std::uint32_t index) noexcept;
    /// The worker whose thread this is, or nullptr.
    Worker* current() noexcept;
    BlockingPool& blocking() noexcept;
    sched::Scheduler& scheduler() noexcept;
    const RuntimeOptions& options() const noexcept;

private:
    struct State;
    Result<void> may_block() noexcept;
    explicit Runtime(std::shared_ptr<State> state) noexcept : state_(std::move(state)) {}
    std::shared_ptr<State> state_; // shared with its threads, see release()
};

template <Future F>
Result<FutureValue<F>> Runtime::block_on(F future) {
    using Value = FutureValue<F>;
    if (auto may = may_block(); !may) return fail(std::move(may.error()));
    if (driven()) return drive(worker(0), std::move(future));
    const sched::Scheduler::Entered entered(scheduler());
    if constexpr (std::is_void_v<Value>) {
        park_on(std::move(future));
        return {};
    } else {
        return park_on(std::move(future));
    }
}

} // namespace hc::runtime
