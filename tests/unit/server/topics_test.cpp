// Topics in a simulated world: WebSockets at /ws/NAME, event streams at /sse/NAME.
#include "core/server/topics.hpp"

#include <gtest/gtest.h>

#include "core/link/event_stream.hpp"
#include "core/link/websocket.hpp"
#include "tests/unit/proto/ws/support.hpp"
#include "tests/unit/server/service.hpp"

namespace hc::server::test {
namespace {

using link::Exchange;
using link::WebSocket;
using ws::Opcode;

class Room final : public link::ExchangeUser, public link::WebSocketUser {
public:
    std::vector<Exchange*> exchanges; // not released
    std::vector<ErrorKind> ends;
    ErrorKind result = ErrorKind::ok; // of the last subscribe

private:
    void on_request(Exchange& exchange, bool) override {
        exchanges.push_back(&exchange);
        const http::HeadView& head = exchange.head();
        const std::string_view path = head.text(head.path);
        if (path.starts_with("/ws/")) {
            ASSERT_EQ(WebSocket::accept(exchange, {}, *this), ErrorKind::ok);
            WebSocket::of(exchange)->grant(UINT64_MAX);
            result = Topics::of(exchange)->subscribe(exchange, path.substr(4));
        } else {
            ASSERT_EQ(link::EventStream::begin(exchange), ErrorKind::ok);
            result = Topics::of(exchange)->subscribe(exchange, path.substr(5));
        }
    }
    void on_body(Exchange&, std::string_view) override {}
    void on_body_end(Exchange&) override {}
    void on_writable(Exchange&) override {}
    void on_closed(Exchange& exchange, ErrorKind why) override {
        ends.push_back(why);
        std::erase(exchanges, &exchange);
        exchange.release();
    }
    bool keeps_body() const noexcept override { return false; }
    void on_message(Exchange&, Opcode, std::string_view) override {}
    void on_ws_closed(Exchange&, const link::WebSocketEnd&) override {}
    bool keeps_messages() const noexcept override { return false; }
};

struct House {
    House() {
        service.other = room;
        service.options.topics.last_number = 0;
    }
    std::unique_ptr<sim::Peer> open(const std::string& target, const std::string& fields) {
        auto peer = service.connect("198.51.100.1:0",
                                    "GET " + target + " HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n");
        EXPECT_TRUE(service.until([&] { return has(peer->received(), "\r\n\r\n"); }));
        service.settle();
        const std::string& got = peer->received();
        first = got.substr(got.find("\r\n\r\n") + 4);
        peer->take_received();
        return peer;
    }
    std::unique_ptr<sim::Peer> socket(const std::string& name, const std::string& more = {}) {
        return open("/ws/" + name,
                    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
                        more);
    }
    std::unique_ptr<sim::Peer> stream(const std::string& name, const std::string& more = {}) {
        return open("/sse/" + name, more);
    }
    void publish(const std::string& name, const std::string& text, Opcode kind = Opcode::text) {
        EXPECT_EQ(service.server->topics()->publish(name, kind, text), ErrorKind::ok);
        service.settle();
    }
    std::string first; // behind the head of the last answer
    std::shared_ptr<Room> room = std::make_shared<Room>();
    Service service;
};

std::string plain(std::string_view payload, Opcode opcode = Opcode::text) {
    return ws::frame({.opcode = opcode, .payload = payload, .masked = false});
}
/// As chunks of HTTP/1.1 carry it.
std::string chunk(const std::string& event) {
    char size[16];
    std::snprintf(size, sizeof size, "%zx\r\n", event.size());
    return size + event + "\r\n";
}

TEST(Topics, AMessageReachesAllWhoSubscribed) {
    House house;
    house.service.start();
    auto one = house.socket("news");
    auto two = house.socket("news");
    auto other = house.socket("weather");
    auto stream = house.stream("news");
    house.publish("news", "hello\nthere");
    EXPECT_EQ(one->take_received(), plain("hello\nthere"));
    EXPECT_EQ(two->take_received(), plain("hello\nthere"));
    EXPECT_EQ(other->take_received(), "");
    EXPECT_EQ(stream->take_received(), chunk("data: hello\ndata: there\n\n"));
    house.publish("news", "bytes", Opcode::binary);
    EXPECT_EQ(one->take_received(), plain("bytes", Opcode::binary));
    EXPECT_EQ(stream->take_received(), "");
    house.publish("nobody", "hears this");
    EXPECT_EQ(house.service.server->topics()->topics(), 2U);
}

TEST(Topics, SubscriptionsEndWithTheirExchange) {
    House house;
    house.service.start();
    auto one = house.socket("a");
    auto two = house.stream("a");
    EXPECT_EQ(house.service.server->topics()->topics(), 1U);
    one->close();
    two->close();
    ASSERT_TRUE(house.service.until([&] { return house.room->exchanges.empty(); }));
    EXPECT_EQ(house.service.server->topics()->topics(), 0U);
    house.publish("a", "to nobody");
}

TEST(Topics, UnsubscribingEndsOneOfThem) {
    House house;
    house.service.start();
    auto peer = house.socket("a");
    Exchange& exchange = *house.room->exchanges.front();
    Topics& topics = *Topics::of(exchange);
    EXPECT_EQ(topics.subscribe(exchange, "b"), ErrorKind::ok);
    EXPECT_EQ(topics.subscribe(exchange, "b"), ErrorKind::ok);
    house.publish("b", "once");
    EXPECT_EQ(peer->take_received(), plain("once"));
    EXPECT_EQ(Topics::unsubscribe(exchange, "a"), ErrorKind::ok);
    EXPECT_EQ(Topics::unsubscribe(exchange, "a"), ErrorKind::not_found);
    house.publish("a", "no");
    house.publish("b", "yes");
    EXPECT_EQ(peer->take_received(), plain("yes"));
}

TEST(Topics, WhatIsOnItsWayIsNotForWhoComesLater) {
    House house;
    house.service.start();
    auto early = house.socket("a");
    auto late = house.socket("b");
    Exchange& exchange = *house.room->exchanges.back();
    Topics& topics = *house.service.server->topics();
    EXPECT_EQ(topics.publish("a", Opcode::text, "before"), ErrorKind::ok);
    EXPECT_EQ(topics.subscribe(exchange, "a"), ErrorKind::ok);
    house.publish("a", "behind");
    EXPECT_EQ(early->take_received(), plain("before") + plain("behind"));
    EXPECT_EQ(late->take_received(), plain("behind"));
}

TEST(Topics, WhatIsPublishedInARowComesInARow) {
    House house;
    house.service.start();
    auto early = house.socket("a");
    auto stream = house.stream("a");
    auto late = house.socket("b");
    Exchange& exchange = *house.room->exchanges.back();
    Topics& topics = *house.service.server->topics();
    std::string all, last;
    for (int i = 0; i < 40; ++i) { // more than one write has pieces
        const std::string text = "number " + std::to_string(i);
        EXPECT_EQ(topics.publish("a", Opcode::text, text), ErrorKind::ok);
        if (i == 29) {
            EXPECT_EQ(topics.subscribe(exchange, "a"), ErrorKind::ok);
        }
        all += plain(text);
        if (i > 29) last += plain(text);
    }
    house.service.settle();
    EXPECT_TRUE(early->take_received() == all);
    EXPECT_TRUE(late->take_received() == last);
    EXPECT_TRUE(stream->received().contains("data: number 0\n\n"));
    EXPECT_TRUE(stream->received().contains("data: number 39\n\n"));
}

TEST(Topics, WhoComesWhileMessagesWaitForNobodyGetsItsOwn) {
    House house;
    house.service.options.topics.log = {.events_max = 3, .bytes_max = 1000}; // it stays
    house.service.start();
    auto other = house.socket("b");
    auto gone = house.socket("a");
    Exchange& leaves = *house.room->exchanges.back();
    Exchange& comes = *house.room->exchanges.front();
    Topics& topics = *house.service.server->topics();
    EXPECT_EQ(topics.publish("a", Opcode::text, "one"), ErrorKind::ok);
    EXPECT_EQ(Topics::unsubscribe(leaves, "a"), ErrorKind::ok);
    EXPECT_EQ(topics.publish("a", Opcode::text, "two"), ErrorKind::ok);
    EXPECT_EQ(topics.subscribe(comes, "a"), ErrorKind::ok);
    house.publish("a", "three");
    EXPECT_EQ(other->take_received(), plain("three"));
    EXPECT_EQ(gone->take_received(), "");
}

TEST(Topics, ASlowSubscriberGetsWholeMessagesOfARow) {
    House house;
    house.service.start();
    auto slow = house.socket("a");
    slow->pause_reading();
    Topics& topics = *house.service.server->topics();
    const std::string message(50'000, 'm');
    for (int i = 0; i < 40; ++i) {
        EXPECT_EQ(topics.publish("a", Opcode::text, message), ErrorKind::ok);
    }
    house.service.settle();
    const std::uint64_t dropped = house.service.metrics().topic_messages_dropped;
    EXPECT_GT(dropped, 10U);
    EXPECT_LT(dropped, 40U);
    slow->resume_reading();
    house.service.settle();
    EXPECT_EQ(slow->received().size(), (40U - dropped) * 50'004);
}

TEST(Topics, AreLimited) {
    House house;
    house.service.options.topics = {.topics_max = 2, .subscriptions_max = 2, .name_bytes_max = 4};
    house.service.start();
    auto peer = house.socket("a");
    Exchange& exchange = *house.room->exchanges.front();
    Topics& topics = *Topics::of(exchange);
    EXPECT_EQ(topics.subscribe(exchange, ""), ErrorKind::invalid);
    EXPECT_EQ(topics.subscribe(exchange, "12345"), ErrorKind::invalid);
    EXPECT_EQ(topics.publish("12345", Opcode::text, "x"), ErrorKind::invalid);
    EXPECT_EQ(topics.subscribe(exchange, "1234"), ErrorKind::ok);
    EXPECT_EQ(topics.subscribe(exchange, "c"), ErrorKind::limit) << "of this exchange";
    auto other = house.socket("d");
    EXPECT_EQ(house.room->result, ErrorKind::limit) << "of topics";
}

TEST(Topics, WhatWaitsForAWorkerIsLimited) {
    House house;
    house.service.start();
    auto reader = house.socket("a");
    Topics& topics = *house.service.server->topics();
    const std::string large(4'000'000, 'l');
    int taken = 0;
    while (topics.publish("a", Opcode::binary, large) == ErrorKind::ok) ASSERT_LT(++taken, 10);
    EXPECT_EQ(taken, 4) << "16 MiB";
    EXPECT_EQ(topics.publish("a", Opcode::binary, large), ErrorKind::again);
    EXPECT_EQ(topics.publish("b", Opcode::binary, large), ErrorKind::ok) << "nobody is there";
    house.service.settle();
    EXPECT_EQ(topics.publish("a", Opcode::text, "small"), ErrorKind::ok);
    while (topics.publish("a", Opcode::text, "") == ErrorKind::ok) ASSERT_LT(++taken, 100'000);
    EXPECT_GT(taken, 10'000) << "what it takes to keep them counts";
    house.service.settle();
}

TEST(Topics, ASlowSubscriberMissesMessages) {
    House house;
    house.service.start();
    auto slow = house.socket("a");
    auto quick = house.socket("a");
    slow->pause_reading();
    const std::string message(50'000, 'm');
    for (int i = 0; i < 40; ++i) house.publish("a", message);
    EXPECT_GT(house.service.metrics().topic_messages_dropped, 10U);
    EXPECT_EQ(quick->received().size(), 40U * 50'004);
    slow->resume_reading();
    house.service.settle();
    const std::uint64_t dropped = house.service.metrics().topic_messages_dropped;
    EXPECT_EQ(slow->received().size(), (40U - dropped) * 50'004);
    house.publish("a", "again");
    EXPECT_TRUE(slow->received().ends_with(plain("again")));
}

TEST(Topics, OrIsLetGo) {
    House house;
    house.service.options.topics.slow = SlowSubscriber::close;
    house.service.options.connection.ws_ping_interval_ms = 0;
    house.service.start();
    auto socket = house.socket("a");
    auto stream = house.stream("a");
    auto quick = house.socket("a");
    socket->pause_reading();
    stream->pause_reading();
    const std::string message(50'000, 'm');
    for (int i = 0; i < 40; ++i) house.publish("a", message);
    ASSERT_TRUE(house.service.until([&] { return house.room->exchanges.size() == 1; }));
    EXPECT_EQ(quick->received().size(), 40U * 50'004);
    EXPECT_EQ(house.room->ends.size(), 2U);
}

TEST(Topics, WhoComesBackGetsWhatItMissed) {
    House house;
    house.service.options.topics.log = {.events_max = 3, .bytes_max = 1000};
    house.service.start();
    {
        auto first = house.stream("a");
        EXPECT_EQ(house.first, "");
        house.publish("a", "one");
        EXPECT_EQ(first->take_received(), chunk("id: 1\ndata: one\n\n"));
    }
    house.publish("a", "two");
    house.publish("a", "three");
    auto back = house.stream("a", "Last-Event-ID: 1\r\n");
    EXPECT_EQ(house.first, chunk("id: 2\ndata: two\n\n") + chunk("id: 3\ndata: three\n\n"));
    house.publish("a", "four");
    EXPECT_EQ(back->take_received(), chunk("id: 4\ndata: four\n\n"));
    auto late = house.stream("a", "Last-Event-ID: 1\r\n");
    EXPECT_TRUE(house.first.starts_with(chunk("id: 2\ndata: two\n\n"))) << "1 is forgotten";
    auto fresh = house.stream("a");
    EXPECT_EQ(house.first, "") << "it has missed nothing";
    auto socket = house.socket("a", "Last-Event-ID: 1\r\n");
    EXPECT_EQ(house.first, "");
}

TEST(Topics, OneIdTellsWhatWasMissedOfAllTopics) {
    House house;
    house.service.options.topics.topics_max = 2;
    house.service.options.topics.log = {.events_max = 100, .bytes_max = 100'000};
    house.service.start();
    for (int i = 0; i < 10; ++i) house.publish("a", "before");
    for (int i = 0; i < 12; ++i) house.publish("b", "before"); // the last id: 22
    house.publish("a", "missed");
    house.publish("b", "missed");
    auto of_a = house.stream("a", "Last-Event-ID: 22\r\n");
    EXPECT_EQ(house.first, chunk("id: 23\ndata: missed\n\n"));
    auto of_b = house.stream("b", "Last-Event-ID: 22\r\n");
    EXPECT_EQ(house.first, chunk("id: 24\ndata: missed\n\n"));
}

TEST(Topics, WhatBeginsAnewGoesOnInItsNumbers) {
    House house;
    house.service.options.topics.topics_max = 1;
    house.service.options.topics.log = {.events_max = 100, .bytes_max = 100'000};
    house.service.start();
    for (int i = 0; i < 5; ++i) house.publish("a", "before");
    house.publish("b", "takes its place");
    house.publish("a", "one");
    house.publish("a", "two");
    auto back = house.stream("a", "Last-Event-ID: 5\r\n");
    EXPECT_EQ(house.first, chunk("id: 7\ndata: one\n\n") + chunk("id: 8\ndata: two\n\n"));
    auto other = house.stream("a", "Last-Event-ID: 99\r\n");
    EXPECT_EQ(house.first, chunk("id: 7\ndata: one\n\n") + chunk("id: 8\ndata: two\n\n"))
        << "of an earlier life of the program";
}

TEST(Topics, ATopicWithOnlyALogMakesRoom) {
    House house;
    house.service.options.topics.topics_max = 2;
    house.service.options.topics.log = {.events_max = 3, .bytes_max = 1000};
    house.service.start();
    auto peer = house.stream("a");
    house.publish("b", "kept");
    house.publish("c", "kept");
    EXPECT_EQ(house.service.server->topics()->topics(), 2U);
    auto other = house.stream("c", "Last-Event-ID: 0\r\n");
    EXPECT_EQ(house.first, chunk("id: 2\ndata: kept\n\n"));
    EXPECT_EQ(house.service.server->topics()->publish("d", Opcode::text, "x"), ErrorKind::limit);
}

TEST(EventStreams, AreKeptBusyAndEndInOrder) {
    House house;
    house.service.options.connection.sse_heartbeat_ms = 15'000;
    house.service.start();
    auto peer = house.stream("a");
    house.service.turn_for(14s);
    EXPECT_EQ(peer->take_received(), "");
    house.service.turn_for(2s);
    EXPECT_EQ(peer->take_received(), chunk(":\n\n"));
    house.service.turn_for(10s);
    house.publish("a", "x");
    peer->take_received();
    house.service.turn_for(14s);
    EXPECT_EQ(peer->take_received(), "") << "the event was enough";
    std::uint64_t reset = 99;
    house.service.server->drain(1s, 60s, [&](std::uint64_t n) { reset = n; });
    ASSERT_TRUE(house.service.until([&] { return peer->ended(); }, 5s));
    EXPECT_EQ(peer->take_received(), "0\r\n\r\n");
    peer->close();
    ASSERT_TRUE(house.service.until([&] { return reset == 0; }, 5s));
    EXPECT_EQ(house.room->ends, std::vector<ErrorKind>{ErrorKind::ok});
}

} // namespace
} // namespace hc::server::test
