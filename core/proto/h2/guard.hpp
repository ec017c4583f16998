// What a peer may do that costs it nothing and us something: counted, forgiven with time, and ended
// when it is too much.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "core/base/limits.hpp"
#include "core/base/time.hpp"

namespace hc::h2 {

/// What is counted. The first two draw on h2_resets_max, all others on h2_glitches_max.
enum class Glitch : std::uint8_t {
    reset_by_peer, // RST_STREAM (CVE-2023-44487)
    reset_by_us,   // a stream that we had to reset for what the peer did (CVE-2025-8671)
    refused,       // a stream beyond h2_streams_max
    ignored,       // HEADERS that begin no stream, frames for streams that are gone
    continuation,  // CONTINUATION
    empty,         // HEADERS, CONTINUATION or DATA with nothing in it
    settings,      // SETTINGS behind the first
    ping,          // PING that is no acknowledgement
    priority,      // PRIORITY and PRIORITY_UPDATE
    unknown,       // a frame of a type that nobody knows
    window,        // WINDOW_UPDATE that nothing sent gives reason for
    large_head,    // a head beyond header_bytes_max
    bad_field,     // a field that may not be sent: no name, upper case ...
    count_
};
constexpr std::size_t glitch_count = static_cast<std::size_t>(Glitch::count_);
constexpr std::array<const char*, glitch_count> glitch_names{
    "reset_by_peer", "reset_by_us", "refused", "ignored", "continuation", "empty",    "settings",
    "ping",          "priority",    "unknown", "window",  "large_head",   "bad_field"};

/// Tokens that come back with time.
class Bucket {
public:
    Bucket(std::uint32_t most, std::uint32_t per_second, Instant now) noexcept
        : tokens_(most * unit), most_(most * unit), per_second_(per_second), at_(now) {}
    /// False when there are none left.
    bool take(std::uint32_t n, Instant now) noexcept {
        if (now > at_) {
            const std::int64_t ms =
                std::min<std::int64_t>((now - at_).count() / 1'000'000, hour_ms);
            tokens_ = std::min(most_, tokens_ + ms * per_second_);
            if (ms > 0) at_ = now;
        }
        tokens_ -= n * unit;
        return tokens_ >= 0;
    }
    void give(std::uint32_t n) noexcept { tokens_ = std::min(most_, tokens_ + n * unit); }

private:
    static constexpr std::int64_t unit = 1000; // so that a millisecond's share is a whole number
    static constexpr std::int64_t hour_ms = 3'600'000;
    std::int64_t tokens_;
    const std::int64_t most_;
    const std::int64_t per_second_;
    Instant at_;
};

class Guard {
public:
    Guard(const ConnectionLimits& limits, Instant now) noexcept
        : glitches_(limits.h2_glitches_max, limits.h2_glitches_per_s, now),
          resets_(limits.h2_resets_max, limits.h2_resets_per_s, now) {}

    /// Counts it. From the first that is too much on, spent() is true.
    void count(Glitch what, Instant now, std::uint32_t weight = 1) noexcept {
        ++counts_[static_cast<std::size_t>(what)];
        any_ = true;
        const bool reset = what == Glitch::reset_by_peer || what == Glitch::reset_by_us;
        if (!(reset ? resets_ : glitches_).take(weight, now)) spent_ = true;
    }
    bool spent() const noexcept { return spent_; }
    /// Real work was done: one glitch beside it is no flood.
    void earn() noexcept { glitches_.give(1); }

    bool any() const noexcept { return any_; }
    /// What was counted since the last time.
    std::array<std::uint32_t, glitch_count> take_counts() noexcept {
        any_ = false;
        const auto counts = counts_;
        counts_ = {};
        return counts;
    }

private:
    Bucket glitches_;
    Bucket resets_;
    std::array<std::uint32_t, glitch_count> counts_{};
    bool any_ = false;
    bool spent_ = false;
};

} // namespace hc::h2
