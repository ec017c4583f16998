#include "core/sys/sim/world.hpp"

#include <algorithm>

#include "core/sys/sim/selector.hpp"

namespace hc::sys::sim {

World::World(std::uint64_t seed, Options options)
    : options_(std::move(options)), clock_(timeline_), seeds_(seed), entropy_(seeds_.next()),
      network_(timeline_, options_, seeds_.next()) {
    options_.window_bytes_min = std::max(options_.window_bytes_min, 1U);
    options_.window_bytes_max = std::max(options_.window_bytes_max, options_.window_bytes_min);
}

Result<std::unique_ptr<Selector>> World::make_selector() {
    return std::make_unique<SimSelector>(timeline_, network_, options_, seeds_.next());
}

Result<void> World::entropy(std::span<std::byte> out) {
    for (std::byte& byte : out) byte = static_cast<std::byte>(entropy_.next() >> 56);
    return {};
}

bool World::step() {
    const Instant next = timeline_.next();
    if (next.is_never()) return false;
    timeline_.advance_to(next);
    return true;
}

bool World::run_until(const std::function<bool()>& done, Duration limit) {
    const Instant end = timeline_.now() + limit;
    while (!done()) {
        if (timeline_.next() > end || !step()) return done();
    }
    return true;
}

} // namespace hc::sys::sim
