// LocalExecutor: a runtime of one thread, that of its owner.
//
//     auto executor = LocalExecutor::create();
//     JoinHandle<int> count = executor->spawn(count_lines(path));
//     Result<void> served = executor->block_on(serve(listener));
//
// Tasks run only inside block_on() and turn(), on the thread that calls them; timers, sockets and
// the blocking pool are there as in any runtime. Nothing is ever handed to another thread, so a
// task may borrow whatever its thread owns.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "core/runtime/runtime.hpp"

namespace hc::runtime {

class LocalExecutor {
public:
    /// `options` as for a runtime; its number of workers does not count.
    static Result<LocalExecutor> create(RuntimeOptions options = {}) {
        options.workers = 0;
        auto runtime = Runtime::create(options);
        if (!runtime) return fail(std::move(runtime.error()));
        if (auto started = (*runtime)->start(); !started) return fail(std::move(started.error()));
        return LocalExecutor(std::move(*runtime));
    }

    /// Starts a task at once, or queues it when called from inside of one. The executor's thread
    /// only.
    template <Future F>
    JoinHandle<FutureValue<F>> spawn(F future) {
        worker().enter();
        return sched::spawn_local_on(worker(), std::move(future));
    }
    /// Runs a future, and all tasks meanwhile, until it is done. See Runtime::block_on.
    template <Future F>
    Result<FutureValue<F>> block_on(F future) {
        return runtime_->block_on(std::move(future));
    }
    /// Waits for something to do, no longer than `timeout`, and does it. See Worker::turn.
    Result<void> turn(std::optional<Duration> timeout) {
        auto turned = worker().turn(timeout, true);
        worker().flush();
        return turned;
    }

    Runtime& runtime() noexcept { return *runtime_; }
    Worker& worker() noexcept { return runtime_->worker(0); }

private:
    explicit LocalExecutor(std::unique_ptr<Runtime> runtime) noexcept
        : runtime_(std::move(runtime)) {}
    std::unique_ptr<Runtime> runtime_;
};

} // namespace hc::runtime
