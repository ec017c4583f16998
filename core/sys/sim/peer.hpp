// A scripted peer in a simulated world: the other side of a connection under test. It moves by
// itself as the world does: reads what arrives, sends what is queued. It ends before its world.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/sys/sim/world.hpp"

namespace hc::sys::sim {

class Peer {
public:
    /// Starts to connect, from `from` when it is given (its port 0: one is drawn).
    static Result<std::unique_ptr<Peer>> connect(World& world, const Address& to,
                                                 std::optional<Address> from = std::nullopt);
    /// Takes over a connected or connecting socket: one that a test's own listener accepted, say.
    Peer(World& world, Socket socket);
    /// Closes what is still open.
    ~Peer();
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;

    /// Queues bytes; they are sent as soon as the connection takes them.
    void send(std::string_view bytes);
    /// All that arrived and was not taken.
    const std::string& received() const noexcept { return received_; }
    std::string take_received() { return std::exchange(received_, {}); }
    /// A peer that does not read: what is sent to it fills the window.
    void pause_reading() noexcept { reading_ = false; }
    void resume_reading();
    /// Ends our side once all that was queued is sent.
    void shutdown_write();
    /// At once; what is still queued is dropped.
    void close();
    void reset();

    bool connected() const noexcept { return connected_; }
    bool ended() const noexcept { return ended_; } // the other side ended in order
    int error() const noexcept { return error_; }  // errno of a failed connection, else 0
    bool over() const noexcept { return ended_ || error_ != 0 || socket_ == Socket::none; }
    std::size_t unsent() const noexcept { return queue_.size(); }
    Socket socket() const noexcept { return socket_; }

private:
    void pump();
    void pump_in();
    void pump_out();

    World& world_;
    Socket socket_;
    std::string received_;
    std::string queue_;
    bool reading_ = true;
    bool connected_ = false;
    bool ended_ = false;
    bool end_wanted_ = false;
    int error_ = 0;
};

} // namespace hc::sys::sim
