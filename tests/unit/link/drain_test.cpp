// drain(), hurry() and kill() in each phase of a connection.
#include <gtest/gtest.h>

#include "tests/unit/link/house.hpp"

namespace hc::link::test {
namespace {

const std::string get = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
const std::string closing = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\n/a|";

struct Draining {
    /// As a server does it: what is open is told, what comes later knows it from the context.
    void drain() {
        house.context().draining = true;
        house.context().connections.for_each([](Connection& each) { each.drain(); });
    }
    House house;
};

TEST(Drain, AnIdleConnectionIsClosedAtOnce) {
    Draining it;
    auto peer = it.house.connect(get);
    it.house.turn_for(1s);
    it.drain();
    EXPECT_EQ(it.house.connections(), 0U);
    ASSERT_TRUE(it.house.until([&] { return peer->over(); }, 1s));
    EXPECT_TRUE(peer->ended());
    EXPECT_EQ(peer->received(), answer_200("/a|"));
}

TEST(Drain, AnAnswerThatIsOutDoesNotWaitForItsRequest) {
    Draining it;
    it.house.script.on_head = [](Exchange& exchange, Record& record) {
        record.exchange = nullptr;
        EXPECT_EQ(exchange.respond(200, {}, "out", {.fin = true, .release = true}), ErrorKind::ok);
    };
    auto peer = it.house.connect("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc");
    ASSERT_TRUE(it.house.until([&] { return peer->received().ends_with("out"); }, 1s));
    it.drain();
    ASSERT_TRUE(it.house.until([&] { return peer->ended(); }, 1s));
    EXPECT_EQ(peer->error(), 0);
    it.house.turn_for(2'100ms); // linger_timeout_ms
    EXPECT_EQ(it.house.connections(), 0U);
}

TEST(Drain, ANewConnectionMayStillAskOnce) {
    Draining it;
    auto peer = it.house.connect();
    it.house.turn_for(10s);
    it.drain();
    it.house.turn_for(1s);
    peer->send(get + get);
    ASSERT_TRUE(it.house.until([&] { return peer->over(); }, 1s));
    EXPECT_EQ(peer->received(), closing);
}

TEST(Drain, ANewConnectionIsNotWaitedForLong) {
    Draining it;
    auto peer = it.house.connect();
    it.house.turn_for(10s);
    it.drain();
    it.house.turn_for(2'100ms); // linger_timeout_ms
    EXPECT_TRUE(peer->ended());
    EXPECT_EQ(peer->received(), "") << "it asked for nothing";
}

TEST(Drain, WhatArrivesWhileDrainingIsServedOnce) {
    Draining it;
    it.house.context().draining = true;
    EXPECT_EQ(it.house.talk(get + get, 1s), closing);
}

TEST(Drain, AHeadThatHasBegunIsServed) {
    Draining it;
    auto peer = it.house.connect(get.substr(0, 10));
    it.house.turn_for(1s);
    it.drain();
    it.house.turn_for(5s);
    EXPECT_FALSE(peer->over());
    peer->send(get.substr(10));
    ASSERT_TRUE(it.house.until([&] { return peer->over(); }, 1s));
    EXPECT_EQ(peer->received(), closing);
}

TEST(Drain, ARequestUnderWayIsAnsweredTheNextIsNot) {
    for (const bool begun : {false, true}) {
        Draining it;
        it.house.script.on_head = [begun](Exchange& exchange, Record&) {
            if (begun) EXPECT_EQ(exchange.respond(200, {}, "half", {}), ErrorKind::ok);
        };
        auto peer = it.house.connect(get + get);
        it.house.turn_for(1s);
        it.drain();
        it.house.turn_for(5s);
        EXPECT_FALSE(peer->over());
        Record& record = it.house.record(0);
        if (begun) {
            EXPECT_EQ(record.exchange->send("more", {.fin = true}), ErrorKind::ok);
        } else {
            Script::answer(*record.exchange, record);
        }
        ASSERT_TRUE(it.house.until([&] { return peer->over(); }, 1s));
        EXPECT_TRUE(peer->ended());
        if (!begun) EXPECT_EQ(peer->received(), closing);
        if (begun) EXPECT_TRUE(peer->received().ends_with("more\r\n0\r\n\r\n"));
        EXPECT_EQ(it.house.requests(), 1U);
        EXPECT_EQ(record.end, ErrorKind::ok);
    }
}

TEST(Drain, AnAnswerOnItsWayArrives) {
    sim::Options options;
    options.window_bytes_min = options.window_bytes_max = 4'000;
    House house(1, options);
    const std::string body(40'000, 'x');
    house.script.on_head = [&](Exchange& exchange, Record& record) {
        EXPECT_EQ(exchange.respond(200, {}, body, {.fin = true, .release = true}), ErrorKind::ok);
        record.exchange = nullptr;
    };
    auto peer = house.connect(get);
    peer->pause_reading();
    house.turn_for(1s);
    house.connection().drain();
    house.turn_for(5s);
    EXPECT_EQ(house.connections(), 1U);
    peer->resume_reading();
    ASSERT_TRUE(house.until([&] { return peer->over(); }, 1s));
    EXPECT_TRUE(peer->received() == answer_200(body));
    EXPECT_TRUE(peer->ended());
}

TEST(Drain, HurryClosesWhatWaitsForARequest) {
    Draining it;
    auto fresh = it.house.connect();
    it.house.turn_for(1s);
    it.drain();
    EXPECT_EQ(it.house.connections(), 1U);
    it.house.connection().hurry();
    EXPECT_EQ(it.house.connections(), 0U);
    ASSERT_TRUE(it.house.until([&] { return fresh->over(); }, 1s));
    EXPECT_TRUE(fresh->ended());
}

TEST(Drain, HurryLetsARequestUnderWayBe) {
    Draining it;
    it.house.script.on_head = [](Exchange&, Record&) {};
    auto peer = it.house.connect(get);
    it.house.turn_for(1s);
    EXPECT_TRUE(it.house.connection().busy());
    it.drain();
    it.house.connection().hurry();
    it.house.turn_for(1s);
    Script::answer(*it.house.record(0).exchange, it.house.record(0));
    ASSERT_TRUE(it.house.until([&] { return peer->over(); }, 1s));
    EXPECT_EQ(peer->received(), closing);
}

TEST(Drain, DrainWhileLingering) {
    Draining it;
    auto peer = it.house.connect("GET /a HTTP/1.0\r\n\r\n");
    ASSERT_TRUE(it.house.until([&] { return peer->ended(); }, 1s));
    EXPECT_FALSE(it.house.connection().busy());
    it.drain();
    it.house.connection().hurry();
    EXPECT_EQ(it.house.connections(), 1U) << "the peer may still read";
    peer->close();
    EXPECT_TRUE(it.house.until([&] { return it.house.connections() == 0; }, 1s));
}

TEST(Drain, AHandlerMayDrainItsOwnConnection) {
    Draining it;
    it.house.script.on_head = [&](Exchange& exchange, Record& record) {
        it.drain();
        Script::answer(exchange, record);
    };
    EXPECT_EQ(it.house.talk(get + get, 1s), closing);
}

TEST(Drain, AHandlerMayKillItsOwnConnection) {
    for (const bool answered : {false, true}) {
        Draining it;
        it.house.script.on_head = [&](Exchange& exchange, Record& record) {
            if (answered) Script::answer(exchange, record);
            it.house.connection().kill();
            EXPECT_EQ(exchange.respond(200, {}, "", {}), ErrorKind::closed);
        };
        auto peer = it.house.connect(get + get);
        ASSERT_TRUE(it.house.until([&] { return peer->over(); }, 1s));
        EXPECT_EQ(it.house.record(0).calls, "RC");
        EXPECT_EQ(it.house.record(0).end, ErrorKind::closed);
        EXPECT_EQ(it.house.requests(), 1U);
    }
}

TEST(Drain, OnClosedMayEndTheOthers) {
    House house;
    house.script.on_head = [](Exchange&, Record&) {};
    house.script.on_close = [&](Exchange&, Record& record) {
        Script::release(record);
        for (Record& other : house.script.records) {
            if (!other.end) other.exchange->abort(0);
        }
    };
    auto a = house.connect(get);
    auto b = house.connect(get);
    auto c = house.connect(get);
    house.turn_for(1s);
    house.connection().kill();
    EXPECT_EQ(house.connections(), 0U);
    EXPECT_TRUE(house.until([&] { return a->over() && b->over() && c->over(); }, 1s));
    EXPECT_EQ(house.record(0).end, ErrorKind::closed);
    EXPECT_EQ(house.record(1).end, ErrorKind::cancelled);
    EXPECT_EQ(house.record(2).end, ErrorKind::cancelled);
}

} // namespace
} // namespace hc::link::test
