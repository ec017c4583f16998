#include "core/server/server.hpp"

#include <algorithm>

#include "hc_build.h"
#include "core/server/state.hpp"
#include "core/server/topics.hpp"
#include "core/server/worker_server.hpp"

namespace hc::server {

// -- state ----------------------------------------------------------------------------------------

namespace {

// Users of routes below this are found by index.
constexpr std::uint32_t indexed_routes = 1024;

/// One key for one address, and for all of an IPv6 /64; empty for what has no address.
std::string key_of(const link::Endpoint& endpoint) {
    const link::Endpoint peer = link::Endpoint::of(endpoint.address().unmapped());
    const auto* ip = reinterpret_cast<const char*>(peer.ip.data());
    switch (peer.family) {
    case net::Address::Family::v4: return std::string(ip, 4);
    case net::Address::Family::v6: return std::string(ip, 8);
    case net::Address::Family::none:
    case net::Address::Family::unix_: break;
    }
    return {};
}

} // namespace

bool Listener::trusts(const net::Address& peer) const noexcept {
    if (peer.family == net::Address::Family::unix_) return proxy_from_unix;
    return std::ranges::any_of(
        proxy_from, [&](const net::AddressRange& range) { return range.contains(peer); });
}

namespace {
std::shared_ptr<Pool> make_pool(runtime::Runtime& runtime, const ServerOptions& options) {
    if (options.execution == Execution::inline_) return nullptr;
    return std::make_shared<Pool>(
        PoolOptions{.threads = options.pool_threads,
                    .queue_max = options.pool_queue_max,
                    .thread_name = runtime.options().thread_name + "-pool",
                    .log = options.log,
                    .runtime = runtime.number(),
                    .workers = std::max(1U, runtime.workers())},
        runtime.worker(0).system().clock());
}
} // namespace

namespace {
std::shared_ptr<Topics> make_topics([[maybe_unused]] runtime::Runtime& on,
                                    [[maybe_unused]] const ServerOptions& options) {
#if HC_WITH_WEBSOCKET
    return std::make_shared<Topics>(on, options.topics);
#else
    return nullptr;
#endif
}

std::unique_ptr<runtime::BlockingPool> make_handshakers(runtime::Runtime& runtime,
                                                        const ServerOptions& options) {
    // A driven runtime has no threads but the program's.
    if (options.limits.tls_handshake_threads == 0 || runtime.driven()) return nullptr;
    RuntimeLimits limits;
    limits.blocking_threads_max = options.limits.tls_handshake_threads;
    limits.blocking_queue_max = options.limits.tls_handshakes_max;
    return std::make_unique<runtime::BlockingPool>(limits, runtime.options().thread_name + "-tls",
                                                   options.log);
}

} // namespace

Server::State::State(runtime::Runtime& on, ServerOptions with)
    : runtime(on), options(std::move(with)), topics(make_topics(on, options)),
      pool(make_pool(on, options)), handshakers(make_handshakers(on, options)) {
    const std::uint32_t workers = std::max(1U, runtime.workers());
    for (std::uint32_t i = 0; i < workers; ++i) shares.push_back(std::make_unique<Share>());
    on_worker.resize(workers);
}

link::ExchangeUser* Server::State::user_of(std::uint32_t route) const noexcept {
    if (route < users.size()) return users[route];
    return bindings.find(route)->second.get();
}

bool Server::State::admit() noexcept {
    if (connections.fetch_add(1, std::memory_order_relaxed) < options.limits.connections_max) {
        return true;
    }
    connections.fetch_sub(1, std::memory_order_relaxed);
    return false;
}

bool Server::State::admit_peer(const link::Endpoint& peer) {
    const std::uint32_t most = options.limits.connections_per_peer_max;
    const std::string key = most == 0 ? std::string{} : key_of(peer);
    if (key.empty()) return true;
    const std::lock_guard lock(mutex);
    std::uint32_t& count = peers[key];
    if (count >= most) return false;
    ++count;
    return true;
}

void Server::State::dismiss(const link::Endpoint& peer) noexcept {
    connections.fetch_sub(1, std::memory_order_relaxed);
    if (options.limits.connections_per_peer_max == 0) return;
    const std::string key = key_of(peer);
    if (key.empty()) return;
    const std::lock_guard lock(mutex);
    const auto found = peers.find(key);
    if (found != peers.end() && --found->second == 0) peers.erase(found);
}

void Server::State::worker_closed() {
    const std::lock_guard lock(mutex);
    if (++workers_closed < shares.size()) return;
    for (auto& listener : listeners) {
        if (!listener->inherited) listener->set.close();
    }
}

void Server::State::worker_drained(std::uint64_t reset) {
    std::vector<DrainDone> waiters;
    std::uint64_t total = 0;
    {
        const std::lock_guard lock(mutex);
        drain_reset += reset;
        if (--workers_to_drain > 0) return;
        drained = true;
        waiters.swap(drain_waiters);
        total = drain_reset;
    }
    for (DrainDone& done : waiters) done(total);
}

// -- messages to workers --------------------------------------------------------------------------

namespace {

class Install final : public runtime::Message {
public:
    explicit Install(std::shared_ptr<Server::State> state) : state_(std::move(state)) {}
    /// A worker that ended before this arrived accepts nothing.
    ~Install() override {
        if (!installed_) state_->worker_closed();
    }
    void run(runtime::Worker& worker) override {
        installed_ = true;
        worker.attach(std::make_unique<WorkerServer>(worker, state_));
    }

private:
    std::shared_ptr<Server::State> state_;
    bool installed_ = false;
};

class Listen final : public runtime::Message {
public:
    Listen(std::shared_ptr<Server::State> state, Listener& listener)
        : state_(std::move(state)), listener_(listener) {}
    void run(runtime::Worker& worker) override {
        WorkerServer* server = state_->on_worker[worker.index()];
        if (server != nullptr) server->listen(listener_);
    }

private:
    std::shared_ptr<Server::State> state_;
    Listener& listener_; // the State's
};

class Drain final : public runtime::Message {
public:
    Drain(std::shared_ptr<Server::State> state, Duration soft, Duration hard, bool first)
        : state_(std::move(state)), soft_(soft), hard_(hard), owes_report_(first) {}
    /// A worker that ended before this arrived has no connections: it counts as drained.
    ~Drain() override {
        if (owes_report_) state_->worker_drained(0);
    }
    void run(runtime::Worker& worker) override {
        WorkerServer* server = state_->on_worker[worker.index()];
        if (server == nullptr) return;
        owes_report_ = false;
        server->drain(worker.now() + soft_, worker.now() + hard_);
    }

private:
    std::shared_ptr<Server::State> state_;
    Duration soft_;
    Duration hard_;
    bool owes_report_;
};

/// The server was given up: its connections are reset. What users still hold stays readable.
class TearDown final : public runtime::Message {
public:
    explicit TearDown(std::shared_ptr<Server::State> state) : state_(std::move(state)) {}
    void run(runtime::Worker& worker) override {
        WorkerServer* server = state_->on_worker[worker.index()];
        if (server == nullptr) return;
        server->kill_all();
        // With exchanges still in users' hands it stays until the last of them is released.
        server->context().given_up = true;
        if (server->context().exchanges.empty()) worker.detach(*server);
    }

private:
    std::shared_ptr<Server::State> state_;
};

} // namespace

void Server::State::tear_down(std::uint32_t worker) {
    runtime.worker(worker).post(std::make_unique<TearDown>(shared_from_this()));
}

// -- the server -----------------------------------------------------------------------------------

Server::Server(std::shared_ptr<State> state) : state_(std::move(state)) {}

Result<std::shared_ptr<Server>> Server::create(runtime::Runtime& runtime, ServerOptions options) {
    if (runtime.forked())
        return fail(ErrorKind::forked, "the runtime belongs to the parent process");
    auto state = std::make_shared<State>(runtime, std::move(options));
    for (std::uint32_t i = 0; i < state->shares.size(); ++i) {
        runtime.worker(i).post(std::make_unique<Install>(state));
    }
    return std::shared_ptr<Server>(new Server(std::move(state)));
}

Server::~Server() {
    if (state_->runtime.forked()) return;
    for (std::uint32_t i = 0; i < state_->shares.size(); ++i) state_->tear_down(i);
}

const ServerOptions& Server::options() const noexcept { return state_->options; }
const std::shared_ptr<Topics>& Server::topics() const noexcept { return state_->topics; }
const std::shared_ptr<Pool>& Server::pool() const noexcept { return state_->pool; }

Result<void> Server::route(std::string_view method, std::string_view pattern, std::uint32_t route) {
    const std::lock_guard lock(state_->mutex);
    if (state_->serving) return fail(ErrorKind::state, "routes are added before the first listen");
    if (state_->routes >= state_->options.limits.routes_max) {
        return fail(ErrorKind::limit, "limits.routes_max is reached");
    }
    if (auto added = state_->router.add(method, pattern, route); !added) return added;
    ++state_->routes;
    state_->bindings.try_emplace(route);
    return {};
}

Result<void> Server::bind(std::uint32_t route, std::shared_ptr<link::ExchangeUser> user) {
    const std::lock_guard lock(state_->mutex);
    if (state_->serving) return fail(ErrorKind::state, "routes are bound before the first listen");
    std::shared_ptr<link::ExchangeUser>& place = state_->bindings[route];
    if (place != nullptr) return fail(ErrorKind::state, "the route is bound already");
    place = std::move(user);
    return {};
}

Result<std::uint32_t> Server::listen(const ListenOptions& options) {
    const std::lock_guard lock(state_->mutex);
    if (state_->workers_to_drain > 0 || state_->drained) {
        return fail(ErrorKind::state, "the server drains");
    }
    if (state_->workers_closed == state_->shares.size()) {
        return fail(ErrorKind::state, "the runtime has stopped");
    }
    std::vector<net::AddressRange> proxies;
    bool unix_proxy = false;
    for (const std::string& text : options.proxy_from) {
        if (text == "unix") {
            unix_proxy = true;
            continue;
        }
        auto range = net::AddressRange::parse(text);
        if (!range) return fail(std::move(range).error());
        proxies.push_back(*range);
    }
    for (const auto& [route, user] : state_->bindings) {
        if (user == nullptr) {
            return fail(ErrorKind::state,
                        "route " + std::to_string(route) + " is bound to nothing");
        }
    }

    sys::System& system = state_->runtime.worker(0).system();
    auto set = [&]() -> Result<net::ListenerSet> {
        if (options.inherited >= 0) return net::ListenerSet::adopt(system, {&options.inherited, 1});
        auto address = net::Address::parse(options.address);
        if (!address) return fail(std::move(address).error());
        return net::ListenerSet::listen(system, *address,
                                        static_cast<std::uint32_t>(state_->shares.size()),
                                        {.backlog = state_->options.limits.backlog_max,
                                         .only_v6 = options.only_v6,
                                         .unix_mode = options.unix_mode});
    }();
    if (!set) return fail(std::move(set).error());

    if (!state_->serving) {
        for (const auto& [route, user] : state_->bindings) {
            if (route >= indexed_routes) continue;
            if (state_->users.size() <= route) state_->users.resize(route + 1);
            state_->users[route] = user.get();
        }
        state_->serving = true;
    }
    state_->listeners.push_back(
        std::make_unique<Listener>(std::move(*set), std::move(proxies), unix_proxy, options));
    for (std::uint32_t i = 0; i < state_->shares.size(); ++i) {
        state_->runtime.worker(i).post(std::make_unique<Listen>(state_, *state_->listeners.back()));
    }
    return static_cast<std::uint32_t>(state_->listeners.size() - 1);
}

Result<sys::Address> Server::address(std::uint32_t listener) const {
    const std::lock_guard lock(state_->mutex);
    if (listener >= state_->listeners.size()) {
        return fail(ErrorKind::not_found, "there is no listener with this number");
    }
    return state_->listeners[listener]->set.address();
}

void Server::drain(Duration soft, Duration hard, DrainDone done) {
    const auto workers = static_cast<std::uint32_t>(state_->shares.size());
    bool first = false;
    {
        const std::lock_guard lock(state_->mutex);
        if (!state_->drained) {
            state_->drain_waiters.push_back(std::move(done));
            first = state_->workers_to_drain == 0;
            if (first) state_->workers_to_drain = workers;
        }
    }
    if (done) { // drained before
        done(state_->drain_reset);
        return;
    }
    for (std::uint32_t i = 0; i < workers; ++i) {
        state_->runtime.worker(i).post(
            std::make_unique<Drain>(state_, std::min(soft, hard), hard, first));
    }
}

bool Server::speaks_h2() const noexcept { return HC_WITH_HTTP2 != 0 && state_->options.h2; }

Metrics Server::metrics() const {
    Metrics sum;
    for (const auto& share : state_->shares) {
        const link::Counters& counters = share->counters;
        sum.connections_accepted += counters.connections_accepted.get();
        sum.connections_open += counters.connections_open.get();
        sum.connections_refused += counters.connections_refused.get();
        sum.requests += counters.requests.get();
        sum.requests_active += counters.requests_active.get();
        sum.requests_refused += counters.requests_refused.get();
        for (std::size_t i = 0; i < sum.responses.size(); ++i) {
            sum.responses[i] += counters.responses[i].get();
        }
        sum.protocol_errors += counters.protocol_errors.get();
        sum.timeouts += counters.timeouts.get();
        sum.bytes_received += counters.bytes_received.get();
        sum.bytes_sent += counters.bytes_sent.get();
        sum.h2_connections += counters.h2_connections.get();
        sum.h2_calmed += counters.h2_calmed.get();
        sum.h2_stalls += counters.h2_stalls.get();
        for (std::size_t i = 0; i < sum.h2_glitches.size(); ++i) {
            sum.h2_glitches[i] += counters.h2_glitches[i].get();
        }
        sum.websockets_open += counters.websockets_open.get();
        sum.websocket_messages_received += counters.websocket_messages_received.get();
        sum.websocket_messages_sent += counters.websocket_messages_sent.get();
        sum.topic_messages_dropped += counters.topic_messages_dropped.get();
        for (std::size_t i = 0; i < share->latency.size(); ++i) {
            const std::uint64_t count = share->latency[i].get();
            sum.latency.counts[i] += count;
            sum.latency.count += count;
        }
        sum.latency.sum_us += share->latency_sum_us.get();
    }
    if (state_->pool != nullptr) {
        const PoolMetrics pool = state_->pool->metrics();
        sum.pool_threads = pool.threads;
        sum.pool_busy = pool.busy;
        sum.pool_queued = pool.queued;
        sum.pool_processed = pool.processed;
        sum.pool_refused = pool.refused;
    }
    return sum;
}

} // namespace hc::server
