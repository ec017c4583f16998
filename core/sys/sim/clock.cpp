#include "core/sys/sim/clock.hpp"

#include <algorithm>

namespace hc::sys::sim {

void Timeline::plan(Instant at, Happening happening) {
    plan_.emplace(std::pair(std::max(at, now_), planned_++), std::move(happening));
}

Instant Timeline::next() const noexcept {
    return plan_.empty() ? Instant::never() : plan_.begin()->first.first;
}

void Timeline::advance_to(Instant to) {
    while (!plan_.empty() && plan_.begin()->first.first <= to) {
        auto due = plan_.extract(plan_.begin()); // it may plan more, or advance the clock itself
        now_ = std::max(now_, due.key().first);
        due.mapped()();
    }
    now_ = std::max(now_, to);
}

WallTime SimClock::wall() noexcept {
    constexpr std::int64_t year_2024 = 1'704'067'200;
    const std::int64_t ns = timeline_.now().ns;
    return {.seconds = year_2024 + ns / 1'000'000'000,
            .nanos = static_cast<std::uint32_t>(ns % 1'000'000'000)};
}

} // namespace hc::sys::sim
