#include "core/server/worker_server.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "hc_build.h"
#include "core/http/status.hpp"
#include "core/link/h1_driver.hpp"
#include "core/link/tcp_transport.hpp"
#include "core/server/proxy_reader.hpp"
#include "core/server/topics.hpp"

#if HC_WITH_HTTP2
#include "core/link/h2_driver.hpp"
#endif

namespace hc::server {

namespace {

// Beyond so many connections that are only told 503, further ones are closed without a word.
constexpr std::uint32_t refusing_max = 1024;

// A pass serves many requests; the clock is read for one in so many of them.
constexpr std::uint32_t clock_share = 16;

/// What a connection speaks was agreed upon below.
void start_driver(link::ConnectionContext& context, std::unique_ptr<link::Transport> transport,
                  std::string_view protocol) {
#if HC_WITH_HTTP2
    if (protocol == "h2") {
        link::H2Driver::start(context, std::move(transport));
        return;
    }
#endif
    static_cast<void>(protocol);
    link::H1Driver::start(context, std::move(transport));
}

// Stands for a peer that was not counted by its address.
constexpr link::Endpoint uncounted{.family = sys::Address::Family::unix_};

} // namespace

WorkerServer::WorkerServer(runtime::Worker& worker, std::shared_ptr<Server::State> state)
    : worker_(worker), state_(std::move(state)), share_(*state_->shares[worker.index()]),
      context_(
          new link::ConnectionContext(worker, state_->options.connection, *this, share_.counters)) {
    const ServerOptions& options = state_->options;
    context_->server_name = options.server_name;
    context_->send_date = options.date;
    context_->half_close_is_gone = options.half_close_is_gone;
    context_->h2_enabled = HC_WITH_HTTP2 != 0 && options.h2;
    context_->keeps_heads = options.access_log;
    context_->retry_after_s = options.limits.retry_after_s;
    context_->websocket_settings = &options.websocket;
#if HC_WITH_WEBSOCKET
    context_->topics = state_->topics.get();
#endif
    const auto workers = static_cast<std::uint32_t>(state_->shares.size());
    context_->handshakers = state_->handshakers.get();
    context_->handshakes_max = (options.limits.tls_handshakes_max + workers - 1) / workers;
    const auto share = [workers](std::uint32_t of_all) { return (of_all + workers - 1) / workers; };
    exchanges_max_ = share(options.limits.exchanges_max);
    link::CodingOptions coding = options.coding;
    coding.encoders_max = share(options.limits.encoders_max);
    coding.decoders_max = share(options.limits.decoders_max);
    context_->use_coding(coding);
    state_->on_worker[worker.index()] = this;
}

WorkerServer::~WorkerServer() {
    context_->given_up = false; // it ends now
    kill_all();
    worker_.timers().cancel(drain_timer_);
    report_drained();
    state_->on_worker[worker_.index()] = nullptr;
    if (!context_->exchanges.empty()) {
        // Their users may still look at heads and bodies, and other threads may have them pinned:
        // the State keeps them, and the worker keeps the State.
        const std::lock_guard lock(state_->mutex);
        state_->leftovers.push_back(std::move(context_));
        worker_.keep(state_);
    }
}

// -- connections ----------------------------------------------------------------------------------

void WorkerServer::Door::open() {
    const auto workers = static_cast<std::uint32_t>(owner_.state_->shares.size());
    const ServerLimits& limits = owner_.state_->options.limits;
    const net::AcceptorOptions options{.accepts_per_turn = limits.accepts_per_turn_max,
                                       .drain_accepts_max = limits.backlog_max,
                                       .shared = listener_.set.shared(workers),
                                       .log = owner_.state_->options.log};
    for (sys::Socket socket : listener_.set.sockets_for(owner_.worker_.index(), workers)) {
        auto& acceptor = acceptors_.emplace_back(
            std::make_unique<net::Acceptor>(owner_.worker_, socket, *this, options));
        if (auto started = acceptor->start(); !started) {
            owner_.state_->options.log(LogLevel::error, "server", started.error().message);
        }
    }
}

void WorkerServer::Door::close() {
    for (auto& acceptor : acceptors_) acceptor->drain();
}

void WorkerServer::Door::on_accept(sys::Socket socket, const net::Address& peer) {
    owner_.accepted(listener_, socket, peer);
}

void WorkerServer::listen(Listener& listener) {
    if (doors_closed_) return;
    doors_.push_back(std::make_unique<Door>(*this, listener));
    doors_.back()->open();
}

void WorkerServer::accepted(Listener& listener, sys::Socket socket, const net::Address& from) {
    share_.counters.connections_accepted.add();
    const bool proxied = listener.trusts(from);
    const link::Endpoint peer = link::Endpoint::of(from);
    const link::Endpoint counted = proxied ? uncounted : peer;
    bool admitted = state_->admit();
    if (admitted && !state_->admit_peer(counted)) {
        state_->dismiss(uncounted);
        admitted = false;
    }
    if (!admitted && refusing_ >= refusing_max) {
        share_.counters.connections_refused.add();
        worker_.sockets().close(socket);
        return;
    }
    auto transport = link::TcpTransport::adopt(worker_, socket, peer, state_->options.connection);
    if (!transport) {
        if (admitted) state_->dismiss(counted);
        if (!admitted) share_.counters.connections_refused.add();
        state_->options.log(LogLevel::warning, "server", transport.error().message);
        return;
    }
    if (!admitted) {
        refuse(std::move(*transport), listener);
    } else if (proxied) {
        ProxyReader::start(
            *context_, std::move(*transport),
            [](link::ConnectionContext& context, std::unique_ptr<link::Transport> ready,
               std::string_view rest, const void* by) {
                static_cast<WorkerServer&>(context.dispatcher)
                    .introduced(std::move(ready), rest, *static_cast<const Listener*>(by));
            },
            &listener);
    } else {
        begin(std::move(*transport), {}, listener);
    }
}

/// A proxy has said whom it speaks for.
void WorkerServer::introduced(std::unique_ptr<link::Transport> transport, std::string_view rest,
                              const Listener& listener) {
    if (!state_->admit_peer(transport->peer())) {
        state_->dismiss(uncounted);
        refuse(std::move(transport), listener);
        return;
    }
    begin(std::move(transport), rest, listener);
}

/// The connection is admitted: what comes now is HTTP, or first what lies below it.
void WorkerServer::begin(std::unique_ptr<link::Transport> transport, std::string_view rest,
                         const Listener& listener) {
    if (listener.layer != nullptr) {
        listener.layer->start(
            *context_, std::move(transport), rest,
            [](link::ConnectionContext& context, std::unique_ptr<link::Transport> ready,
               std::string_view protocol,
               const void*) { start_driver(context, std::move(ready), protocol); },
            &listener);
        return;
    }
    auto& driver = link::H1Driver::start(*context_, std::move(transport));
    if (!rest.empty()) driver.feed(rest);
}

/// One too many. It is not counted as open; the mark tells disconnected() so. Who waits for a
/// handshake can be told nothing.
void WorkerServer::refuse(std::unique_ptr<link::Transport> transport, const Listener& listener) {
    share_.counters.connections_refused.add();
    ++refusing_;
    link::Endpoint marked = transport->peer();
    marked.family = sys::Address::Family::none;
    transport->set_peer(marked);
    if (listener.layer == nullptr) {
        link::H1Driver::refuse(*context_, std::move(transport));
    } else {
        link::H1Driver::start(*context_, std::move(transport)).kill();
    }
}

void WorkerServer::disconnected(const link::Endpoint& peer) noexcept {
    if (peer.family == sys::Address::Family::none) {
        --refusing_;
    } else {
        state_->dismiss(peer);
    }
    if (draining_ && context_->connections.empty()) report_drained();
}

/// Not in here: who released the last exchange is still at work.
void WorkerServer::deserted() noexcept { state_->tear_down(worker_.index()); }

// -- exchanges ------------------------------------------------------------------------------------

void WorkerServer::dispatch(link::Exchange& exchange, http::RouteMatch& match) {
    if (share_.counters.requests_active.get() > exchanges_max_) [[unlikely]] {
        exchange.refuse_overload();
        return;
    }
    const http::HeadView& head = exchange.head();
    // An extended CONNECT (RFC 8441) is to its route what GET with Upgrade is in HTTP/1.1.
    if (head.method == http::Method::connect && head.path.size > 0) [[unlikely]] {
        return dispatch_as_get(exchange, match);
    }
    const auto outcome =
        state_->router.match(head.method, head.text(head.method_name), head.text(head.path), match);
    if (outcome == http::RouteOutcome::found) [[likely]] {
        exchange.set_user(*state_->user_of(match.route), match.route);
    } else {
        answer_unrouted(exchange, outcome);
    }
}

void WorkerServer::dispatch_as_get(link::Exchange& exchange, http::RouteMatch& match) {
    const http::HeadView& head = exchange.head();
    const auto outcome =
        state_->router.match(http::Method::get, "GET", head.text(head.path), match);
    if (outcome == http::RouteOutcome::found) {
        exchange.set_user(*state_->user_of(match.route), match.route);
    } else {
        answer_unrouted(exchange, outcome);
    }
}

void WorkerServer::answer_unrouted(link::Exchange& exchange, http::RouteOutcome outcome) {
    if (outcome == http::RouteOutcome::no_path) return answer(exchange, 404, {});
    const http::HeadView& head = exchange.head();
    answer(exchange, 405, state_->router.allow(head.text(head.path)));
}

/// An answer of the server's own.
void WorkerServer::answer(link::Exchange& exchange, int status, std::string_view allow) {
    const http::Field fields[] = {
        {"content-type", "text/plain; charset=utf-8", http::FieldName::content_type},
        {"allow", allow, http::FieldName::allow},
    };
    std::string text(http::reason_phrase(status));
    text += '\n';
    if (exchange.respond(status, std::span(fields, allow.empty() ? 1 : 2), text,
                         {.fin = true, .release = true}) != ErrorKind::ok) {
        exchange.release();
    }
}

/// The time for latencies: read once for several exchanges of a pass, again in the next pass.
Instant WorkerServer::clock() noexcept {
    if (clock_ < worker_.now() || ++clock_uses_ >= clock_share) [[unlikely]]
        read_clock();
    return clock_;
}

void WorkerServer::read_clock() noexcept {
    clock_uses_ = 0;
    clock_ = std::max(worker_.now(), worker_.system().clock().now());
}

void WorkerServer::finished(link::Exchange& exchange) noexcept {
    const auto status = static_cast<std::uint32_t>(exchange.status());
    share_.counters.responses[std::min(status / 100, 5U)].add();
    // Exchanges of one pass mostly share both of their times.
    if (const Duration took = clock() - exchange.started(); took != latency_) {
        latency_ = took;
        latency_us_ = took.count() > 0 ? static_cast<std::uint64_t>(took.count()) / 1000 : 0;
        latency_bucket_ = static_cast<std::uint32_t>(Histogram::bucket_of(latency_us_));
    }
    share_.latency[latency_bucket_].add();
    share_.latency_sum_us.add(latency_us_);
    if (state_->options.access_log) log_access(exchange, latency_us_);
}

void WorkerServer::log_access(const link::Exchange& exchange, std::uint64_t us) {
    const LogSink& log = state_->options.log;
    if (!log.wants(LogLevel::info)) return;
    const http::HeadView& head = exchange.head();
    log(LogLevel::info, "access",
        fmt::format("{} \"{} {} {}\" {} {} {}us", exchange.peer().host(),
                    head.text(head.method_name), head.text(head.target),
                    http::version_text(head.version), exchange.status(), exchange.body_bytes_sent(),
                    us));
}

// -- the end --------------------------------------------------------------------------------------

void WorkerServer::drain(Instant soft, Instant hard) {
    soft_ = std::min(soft_, soft);
    hard_ = std::min(hard_, hard);
    if (!draining_) {
        draining_ = true;
        context_->draining = true;
        close_doors();
        context_->connections.for_each([](link::Connection& connection) { connection.drain(); });
    }
    drain_step();
}

void WorkerServer::drain_step() noexcept {
    const Instant now = worker_.now();
    if (soft_ <= now) {
        // Users may end other connections meanwhile, so no iterator would be safe; what goes round
        // twice is hurried twice.
        std::size_t count = 0;
        context_->connections.for_each([&count](link::Connection&) { ++count; });
        for (; count > 0 && !context_->connections.empty(); --count) {
            link::Connection& connection = context_->connections.front();
            connection.link::ConnectionNode::unlink();
            context_->connections.push_back(connection);
            connection.hurry();
        }
    }
    if (hard_ <= now) kill_all();
    if (context_->connections.empty()) {
        report_drained();
        return;
    }
    worker_.timers().set(drain_timer_, soft_ > now ? std::min(soft_, hard_) : hard_);
}

void WorkerServer::close_doors() {
    if (std::exchange(doors_closed_, true)) return;
    for (auto& door : doors_) door->close();
    state_->worker_closed();
}

void WorkerServer::kill_all() {
    close_doors();
    context_->draining = true;
    // One may end another's connection in its on_closed, so that no iterator would be safe.
    while (!context_->connections.empty()) {
        link::Connection& connection = context_->connections.front();
        if (connection.busy()) ++reset_;
        connection.kill();
    }
}

void WorkerServer::report_drained() noexcept {
    if (!draining_ || drain_reported_) return;
    drain_reported_ = true;
    worker_.timers().cancel(drain_timer_);
    state_->worker_drained(reset_);
}

} // namespace hc::server
