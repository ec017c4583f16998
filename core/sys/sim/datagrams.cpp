// Datagrams and names in the simulated network.
#include <algorithm>
#include <cerrno>

#include "core/sys/sim/addresses.hpp"
#include "core/sys/sim/network.hpp"
#include "core/sys/sim/trace.hpp"

namespace hc::sys::sim {

namespace {

using Family = Address::Family;

constexpr Io failed(int code) noexcept { return {.status = Io::Status::failed, .code = code}; }

bool takes_v4(const UdpSocket& socket) noexcept {
    return socket.local.family == Family::v6 && is_wildcard(socket.local) &&
           !socket.options.only_v6;
}

/// How well a socket fits a datagram: 0 not at all, more the more exactly it names the addresses.
/// Both addresses are as they are on the way: never mapped.
int fit(const UdpSocket& socket, const Address& to, const Address& from) noexcept {
    const Address& at = socket.local;
    if (at.port != to.port) return 0;
    if (socket.peer.family != Family::none && socket.peer.unmapped() != from) return 0;
    const int connected = socket.peer.family != Family::none ? 4 : 0;
    if (at.family != to.family) {
        return to.family == Family::v4 && takes_v4(socket) ? 1 + connected : 0;
    }
    if (at.ip == to.ip) return 3 + connected;
    return is_wildcard(at) ? 2 + connected : 0;
}

bool overlap(const UdpSocket& a, const UdpSocket& b) noexcept {
    if (a.local.port != b.local.port) return false;
    if (a.local.family != b.local.family) return takes_v4(a) || takes_v4(b);
    return a.local.ip == b.local.ip || is_wildcard(a.local) || is_wildcard(b.local);
}

/// The address that a datagram leaves from: the one asked for, the socket's own, or the machine's.
Address source_of(const UdpSocket& socket, const Address* asked, const Address& to) noexcept {
    Address out = asked != nullptr ? asked->unmapped() : socket.local.unmapped();
    if (out.family != to.family || is_wildcard(out)) out = loopback(to.family);
    out.port = socket.local.port;
    return out;
}

Address without_port(Address address) noexcept {
    address.port = 0;
    return address;
}

} // namespace

// -- making --------------------------------------------------------------------------------------

Result<Socket> Network::bind_udp(const Address& address, const UdpOptions& options) {
    if (address.family != Family::v4 && address.family != Family::v6) {
        return fail(ErrorKind::invalid, address.to_string() + " is not a UDP address");
    }
    auto made = std::make_shared<UdpSocket>();
    made->local = address;
    made->options = options;
    if (address.port == 0) made->local.port = draw_port();
    const bool taken = std::ranges::any_of(udp_sockets_, [&](const SharedUdp& each) {
        return overlap(*each, *made) && !(options.reuse_port && each->options.reuse_port);
    });
    if (taken || full()) {
        return fail(system_error(taken ? EADDRINUSE : EMFILE, "binding to " + address.to_string()));
    }
    udp_sockets_.push_back(made);
    SocketEntry entry;
    entry.udp = made;
    made->socket = add(std::move(entry));
    return made->socket;
}

Result<void> Network::connect_udp(Socket socket, const Address& peer) {
    if (peer.family == Family::none) {
        return fail(ErrorKind::invalid, "an address of no family to connect to");
    }
    const SocketEntry* entry = find(socket);
    if (entry == nullptr || !entry->udp) return fail(system_error(EBADF, "connecting"));
    entry->udp->peer = peer;
    return {};
}

// -- sending -------------------------------------------------------------------------------------

Io Network::send_udp(Socket socket, std::span<DatagramsOut> messages) {
    const SocketEntry* entry = find(socket);
    if (entry == nullptr) return failed(EBADF);
    if (!entry->udp) return failed(EOPNOTSUPP);
    const SharedUdp udp = entry->udp;
    if (udp->error != 0) return failed(std::exchange(udp->error, 0));
    std::size_t done = 0;
    bool any = false;
    udp->wants_room = false;
    for (DatagramsOut& message : messages) {
        do {
            const std::size_t each = message.segment_bytes;
            const std::string_view part = message.bytes.substr(0, each == 0 ? SIZE_MAX : each);
            const Io sent = send_part(udp, message, part);
            if (!sent.ok()) return any ? Io{.bytes = done} : sent;
            any = true;
            message.bytes.remove_prefix(part.size());
        } while (!message.bytes.empty());
        ++done;
    }
    return {.bytes = done};
}

Io Network::send_part(const SharedUdp& socket, const DatagramsOut& message, std::string_view part) {
    Address to = message.to != nullptr ? *message.to : socket->peer;
    if (to.family == Family::none) return failed(EDESTADDRREQ);
    to = to.unmapped();
    const bool v4_socket = socket->local.family == Family::v4;
    if (v4_socket != (to.family == Family::v4) && !takes_v4(*socket)) return failed(EAFNOSUPPORT);
    if (part.size() > datagram_bytes_max) return failed(EMSGSIZE);
    if (!udp_has_room(*socket)) {
        socket->wants_room = true;
        return {.status = Io::Status::would_block};
    }
    transmit(socket, {.from = source_of(*socket, message.from, to),
                      .to = to,
                      .bytes = std::string(part),
                      .ecn = message.ecn});
    return {};
}

void Network::transmit(const SharedUdp& socket, Packet packet) {
    const std::size_t size = packet.bytes.size();
    socket->flight_bytes += size;
    const Instant soon = timeline_.now() + latency();
    if (chance(options_.datagram_losses_per_million)) {
        trace(packet, "is lost");
        timeline_.plan(soon, [this, socket, size] { land(*socket, size); });
        return;
    }
    Instant at = soon;
    if (chance(options_.datagram_delays_per_million)) {
        at = at + between(Duration{0}, options_.datagram_delay_max);
        trace(packet, "is late");
    } else {
        at = socket->last_arrival = std::max(socket->last_arrival, at);
    }
    if (chance(options_.datagram_duplicates_per_million)) {
        trace(packet, "goes twice");
        timeline_.plan(at + latency(), [this, packet] { arrive(packet); });
    }
    timeline_.plan(at, [this, socket, packet = std::move(packet), size] {
        land(*socket, size);
        if (!arrive(packet)) bounce(socket);
    });
}

/// No longer on its way. An edge is reported only to those who ran out of room.
void Network::land(UdpSocket& socket, std::size_t bytes) {
    socket.flight_bytes -= bytes;
    if (!socket.wants_room || !udp_has_room(socket)) return;
    socket.wants_room = false;
    changed(socket.socket);
}

/// Nobody was there; a connected socket is told.
void Network::bounce(const SharedUdp& socket) {
    if (socket->peer.family == Family::none) return;
    timeline_.plan(timeline_.now() + latency(), [this, socket] {
        socket->error = ECONNREFUSED;
        changed(socket->socket);
    });
}

/// Of the sockets that name the address best, one by lot, as SO_REUSEPORT does.
Network::SharedUdp Network::udp_for(const Address& to, const Address& from) {
    std::vector<SharedUdp> best;
    int best_fit = 1;
    for (const SharedUdp& socket : udp_sockets_) {
        const int how = fit(*socket, to, from);
        if (how > best_fit) best.clear();
        if (how >= best_fit) best.push_back(socket);
        best_fit = std::max(best_fit, how);
    }
    return best.empty() ? nullptr : best[best.size() == 1 ? 0 : random_.below(best.size())];
}

/// False when nobody is there.
bool Network::arrive(const Packet& packet) {
    const SharedUdp socket = udp_for(packet.to, packet.from);
    if (!socket) return false;
    if (socket->inbox_bytes + packet.bytes.size() > options_.datagram_inbox_bytes_max) {
        trace(packet, "finds no room");
        return true;
    }
    trace(packet, "arrives");
    socket->inbox_bytes += packet.bytes.size();
    socket->inbox.push_back(packet);
    Packet& arrived = socket->inbox.back();
    if (socket->local.family == Family::v6 && arrived.to.family == Family::v4) {
        arrived.to = mapped(arrived.to);
        arrived.from = mapped(arrived.from);
    }
    changed(socket->socket);
    return true;
}

// -- receiving -----------------------------------------------------------------------------------

Io Network::recv_udp(Socket socket, std::span<DatagramsIn> messages) {
    const SocketEntry* entry = find(socket);
    if (entry == nullptr) return failed(EBADF);
    if (!entry->udp) return failed(EOPNOTSUPP);
    if (messages.empty()) return {};
    UdpSocket& udp = *entry->udp;
    if (udp.error != 0) return failed(std::exchange(udp.error, 0));
    std::size_t filled = 0;
    while (filled < messages.size() && !udp.inbox.empty()) receive(udp, messages[filled++]);
    if (filled == 0) return {.status = Io::Status::would_block};
    return {.bytes = filled};
}

/// One datagram, or as many as make a train where that is wanted.
void Network::receive(UdpSocket& socket, DatagramsIn& out) {
    const Packet first = std::move(socket.inbox.front());
    socket.inbox.pop_front();
    socket.inbox_bytes -= first.bytes.size();
    out.bytes = first.bytes.copy(out.into.data(), out.into.size());
    out.segment_bytes = static_cast<std::uint32_t>(out.bytes);
    out.truncated = out.bytes < first.bytes.size();
    out.ecn = first.ecn;
    out.from = first.from;
    out.to = without_port(first.to);
    if (!socket.options.coalesce || out.truncated || out.bytes == 0) return;
    std::size_t last = out.bytes;
    while (!socket.inbox.empty() && last == out.segment_bytes) {
        const Packet& next = socket.inbox.front();
        last = next.bytes.size();
        const bool same = next.from == first.from && next.to == first.to && next.ecn == first.ecn;
        if (!same || last == 0 || last > out.segment_bytes || out.bytes + last > out.into.size()) {
            return;
        }
        next.bytes.copy(out.into.data() + out.bytes, last);
        out.bytes += last;
        socket.inbox_bytes -= last;
        socket.inbox.pop_front();
    }
}

// -- names ---------------------------------------------------------------------------------------

Result<std::vector<Address>> Network::lookup(std::string_view host, std::uint16_t port) {
    if (auto literal = Address::ip_port(host, port)) return std::vector{*literal};
    std::vector<Address> out;
    if (const auto found = names_.find(host); found != names_.end()) {
        out = found->second;
    } else if (host == "localhost") {
        out = {loopback(Family::v6), loopback(Family::v4)};
    }
    if (out.empty()) {
        return fail(ErrorKind::not_found, "looking up " + std::string(host) + ": no such host");
    }
    for (Address& address : out) address.port = port;
    return out;
}

} // namespace hc::sys::sim
