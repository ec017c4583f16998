#include "core/runtime/timer_wheel.hpp"

#include <algorithm>
#include <bit>
#include <climits>

namespace hc::runtime {

void TimerWheel::arm(Timer& timer, Instant deadline) noexcept {
    cancel(timer);
    if (deadline.is_never()) return;
    timer.deadline_ = deadline;
    if (deadline > now_) {
        file(timer);
        return;
    }
    // Not into a slot: a timer that sets itself to a passed deadline each time it fires would keep
    // one advance busy for ever.
    timer.filed_ = Instant::never(); // moved later, it goes into a slot like others
    due_first_ = due_.empty() ? deadline : std::min(due_first_, deadline);
    due_.push_back(timer);
}

void TimerWheel::file(Timer& timer) noexcept {
    // While an advance files again what it passes, deadlines may lie before the current tick.
    const bool passed = timer.deadline_ <= start_of(now_tick_);
    const std::uint64_t at = passed ? now_tick_ : tick_of(timer.deadline_);
    const std::uint64_t differs = at ^ now_tick_;
    const int level =
        differs == 0 ? 0 : (static_cast<int>(std::bit_width(differs)) - 1) / slot_bits;
    if (level >= levels) {
        timer.filed_ = start_of(epoch_after(now_tick_));
        beyond_.push_back(timer);
        return;
    }
    const auto slot = static_cast<std::size_t>((at >> (level * slot_bits)) & (slots - 1));
    Level& in = levels_[static_cast<std::size_t>(level)];
    in.slot[slot].push_back(timer);
    in.occupied |= std::uint64_t{1} << slot;
    // The slot comes up at its first tick, which is when a lazily moved deadline is looked at.
    timer.filed_ = start_of((at >> (level * slot_bits)) << (level * slot_bits));
}

TimerWheel::Place TimerWheel::first() noexcept {
    for (int level = 0; level < levels; ++level) {
        Level& in = levels_[static_cast<std::size_t>(level)];
        while (in.occupied != 0) {
            const int slot = std::countr_zero(in.occupied);
            if (!in.slot[static_cast<std::size_t>(slot)].empty()) {
                const int shift = level * slot_bits;
                const std::uint64_t block = (now_tick_ >> shift) & ~std::uint64_t{slots - 1};
                return {level, slot, (block | static_cast<std::uint64_t>(slot)) << shift};
            }
            in.occupied &= in.occupied - 1; // cancelled, moved or destroyed meanwhile
        }
    }
    if (!beyond_.empty()) return {levels, 0, epoch_after(now_tick_)};
    return {-1, 0, 0};
}

IntrusiveList<Timer>& TimerWheel::take(const Place& place) noexcept {
    if (place.level == levels) return beyond_;
    Level& in = levels_[static_cast<std::size_t>(place.level)];
    in.occupied &= ~(std::uint64_t{1} << place.slot);
    return in.slot[static_cast<std::size_t>(place.slot)];
}

void TimerWheel::fire_all(IntrusiveList<Timer>& due, Instant last) noexcept {
    while (Timer* timer = due.pop_front()) {
        if (timer->deadline_ > last) { // moved later since it was filed
            file(*timer);
            continue;
        }
        timer->deadline_ = Instant::never();
        timer->fire_(*timer); // may have destroyed it
    }
}

void TimerWheel::clear(void (*visit)(Timer&) noexcept) noexcept {
    IntrusiveList<Timer> all;
    all.splice_back(due_);
    all.splice_back(beyond_);
    for (Level& level : levels_) {
        for (auto& slot : level.slot) all.splice_back(slot);
        level.occupied = 0;
    }
    while (Timer* timer = all.pop_front()) {
        timer->deadline_ = Instant::never();
        visit(*timer);
    }
}

void TimerWheel::refile_all(IntrusiveList<Timer>& timers) noexcept {
    while (Timer* timer = timers.pop_front()) file(*timer);
}

void TimerWheel::advance(Instant now) noexcept {
    if (now > now_) now_ = now;
    const std::uint64_t target = tick_of(now_);
    if (!due_.empty()) {
        IntrusiveList<Timer> due;
        due.splice_back(due_);
        fire_all(due, now_);
    }
    for (;;) {
        const Place place = first();
        if (place.level < 0 || place.tick > target) break;
        now_tick_ = place.tick;
        IntrusiveList<Timer> timers;
        timers.splice_back(take(place));
        if (place.level > 0) {
            refile_all(timers);
            continue;
        }
        const Instant end_of_tick{start_of(place.tick + 1).ns - 1};
        fire_all(timers, std::min(now_, end_of_tick));
        if (place.tick == target) break; // what is left of this tick is not due yet
    }
    now_tick_ = target;
}

Instant TimerWheel::first_in(IntrusiveList<Timer>& slot, std::uint64_t tick_number) noexcept {
    // Exact for a few timers, so that a lone sleeper is woken once; else the start of the slot. The
    // current tick's start has passed, so that waiting for it would be no wait: there all are
    // looked at, as advance() does each time that it is called in vain.
    const int looked_at = tick_number <= now_tick_ ? INT_MAX : 16;
    // Lazily moved ones may lie behind the slot, where others may come first.
    Instant earliest = start_of(tick_number + 1);
    int count = 0;
    slot.for_each([&](Timer& timer) {
        if (++count <= looked_at) earliest = std::min(earliest, timer.deadline_);
    });
    return count <= looked_at ? earliest : start_of(tick_number);
}

Instant TimerWheel::next() noexcept {
    if (!due_.empty()) return due_first_;
    const Place place = first();
    if (place.level < 0) return Instant::never();
    if (place.level > 0) return start_of(place.tick);
    return first_in(levels_[0].slot[static_cast<std::size_t>(place.slot)], place.tick);
}

} // namespace hc::runtime
