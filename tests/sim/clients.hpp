// A client of a simulated server: it sends some requests in pieces of its own choice, reads when it
// likes to, and leaves in one of many ways.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/sys/sim/peer.hpp"
#include "core/sys/sim/world.hpp"
#include "tests/sim/answers.hpp"
#include "tests/sim/dice.hpp"
#include "tests/sim/plan.hpp"

namespace hc::simtest {

/// It lives until the world stands still.
class Client {
public:
    /// How it is made. A well one does all that it should, and so is owed all of its answers.
    enum class Manner : std::uint8_t { well, stalls, leaves, resets, half_closes };

    Client(sys::sim::World& world, const sys::Address& server, std::uint64_t seed,
           const Excuses& excuses, Report& report, std::string prefix);

    /// Nothing more comes of it: the connection is over, or it stalled for good.
    bool done() const noexcept { return done_; }
    /// A client that stalls is not done before the server gave up.
    void check();
    /// For a person who looks for a mistake.
    std::string state() const;

private:
    using Instant = hc::Instant;
    void act();
    void act_after(Duration delay);
    void read();
    bool send_some();
    void send_tunnel();
    void leave();
    bool may_send();
    void finish();
    std::size_t owed() const;

    sys::sim::World& world_;
    const Excuses& excuses_;
    Report& report_;
    Dice dice_;
    Manner manner_;
    std::vector<Plan> plans_;
    std::vector<std::size_t> begins_; // of each request in bytes_
    std::vector<std::size_t> heads_;  // where each request's body begins
    std::string prefix_;              // a PROXY header
    std::string bytes_;
    std::size_t sent_ = 0;
    std::size_t leave_at_ = SIZE_MAX;
    std::uint64_t tunnel_sent_ = 0;
    bool pipelines_ = false;
    bool pauses_ = false;
    bool waits_for_continue_ = false;
    bool left_ = false;
    bool done_ = false;
    std::uint16_t port_ = 0;
    Duration pace_{};
    std::uint64_t piece_max_ = 0;
    Instant waits_since_;
    std::unique_ptr<Answers> answers_;
    std::unique_ptr<sys::sim::Peer> peer_;
};

} // namespace hc::simtest
