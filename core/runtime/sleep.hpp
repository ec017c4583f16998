// Sleep, Interval, timeout: futures that wait for a time.
//
//     co_await sleep(20ms);
//     Interval heartbeat(1s);
//     for (;;) { co_await heartbeat.tick(); ... }
//     Result<Reply> reply = co_await timeout(500ms, ask(server));
//
// Time is that of the runtime's clock, simulated or not. A sleep never ends before its deadline,
// and after it as soon as its worker gets to it (see TimerWheel). When the runtime stops, sleeps
// end.
#pragma once

#include <cstdint>
#include <utility>

#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "core/runtime/coop.hpp"
#include "core/runtime/task.hpp"
#include "core/runtime/timer_wheel.hpp"
#include "core/runtime/waker.hpp"

namespace hc::runtime {

class Seat;
class Worker;

namespace detail {
class SleepNode;
/// What a worker does with the timers that are left when it ends.
void end_sleep(Timer& timer) noexcept;
} // namespace detail

/// The clock of the runtime that this thread belongs to (see spawn.hpp), read now. Outside of any,
/// the system's.
Instant clock_now() noexcept;

/// Ready at a deadline. It belongs to a worker's timer wheel from its first poll on, that of the
/// thread which polls it then; later it may be polled and destroyed on any thread. Destroying it
/// cancels it. May be moved at any time but during a poll. A first poll on a thread that belongs to
/// no runtime never becomes ready. Set anew when its runtime has gone, it belongs to that of
/// whoever polls it next; where there is none it has ended.
class Sleep {
public:
    explicit Sleep(Instant deadline) noexcept : deadline_(deadline) {}
    /// On the wheel of this worker, whose thread it is.
    Sleep(Worker& worker, Instant deadline) noexcept;
    Sleep(Sleep&& other) noexcept
        : deadline_(other.deadline_), home_(other.home_), seat_(other.seat_),
          node_(std::exchange(other.node_, nullptr)) {}
    Sleep& operator=(Sleep other) noexcept {
        std::swap(deadline_, other.deadline_);
        std::swap(home_, other.home_);
        std::swap(seat_, other.seat_);
        std::swap(node_, other.node_);
        return *this;
    }
    ~Sleep() {
        if (node_ != nullptr) leave();
    }

    Poll<void> poll(Context& context);
    Instant deadline() const noexcept { return deadline_; }
    /// Another deadline, earlier or later; one that has ended waits anew.
    void reset(Instant deadline) noexcept;

private:
    Poll<void> begin(Context& context);
    void leave() noexcept;

    Instant deadline_;
    Worker* home_ = nullptr; // may be gone: to be used when it is this thread's, or held
    Seat* seat_ = nullptr;   // its seat
    detail::SleepNode* node_ = nullptr;
};

inline Sleep sleep_until(Instant deadline) noexcept { return Sleep(deadline); }
inline Sleep sleep_until(Worker& worker, Instant deadline) noexcept { return {worker, deadline}; }
/// From now on.
Sleep sleep(Duration duration) noexcept;
/// From the start of the worker's current pass on.
Sleep sleep(Worker& worker, Duration duration) noexcept;

/// Ticks at a fixed rate. A tick that comes late, because nobody waited for it in time, is treated
/// as `missed` says: the others follow at once until all are made up for (burst), or at the full
/// period after it (delay), or at the next multiple of the period (skip).
class Interval {
public:
    enum class Missed : std::uint8_t { burst, delay, skip };

    /// The first tick is at `start`: now, when none is given. `period` is more than zero.
    explicit Interval(Duration period, Missed missed = Missed::burst);
    Interval(Duration period, Instant start, Missed missed = Missed::burst)
        : period_(period), missed_(missed), sleep_(start) {}

    class Tick {
    public:
        explicit Tick(Interval& interval) noexcept : interval_(interval) {}
        Poll<Instant> poll(Context& context) { return interval_.poll_tick(context); }

    private:
        Interval& interval_;
    };
    /// A future of the time at which the tick was due. Dropping it while it is pending loses
    /// nothing.
    Tick tick() noexcept { return Tick(*this); }
    Poll<Instant> poll_tick(Context& context);

private:
    Duration period_;
    Missed missed_;
    Sleep sleep_;
};

/// A future with a deadline: its value, or `timeout` when the deadline came first. When both are
/// there at once, the value counts. The future is destroyed with the Timeout.
template <Future F>
class Timeout {
    using Value = FutureValue<F>;

public:
    Timeout(Sleep sleep, F future) : sleep_(std::move(sleep)), future_(std::move(future)) {}

    Poll<Result<Value>> poll(Context& context) {
        const bool had_budget = !coop::is_exhausted();
        if (auto polled = future_.poll(context); polled.is_ready()) {
            if constexpr (std::is_void_v<Value>) {
                return Result<void>();
            } else {
                return Result<Value>(std::move(polled).value());
            }
        }
        if (!poll_sleep(context, had_budget && coop::is_exhausted())) return pending;
        return Result<Value>(fail(ErrorKind::timeout, "the time allowed ran out"));
    }

private:
    /// A future that spends all there is, every time, must not keep the time from running out.
    bool poll_sleep(Context& context, bool all_was_spent) {
        if (!all_was_spent) return sleep_.poll(context).is_ready();
        const coop::Budget one_more(1);
        return sleep_.poll(context).is_ready();
    }

    Sleep sleep_;
    F future_;
};

template <Future F>
Timeout<F> timeout_at(Instant deadline, F future) {
    return {Sleep(deadline), std::move(future)};
}
template <Future F>
Timeout<F> timeout(Duration allowed, F future) {
    return {sleep(allowed), std::move(future)};
}

} // namespace hc::runtime
