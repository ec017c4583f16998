// Barrier: tasks that go on together once all of them are there.
#pragma once

#include <cassert>
#include <cstddef>
#include <mutex>

#include "core/runtime/coop.hpp"
#include "core/runtime/poll.hpp"
#include "core/runtime/sync/waiters.hpp"

namespace hc::runtime {

/// Lets `parties` tasks go at once, as often as they come back. Any thread; it must outlive its
/// futures.
class Barrier {
public:
    class Wait;
    /// What each of them is told: exactly one of a round leads.
    class Turn {
    public:
        explicit Turn(bool leader) noexcept : leader_(leader) {}
        bool is_leader() const noexcept { return leader_; }

    private:
        bool leader_;
    };

    /// With 0 or 1 nobody ever waits.
    explicit Barrier(std::size_t parties) noexcept : parties_(parties) {}
    Barrier(const Barrier&) = delete;
    Barrier& operator=(const Barrier&) = delete;

    /// Has arrived from its first poll on. Dropping it before the round is complete takes the
    /// arrival back; afterwards the round stays complete. The last to arrive leads.
    Wait wait() noexcept;

private:
    const std::size_t parties_;
    sync_detail::ShortMutex mutex_;
    std::size_t arrived_ = 0; // those in line
    sync_detail::WaitLine line_;
};

/// Move it before the first poll only.
class Barrier::Wait : private sync_detail::Waiter {
public:
    Wait(Wait&& other) noexcept : Wait(*other.barrier_) { assert(!other.in_line_); }
    ~Wait();
    Poll<Turn> poll(Context& context) noexcept;

private:
    friend class Barrier;
    explicit Wait(Barrier& barrier) noexcept : barrier_(&barrier) {}

    Barrier* barrier_;
    bool in_line_ = false;
};

inline Barrier::Wait Barrier::wait() noexcept { return Wait(*this); }

} // namespace hc::runtime
