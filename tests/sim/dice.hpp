// Draws of a simulation. Everything random in a run comes from one of these, seeded by the run.
#pragma once

#include <chrono>
#include <cstdint>

#include "core/base/random.hpp"
#include "core/base/time.hpp"

namespace hc::simtest {

class Dice {
public:
    explicit Dice(std::uint64_t seed) noexcept : random_(seed) {}
    std::uint64_t next() noexcept { return random_.next(); }
    std::uint64_t below(std::uint64_t bound) noexcept { return random_.below(bound); }
    /// Both ends included.
    std::uint64_t between(std::uint64_t low, std::uint64_t high) noexcept {
        return low + below(high - low + 1);
    }
    bool chance(std::uint64_t percent) noexcept { return below(100) < percent; }
    /// Below `bound`; small ones are as likely as large ones.
    std::uint64_t size(std::uint64_t bound) noexcept {
        std::uint64_t limit = 1;
        for (std::uint64_t steps = below(32); steps > 0 && limit < bound; --steps) limit *= 2;
        return below(limit < bound ? limit : bound);
    }
    Duration time(Duration most) noexcept {
        return Duration{
            static_cast<std::int64_t>(below(static_cast<std::uint64_t>(most.count()) + 1))};
    }

private:
    Random random_;
};

} // namespace hc::simtest
