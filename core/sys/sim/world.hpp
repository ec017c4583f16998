// A simulated world: a System whose network and clock are in memory and follow a seed.
//
//     sim::World world(seed, sim::Options::hostile());
//     auto selector = world.make_selector();      // or a runtime made on `world`
//     auto peer = sim::Peer::connect(world, address);
//
// One thread (only Selector::wake may come from another). Time passes in two ways: a `select` that
// has nothing to report jumps to the next thing that happens or to its timeout, whichever is first;
// and a test that turns several selectors in turn, each with a timeout of zero, moves time itself
// by `advance`, `step` or `run_until`. A `select` that may wait takes Options::turn_cost at least.
// One without a timeout, in a world where nothing more can happen, answers `deadlock` in place of
// waiting for ever.
//
// To reproduce a failure, run the same test with the same seed and a trace.
#pragma once

#include <functional>
#include <string>

#include "core/sys/sim/clock.hpp"
#include "core/sys/sim/network.hpp"
#include "core/sys/sim/options.hpp"

namespace hc::sys::sim {

class World final : public System {
public:
    explicit World(std::uint64_t seed, Options options = {});
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    Result<std::unique_ptr<Selector>> make_selector() override;
    Sockets& sockets() noexcept override { return network_; }
    Clock& clock() noexcept override { return clock_; }
    Result<void> entropy(std::span<std::byte> out) override;
    unsigned processors() const noexcept override { return options_.processors; }
    std::string_view name() const noexcept override { return "sim"; }

    // -- time ---------------------------------------------------------------------------
    Instant now() const noexcept { return timeline_.now(); }
    /// When the next thing happens; never() when nothing is planned.
    Instant next() const noexcept { return timeline_.next(); }
    void advance(Duration by) { timeline_.advance_to(timeline_.now() + by); }
    /// To the next thing that happens; false when nothing is planned.
    bool step();
    /// Steps until `done` says so. False when it did not within `limit`, or nothing was left to
    /// happen. `done` may turn workers or selectors as it looks.
    bool run_until(const std::function<bool()>& done, Duration limit = std::chrono::hours(1));
    /// Something that is to happen at a time: a peer that speaks late, a worker that stops.
    void at(Instant when, Timeline::Happening happening) {
        timeline_.plan(when, std::move(happening));
    }

    // -- what is in it ------------------------------------------------------------------
    /// May be changed at any time; connections keep the windows they were made with.
    Options& options() noexcept { return options_; }
    Network& network() noexcept { return network_; }
    /// A file for `send_file`; gives its number.
    std::intptr_t add_file(std::string content) { return network_.add_file(std::move(content)); }
    /// A host that `lookup` finds; the ports of the addresses do not count.
    void add_name(std::string host, std::vector<Address> addresses) {
        network_.add_name(std::move(host), std::move(addresses));
    }

private:
    Options options_;
    Timeline timeline_;
    SimClock clock_;
    // Each use of chance has a sequence of its own, so that one more draw in one of them does not
    // change what the others do.
    Random seeds_;
    Random entropy_;
    Network network_;
};

} // namespace hc::sys::sim
