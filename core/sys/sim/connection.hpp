// What the simulated network keeps of a connection.
//
// Each end of a connection is a Stream. What one end sends becomes events on the timeline that
// deliver pieces into the inbox of the other; what an end reads comes back to the sender, a latency
// later, as room. Events hold the connection, so it lives until the last of them has happened;
// sockets come and go.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/sys/sys.hpp"

namespace hc::sys::sim {

/// Bytes that arrived and were not read.
class Inbox {
public:
    bool empty() const noexcept { return taken_ == bytes_.size(); }
    void append(std::string_view bytes) { bytes_.append(bytes); }
    std::size_t take(std::span<char> into) noexcept {
        const std::size_t count = bytes_.copy(into.data(), into.size(), taken_);
        taken_ += count;
        if (taken_ * 2 >= bytes_.size()) {
            bytes_.erase(0, taken_);
            taken_ = 0;
        }
        return count;
    }

private:
    std::string bytes_;
    std::size_t taken_ = 0;
};

/// One end. connecting -> open -> dead or closed; each direction may end before that.
struct Stream {
    Socket socket = Socket::none; // none before accept and after close
    Address local;
    Address remote;
    bool connecting = false;
    bool closed = false; // its owner closed it
    bool dead = false;   // reset, refused or timed out: neither direction works any more
    int error = 0;       // reported once, by the next call

    Inbox inbox;
    bool read_ended = false; // the other side's end arrived

    std::uint64_t room = 0;   // bytes that may be sent before the peer reads
    bool held = false;        // a short send: nothing more is taken for a while
    bool wants_room = false;  // the last send took less than it was given
    bool write_ended = false; // our end was sent
    Instant last_arrival;     // nothing sent later arrives before this

    bool hung_up() const noexcept { return dead || (read_ended && write_ended); }
    bool can_send() const noexcept { return room > 0 && !held && !connecting; }
};

struct Connection : std::enable_shared_from_this<Connection> {
    std::uint64_t number = 0;   // for the trace
    std::array<Stream, 2> ends; // the one that connected, the one that is accepted
};

struct Listener {
    Address address;
    ListenOptions options;
    std::deque<std::shared_ptr<Connection>> waiting;
    std::uint32_t arriving = 0; // half-way through the handshake: they count in the backlog
};

/// A datagram that is on its way, or has arrived.
struct Packet {
    Address from;
    Address to;
    std::string bytes;
    Ecn ecn = Ecn::none;
};

struct UdpSocket {
    Socket socket = Socket::none; // none after close
    Address local;
    Address peer; // no family: not connected
    UdpOptions options;
    std::deque<Packet> inbox;
    std::size_t inbox_bytes = 0;
    std::size_t flight_bytes = 0; // sent and not yet arrived (or lost): they count as unsent
    bool wants_room = false;      // the last send took less than it was given
    int error = 0;                // nobody was there; reported once
    Instant last_arrival;
};

/// What a socket number stands for: a listener, one end of a connection, or a UDP socket.
struct SocketEntry {
    std::shared_ptr<Listener> listener;
    std::shared_ptr<Connection> connection;
    std::size_t end = 0;
    std::shared_ptr<UdpSocket> udp;
    std::function<void()> observer; // told of every change, by way of the timeline

    Stream& stream() noexcept { return connection->ends[end]; }
};

} // namespace hc::sys::sim
