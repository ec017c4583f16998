// Semaphore: a number of permits that tasks take and give back, first come, first served.
//
// One word says everything while nobody waits, and then taking and giving back are one
// compare-and-swap each. `waiting` in it means that the line is not empty; it is set and cleared
// under the mutex.
//
//   word, `waiting` clear    changed by anybody with a compare-and-swap
//   word, `waiting` set      changed under the mutex only: a newcomer lines up, what is given back
//                            is handed to the first in line
//
// A future never takes less than it asked for: what is there stays in the word until the first in
// line can have all of its permits, and those behind it wait that long.
//
// The last thing that giving back does to a semaphore, before it wakes anyone, is to make the
// permits available. So a task that took the last permit may destroy the semaphore, even while the
// one that gave it back has not returned yet.
#pragma once

#include <atomic>
#include <cassert>
#include <cstddef>
#include <expected>
#include <mutex>
#include <utility>

#include "core/base/error.hpp"
#include "core/runtime/coop.hpp"
#include "core/runtime/poll.hpp"
#include "core/runtime/sync/waiters.hpp"

namespace hc::runtime {

/// Counts permits. Any thread may call anything; it must outlive its futures and its permits.
class Semaphore {
public:
    static constexpr std::size_t permits_max = SIZE_MAX >> 3;
    class Permit;
    class Acquire;
    class Wait;

    explicit Semaphore(std::size_t permits) noexcept : word_(permits * one) {
        assert(permits <= permits_max);
    }
    Semaphore(const Semaphore&) = delete;
    Semaphore& operator=(const Semaphore&) = delete;

    /// Ready with a permit for `permits` at once, or with `closed`. Dropping the future gives up
    /// its place in line, and passes on what it was handed.
    Acquire acquire(std::size_t permits = 1) noexcept;
    /// `again` when there are too few, or others wait for them; `closed`.
    std::expected<Permit, ErrorKind> try_acquire(std::size_t permits = 1) noexcept;
    /// More permits than there were, together at most permits_max. The first in line get them.
    void add_permits(std::size_t permits) noexcept {
        std::size_t word = word_.load(std::memory_order_relaxed);
        while ((word & waiting) == 0) {
            if (word_.compare_exchange_weak(word, word + permits * one, std::memory_order_release,
                                            std::memory_order_relaxed)) {
                return;
            }
        }
        hand_out(permits);
    }
    /// Those who could be taken now if nobody waited. Out of date at once.
    std::size_t available_permits() const noexcept {
        return word_.load(std::memory_order_acquire) / one;
    }
    /// From now on nobody is given a permit, and all who wait are told so. Permits that are out
    /// stay valid.
    void close() noexcept;
    bool is_closed() const noexcept {
        return (word_.load(std::memory_order_acquire) & closed) != 0;
    }

private:
    static constexpr std::size_t closed = 1;
    static constexpr std::size_t waiting = 2;
    static constexpr std::size_t one = 4;

    /// Takes all of them, or nothing.
    bool take(std::size_t permits) noexcept {
        std::size_t word = word_.load(std::memory_order_relaxed);
        while ((word & (closed | waiting)) == 0 && word / one >= permits) {
            if (word_.compare_exchange_weak(word, word - permits * one, std::memory_order_acquire,
                                            std::memory_order_relaxed)) {
                return true;
            }
        }
        return false;
    }
    void hand_out(std::size_t permits) noexcept;
    void serve(std::unique_lock<sync_detail::ShortMutex>& lock, std::size_t permits) noexcept;

    std::atomic<std::size_t> word_;
    sync_detail::ShortMutex mutex_;
    sync_detail::WaitLine line_; // of Wait
};

/// The bare future of permits, for primitives that are made of a semaphore: whoever saw it granted
/// gives the permits back by hand. Move it before the first poll only.
class Semaphore::Wait : private sync_detail::Waiter {
public:
    Wait(Semaphore& semaphore, std::size_t permits) noexcept
        : semaphore_(&semaphore), permits_(permits) {
        assert(permits <= permits_max);
    }
    Wait(Wait&& other) noexcept : Wait(*other.semaphore_, other.permits_) {
        assert(!other.in_line_);
    }
    ~Wait() {
        if (in_line_) give_up();
    }

    /// none_yet: pending. granted: the caller owns the permits now. closed.
    sync_detail::Verdict ask(Context& context) noexcept {
        if (!coop::proceed(context)) return sync_detail::Verdict::none_yet;
        if (!in_line_ && semaphore_->take(permits_)) {
            coop::took();
            return sync_detail::Verdict::granted;
        }
        return ask_in_line(context);
    }
    Semaphore& semaphore() const noexcept { return *semaphore_; }
    std::size_t permits() const noexcept { return permits_; }

private:
    friend class Semaphore;
    sync_detail::Verdict ask_in_line(Context& context) noexcept;
    void give_up() noexcept;

    Semaphore* semaphore_;
    std::size_t permits_;
    bool in_line_ = false; // it was polled and has to leave the line, or is out with a verdict
};

/// Permits that are out; given back when this is destroyed.
class [[nodiscard]] Semaphore::Permit {
public:
    Permit(Permit&& other) noexcept
        : semaphore_(other.semaphore_), permits_(std::exchange(other.permits_, 0)) {}
    Permit& operator=(Permit other) noexcept {
        std::swap(semaphore_, other.semaphore_);
        std::swap(permits_, other.permits_);
        return *this;
    }
    ~Permit() {
        if (permits_ != 0) semaphore_->add_permits(permits_);
    }

    std::size_t permits() const noexcept { return permits_; }
    /// Never gives them back: the semaphore has fewer from now on.
    void forget() noexcept { permits_ = 0; }
    /// A part of them as a permit of its own; `permits` must not be more than there are.
    Permit split(std::size_t permits) noexcept {
        assert(permits <= permits_);
        permits_ -= permits;
        return {*semaphore_, permits};
    }
    /// Adds those of another permit of the same semaphore.
    void merge(Permit other) noexcept {
        assert(semaphore_ == other.semaphore_);
        permits_ += std::exchange(other.permits_, 0);
    }

private:
    friend class Semaphore;
    Permit(Semaphore& semaphore, std::size_t permits) noexcept
        : semaphore_(&semaphore), permits_(permits) {}

    Semaphore* semaphore_;
    std::size_t permits_;
};

class Semaphore::Acquire {
public:
    Poll<std::expected<Permit, ErrorKind>> poll(Context& context) noexcept {
        using enum sync_detail::Verdict;
        const auto verdict = wait_.ask(context);
        if (verdict == none_yet) return pending;
        if (verdict == closed) return std::expected<Permit, ErrorKind>(failed(ErrorKind::closed));
        return std::expected<Permit, ErrorKind>(Permit(wait_.semaphore(), wait_.permits()));
    }

private:
    friend class Semaphore;
    static std::unexpected<ErrorKind> failed(ErrorKind kind) noexcept {
        return std::unexpected<ErrorKind>(kind);
    }
    Acquire(Semaphore& semaphore, std::size_t permits) noexcept : wait_(semaphore, permits) {}

    Wait wait_;
};

inline Semaphore::Acquire Semaphore::acquire(std::size_t permits) noexcept {
    return {*this, permits};
}

inline std::expected<Semaphore::Permit, ErrorKind>
Semaphore::try_acquire(std::size_t permits) noexcept {
    if (take(permits)) return Permit(*this, permits);
    return Acquire::failed(is_closed() ? ErrorKind::closed : ErrorKind::again);
}

} // namespace hc::runtime
