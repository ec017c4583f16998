// What the benchmarks of the runtime share.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "core/runtime/completion.hpp"
#include "core/runtime/task.hpp"

namespace hc::bench {

using runtime::Context;
using runtime::Poll;
using runtime::Task;

struct Spent {
    std::int64_t wall_ns = 0;
    std::int64_t cpu_ns = 0; // user and system, all threads of the process

    Spent& operator+=(const Spent& more) noexcept {
        wall_ns += more.wall_ns;
        cpu_ns += more.cpu_ns;
        return *this;
    }
};

/// Runs from when it is made.
class Stopwatch {
public:
    Spent spent() const noexcept {
        const Spent now = read();
        return {now.wall_ns - began_.wall_ns, now.cpu_ns - began_.cpu_ns};
    }

private:
    static Spent read() noexcept;
    Spent began_ = read();
};

struct Benchmark {
    std::string_view name;
    Task<void> (*once)(); // an iteration, in block_on
    int operations;       // of one
    /// For those that measure a part of themselves: what it came to since it was last asked.
    Spent (*part)() = nullptr;
};

std::span<const Benchmark> task_benchmarks();
std::span<const Benchmark> sync_benchmarks();
std::span<const Benchmark> timer_benchmarks();
std::span<const Benchmark> udp_benchmarks();

/// Waits until so many have told it.
class Countdown {
public:
    explicit Countdown(int from) noexcept : left_(from) {}
    void tell() noexcept {
        if (left_.fetch_sub(1, std::memory_order_acq_rel) == 1) done_.complete();
    }
    Poll<void> poll(Context& context) {
        return done_.poll(context) ? Poll<void>::ready() : runtime::pending;
    }

private:
    std::atomic<int> left_;
    runtime::Completion done_;
};

using Rest = std::shared_ptr<Countdown>;

inline Rest countdown(int from) { return std::make_shared<Countdown>(from); }

} // namespace hc::bench
