// A small pseudo-random generator. Seeded by the system's entropy in service and by a number in
// tests; never a source of secrets.
#pragma once

#include <cstdint>

namespace hc {

/// SplitMix64: one addition, three xor-shift-multiplies; every seed gives a full-period sequence.
class Random {
public:
    explicit constexpr Random(std::uint64_t seed) noexcept : state_(seed) {}

    constexpr std::uint64_t next() noexcept {
        std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
        return z ^ (z >> 31);
    }
    /// Uniform enough below `bound` for scheduling and tests; `bound` must not be 0.
    constexpr std::uint64_t below(std::uint64_t bound) noexcept { return next() % bound; }

private:
    std::uint64_t state_;
};

} // namespace hc
