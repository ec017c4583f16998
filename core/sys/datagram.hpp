// Datagrams: what goes with their bytes, and how batches of them are handed over.
//
// A *train* is several datagrams between the same two addresses in one piece of memory: all are
// `segment_bytes` long, but for the last, which may be shorter. A system that can (Linux: UDP
// segmentation and receive offload) sends and receives a train for the price of one datagram;
// another sends them one by one. Callers need not know.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/sys/address.hpp"

namespace hc::sys {

/// Explicit congestion notification (RFC 3168), as the bits on the wire.
enum class Ecn : std::uint8_t { none = 0, ect1 = 1, ect0 = 2, ce = 3 };

struct UdpOptions {
    bool reuse_port = false; // several sockets share the address, the kernel spreads datagrams
    bool only_v6 = false;    // otherwise a socket on [::] also takes IPv4: dual stack
    /// Receives trains where the system can. Give each DatagramsIn 64 KiB of room then: a train
    /// that is longer than the room for it is cut off.
    bool coalesce = false;
    bool dont_fragment = false;             // too long for the path is lost or refused (EMSGSIZE)
    std::uint32_t receive_buffer_bytes = 0; // asked of the system; 0 leaves it
    std::uint32_t send_buffer_bytes = 0;
};

/// The most that one datagram may carry over IPv4; more is refused with EMSGSIZE.
inline constexpr std::size_t datagram_bytes_max = 65'507;

/// A datagram to send, or a train.
struct DatagramsOut {
    std::string_view bytes;
    const Address* to = nullptr;     // nullptr: the one it is connected to
    const Address* from = nullptr;   // nullptr: the system chooses; the port does not count
    std::uint32_t segment_bytes = 0; // of each datagram of a train; 0: one datagram
    Ecn ecn = Ecn::none;
};

/// Room for a datagram or a train, and what was received into it.
struct DatagramsIn {
    std::span<char> into;
    std::size_t bytes = 0;
    std::uint32_t segment_bytes = 0; // of each but the last: `bytes`, unless it is a train
    Ecn ecn = Ecn::none;
    bool truncated = false; // there was more than room; the rest is lost
    Address from;
    Address to; // which of our addresses it was sent to, without a port; no family: not known
};

} // namespace hc::sys
