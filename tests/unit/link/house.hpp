// A worker in a simulated world that serves connections as a server would, with a user that follows
// a script. A test talks to it through scripted peers and looks at what each exchange told its
// user.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/link/context.hpp"
#include "core/link/h1_driver.hpp"
#include "core/net/acceptor.hpp"
#include "core/runtime/runtime.hpp"
#include "core/sys/sim/peer.hpp"
#include "core/sys/sim/world.hpp"

namespace hc::link::test {

using namespace std::chrono_literals;
namespace sim = sys::sim;

inline bool has(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}
/// How often `part` is in `text`.
inline std::size_t count(std::string_view text, std::string_view part) {
    std::size_t n = 0;
    for (std::size_t at = 0; (at = text.find(part, at)) != text.npos; at += part.size()) ++n;
    return n;
}
/// What the library's own and the script's answers look like here, without a date.
std::string answer_200(std::string_view body);

/// What one exchange told its user.
struct Record {
    std::string method;
    std::string target;
    std::string body;
    std::string trailers; // "name: value\n" each
    /// A letter a call: R request, B body, E body end, W writable, C closed. Runs of B are one.
    std::string calls;
    std::optional<ErrorKind> end;
    Exchange* exchange = nullptr; // until it is released by way of the script
    bool inside = false;          // a call is under way
};

/// An ExchangeUser that records every call, checks the promises made to all users, and does what
/// the test says. Unless told otherwise it wants the whole body and then answers 200 with
/// "<target>|<body>".
class Script final : public ExchangeUser {
public:
    std::function<void(Exchange&, Record&)> on_head;
    std::function<void(Exchange&, Record&)> on_bytes;
    std::function<void(Exchange&, Record&)> on_end;
    std::function<void(Exchange&, Record&)> on_room;
    /// Unless set, the exchange is released in here.
    std::function<void(Exchange&, Record&)> on_close;
    bool keeps = false;
    std::deque<Record> records; // in order of arrival; the references stay good

    static void answer(Exchange& exchange, const Record& record);
    /// Gives the exchange up, and notes that it may be gone now.
    static void release(Record& record);

private:
    Record& record_of(Exchange& exchange);
    void on_request(Exchange& exchange, bool ended) override;
    void on_body(Exchange& exchange, std::string_view bytes) override;
    void on_body_end(Exchange& exchange) override;
    void on_writable(Exchange& exchange) override;
    void on_closed(Exchange& exchange, ErrorKind why) override;
    bool keeps_body() const noexcept override { return keeps; }
};

class House : public net::AcceptHandler, public Dispatcher {
public:
    explicit House(std::uint64_t seed = 1, sim::Options options = {});
    /// Waits until every connection is gone, and checks that nothing is left of them.
    ~House();
    House(const House&) = delete;
    House& operator=(const House&) = delete;

    std::unique_ptr<sim::Peer> connect();
    /// A peer that has sent `bytes`.
    std::unique_ptr<sim::Peer> connect(std::string_view bytes);
    void turn(Duration timeout = Duration::zero());
    void turn_for(Duration how_long);
    /// False when it did not come true in so much simulated time.
    bool until(const std::function<bool()>& done, Duration limit = 10min);
    /// Connects, sends, and gives what came back when the server has ended its side.
    std::string talk(std::string_view bytes, Duration limit = 10min);

    runtime::Worker& worker() { return runtime_->worker(0); }
    ConnectionContext& context() { return *context_; }
    Record& record(std::size_t i) { return script.records.at(i); }
    std::size_t requests() const { return script.records.size(); }
    std::size_t connections();
    /// The one connection that is open.
    Connection& connection() { return context_->connections.front(); }

    sim::World world;
    ConnectionLimits limits;
    Counters counters;
    Script script;
    std::function<void(Exchange&)> on_dispatch; // in place of giving it to the script
    std::uint64_t finished_count = 0;
    std::uint64_t disconnected_count = 0;
    bool refuse_next = false; // the next connection is one too many
    /// In place of the driver: who takes connections over.
    std::function<void(std::unique_ptr<Transport>)> on_transport;

private:
    void on_accept(sys::Socket socket, const net::Address& peer) override;
    void dispatch(Exchange& exchange, http::RouteMatch& match) override;
    void finished(Exchange&) noexcept override { ++finished_count; }
    void disconnected(const Endpoint&) noexcept override { ++disconnected_count; }

    std::unique_ptr<runtime::Runtime> runtime_;
    std::unique_ptr<ConnectionContext> context_;
    sys::Socket listener_ = sys::Socket::none;
    std::unique_ptr<net::Acceptor> acceptor_;
    std::uint64_t accepted_ = 0;
};

} // namespace hc::link::test
