// Notify: tells tasks that something changed, without saying what.
//
// One word holds the state and how often notify_waiters was called (`rounds`):
//
//   empty --notify_one--> permit --a notified() takes it--> empty
//   empty --a notified() lines up--> waiting --the line is empty again--> empty
//
// With `waiting` set the word changes under the mutex only; without it, by anybody with a
// compare-and-swap. So a permit that is stored or taken while nobody waits takes no lock.
#pragma once

#include <atomic>
#include <cassert>
#include <cstdint>
#include <mutex>

#include "core/runtime/coop.hpp"
#include "core/runtime/poll.hpp"
#include "core/runtime/sync/waiters.hpp"

namespace hc::runtime {

/// Wakes one of those who wait (or the next to come) or all of them. Any thread may call anything;
/// it must outlive its futures. What was done before a notify is seen by whom it lets go.
class Notify {
public:
    class Notified;

    Notify() = default;
    Notify(const Notify&) = delete;
    Notify& operator=(const Notify&) = delete;

    /// Ready when a notify_one picked this one, or took place before and picked nobody; or when
    /// notify_waiters was called since this call, whether or not the future was polled. So ask for
    /// the future first, look at the condition, and then await it: nothing is missed. Dropping one
    /// that was picked passes the notification on.
    Notified notified() noexcept;
    /// Lets go of the first in line. When nobody waits, the next notified() is ready at once; such
    /// notifications do not add up.
    void notify_one() noexcept;
    /// Lets go of all futures that there are, and stores nothing for later ones.
    void notify_waiters() noexcept;

private:
    static constexpr std::uint64_t empty = 0;
    static constexpr std::uint64_t waiting = 1;
    static constexpr std::uint64_t permit = 2;
    static constexpr std::uint64_t state_mask = 3;
    static constexpr std::uint64_t one_round = 4;

    static std::uint64_t with(std::uint64_t word, std::uint64_t state) noexcept {
        return (word & ~state_mask) | state;
    }
    bool take_permit() noexcept;
    void set_state(std::uint64_t state) noexcept;

    std::atomic<std::uint64_t> word_{empty};
    sync_detail::ShortMutex mutex_;
    sync_detail::WaitLine line_;
};

/// See Notify::notified. Move it before the first poll only.
class Notify::Notified : private sync_detail::Waiter {
public:
    Notified(Notified&& other) noexcept : Notified(*other.notify_, other.round_) {
        assert(!other.in_line_);
    }
    ~Notified() {
        if (in_line_) give_up();
    }

    Poll<void> poll(Context& context) noexcept;

private:
    friend class Notify;
    Notified(Notify& notify, std::uint64_t round) noexcept : notify_(&notify), round_(round) {}
    bool is_over(std::uint64_t word) const noexcept { return word / one_round != round_; }
    bool ask_in_line(Context& context) noexcept;
    void give_up() noexcept;

    Notify* notify_;
    std::uint64_t round_; // how often notify_waiters had been called when this was made
    bool in_line_ = false;
};

inline Notify::Notified Notify::notified() noexcept {
    return {*this, word_.load(std::memory_order_acquire) / one_round};
}

} // namespace hc::runtime
