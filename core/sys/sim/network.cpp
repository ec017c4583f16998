// Listening, connecting, accepting, and the table of sockets.
#include "core/sys/sim/network.hpp"

#include <algorithm>
#include <cerrno>

#include "core/sys/sim/addresses.hpp"
#include "core/sys/sim/trace.hpp"

namespace hc::sys::sim {

namespace {

using Family = Address::Family;

bool takes_v4(const Listener& listener) noexcept {
    return listener.address.family == Family::v6 && is_wildcard(listener.address) &&
           !listener.options.only_v6;
}

/// How well a listener fits: 0 not at all, more the more exactly it names the address.
int fit(const Listener& listener, const Address& to) noexcept {
    const Address& at = listener.address;
    if (at.family == Family::unix_) return at == to ? 3 : 0;
    if (at.port != to.port) return 0;
    if (at.family != to.family) return to.family == Family::v4 && takes_v4(listener) ? 1 : 0;
    if (at.ip == to.ip) return 3;
    return is_wildcard(at) ? 2 : 0;
}

/// Whether two listeners would answer for a common address.
bool overlap(const Listener& a, const Listener& b) noexcept {
    if (a.address.family == Family::unix_ || b.address.family == Family::unix_) {
        return a.address == b.address;
    }
    if (a.address.port != b.address.port) return false;
    if (a.address.family != b.address.family) return takes_v4(a) || takes_v4(b);
    return a.address.ip == b.address.ip || is_wildcard(a.address) || is_wildcard(b.address);
}

} // namespace

// -- the table --------------------------------------------------------------------------

SocketEntry* Network::find(Socket socket) noexcept {
    const auto at = sockets_.find(key(socket));
    return at == sockets_.end() ? nullptr : &at->second;
}

Stream* Network::find_stream(Socket socket) noexcept {
    SocketEntry* entry = find(socket);
    return entry == nullptr || !entry->connection ? nullptr : &entry->stream();
}

Socket Network::add(SocketEntry entry) {
    const Socket socket{next_socket_++};
    sockets_.emplace(key(socket), std::move(entry));
    return socket;
}

void Network::remove(Socket socket) noexcept {
    for (Watcher* watcher : watchers_) watcher->on_close(socket);
    sockets_.erase(key(socket));
}

std::uint16_t Network::draw_port() noexcept {
    for (;;) {
        const std::uint16_t port = next_port_;
        next_port_ = port == UINT16_MAX ? 32'768 : static_cast<std::uint16_t>(port + 1);
        const bool taken =
            std::ranges::any_of(listeners_,
                                [&](const auto& each) { return each->address.port == port; }) ||
            std::ranges::any_of(udp_sockets_,
                                [&](const auto& each) { return each->local.port == port; });
        if (!taken) return port;
    }
}

/// Tells all who watch a socket; of those who watch it exclusively, one.
void Network::changed(Socket socket) {
    if (socket == Socket::none) return;
    std::vector<Watcher*> exclusive;
    for (Watcher* watcher : watchers_) {
        if (watcher->watches_exclusively(socket)) {
            exclusive.push_back(watcher);
        } else {
            watcher->on_change(socket);
        }
    }
    if (!exclusive.empty()) {
        const auto chosen = random_.below(exclusive.size());
        exclusive[chosen]->on_change(socket);
    }
    const SocketEntry* entry = find(socket);
    if (entry == nullptr || !entry->observer) return;
    timeline_.plan(timeline_.now(), [this, socket] {
        const SocketEntry* then = find(socket);
        if (then == nullptr || !then->observer) return;
        const auto observer = then->observer; // it may close its socket
        observer();
    });
}

void Network::observe(Socket socket, std::function<void()> observer) {
    if (SocketEntry* entry = find(socket)) entry->observer = std::move(observer);
}

std::intptr_t Network::add_file(std::string content) {
    const std::intptr_t number = next_socket_++;
    files_.emplace(number, std::move(content));
    return number;
}

Event Network::readiness(Socket socket) {
    Event out;
    SocketEntry* entry = find(socket);
    if (entry == nullptr) return out;
    if (entry->listener) {
        out.readable = !entry->listener->waiting.empty();
        return out;
    }
    if (entry->udp) {
        out.readable = !entry->udp->inbox.empty();
        out.writable = udp_has_room(*entry->udp);
        out.failed = entry->udp->error != 0;
        return out;
    }
    const Stream& stream = entry->stream();
    if (stream.connecting) return out;
    out.read_closed = stream.read_ended || stream.dead;
    out.readable = out.read_closed || !stream.inbox.empty();
    out.writable = stream.dead || stream.write_ended || stream.can_send();
    out.failed = stream.error != 0 || stream.hung_up();
    return out;
}

// -- listening --------------------------------------------------------------------------

int Network::bind_error(const Address& address, const ListenOptions& options) const {
    const Listener candidate{.address = address, .options = options, .waiting = {}};
    if (address.is_file() && plain_files_.contains(address.path.data())) return EADDRINUSE;
    for (const auto& listener : listeners_) {
        const bool shared = options.reuse_port && !options.first && listener->options.reuse_port &&
                            address.family != Family::unix_;
        if (overlap(*listener, candidate) && !shared) return EADDRINUSE;
    }
    return full() ? EMFILE : 0;
}

Result<Socket> Network::listen(const Address& address, const ListenOptions& options) {
    if (address.family == Family::none) {
        return fail(ErrorKind::invalid, "an address of no family to listen on");
    }
    Address at = address;
    if (at.family != Family::unix_ && at.port == 0) at.port = draw_port();
    if (const int code = bind_error(at, options); code != 0) {
        return fail(system_error(code, "listening on " + at.to_string()));
    }
    if (at.is_file()) socket_files_.insert(at.path.data());
    auto listener = std::make_shared<Listener>();
    listener->address = at;
    listener->options = options;
    listeners_.push_back(listener);
    SocketEntry entry;
    entry.listener = std::move(listener);
    return add(std::move(entry));
}

Result<Socket> Network::adopt_listener(std::intptr_t descriptor) {
    const Socket socket{descriptor};
    const SocketEntry* entry = find(socket);
    if (entry == nullptr) return fail(system_error(EBADF, "adopting a listening descriptor"));
    if (!entry->listener) {
        return fail(ErrorKind::invalid, "the descriptor is not a listening stream socket");
    }
    return socket;
}

void Network::remove_file(const Address& address) noexcept {
    if (address.is_file()) socket_files_.erase(address.path.data());
}

Result<Address> Network::local_address(Socket socket) {
    SocketEntry* entry = find(socket);
    if (entry == nullptr) return fail(system_error(EBADF, "asking for a socket's address"));
    if (entry->udp) return entry->udp->local;
    return entry->listener ? entry->listener->address : entry->stream().local;
}

Io Network::accept(Socket socket, Accepted& out) {
    SocketEntry* entry = find(socket);
    if (entry == nullptr) return {.status = Io::Status::failed, .code = EBADF};
    if (!entry->listener) return {.status = Io::Status::failed, .code = EINVAL};
    auto& waiting = entry->listener->waiting;
    if (waiting.empty()) return {.status = Io::Status::would_block};
    if (full()) return {.status = Io::Status::failed, .code = EMFILE};
    SocketEntry accepted;
    accepted.connection = std::move(waiting.front());
    accepted.end = 1;
    waiting.pop_front();
    Stream& stream = accepted.stream();
    const Connection& connection = *accepted.connection;
    stream.socket = out.socket = add(std::move(accepted));
    out.peer = stream.remote;
    trace(connection, "accepted");
    return {};
}

// -- connecting -------------------------------------------------------------------------

Result<Socket> Network::connect(const Address& address) {
    return connect_from(loopback(address.family), address);
}

/// A Unix socket refuses at once.
int Network::unix_connect_error(const Address& address) {
    if (address.is_file() && !file_exists(address.path.data())) return ENOENT;
    return listener_for(address) ? 0 : ECONNREFUSED;
}

Result<Socket> Network::connect_from(Address from, const Address& to) {
    if (to.family == Family::none) {
        return fail(ErrorKind::invalid, "an address of no family to connect to");
    }
    int code = full() ? EMFILE : 0;
    if (code == 0 && to.family == Family::unix_) code = unix_connect_error(to);
    if (code != 0) return fail(system_error(code, "connecting to " + to.to_string()));
    if (to.family != Family::unix_ && from.port == 0) from.port = draw_port();

    auto connection = std::make_shared<Connection>();
    connection->number = next_connection_++;
    for (Stream& end : connection->ends) {
        const std::uint64_t spread = options_.window_bytes_max - options_.window_bytes_min + 1;
        end.room = options_.window_bytes_min + random_.below(spread);
        end.last_arrival = timeline_.now();
    }
    Stream& client = connection->ends[0];
    client.connecting = true;
    client.local = from;
    client.remote = to;
    SocketEntry entry;
    entry.connection = connection;
    client.socket = add(std::move(entry));
    trace(*connection, "connects to ", to.to_string());
    timeline_.plan(timeline_.now() + latency(), [this, connection] { on_syn(connection, 0); });
    return client.socket;
}

/// Of the listeners that name the address best, one by lot, as SO_REUSEPORT does.
std::shared_ptr<Listener> Network::listener_for(const Address& address) {
    std::vector<std::shared_ptr<Listener>> best;
    int best_fit = 1;
    for (const auto& listener : listeners_) {
        const int how = fit(*listener, address);
        if (how > best_fit) best.clear();
        if (how >= best_fit) best.push_back(listener);
        best_fit = std::max(best_fit, how);
    }
    return best.empty() ? nullptr : best[best.size() == 1 ? 0 : random_.below(best.size())];
}

void Network::on_syn(const Shared& connection, int attempt) {
    constexpr int attempts_max = 5;
    if (connection->ends[0].closed) return;
    const auto listener = listener_for(connection->ends[0].remote);
    if (!listener) {
        timeline_.plan(timeline_.now() + latency(),
                       [this, connection] { break_(*connection, 0, ECONNREFUSED); });
        return;
    }
    if (listener->waiting.size() + listener->arriving < std::max(listener->options.backlog, 1U)) {
        establish(connection, listener);
    } else if (attempt + 1 < attempts_max) {
        // A full backlog drops the request; TCP sends it again.
        const Duration again = std::chrono::seconds(1 << attempt);
        timeline_.plan(timeline_.now() + again,
                       [this, connection, attempt] { on_syn(connection, attempt + 1); });
    } else {
        break_(*connection, 0, ETIMEDOUT);
    }
}

/// The answer travels to the client, which may send from then on; its acknowledgement travels back
/// and puts the connection into the backlog.
void Network::establish(const Shared& connection, const std::shared_ptr<Listener>& listener) {
    Stream& client = connection->ends[0];
    Stream& server = connection->ends[1];
    server.local = client.remote;
    server.remote = client.local;
    if (server.local.family == Family::unix_) server.remote.path = {};
    if (listener->address.family == Family::v6 && server.local.family == Family::v4) {
        server.local = mapped(server.local);
        server.remote = mapped(server.remote);
    }
    const Instant answered = timeline_.now() + latency();
    const Instant arrived = answered + latency();
    server.last_arrival = answered;
    client.last_arrival = arrived;
    ++listener->arriving;
    timeline_.plan(answered, [this, connection] {
        Stream& end = connection->ends[0];
        if (end.closed) send_reset(connection, 1); // its owner did not wait
        if (end.closed || end.dead) return;
        end.connecting = false;
        trace(*connection, "established");
        changed(end.socket);
    });
    timeline_.plan(arrived,
                   [this, connection, at = std::weak_ptr(listener)] { arrive(connection, at); });
}

void Network::arrive(const Shared& connection, const std::weak_ptr<Listener>& at) {
    const auto listener = at.lock();
    const auto held = std::ranges::find(listeners_, listener);
    if (held == listeners_.end()) { // closed meanwhile
        connection->ends[1].closed = true;
        send_reset(connection, 0);
        return;
    }
    --listener->arriving;
    listener->waiting.push_back(connection);
    trace(*connection, "waits for accept");
    for (const auto& [number, entry] : sockets_) {
        if (entry.listener != listener) continue;
        changed(Socket{number});
        return;
    }
}

} // namespace hc::sys::sim
