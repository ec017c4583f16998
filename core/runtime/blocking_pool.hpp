// Threads for work that blocks. They start on first use and end when idle; the queue is bounded.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "core/base/limits.hpp"
#include "core/base/log.hpp"
#include "core/base/result.hpp"

namespace hc::runtime {

class BlockingPool {
public:
    /// Threads are named "<name>-job". `log` is told of jobs that end with an exception.
    explicit BlockingPool(const RuntimeLimits& limits, std::string_view name = "hc",
                          LogSink log = {});
    /// join(). Jobs still queued are destroyed without running.
    ~BlockingPool();
    BlockingPool(const BlockingPool&) = delete;
    BlockingPool& operator=(const BlockingPool&) = delete;

    /// Any thread. A job runs once, with all signals blocked, and is destroyed after it, or without
    /// running (then on any thread, which holds no lock). Queues `job` and starts a thread when all
    /// are busy and there may be more. `limit` when the queue is full (the job is destroyed),
    /// `closed` after stop().
    Result<void> submit(std::move_only_function<void()> job);
    /// Takes no more jobs, drops what is queued. Running jobs go on.
    void stop() noexcept;
    /// stop(), then waits for running jobs, unless the pool was abandoned. Not inside a job.
    void join() noexcept;
    /// stop(), and the destructor then waits for nothing: threads end when their jobs do.
    void abandon() noexcept;

    std::uint32_t threads() const noexcept;
    std::uint32_t queued() const noexcept;

private:
    struct State;
    bool start_thread() noexcept;
    std::shared_ptr<State> state_;
};

} // namespace hc::runtime
