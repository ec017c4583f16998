// Completion: one thing that happens once, and one that waits for it.
#pragma once

#include <atomic>
#include <cstdint>

#include "core/runtime/waker.hpp"

namespace hc::runtime {

/// complete() may be called from one thread while another polls. One poller at a time.
///
/// `waker_` is the poller's as long as `waiting` is not set; while it is set nobody writes it, so
/// that complete() may wake it.
class Completion {
public:
    bool is_complete() const noexcept {
        return (state_.load(std::memory_order_acquire) & complete_bit) != 0;
    }
    /// True when complete; else the waker is kept, in place of the one before.
    bool poll(Context& context) {
        std::uint8_t now = state_.load(std::memory_order_acquire);
        if ((now & complete_bit) != 0) return true;
        if ((now & waiting_bit) != 0) {
            if (waker_.will_wake(context.waker())) return false;
            now = state_.fetch_and(static_cast<std::uint8_t>(~waiting_bit),
                                   std::memory_order_acq_rel);
            if ((now & complete_bit) != 0) return true;
        }
        waker_ = context.waker();
        now = state_.fetch_or(waiting_bit, std::memory_order_acq_rel);
        return (now & complete_bit) != 0;
    }
    /// Wakes whoever waits. Doing it again does nothing.
    void complete() noexcept {
        const std::uint8_t before = state_.fetch_or(complete_bit, std::memory_order_acq_rel);
        if ((before & complete_bit) == 0 && (before & waiting_bit) != 0) waker_.wake();
    }

private:
    static constexpr std::uint8_t complete_bit = 1;
    static constexpr std::uint8_t waiting_bit = 2;

    std::atomic<std::uint8_t> state_{0};
    Waker waker_;
};

} // namespace hc::runtime
