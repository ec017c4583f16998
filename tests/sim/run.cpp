#include "tests/sim/run.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/server/server.hpp"
#include "tests/sim/clients.hpp"
#include "tests/sim/handlers.hpp"

namespace hc::simtest {

namespace {

using namespace std::chrono_literals;
namespace sim = sys::sim;

constexpr Duration run_max = 15min; // of simulated time; every limit is well below it
constexpr Duration drain_max = 3min;

/// What a run is like.
struct Weather {
    sim::Options network;
    server::ServerOptions options;
    Excuses excuses;
    std::uint64_t clients = 0;
    bool proxied = false;
    std::optional<Duration> drains_at; // before the clients are done
    Duration soft{};
    Duration hard{};
    bool gives_up = false; // the server is let go in place of being drained
};

void draw_network(Weather& out, Dice& dice) {
    switch (dice.below(4)) {
    case 0: break;
    case 1: out.network.piece_bytes_max = 200; break;
    default:
        out.network = sim::Options::hostile();
        out.network.window_bytes_min = 100;
        out.network.stall_max = 3s;
        break;
    }
    if (dice.chance(25)) {
        out.network.resets_per_million = 10'000;
        out.excuses.broken = true;
    }
}

void draw_limits(Weather& out, Dice& dice) {
    ConnectionLimits& limits = out.options.connection;
    limits.header_timeout_ms = limits.body_timeout_ms = 60'000;
    limits.idle_timeout_ms = 20'000;
    limits.linger_timeout_ms = 10'000; // longer than what is on its way takes
    if (dice.chance(60)) {
        limits.exchange_buffer_bytes_max = static_cast<std::uint32_t>(1 + dice.size(20'000));
        limits.write_high_watermark_bytes = static_cast<std::uint32_t>(1 + dice.size(20'000));
        limits.write_low_watermark_bytes =
            static_cast<std::uint32_t>(dice.below(limits.write_high_watermark_bytes));
        limits.read_turn_bytes_max = static_cast<std::uint32_t>(1 + dice.size(5'000));
        limits.discard_bytes_max = static_cast<std::uint32_t>(dice.size(20'000));
    }
    out.excuses.discard_max = limits.discard_bytes_max;
    if (dice.chance(10)) {
        limits.requests_per_connection_max = out.excuses.requests_max = dice.between(1, 4);
    }
    if (dice.chance(10)) limits.body_bytes_max = out.excuses.body_max = 1 + dice.size(5'000);
    if (dice.chance(10)) {
        limits.request_timeout_ms = static_cast<std::uint32_t>(dice.between(1, 3'000));
        out.excuses.late = true;
    }
    if (dice.chance(10)) {
        limits.header_timeout_ms = limits.body_timeout_ms =
            static_cast<std::uint32_t>(dice.between(1, 2'000));
        out.excuses.late = true;
    }
    if (dice.chance(10)) {
        limits.write_timeout_ms = static_cast<std::uint32_t>(dice.between(1, 2'000));
        out.excuses.late = true;
    }
    ServerLimits& server = out.options.limits;
    if (dice.chance(10)) {
        server.connections_max = static_cast<std::uint32_t>(dice.between(1, 4));
        out.excuses.busy = true;
    }
    if (dice.chance(10)) {
        server.connections_per_peer_max = static_cast<std::uint32_t>(dice.between(1, 4));
        out.excuses.busy = true;
    }
    if (dice.chance(10)) {
        server.exchanges_max = static_cast<std::uint32_t>(dice.between(1, 3));
        out.excuses.busy = true;
    }
    if (dice.chance(10)) server.accepts_per_turn_max = 1;
}

Weather weather_of(std::uint64_t seed) {
    Weather out;
    Dice dice(seed);
    draw_network(out, dice);
    draw_limits(out, dice);
    out.options.server_name = dice.chance(50) ? "sim" : "";
    out.options.date = dice.chance(80);
    out.options.access_log = dice.chance(30);
    out.clients = 1 + dice.size(24);
    out.proxied = dice.chance(20);
    if (dice.chance(25)) {
        out.drains_at = dice.time(3s);
        out.soft = dice.time(5s);
        out.hard = out.soft + dice.time(20s);
        out.gives_up = dice.chance(30);
        out.excuses.draining = true;
    }
    return out;
}

class Run {
public:
    explicit Run(std::uint64_t seed) : seed_(seed), weather_(weather_of(seed)), handlers_(report) {}
    void go();
    Report report;

private:
    void start();
    void make_clients();
    void turn();
    void mingle();
    void drain(Duration soft, Duration hard);
    void end();
    void check();
    static void log(void* arg, LogLevel, std::string_view component, std::string_view);

    const std::uint64_t seed_;
    Weather weather_;
    Handlers handlers_;
    std::unique_ptr<sim::World> world_;
    std::unique_ptr<runtime::Runtime> runtime_;
    std::shared_ptr<server::Server> server_;
    sys::Address address_;
    std::vector<std::unique_ptr<Client>> clients_;
    std::uint64_t access_lines_ = 0;
    int drains_ = 0;
    int drains_done_ = 0;
    std::uint64_t reset_ = 0;
};

void Run::log(void* arg, LogLevel, std::string_view component, std::string_view) {
    if (component == "access") ++static_cast<Run*>(arg)->access_lines_;
}

void Run::start() {
    weather_.network.trace = [this](Instant at, std::string_view line) {
        report.note(std::to_string(at.ns) + ' ' + std::string(line));
    };
    world_ = std::make_unique<sim::World>(seed_, weather_.network);
    runtime::RuntimeOptions options;
    options.workers = 0;
    options.system = world_.get();
    runtime_ = std::move(runtime::Runtime::create(options).value());
    if (!runtime_->start()) report.fault("the runtime does not start");
    weather_.options.log = {.write = &Run::log, .arg = this, .minimum = LogLevel::info};
    server_ = server::Server::create(*runtime_, weather_.options).value();
    const bool ready = server_->route("", "/lend/{n}", 0) && server_->route("", "/keep/{n}", 1) &&
                       server_->route("PATCH", "/patch/{n}", 0) &&
                       server_->bind(0, handlers_.user(false)) &&
                       server_->bind(1, handlers_.user(true));
    server::ListenOptions listen{.address = "127.0.0.1:0"};
    if (weather_.proxied) listen.proxy_from.push_back("127.0.0.0/8");
    const auto number = server_->listen(listen);
    if (!ready || !number) report.fault("the server does not start");
    address_ = server_->address(*number).value();
    turn();
}

void Run::make_clients() {
    Dice dice(seed_ ^ 0xc11e47);
    for (std::uint64_t i = 0; i < weather_.clients; ++i) {
        std::string prefix;
        if (weather_.proxied) {
            prefix =
                "PROXY TCP4 192.0.2." + std::to_string(dice.below(250)) + " 127.0.0.1 4711 80\r\n";
        }
        clients_.push_back(std::make_unique<Client>(*world_, address_, dice.next(),
                                                    weather_.excuses, report, std::move(prefix)));
    }
}

void Run::turn() {
    runtime::Worker& worker = runtime_->worker(0);
    if (!worker.turn(50ms, true)) report.fault("a turn failed");
    worker.flush();
}

/// Until all clients are done.
void Run::mingle() {
    const Instant start = world_->now();
    while (world_->now() - start < run_max) {
        const bool all =
            std::ranges::all_of(clients_, [](const auto& each) { return each->done(); });
        if (all) return;
        if (weather_.drains_at && drains_ == 0 && server_ != nullptr &&
            world_->now() - start >= *weather_.drains_at) {
            ++report.drained_early;
            if (weather_.gives_up) {
                server_.reset();
            } else {
                drain(weather_.soft, weather_.hard);
            }
        }
        turn();
    }
    for (const auto& client : clients_) {
        if (!client->done()) report.fault("a client is not done in time" + client->state());
    }
}

void Run::drain(Duration soft, Duration hard) {
    ++drains_;
    server_->drain(soft, hard, [this](std::uint64_t reset) {
        ++drains_done_;
        reset_ = reset;
    });
}

void Run::end() {
    if (server_ == nullptr) return;
    drain(1s, drain_max);
    const Instant start = world_->now();
    while (drains_done_ < drains_ && world_->now() - start < drain_max + 1min) turn();
    if (drains_done_ != drains_) report.fault("the drain does not end");
    // Every limit is below drain_max, so that nothing is left to be reset by it.
    if (!weather_.drains_at && reset_ != 0) report.fault("a connection outlasts its limits");
}

void Run::check() {
    for (const auto& client : clients_) client->check();
    // Handlers that keep what is closed let go of it in a moment.
    const Instant start = world_->now();
    while (world_->now() - start < 10s) turn();
    handlers_.check_ends();
    if (server_ != nullptr) {
        const server::Metrics metrics = server_->metrics();
        if (metrics.connections_open != 0) report.fault("connections are left");
        if (metrics.requests_active != 0) report.fault("exchanges are left");
        if (metrics.latency.count != metrics.requests) report.fault("an exchange without an end");
        if (metrics.requests < handlers_.fates().size()) report.fault("requests without a head");
        if (weather_.options.access_log && access_lines_ != metrics.requests) {
            report.fault("a line of the access log for each request");
        }
        server_.reset();
    }
    turn();
    turn();
    if (world_->network().open_sockets() != 0) report.fault("sockets are left open");
}

void Run::go() {
    start();
    make_clients();
    mingle();
    end();
    check();
    runtime_->stop([] {});
    turn();
    clients_.clear();
    runtime_.reset();
    world_.reset();
}

} // namespace

Report run(std::uint64_t seed) {
    Run it(seed);
    if (std::getenv("HTTPCORE_SIM_TRACE") != nullptr) {
        it.report.tell = [](std::string_view what) {
            std::fprintf(stderr, "%.*s\n", static_cast<int>(what.size()), what.data());
        };
    }
    it.go();
    return std::move(it.report);
}

} // namespace hc::simtest
