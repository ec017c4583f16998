// Server: listeners, routes, limits, overload, drain, counters. Which protocol a connection speaks
// is decided below (link); who handles an exchange is decided here, by route.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/limits.hpp"
#include "core/base/log.hpp"
#include "core/base/result.hpp"
#include "core/link/coder.hpp"
#include "core/link/exchange.hpp"
#include "core/link/layer.hpp"
#include "core/link/websocket_settings.hpp"
#include "core/runtime/runtime.hpp"
#include "core/server/metrics.hpp"
#include "core/server/topic_options.hpp"
#include "core/sys/address.hpp"

namespace hc::server {

class Pool;
class Topics;

/// Where handlers run that may run on either side; see pool.hpp. A handler of C++ that wants a
/// thread of the pool asks Server::pool() for one.
enum class Execution : std::uint8_t {
    inline_, // on the event loops
    pool,    // on the threads of a pool
    hybrid,  // on the event loops, but those that say they block on the pool
};

struct ServerOptions {
    ConnectionLimits connection;
    ServerLimits limits;
    std::string server_name;         // the Server field; empty: none is sent
    bool date = true;                // send Date
    bool access_log = false;         // one line an exchange, component "access"
    bool half_close_is_gone = false; // h1: a FIN behind a complete request counts as gone
    bool h2 = true; // HTTP/2 to who wants it: by ALPN, or by its preface in clear text
    /// Its bounds of encoders and decoders are those of `limits`.
    link::CodingOptions coding;
    link::WebSocketSettings websocket;
    TopicOptions topics;
    Execution execution = Execution::inline_;
    std::uint32_t pool_threads = 8;       // they start when they are first needed
    std::uint32_t pool_queue_max = 1'000; // requests that wait for one. 503 with Retry-After
    LogSink log;
};

struct ListenOptions {
    /// "127.0.0.1:8080", "[::]:0", "unix:/run/x.sock"; or
    std::string address;
    /// a listening descriptor made elsewhere (>= 0): it stays open when the server ends.
    std::intptr_t inherited = -1;
    bool only_v6 = false;
    std::uint32_t unix_mode = 0;
    /// PROXY protocol v1 and v2: expected from these peers ("10.0.0.0/8", "unix"), refused from
    /// none:
    /// others are served as they are.
    std::vector<std::string> proxy_from;
    /// Between its connections and HTTP: TLS. nullptr: nothing.
    std::shared_ptr<const link::Layer> layer;
};

/// All functions may be called from any thread unless they say otherwise.
class Server {
public:
    static Result<std::shared_ptr<Server>> create(runtime::Runtime& runtime, ServerOptions options);
    /// When the last reference goes: closes listeners and resets what is left of the connections.
    /// The runtime must outlive it.
    ~Server();

    /// Whether HTTP/2 is spoken: options.h2, in a build that has it.
    bool speaks_h2() const noexcept;

    /// Routes and their users are set up before the first listen(): `state` afterwards. Several
    /// routes may share a number. A route without a user: `state` at listen().
    Result<void> route(std::string_view method, std::string_view pattern, std::uint32_t route);
    /// The user of every exchange on that route. Kept until the last of them is gone.
    Result<void> bind(std::uint32_t route, std::shared_ptr<link::ExchangeUser> user);

    /// Binds, and begins to accept as soon as the runtime runs. Gives the listener's number.
    Result<std::uint32_t> listen(const ListenOptions& options);
    /// What port 0 became.
    Result<sys::Address> address(std::uint32_t listener) const;

    /// Stops accepting (what had connected is still served, whoever comes later is refused), lets
    /// what runs finish (`Connection: close` on its answers), closes idle
    /// connections at once; after `soft` (<= hard) closes tunnels too; after `hard` resets the
    /// rest.
    /// `done` runs once for each call, on a worker (or in here, when all is drained already), with
    /// how many were reset. A second call may only shorten the deadlines.
    void drain(Duration soft, Duration hard,
               std::move_only_function<void(std::uint64_t reset)> done);

    Metrics metrics() const;
    const ServerOptions& options() const noexcept;
    /// nullptr with Execution::inline_.
    const std::shared_ptr<Pool>& pool() const noexcept;

    /// nullptr in a build without WebSocket.
    const std::shared_ptr<Topics>& topics() const noexcept;

    struct State; // core/server/state.hpp

private:
    explicit Server(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;
};

} // namespace hc::server
