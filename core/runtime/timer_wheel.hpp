// A hierarchical timer wheel: insert and cancel in O(1), coarse slots, lazy re-arm.
//
// Connections move their deadline with every request and almost never reach it. So moving a
// deadline later only writes it; the node stays in its old slot, comes up early, and is then put
// where it belongs. Only an earlier deadline moves the node at once.
//
// Time is cut into ticks of a millisecond, counted from the wheel's start. Level 0 has a slot for
// each tick of the current block of 64 ticks, level 1 a slot for each block of the current 64
// blocks, and so on: a timer is filed at the level of the highest digit (6 bits) in which its tick
// differs from the current one. So every occupied slot of a level lies ahead of the current digit
// and never wraps, all of level 0 comes before all of level 1, and the first thing to happen is the
// lowest bit of the lowest occupied level: a jump over any length costs only what is filed in
// between. When the current tick reaches a slot of a higher level, its timers are filed again,
// lower down.
//
// Slots are coarse, deadlines are not: the slot of the current tick is looked through at each
// advance, and only what is due fires. A timer never fires before its deadline and always at the
// first `advance` that has reached it.
#pragma once

#include <array>
#include <cstdint>

#include "core/base/intrusive_list.hpp"
#include "core/base/time.hpp"

namespace hc::runtime {

class TimerWheel;

/// A timer that its owner embeds. Cancels itself when destroyed. One thread.
class Timer : private ListNode {
public:
    /// What it does; the timer is disarmed before. It may set, cancel or destroy any timer.
    using Fire = void (*)(Timer&) noexcept;
    explicit Timer(Fire fire) noexcept : fire_(fire) {}
    ~Timer() = default;

    Instant deadline() const noexcept { return deadline_; }
    bool armed() const noexcept { return !deadline_.is_never(); }
    bool does(Fire fire) const noexcept { return fire_ == fire; }

private:
    friend class TimerWheel;
    friend class IntrusiveList<Timer>;
    Instant deadline_ = Instant::never(); // when it is to fire
    Instant filed_ = Instant::never();    // its node is found at this time or before
    Fire fire_;
};
static_assert(sizeof(Timer) <= 48, "one or more in every idle connection");

class TimerWheel {
public:
    static constexpr Duration tick = std::chrono::milliseconds(1);

    explicit TimerWheel(Instant start) noexcept : start_(start), now_(start) {}

    /// Arms or re-arms. `deadline` never: the same as cancel(). A deadline already passed fires at
    /// the next advance(), also when set by a timer that fires in this one.
    void set(Timer& timer, Instant deadline) noexcept {
        if (deadline >= timer.filed_ && timer.linked() && !deadline.is_never()) {
            timer.deadline_ = deadline;
            return;
        }
        arm(timer, deadline);
    }
    /// After this the timer does not fire until it is set again.
    void cancel(Timer& timer) noexcept {
        timer.unlink();
        timer.deadline_ = Instant::never();
    }
    /// Fires every timer whose deadline is at or before `now`, earlier ticks first. A timer may
    /// set, cancel or destroy itself or any other from its function. Time does not go back: an
    /// earlier `now` than the last one does nothing new.
    void advance(Instant now) noexcept;
    /// Cancels every timer, and shows it to `visit`, which may destroy it.
    void clear(void (*visit)(Timer&) noexcept) noexcept;
    /// No timer fires before this; never() when none is armed. May be earlier than the first
    /// deadline (a level of the wheel turns over, a lazily moved timer), never later.
    Instant next() noexcept;

private:
    // 6 levels of 64 slots: 1 ms ticks reach 2 years, an epoch; a bit a slot says where something
    // may be filed. Timers of later epochs wait in a list until theirs begins.
    static constexpr int levels = 6;
    static constexpr int slot_bits = 6;
    static constexpr int slots = 1 << slot_bits;
    struct Level {
        std::uint64_t occupied = 0; // a bit may outlive the timers of its slot
        std::array<IntrusiveList<Timer>, slots> slot;
    };
    struct Place {
        int level; // -1: nothing is filed; `levels`: beyond_
        int slot;
        std::uint64_t tick; // the first of the slot
    };

    std::uint64_t tick_of(Instant at) const noexcept {
        return static_cast<std::uint64_t>((at - start_) / tick);
    }
    Instant start_of(std::uint64_t tick_number) const noexcept {
        return start_ + Duration(tick) * static_cast<std::int64_t>(tick_number);
    }
    void arm(Timer& timer, Instant deadline) noexcept;
    void file(Timer& timer) noexcept;
    void fire_all(IntrusiveList<Timer>& due, Instant last) noexcept;
    void refile_all(IntrusiveList<Timer>& timers) noexcept;
    Place first() noexcept;
    IntrusiveList<Timer>& take(const Place& place) noexcept;
    static std::uint64_t epoch_after(std::uint64_t tick_number) noexcept {
        return ((tick_number >> (levels * slot_bits)) + 1) << (levels * slot_bits);
    }
    Instant first_in(IntrusiveList<Timer>& slot, std::uint64_t tick_number) noexcept;

    Instant start_;
    Instant now_;                // of the last advance
    std::uint64_t now_tick_ = 0; // all slots before it are empty
    IntrusiveList<Timer> due_;   // set when their time had already come
    Instant due_first_;          // at or before the first deadline in due_
    std::array<Level, levels> levels_;
    IntrusiveList<Timer> beyond_;
};

} // namespace hc::runtime
