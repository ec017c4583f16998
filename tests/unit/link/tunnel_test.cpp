// Upgrades: raw bytes both ways, until both ends have ended them.
#include <gtest/gtest.h>

#include "tests/unit/link/house.hpp"

namespace hc::link::test {
namespace {

const std::string upgrade = "GET /a HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\n"
                            "Upgrade: echo\r\n\r\n";
const std::string accepted =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
const std::string get = "GET /b HTTP/1.1\r\nHost: x\r\n\r\n";

/// Opens a tunnel in on_request and grants all there is.
void open(Exchange& exchange, Record&) {
    EXPECT_EQ(exchange.upgrade(101, {}), ErrorKind::ok);
    EXPECT_EQ(exchange.grant(UINT64_MAX), ErrorKind::ok);
}
/// A house whose user opens tunnels and does nothing when their input ends.
struct Open {
    Open() {
        house.script.on_head = open;
        house.script.on_end = [](Exchange&, Record&) {};
    }
    House house;
};

TEST(Tunnel, BytesGoBothWays) {
    Open tunnels;
    House& house = tunnels.house;
    auto peer = house.connect(upgrade);
    ASSERT_TRUE(house.until([&] { return peer->received() == accepted; }, 1s)) << peer->received();
    Record& record = house.record(0);
    peer->take_received();
    peer->send(get);
    house.turn_for(1s);
    EXPECT_EQ(record.body, get) << "no request any more";
    EXPECT_EQ(record.exchange->send("back", {}), ErrorKind::ok);
    house.turn_for(10min);
    EXPECT_EQ(peer->received(), "back") << "raw, and no time limit runs";
    EXPECT_EQ(record.calls, "RB");
    EXPECT_EQ(record.exchange->finish({}), ErrorKind::ok);
    ASSERT_TRUE(house.until([&] { return peer->ended(); }, 1s));
    peer->send("more");
    house.turn_for(1s);
    EXPECT_EQ(record.body, get + "more") << "the other direction goes on";
    EXPECT_FALSE(record.end);
    peer->shutdown_write();
    ASSERT_TRUE(house.until([&] { return record.end.has_value(); }, 1s));
    EXPECT_EQ(record.calls, "RBEC");
    EXPECT_EQ(record.end, ErrorKind::ok);
}

/// Nobody would look at what the peer still sends: its end is waited for as behind any answer.
TEST(Tunnel, OneThatIsEndedAndReleasedGoesAway) {
    for (const std::string more : {"", "a last word"}) {
        for (const bool ends : {false, true}) {
            Open tunnels;
            House& house = tunnels.house;
            auto peer = house.connect(upgrade);
            ASSERT_TRUE(house.until([&] { return peer->received() == accepted; }, 1s));
            Record& record = house.record(0);
            EXPECT_EQ(record.exchange->send("bye", {.fin = true, .release = true}), ErrorKind::ok);
            record.exchange = nullptr;
            ASSERT_TRUE(house.until([&] { return peer->ended(); }, 1s));
            EXPECT_TRUE(peer->received().ends_with("bye"));
            peer->send(more);
            if (ends) peer->shutdown_write();
            EXPECT_TRUE(house.until([&] { return house.connections() == 0; }, 1min))
                << more << ends;
        }
    }
}

TEST(Tunnel, ThePeerMayEndFirst) {
    Open tunnels;
    House& house = tunnels.house;
    auto peer = house.connect(upgrade + "first");
    peer->shutdown_write();
    house.turn_for(1s);
    Record& record = house.record(0);
    EXPECT_EQ(record.calls, "RBE");
    EXPECT_EQ(record.body, "first");
    house.turn_for(10min);
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(record.exchange->send("late", {}), ErrorKind::ok);
        house.turn_for(1s);
    }
    EXPECT_EQ(peer->received(), accepted + "latelatelate");
    EXPECT_EQ(record.exchange->send("!", {.fin = true}), ErrorKind::ok);
    ASSERT_TRUE(house.until([&] { return peer->ended(); }, 1s));
    EXPECT_EQ(peer->received(), accepted + "latelatelate!");
    ASSERT_TRUE(house.until([&] { return record.end.has_value(); }, 1s));
    EXPECT_EQ(record.end, ErrorKind::ok);
}

TEST(Tunnel, WhatCameBeforeALateUpgradeIsTheTunnels) {
    Open tunnels;
    House& house = tunnels.house;
    house.script.on_head = [](Exchange&, Record&) {};
    for (const bool end : {false, true}) {
        auto peer = house.connect(upgrade + get);
        if (end) peer->shutdown_write();
        house.turn_for(1s);
        Record& record = house.script.records.back();
        ASSERT_FALSE(record.end);
        open(*record.exchange, record);
        house.turn_for(1s);
        EXPECT_EQ(record.body, get);
        EXPECT_EQ(record.calls, end ? "RBE" : "RB");
        EXPECT_EQ(record.exchange->finish({}), ErrorKind::ok);
        peer->shutdown_write();
        ASSERT_TRUE(house.until([&] { return record.end.has_value(); }, 1s));
        EXPECT_EQ(record.calls, "RBEC");
    }
}

TEST(Tunnel, BytesWaitForCredit) {
    Open tunnels;
    House& house = tunnels.house;
    house.limits.exchange_buffer_bytes_max = 4'000;
    house.script.on_head = [](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.upgrade(101, {}), ErrorKind::ok);
    };
    const std::string bytes(300'000, 't');
    auto peer = house.connect(upgrade + bytes);
    peer->shutdown_write();
    house.turn_for(1s);
    Record& record = house.record(0);
    EXPECT_EQ(record.calls, "R");
    EXPECT_LE(house.counters.bytes_received.get(), 70'000U);
    ASSERT_TRUE(house.until([&] {
        if (!record.end) record.exchange->grant(1'000);
        return has(record.calls, "E");
    }));
    EXPECT_TRUE(record.body == bytes);
    EXPECT_EQ(record.exchange->finish({}), ErrorKind::ok);
    ASSERT_TRUE(house.until([&] { return record.end.has_value(); }, 1s));
}

TEST(Tunnel, ConnectIsAnsweredWith2xx) {
    Open tunnels;
    House& house = tunnels.house;
    house.script.on_head = [](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.upgrade(101, {}), ErrorKind::invalid);
        EXPECT_EQ(exchange.upgrade(200, {}), ErrorKind::ok);
        EXPECT_EQ(exchange.grant(100), ErrorKind::ok);
    };
    auto peer = house.connect("CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\nhello");
    ASSERT_TRUE(
        house.until([&] { return house.requests() == 1 && !house.record(0).body.empty(); }, 1s));
    EXPECT_TRUE(peer->received().empty() || peer->received().starts_with("HTTP/1.1 200 OK\r\n"));
    house.turn_for(1s);
    EXPECT_FALSE(has(peer->received(), "Content-Length"));
    EXPECT_FALSE(has(peer->received(), "Transfer-Encoding"));
    EXPECT_EQ(house.record(0).body, "hello");
    Script::release(house.record(0));
}

TEST(Tunnel, ARefusedUpgradeIsAnOrdinaryRequest) {
    House house;
    auto peer = house.connect(upgrade + get);
    ASSERT_TRUE(house.until([&] { return has(peer->received(), "/b|"); }, 1s));
    EXPECT_EQ(peer->received(), answer_200("/a|") + answer_200("/b|"));
}

TEST(Tunnel, AReleaseEndsItInOrder) {
    Open tunnels;
    House& house = tunnels.house;
    auto peer = house.connect(upgrade + "hello");
    house.turn_for(1s);
    EXPECT_EQ(house.record(0).exchange->send("bye", {}), ErrorKind::ok);
    Script::release(house.record(0));
    ASSERT_TRUE(house.until([&] { return peer->over(); }, 1s));
    EXPECT_EQ(peer->received(), accepted + "bye");
    EXPECT_TRUE(peer->ended());
}

TEST(Tunnel, OnWritableCountsForItToo) {
    sim::Options options;
    options.window_bytes_min = options.window_bytes_max = 1'000;
    House house(1, options);
    house.limits.write_high_watermark_bytes = 2'000;
    house.limits.write_low_watermark_bytes = 500;
    house.script.on_head = open;
    auto peer = house.connect(upgrade);
    peer->pause_reading();
    house.turn_for(1s);
    Record& record = house.record(0);
    EXPECT_EQ(record.exchange->send(std::string(5'000, 't'), {}), ErrorKind::ok);
    EXPECT_EQ(record.exchange->send("x", {}), ErrorKind::again);
    peer->resume_reading();
    ASSERT_TRUE(house.until([&] { return record.calls == "RW"; }, 5s));
    Script::release(record);
}

TEST(Tunnel, APeerThatTakesNothingIsReset) {
    sim::Options options;
    options.window_bytes_min = options.window_bytes_max = 1'000;
    House house(1, options);
    house.script.on_head = open;
    auto peer = house.connect(upgrade);
    peer->pause_reading();
    house.turn_for(1s);
    EXPECT_EQ(house.record(0).exchange->send(std::string(5'000, 't'), {}), ErrorKind::ok);
    EXPECT_TRUE(house.until([&] { return house.record(0).end.has_value(); }, 31s));
    EXPECT_EQ(house.record(0).end, ErrorKind::timeout);
}

TEST(Tunnel, HurryEndsItWithoutAReset) {
    Open tunnels;
    House& house = tunnels.house;
    auto peer = house.connect(upgrade);
    house.turn_for(1s);
    house.connection().drain();
    house.turn_for(10s);
    EXPECT_FALSE(peer->over()) << "a drain alone lets it go on";
    EXPECT_EQ(house.record(0).exchange->send("last words", {}), ErrorKind::ok);
    house.connection().hurry();
    ASSERT_TRUE(house.until([&] { return peer->over(); }, 1s));
    EXPECT_TRUE(peer->ended());
    EXPECT_EQ(peer->received(), accepted + "last words");
    EXPECT_EQ(house.record(0).end, ErrorKind::closed);
}

} // namespace
} // namespace hc::link::test
