// How a simulated world behaves. Every draw within these bounds comes from the world's seed.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "core/base/time.hpp"

namespace hc::sys::sim {

/// Called with each thing that happens, in order; equal seeds and equal calls give equal lines.
using Trace = std::function<void(Instant at, std::string_view line)>;

struct Options {
    /// One way, drawn for each piece; pieces of one direction keep their order.
    Duration latency_min = std::chrono::microseconds(50);
    Duration latency_max = std::chrono::milliseconds(1);
    /// What is sent arrives in pieces of 1 to so many bytes, small ones as likely as large ones;
    /// 0: in the pieces it was sent in.
    std::uint32_t piece_bytes_max = 0;
    /// Bytes that a direction holds, on their way and unread, before `send` takes no more. Drawn
    /// for each direction.
    std::uint32_t window_bytes_min = 64 * 1024;
    std::uint32_t window_bytes_max = 256 * 1024;
    /// How often, in a million sends, one takes less than there is room for, and nothing more for
    /// a while.
    std::uint32_t short_sends_per_million = 0;
    /// How often, in a million pieces, the connection is reset (at both ends) in place of one.
    std::uint32_t resets_per_million = 0;
    /// How often, in a million pieces, one (and all behind it) is late by this much.
    std::uint32_t stalls_per_million = 0;
    Duration stall_min = std::chrono::milliseconds(10);
    Duration stall_max = std::chrono::seconds(10);
    /// Of a million datagrams, so many are lost, arrive twice, or are late by up to
    /// datagram_delay_max, so that later ones overtake them.
    std::uint32_t datagram_losses_per_million = 0;
    std::uint32_t datagram_duplicates_per_million = 0;
    std::uint32_t datagram_delays_per_million = 0;
    Duration datagram_delay_max = std::chrono::milliseconds(20);
    /// Bytes that a UDP socket holds unread; what arrives beyond is lost.
    std::uint32_t datagram_inbox_bytes_max = 208 * 1024;
    /// Bytes of a UDP socket that are on their way before `send_udp` takes no more.
    std::uint32_t datagram_flight_bytes_max = 208 * 1024;
    /// Sockets open at once; beyond it `accept`, `connect` and `listen` answer EMFILE. A test may
    /// change it as it goes (World::options).
    std::uint32_t sockets_max = 1'000'000;
    /// What a `select` that may wait takes at least, so that a loop which is kept busy by something
    /// ready still sees time pass.
    Duration turn_cost = std::chrono::microseconds(1);
    unsigned processors = 1;
    Trace trace;

    /// Small windows, small pieces, short sends and stalls, everything but resets.
    static Options hostile() {
        Options out;
        out.latency_max = std::chrono::milliseconds(5);
        out.piece_bytes_max = 1024;
        out.window_bytes_min = 1;
        out.window_bytes_max = 8 * 1024;
        out.short_sends_per_million = 200'000;
        out.stalls_per_million = 10'000;
        return out;
    }
};

} // namespace hc::sys::sim
