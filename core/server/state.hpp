// What the parts of a server share. Private to core/server.
//
// Server::State is shared by the Server, by each worker's share of it and by messages on their way.
// A WorkerServer belongs to its worker (WorkerLocal) and is touched on its thread only; the
// counters that other threads read are in the State.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/http/router.hpp"
#include "core/link/context.hpp"
#include "core/net/listeners.hpp"
#include "core/server/pool.hpp"
#include "core/server/server.hpp"

namespace hc::server {

class WorkerServer;

/// One worker's counts, on cache lines of their own. Its worker writes, anybody reads.
struct alignas(64) Share {
    link::Counters counters;
    std::array<link::Counter, Histogram::buckets> latency;
    link::Counter latency_sum_us;
};

struct Listener {
    Listener(net::ListenerSet sockets, std::vector<net::AddressRange> ranges, bool unix_peers,
             const ListenOptions& options)
        : set(std::move(sockets)), proxy_from(std::move(ranges)), proxy_from_unix(unix_peers),
          inherited(options.inherited >= 0), layer(options.layer) {}
    net::ListenerSet set;
    std::vector<net::AddressRange> proxy_from;
    bool proxy_from_unix;
    bool inherited; // the sockets are somebody else's, who may still want them
    const std::shared_ptr<const link::Layer> layer; // between connections and HTTP, or nullptr

    bool trusts(const net::Address& peer) const noexcept;
};

using DrainDone = std::move_only_function<void(std::uint64_t reset)>;

struct Server::State : std::enable_shared_from_this<Server::State> {
    State(runtime::Runtime& on, ServerOptions with);

    runtime::Runtime& runtime;
    const ServerOptions options;

    // Set up under the mutex before the first listen, constant afterwards.
    http::Router router;
    std::unordered_map<std::uint32_t, std::shared_ptr<link::ExchangeUser>> bindings;
    std::vector<link::ExchangeUser*> users; // by route number where that is small, else looked up
    std::uint32_t routes = 0;
    std::atomic<bool> serving{false};

    mutable std::mutex mutex;
    std::vector<std::unique_ptr<Listener>> listeners; // grows only; elements never move
    std::vector<DrainDone> drain_waiters;
    bool drained = false;
    std::uint64_t drain_reset = 0;
    std::uint32_t workers_to_drain = 0;
    std::uint32_t workers_closed = 0;                     // that accept no more
    std::unordered_map<std::string, std::uint32_t> peers; // only with connections_per_peer_max

    const std::shared_ptr<Topics> topics; // nullptr in a build without WebSocket
    const std::shared_ptr<Pool> pool;     // nullptr when all handlers run on the workers
    const std::unique_ptr<runtime::BlockingPool> handshakers; // nullptr when workers do it all

    std::vector<std::unique_ptr<Share>> shares; // one a worker
    std::atomic<std::uint32_t> connections{0};
    /// One a worker; each element is read and written on its worker only.
    std::vector<WorkerServer*> on_worker;
    /// Contexts whose worker ended while somebody still had exchanges of theirs.
    std::vector<std::unique_ptr<link::ConnectionContext>> leftovers;

    link::ExchangeUser* user_of(std::uint32_t route) const noexcept;
    /// False: one connection too many; nothing was counted.
    bool admit() noexcept;
    /// The same of one address. Of a connection through a proxy it is asked once the client is
    /// known.
    bool admit_peer(const link::Endpoint& peer);
    /// Undoes admit(), and admit_peer() for the same peer; nobody was asked about one without an
    /// address.
    void dismiss(const link::Endpoint& peer) noexcept;
    /// A worker has taken in its backlog and accepts no more. Once all have, the sockets made here
    /// are closed: whoever connects now is refused at once, not left to wait for a server that
    /// ends.
    void worker_closed();
    /// Any thread: a worker resets its connections, and ends its share once nobody has exchanges of
    /// it any more.
    void tear_down(std::uint32_t worker);
    /// A worker has no connections left (or will never have any).
    void worker_drained(std::uint64_t reset);
};

} // namespace hc::server
