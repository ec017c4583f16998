// Time values. Nothing in this file reads a clock: the loop does, once a turn, and passes it on.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>

namespace hc {

using Duration = std::chrono::nanoseconds;

/// A point on a monotonic clock whose zero means nothing. `Instant::never()` is after all others.
struct Instant {
    std::int64_t ns = 0;

    static constexpr Instant never() noexcept { return {INT64_MAX}; }
    constexpr bool is_never() const noexcept { return ns == INT64_MAX; }

    friend constexpr auto operator<=>(Instant, Instant) = default;
    /// Never stays never; what goes beyond the clock's range stops at its end.
    friend constexpr Instant operator+(Instant at, Duration d) noexcept {
        if (at.is_never()) return never();
        std::int64_t sum = 0;
        if (!__builtin_add_overflow(at.ns, d.count(), &sum)) return {sum};
        return d.count() > 0 ? never() : Instant{INT64_MIN};
    }
    friend constexpr Duration operator-(Instant a, Instant b) noexcept {
        std::int64_t difference = 0;
        if (!__builtin_sub_overflow(a.ns, b.ns, &difference)) return Duration{difference};
        return Duration{a.ns > b.ns ? INT64_MAX : INT64_MIN};
    }
};

/// Seconds and nanoseconds since 1970-01-01 UTC, for `Date` and log lines only.
struct WallTime {
    std::int64_t seconds = 0;
    std::uint32_t nanos = 0;
};

constexpr Duration milliseconds(std::uint64_t ms) noexcept {
    return ms > static_cast<std::uint64_t>(INT64_MAX) / 1'000'000
               ? Duration{INT64_MAX}
               : Duration{static_cast<std::int64_t>(ms) * 1'000'000};
}

} // namespace hc
