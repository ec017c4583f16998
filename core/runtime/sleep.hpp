// Sleep: a future that is ready at a deadline of its worker's clock.
#pragma once

#include <utility>

#include "core/base/time.hpp"
#include "core/runtime/timer_wheel.hpp"
#include "core/runtime/waker.hpp"
#include "core/runtime/worker.hpp"

namespace hc::runtime {

/// Polled and destroyed on its worker's thread. Destroying it cancels the timer. May be moved until
/// the first poll.
class Sleep : private Timer {
public:
    Sleep(Worker& worker, Instant deadline) noexcept
        : Timer(&Sleep::fire), worker_(worker), until_(deadline) {}
    Sleep(Sleep&& other) noexcept : Sleep(other.worker_, other.until_) {}

    Poll<void> poll(Context& context) {
        if (worker_.now() >= until_) {
            worker_.timers().cancel(*this);
            return Poll<void>::ready();
        }
        if (!waker_.will_wake(context.waker())) waker_ = context.waker();
        worker_.timers().set(*this, until_);
        return pending;
    }

private:
    static void fire(Timer& timer) noexcept { static_cast<Sleep&>(timer).waker_.wake(); }

    Worker& worker_;
    Instant until_;
    Waker waker_;
};

inline Sleep sleep_until(Worker& worker, Instant deadline) noexcept { return {worker, deadline}; }
/// From the start of the current pass.
inline Sleep sleep(Worker& worker, Duration duration) noexcept {
    return {worker, worker.now() + duration};
}

} // namespace hc::runtime
