// Acceptor: takes connections from one listening socket on one worker.
//
//   idle ----start----> watching <----resume---- paused        drain() leads from any of them to
//                         |   ^  ----pause--->     ^           drained, which is final
//        accept fails     |   | after a while      | pause
//                         v   |                    |
//                        starved ------------------+
//
// starved: descriptors or memory ran out. The connections that wait keep a level-triggered listener
// ready, so watching on would only spin the loop; it is let be for `retry` instead. That goes for
// every failure of accept, whatever its reason.
#pragma once

#include <cstdint>

#include "core/base/limits.hpp"
#include "core/base/log.hpp"
#include "core/net/address.hpp"
#include "core/runtime/worker.hpp"

namespace hc::net {

/// Who gets the connections.
class AcceptHandler {
public:
    /// Takes over `socket`. On the acceptor's worker; may pause or drain the acceptor, but not
    /// destroy it.
    virtual void on_accept(sys::Socket socket, const Address& peer) = 0;

protected:
    ~AcceptHandler() = default;
};

struct AcceptorOptions {
    /// Connections taken in one turn, before other sources get theirs; the rest wait for the next.
    std::uint32_t accepts_per_turn = ServerLimits{}.accepts_per_turn_max;
    /// Connections that drain() takes in at most.
    std::uint32_t drain_accepts_max = ServerLimits{}.backlog_max;
    /// Other workers watch the same socket: a connection wakes one of them, not all.
    bool shared = false;
    /// How long to let be when accept failed.
    Duration retry = std::chrono::milliseconds(100);
    /// Told of failures, once a second at most.
    LogSink log;
};

/// Lives on its worker's thread: made, used and destroyed there. The listening socket stays its
/// owner's (see ListenerSet), and must outlive this.
class Acceptor final : public runtime::Source {
public:
    Acceptor(runtime::Worker& worker, sys::Socket listener, AcceptHandler& handler,
             const AcceptorOptions& options = {});
    ~Acceptor() override;
    Acceptor(const Acceptor&) = delete;
    Acceptor& operator=(const Acceptor&) = delete;

    /// Begins to take connections. `state` when it was begun before.
    Result<void> start();
    /// Takes no more connections; they wait in the kernel's backlog, and beyond it in the network.
    void pause() noexcept;
    /// Goes on after pause(). Does nothing in any other state. When the system does not let it, it
    /// is tried again like a failed accept.
    void resume() noexcept;
    /// Takes in what has already reached the backlog, up to drain_accepts_max, then no more, for
    /// good: those clients were told that they are connected. Gives how many there were.
    std::uint32_t drain();

    bool watching() const noexcept { return state_ == State::watching; }
    bool starved() const noexcept { return state_ == State::starved; }
    bool drained() const noexcept { return state_ == State::drained; }

    void on_ready(const sys::Event& event) override;

private:
    enum class State : std::uint8_t { idle, watching, paused, starved, drained };

    struct Retry final : runtime::Timer {
        explicit Retry(Acceptor& owner) noexcept : Timer(&fire), acceptor(owner) {}
        static void fire(runtime::Timer& timer) noexcept {
            static_cast<Retry&>(timer).acceptor.watch_or_starve();
        }
        Acceptor& acceptor;
    };

    Result<void> watch();
    void leave(State next) noexcept;
    void watch_or_starve() noexcept;
    void starve() noexcept;
    std::uint32_t take(std::uint32_t limit);
    void log_failure(std::string_view why) noexcept;

    runtime::Worker& worker_;
    const sys::Socket listener_;
    AcceptHandler& handler_;
    const AcceptorOptions options_;
    Retry retry_{*this};
    Instant silent_until_{INT64_MIN}; // no line is logged before this
    State state_ = State::idle;
};

} // namespace hc::net
