// A server in a simulated world, with one handler that a test can hold back.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/server/server.hpp"
#include "core/sys/sim/peer.hpp"
#include "core/sys/sim/world.hpp"

namespace hc::server::test {

using namespace std::chrono_literals;
namespace sim = sys::sim;

inline bool has(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

/// Answers "<peer> <target>" at once, or holds the exchange until finish(). Opens a tunnel for
/// /tunnel, and only releases what is closed when it does not hoard.
class Echo final : public link::ExchangeUser {
public:
    bool holds = false;
    bool hoards = false;
    std::vector<link::Exchange*> held; // not released
    std::uint64_t closed = 0;

    /// Answers and releases all that is held.
    void finish();
    /// Releases what is held, as it is.
    void let_go();

private:
    static void answer(link::Exchange& exchange);
    void on_request(link::Exchange& exchange, bool ended) override;
    void on_body(link::Exchange&, std::string_view) override {}
    void on_body_end(link::Exchange&) override {}
    void on_writable(link::Exchange&) override {}
    void on_closed(link::Exchange& exchange, ErrorKind) override;
    bool keeps_body() const noexcept override { return false; }
};

class Service {
public:
    explicit Service(sim::Options network = {});
    ~Service();
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;

    /// Makes the server with the options as they are now: the route /... and a listener.
    void start();
    std::unique_ptr<sim::Peer> connect(std::string_view from = "198.51.100.1:0");
    std::unique_ptr<sim::Peer> connect(std::string_view from, std::string_view bytes);
    /// Turns until what is on its way has arrived.
    void settle() { turn_for(100ms); }
    void turn_for(Duration how_long);
    bool until(const std::function<bool()>& done, Duration limit = 10min);
    Metrics metrics() const { return server->metrics(); }

    sim::World world;
    ServerOptions options;
    ListenOptions listening{.address = "[::]:80"};
    std::shared_ptr<Server> server;
    std::shared_ptr<Echo> echo = std::make_shared<Echo>();
    std::shared_ptr<link::ExchangeUser> other; // in its place
    std::vector<std::string> lines;            // of the log: "component: text"
    std::unique_ptr<runtime::Runtime> runtime;

private:
    void turn(Duration timeout);
    static void log(void* arg, LogLevel level, std::string_view component, std::string_view text);
};

inline const std::string get = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

} // namespace hc::server::test
