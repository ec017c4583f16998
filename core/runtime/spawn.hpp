// spawn: hands a future to the runtime, to go on beside whoever spawns it.
//
//     JoinHandle<int> answer = spawn(count_words(path));
//     ...
//     Result<int> words = co_await answer;
//
// A task that was spawned may move from worker to worker each time it waits; it runs on one at a
// time, and what it did on one is visible on the next. spawn_local keeps it on this worker: for
// what is not to be touched by another thread, above all exchanges and connections.
#pragma once

#include <type_traits>
#include <utility>

#include "core/runtime/join_handle.hpp"
#include "core/runtime/sched/launch.hpp"
#include "core/runtime/sched/scheduler.hpp"
#include "core/runtime/worker.hpp"

namespace hc::runtime {

/// Spawns a future that any worker of the current runtime may run: that of this worker thread, or
/// of the block_on that this thread is in. Elsewhere the handle answers `closed` and nothing runs.
template <Future F>
JoinHandle<FutureValue<F>> spawn(F future) {
    sched::Scheduler* scheduler = sched::Scheduler::current();
    if (scheduler == nullptr) return sched::never_began<FutureValue<F>>(ErrorKind::closed);
    return sched::spawn_on(*scheduler, std::move(future));
}

/// Spawns a future on the worker whose thread this is, where it starts at once, unless another task
/// is being polled: then soon. Elsewhere the handle answers `closed` and nothing runs.
template <Future F>
JoinHandle<FutureValue<F>> spawn_local(F future) {
    Worker* here = Worker::current();
    if (here == nullptr || here->ended()) {
        return sched::never_began<FutureValue<F>>(ErrorKind::closed);
    }
    return sched::spawn_local_on(*here, std::move(future));
}

/// Runs a call that may block on a thread of the runtime's blocking pool. Aborting it before it
/// began keeps it from running; once begun it runs to its end. The handle answers `limit` when the
/// pool's queue is full, `closed` where there is no runtime.
template <class Call>
JoinHandle<std::invoke_result_t<Call&>> spawn_blocking(Call call) {
    sched::Scheduler* scheduler = sched::Scheduler::current();
    if (scheduler == nullptr) {
        return sched::never_began<std::invoke_result_t<Call&>>(ErrorKind::closed);
    }
    return sched::spawn_blocking(scheduler->pool(), std::move(call));
}

} // namespace hc::runtime
