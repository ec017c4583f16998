#include "tests/unit/link/house.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "core/link/tcp_transport.hpp"

namespace hc::link::test {

namespace {
const net::Address here = *net::Address::parse("127.0.0.1:80");

/// Marks that a call to the user is under way, unless the exchange was let go meanwhile.
class Inside {
public:
    explicit Inside(Record& record) : record_(record) {
        EXPECT_FALSE(record.inside) << "calls of one exchange nest: " << record.calls;
        EXPECT_FALSE(record.end) << "a call after on_closed: " << record.calls;
        EXPECT_NE(record.exchange, nullptr) << "a call after release(): " << record.calls;
        record.inside = true;
    }
    ~Inside() { record_.inside = false; }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;

private:
    Record& record_;
};

} // namespace

std::string answer_200(std::string_view body) {
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
           std::string(body);
}

// -- the user -------------------------------------------------------------------------------------

void Script::answer(Exchange& exchange, const Record& record) {
    const std::string text = record.target + "|" + record.body;
    EXPECT_EQ(exchange.respond(200, {}, text, {.fin = true}), ErrorKind::ok);
}

void Script::release(Record& record) { std::exchange(record.exchange, nullptr)->release(); }

Record& Script::record_of(Exchange& exchange) {
    for (Record& record : records) {
        if (record.exchange == &exchange) return record;
    }
    ADD_FAILURE() << "a call for an exchange that was released or never begun";
    return records.emplace_back();
}

void Script::on_request(Exchange& exchange, bool ended) {
    Record& record = records.emplace_back();
    record.exchange = &exchange;
    record.method = exchange.head().text(exchange.head().method_name);
    record.target = exchange.head().text(exchange.head().target);
    record.calls = "R";
    const Inside inside(record);
    if (on_head) {
        on_head(exchange, record);
        return;
    }
    EXPECT_EQ(exchange.grant(std::numeric_limits<std::uint64_t>::max()), ErrorKind::ok);
    if (ended) answer(exchange, record);
}

void Script::on_body(Exchange& exchange, std::string_view bytes) {
    Record& record = record_of(exchange);
    const Inside inside(record);
    EXPECT_FALSE(bytes.empty());
    record.body += bytes;
    if (record.calls.back() != 'B') record.calls += 'B';
    if (on_bytes) on_bytes(exchange, record);
}

void Script::on_body_end(Exchange& exchange) {
    Record& record = record_of(exchange);
    const Inside inside(record);
    EXPECT_EQ(record.calls.find('E'), std::string::npos);
    record.calls += 'E';
    const http::HeadView& trailers = exchange.trailers();
    for (const http::FieldRef& field : trailers.list()) {
        record.trailers += std::string(trailers.name(field)) + ": ";
        record.trailers += std::string(trailers.value(field)) + "\n";
    }
    if (on_end) {
        on_end(exchange, record);
    } else if (!exchange.answer_begun()) {
        answer(exchange, record);
    }
}

void Script::on_writable(Exchange& exchange) {
    Record& record = record_of(exchange);
    const Inside inside(record);
    record.calls += 'W';
    if (on_room) on_room(exchange, record);
}

void Script::on_closed(Exchange& exchange, ErrorKind why) {
    Record& record = record_of(exchange);
    const Inside inside(record);
    record.calls += 'C';
    record.end = why;
    EXPECT_TRUE(exchange.closed());
    if (on_close) {
        on_close(exchange, record);
    } else {
        release(record);
    }
}

// -- the house ------------------------------------------------------------------------------------

House::House(std::uint64_t seed, sim::Options options) : world(seed, std::move(options)) {
    runtime::RuntimeOptions runtime_options;
    runtime_options.workers = 0;
    runtime_options.system = &world;
    runtime_ = std::move(runtime::Runtime::create(runtime_options).value());
    EXPECT_TRUE(runtime_->start());
    turn();
    context_ = std::make_unique<ConnectionContext>(worker(), limits, *this, counters);
    context_->send_date = false;
    listener_ = world.sockets().listen(here, {}).value();
    acceptor_ = std::make_unique<net::Acceptor>(worker(), listener_, *this);
    EXPECT_TRUE(acceptor_->start());
}

House::~House() {
    EXPECT_TRUE(until([this] { return connections() == 0; })) << "a connection lasts for ever";
    while (!context_->connections.empty()) context_->connections.front().kill();
    turn();
    EXPECT_EQ(counters.connections_open.get(), 0U);
    EXPECT_EQ(counters.requests_active.get(), 0U) << "an exchange was not freed";
    EXPECT_EQ(finished_count, counters.requests.get() - counters.requests_refused.get());
    EXPECT_EQ(disconnected_count, accepted_);
    for (const Record& record : script.records) {
        EXPECT_EQ(record.exchange, nullptr) << record.target << ' ' << record.calls;
    }
    acceptor_.reset();
    world.sockets().close(listener_);
    EXPECT_EQ(world.network().open_sockets(), 0U);
    runtime_->stop([] {});
    turn();
    context_.reset();
}

void House::on_accept(sys::Socket socket, const net::Address& peer) {
    ++accepted_;
    auto transport = TcpTransport::adopt(worker(), socket, Endpoint::of(peer), limits);
    ASSERT_TRUE(transport);
    if (on_transport) {
        on_transport(std::move(*transport));
    } else if (std::exchange(refuse_next, false)) {
        H1Driver::refuse(*context_, std::move(*transport));
    } else {
        H1Driver::start(*context_, std::move(*transport));
    }
}

void House::dispatch(Exchange& exchange, http::RouteMatch&) {
    if (on_dispatch) {
        on_dispatch(exchange);
    } else {
        exchange.set_user(script);
    }
}

std::size_t House::connections() {
    std::size_t count = 0;
    context_->connections.for_each([&count](Connection&) { ++count; });
    return count;
}

std::unique_ptr<sim::Peer> House::connect() {
    return std::move(sim::Peer::connect(world, here).value());
}

std::unique_ptr<sim::Peer> House::connect(std::string_view bytes) {
    auto peer = connect();
    peer->send(bytes);
    return peer;
}

void House::turn(Duration timeout) {
    EXPECT_TRUE(worker().turn(timeout, true));
    worker().flush();
}

void House::turn_for(Duration how_long) {
    const Instant end = world.now() + how_long;
    while (world.now() < end) turn(end - world.now());
}

bool House::until(const std::function<bool()>& done, Duration limit) {
    const Instant end = world.now() + limit;
    while (!done()) {
        if (world.now() >= end) return false;
        // Not beyond the next thing that happens: it may be what is waited for.
        turn(std::min(end, world.next()) - world.now());
    }
    return true;
}

std::string House::talk(std::string_view bytes, Duration limit) {
    auto peer = connect(bytes);
    EXPECT_TRUE(until([&] { return peer->over(); }, limit)) << peer->received();
    return peer->received();
}

} // namespace hc::link::test
