// Virtual time, and what is to happen in it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "core/sys/sys.hpp"

namespace hc::sys::sim {

/// A clock that stands still until it is advanced, and the events that advancing runs into. Events
/// of one instant happen in the order in which they were planned. One thread.
class Timeline {
public:
    using Happening = std::move_only_function<void()>;

    Instant now() const noexcept { return now_; }
    /// Plans something; what is planned for the past happens now.
    void plan(Instant at, Happening happening);
    /// When the next thing happens; never() when nothing is planned.
    Instant next() const noexcept;
    /// Lets everything up to `to` happen, each at its time, then sets the clock to `to`.
    void advance_to(Instant to);

private:
    // Not zero, so that code which takes zero for "unset" is caught.
    Instant now_{1'000'000'000};
    std::uint64_t planned_ = 0;
    std::map<std::pair<Instant, std::uint64_t>, Happening> plan_;
};

class SimClock final : public Clock {
public:
    explicit SimClock(const Timeline& timeline) noexcept : timeline_(timeline) {}
    Instant now() noexcept override { return timeline_.now(); }
    /// Begins on 2024-01-01 and goes on with virtual time.
    WallTime wall() noexcept override;

private:
    const Timeline& timeline_;
};

} // namespace hc::sys::sim
