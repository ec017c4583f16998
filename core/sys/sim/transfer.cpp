// Bytes, ends and resets on simulated connections.
#include <algorithm>
#include <cerrno>

#include "core/sys/sim/network.hpp"
#include "core/sys/sim/trace.hpp"

namespace hc::sys::sim {

namespace {
constexpr Io failed(int code) noexcept { return {.status = Io::Status::failed, .code = code}; }
constexpr Io would_block{.bytes = 0, .status = Io::Status::would_block};
} // namespace

// -- draws ------------------------------------------------------------------------------

Duration Network::between(Duration low, Duration high) noexcept {
    const auto spread = static_cast<std::uint64_t>(std::max<std::int64_t>((high - low).count(), 0));
    return low + Duration{static_cast<std::int64_t>(random_.below(spread + 1))};
}

/// Never zero: an answer comes after its question.
Duration Network::latency() noexcept {
    return std::max(between(options_.latency_min, options_.latency_max), Duration{1});
}

/// The bound of each draw is a random power of two, so that single bytes are not rare.
std::size_t Network::draw_piece(std::size_t left) noexcept {
    if (options_.piece_bytes_max == 0) return left;
    std::uint64_t bound = 1;
    const std::uint64_t steps = random_.below(33);
    for (std::uint64_t i = 0; i < steps && bound < options_.piece_bytes_max; ++i) bound *= 2;
    bound = std::min<std::uint64_t>(bound, options_.piece_bytes_max);
    return std::min<std::size_t>(left, 1 + random_.below(bound));
}

/// When what `from` sends now arrives.
Instant Network::next_arrival(Stream& from) {
    Duration way = latency();
    if (chance(options_.stalls_per_million)) way += between(options_.stall_min, options_.stall_max);
    from.last_arrival = std::max(from.last_arrival, timeline_.now() + way);
    return from.last_arrival;
}

// -- sending ----------------------------------------------------------------------------

Io Network::send(Socket socket, std::span<const ConstBuffer> pieces) {
    SocketEntry* entry = find(socket);
    if (entry == nullptr) return failed(EBADF);
    if (!entry->connection) return failed(ENOTCONN);
    Stream& stream = entry->stream();
    std::size_t total = 0;
    for (const ConstBuffer& piece : pieces) total += piece.size;
    if (total == 0) return {};
    if (stream.error != 0) return failed(std::exchange(stream.error, 0));
    if (stream.dead || stream.write_ended) return failed(EPIPE);
    if (!stream.can_send()) {
        stream.wants_room = true;
        return would_block;
    }
    std::size_t taken = std::min<std::size_t>(total, stream.room);
    if (chance(options_.short_sends_per_million)) {
        taken = 1 + random_.below(taken);
        stream.held = true;
        timeline_.plan(timeline_.now() + latency(),
                       [this, connection = entry->connection, end = entry->end] {
                           connection->ends[end].held = false;
                           give_room(*connection, end, 0);
                       });
    }
    stream.room -= taken;
    stream.wants_room = taken < total;
    std::string bytes;
    bytes.reserve(taken);
    for (const ConstBuffer& piece : pieces) {
        bytes.append(piece.data, std::min(piece.size, taken - bytes.size()));
    }
    transmit(entry->connection, entry->end, std::move(bytes));
    return {.bytes = taken};
}

void Network::transmit(const Shared& connection, std::size_t from, std::string bytes) {
    trace(*connection, name_of_end(from), " sends ", bytes.size());
    std::string_view left = bytes;
    while (!left.empty()) {
        const std::string_view piece = left.substr(0, draw_piece(left.size()));
        left.remove_prefix(piece.size());
        const Instant at = next_arrival(connection->ends[from]);
        if (chance(options_.resets_per_million)) {
            timeline_.plan(at, [this, connection] {
                trace(*connection, "is reset by the network");
                break_(*connection, 0, ECONNRESET);
                break_(*connection, 1, ECONNRESET);
            });
            return; // the rest never arrives
        }
        timeline_.plan(at, [this, connection, to = 1 - from, copy = std::string(piece)] {
            deliver(*connection, to, copy);
        });
    }
}

void Network::deliver(Connection& connection, std::size_t to, std::string_view bytes) {
    Stream& stream = connection.ends[to];
    if (stream.dead) return;
    if (stream.closed) {
        // Nobody is there to read them: the answer is a reset.
        timeline_.plan(timeline_.now() + latency(), [this, shared = connection.shared_from_this(),
                                                     to] { break_(*shared, 1 - to, ECONNRESET); });
        return;
    }
    stream.inbox.append(bytes);
    trace(connection, name_of_end(to), " gets ", bytes.size());
    changed(stream.socket);
}

Io Network::send_file(Socket socket, std::intptr_t file, std::uint64_t offset,
                      std::uint64_t bytes) {
    if (bytes == 0) return {};
    const auto at = files_.find(file);
    if (at == files_.end()) return failed(EBADF);
    const std::string& content = at->second;
    if (offset >= content.size()) return {.status = Io::Status::end};
    const std::size_t count = std::min<std::size_t>(bytes, content.size() - offset);
    const ConstBuffer piece{content.data() + offset, count};
    return send(socket, {&piece, 1});
}

Io Network::read_file(std::intptr_t file, std::uint64_t offset, std::span<char> into) {
    if (into.empty()) return {};
    const auto at = files_.find(file);
    if (at == files_.end()) return failed(EBADF);
    if (offset >= at->second.size()) return {.status = Io::Status::end};
    return {.bytes = at->second.copy(into.data(), into.size(), offset)};
}

// -- receiving --------------------------------------------------------------------------

Io Network::recv(Socket socket, std::span<char> into) {
    SocketEntry* entry = find(socket);
    if (entry == nullptr) return failed(EBADF);
    if (!entry->connection) return failed(ENOTCONN);
    if (into.empty()) return {};
    Stream& stream = entry->stream();
    if (!stream.inbox.empty()) {
        const std::size_t count = stream.inbox.take(into);
        timeline_.plan(timeline_.now() + latency(),
                       [this, connection = entry->connection, to = 1 - entry->end, count] {
                           give_room(*connection, to, count);
                       });
        return {.bytes = count};
    }
    if (stream.error != 0) return failed(std::exchange(stream.error, 0));
    if (stream.read_ended || stream.dead) return {.status = Io::Status::end};
    return would_block;
}

/// The peer of `to` has read `bytes`, or a short send is over. An edge is reported only to those
/// who ran out of room.
void Network::give_room(Connection& connection, std::size_t to, std::size_t bytes) {
    Stream& stream = connection.ends[to];
    const bool ran_out = stream.wants_room || stream.room == 0;
    stream.room += bytes;
    if (!ran_out || !stream.can_send() || stream.dead || stream.write_ended) return;
    stream.wants_room = false;
    changed(stream.socket);
}

// -- ends -------------------------------------------------------------------------------

Result<void> Network::connect_result(Socket socket) {
    Stream* stream = find_stream(socket);
    if (stream == nullptr) return fail(system_error(EBADF, "connecting"));
    if (stream->error != 0) {
        return fail(system_error(std::exchange(stream->error, 0), "connecting"));
    }
    if (stream->dead) return fail(system_error(ENOTCONN, "connecting"));
    if (stream->connecting) return fail(ErrorKind::again, "the connection is not there yet");
    return {};
}

/// The connection is over for one end, with `code` for its owner.
void Network::break_(Connection& connection, std::size_t end, int code) {
    Stream& stream = connection.ends[end];
    if (stream.dead || stream.closed) return;
    stream.dead = true;
    stream.connecting = false;
    // A reset that follows an orderly end can only be an answer to what we sent: a broken pipe.
    stream.error = code == ECONNRESET && stream.read_ended ? EPIPE : code;
    trace(connection, name_of_end(end), " fails with ", stream.error);
    changed(stream.socket);
}

void Network::end_write(const Shared& connection, std::size_t from) {
    Stream& stream = connection->ends[from];
    if (stream.write_ended || stream.dead || stream.connecting) return;
    stream.write_ended = true;
    trace(*connection, name_of_end(from), " ends");
    timeline_.plan(next_arrival(stream), [this, connection, to = 1 - from] {
        Stream& other = connection->ends[to];
        if (other.dead) return;
        other.read_ended = true;
        trace(*connection, name_of_end(to), " gets the end");
        changed(other.socket);
    });
    if (stream.hung_up()) changed(stream.socket);
}

/// A reset waits for nothing: it may overtake bytes, which are lost then.
void Network::send_reset(const Shared& connection, std::size_t to) {
    timeline_.plan(timeline_.now() + latency(),
                   [this, connection, to] { break_(*connection, to, ECONNRESET); });
}

void Network::shutdown_write(Socket socket) noexcept {
    const SocketEntry* entry = find(socket);
    if (entry != nullptr && entry->connection) end_write(entry->connection, entry->end);
}

/// Closes an end with a reset.
void Network::abandon(const Shared& connection, std::size_t end) {
    Stream& stream = connection->ends[end];
    const bool tell = !stream.dead && !stream.connecting;
    trace(*connection, name_of_end(end), " resets");
    stream.closed = true;
    stream.socket = Socket::none;
    if (tell) send_reset(connection, 1 - end);
}

void Network::close_listener(Listener& listener) {
    for (const Shared& connection : listener.waiting) abandon(connection, 1);
    std::erase_if(listeners_, [&](const auto& each) { return each.get() == &listener; });
}

void Network::reset(Socket socket) noexcept {
    SocketEntry* entry = find(socket);
    if (entry == nullptr) return;
    if (entry->udp) {
        entry->udp->socket = Socket::none;
        std::erase(udp_sockets_, entry->udp);
    } else if (entry->listener) {
        close_listener(*entry->listener);
    } else {
        abandon(entry->connection, entry->end);
    }
    remove(socket);
}

void Network::close(Socket socket) noexcept {
    SocketEntry* entry = find(socket);
    if (entry == nullptr) return;
    if (entry->udp || entry->listener || !entry->stream().inbox.empty()) {
        reset(socket); // as TCP does when bytes were left unread
        return;
    }
    end_write(entry->connection, entry->end);
    entry->stream().closed = true;
    entry->stream().socket = Socket::none;
    trace(*entry->connection, name_of_end(entry->end), " closes");
    remove(socket);
}

} // namespace hc::sys::sim
