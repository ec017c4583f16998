// How requests and answers are framed, and what becomes of the connection behind them.
#include <gtest/gtest.h>

#include "tests/unit/link/house.hpp"

namespace hc::link::test {
namespace {

TEST(Framing, AKeptConnectionLastsUntilThePeerEndsIt) {
    House house;
    auto peer = house.connect("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_TRUE(house.until([&] { return has(peer->received(), "/a|"); }));
    EXPECT_EQ(peer->received(), answer_200("/a|"));
    house.turn_for(10s);
    EXPECT_FALSE(peer->over());
    peer->send("GET /b HTTP/1.1\r\nHost: x\r\n\r\n");
    peer->take_received();
    ASSERT_TRUE(house.until([&] { return has(peer->received(), "/b|"); }, 1s));
    peer->shutdown_write();
    EXPECT_TRUE(house.until([&] { return peer->ended(); }, 1s));
    EXPECT_EQ(peer->received(), answer_200("/b|"));
    EXPECT_EQ(house.record(0).calls, "RC");
    EXPECT_EQ(house.record(0).end, ErrorKind::ok);
}

TEST(Framing, ConnectionCloseIsObeyed) {
    House house;
    const std::string got = house.talk("GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                                       "GET /b HTTP/1.1\r\nHost: x\r\n\r\n",
                                       5s);
    EXPECT_EQ(got, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\n/a|");
    EXPECT_EQ(house.requests(), 1U) << "nothing is served behind the last request";
}

TEST(Framing, TheHandlerMayAskForTheEnd) {
    House house;
    house.script.on_head = [](Exchange& exchange, Record&) {
        const http::Field fields[] = {{"connection", "close"}};
        EXPECT_EQ(exchange.respond(200, fields, "x", {.fin = true}), ErrorKind::ok);
    };
    EXPECT_EQ(house.talk("GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n"),
              "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx");
    EXPECT_EQ(house.requests(), 1U);
}

TEST(Framing, WhatComesBehindARefusedConnectIsNoRequest) {
    House house;
    house.script.on_head = [](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.respond(403, {}, "no", {.fin = true}), ErrorKind::ok);
    };
    EXPECT_EQ(house.talk("CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n"
                         "GET /b HTTP/1.1\r\nHost: x\r\n\r\n"),
              "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
    EXPECT_EQ(house.requests(), 1U);
}

TEST(Framing, TheLastOfSoManyRequestsCloses) {
    House house;
    house.limits.requests_per_connection_max = 2;
    const std::string request = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
    const std::string got = house.talk(request + request + request);
    EXPECT_EQ(got, answer_200("/a|") +
                       "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\n/a|");
}

TEST(Framing, OldPeersAreClosedUnlessTheyAskToBeKept) {
    House house;
    const std::string got = house.talk("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
                                       "GET /b HTTP/1.0\r\n\r\n",
                                       5s);
    EXPECT_EQ(got, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n/a|"
                   "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\n/b|");
    EXPECT_EQ(house.requests(), 2U);
}

TEST(Framing, OldPeersReadUntilTheEndWhenTheLengthIsUnknown) {
    House house;
    house.script.on_head = [](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.respond(200, {}, "one ", {}), ErrorKind::ok);
        EXPECT_EQ(exchange.send("two ", {}), ErrorKind::ok);
        const http::Field trailers[] = {{"x-sum", "1"}};
        EXPECT_EQ(exchange.finish(trailers), ErrorKind::ok);
    };
    EXPECT_EQ(house.talk("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 5s),
              "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\none two ");
}

TEST(Framing, AnUnknownLengthIsChunked) {
    House house;
    house.script.on_head = [](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.respond(200, {}, "", {}), ErrorKind::ok);
        EXPECT_EQ(exchange.send("one", {}), ErrorKind::ok);
        EXPECT_EQ(exchange.send("", {}), ErrorKind::ok) << "an empty chunk would be the last";
        EXPECT_EQ(exchange.send(std::string(17, 'x'), {}), ErrorKind::ok);
        const http::Field trailers[] = {{"x-sum", "42"}};
        EXPECT_EQ(exchange.finish(trailers), ErrorKind::ok);
    };
    auto peer = house.connect("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_TRUE(house.until([&] { return has(peer->received(), "42\r\n\r\n"); }));
    const std::string& got = peer->received();
    EXPECT_TRUE(has(got, "Transfer-Encoding: chunked\r\n")) << got;
    EXPECT_FALSE(has(got, "Content-Length")) << got;
    EXPECT_EQ(got.substr(got.find("\r\n\r\n")),
              "\r\n\r\n3\r\none\r\n11\r\n" + std::string(17, 'x') + "\r\n0\r\nx-sum: 42\r\n\r\n");
}

TEST(Framing, AChunkedRequestWithTrailers) {
    House house;
    auto peer = house.connect("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                              "3\r\none\r\n4\r\n two\r\n0\r\nX-Sum: 7\r\nX-B: c\r\n\r\n"
                              "GET /b HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_TRUE(house.until([&] { return has(peer->received(), "/b|"); }));
    EXPECT_EQ(peer->received(), answer_200("/a|one two") + answer_200("/b|"));
    EXPECT_EQ(house.record(0).trailers, "X-Sum: 7\nX-B: c\n");
    EXPECT_EQ(house.record(0).calls, "RBEC");
    EXPECT_EQ(house.record(1).calls, "RC");
}

TEST(Framing, HeadGetsTheHeadOfGet) {
    House house;
    const std::string got = house.talk("HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n"
                                       "GET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(got, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"
                   "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\n/b|");
}

TEST(Framing, AStreamedAnswerToHeadSendsNoBody) {
    House house;
    house.script.on_head = [](Exchange& exchange, Record& record) {
        if (record.method != "HEAD") return Script::answer(exchange, record);
        EXPECT_EQ(exchange.respond(200, {}, "one", {}), ErrorKind::ok);
        EXPECT_EQ(exchange.send(std::string(100'000, 'x'), {}), ErrorKind::ok);
        EXPECT_EQ(exchange.finish({}), ErrorKind::ok);
    };
    const std::string got = house.talk("HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n"
                                       "GET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    const std::size_t end = got.find("\r\n\r\n");
    ASSERT_NE(end, std::string::npos);
    EXPECT_EQ(got.substr(end + 4),
              "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\n/b|");
}

TEST(Framing, StatusesWithoutABody) {
    for (const int status : {204, 304}) {
        House house;
        house.script.on_head = [status](Exchange& exchange, Record& record) {
            if (record.target == "/b") return Script::answer(exchange, record);
            EXPECT_EQ(exchange.respond(status, {}, "", {.fin = true}), ErrorKind::ok);
        };
        const std::string got =
            house.talk("GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
                       "GET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        const std::size_t end = got.find("\r\n\r\n");
        EXPECT_TRUE(has(got.substr(0, end), " " + std::to_string(status) + " "));
        EXPECT_FALSE(has(got.substr(0, end), "chunked"));
        EXPECT_TRUE(got.substr(end + 4).starts_with("HTTP/1.1 200 OK")) << got;
    }
}

TEST(Framing, AnInterimAnswerGoesFirst) {
    House house;
    house.script.on_head = [](Exchange& exchange, Record& record) {
        const http::Field link[] = {{"link", "</s.css>"}};
        EXPECT_EQ(exchange.interim(103, link), ErrorKind::ok);
        EXPECT_EQ(exchange.interim(101, {}), ErrorKind::invalid) << "that is upgrade()'s";
        EXPECT_EQ(exchange.interim(200, {}), ErrorKind::invalid);
        Script::answer(exchange, record);
        EXPECT_EQ(exchange.interim(103, link), ErrorKind::state);
    };
    auto peer = house.connect("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_TRUE(house.until([&] { return has(peer->received(), "/a|"); }));
    EXPECT_EQ(peer->received(),
              "HTTP/1.1 103 Early Hints\r\nlink: </s.css>\r\n\r\n" + answer_200("/a|"));
    EXPECT_EQ(house.talk("GET /a HTTP/1.0\r\n\r\n"),
              "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\n/a|")
        << "an old peer knows no interim answers";
}

constexpr std::string_view expecting = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
                                       "Expect: 100-continue\r\n\r\n";
constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";

TEST(Framing, ContinueIsSentWhenTheBodyIsWanted) {
    House house;
    Record* waiting = nullptr;
    house.script.on_head = [&](Exchange&, Record& record) { waiting = &record; };
    auto peer = house.connect(expecting);
    ASSERT_TRUE(house.until([&] { return waiting != nullptr; }));
    house.turn_for(5s);
    EXPECT_EQ(peer->received(), "") << "nobody has asked for the body";
    EXPECT_EQ(waiting->exchange->grant(1), ErrorKind::ok);
    EXPECT_EQ(waiting->exchange->grant(100), ErrorKind::ok);
    house.turn_for(5s);
    EXPECT_EQ(peer->received(), go_on) << "once";
    peer->send("xyz");
    ASSERT_TRUE(house.until([&] { return has(peer->received(), "|xyz"); }));
    EXPECT_EQ(peer->received(), std::string(go_on) + answer_200("/a|xyz"));
    peer->send("GET /b HTTP/1.1\r\nHost: x\r\n\r\n");
    house.script.on_head = nullptr;
    EXPECT_TRUE(house.until([&] { return has(peer->received(), "/b|"); }));
}

TEST(Framing, AnAnswerInPlaceOfContinueCloses) {
    House house;
    house.script.on_head = [](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.respond(403, {}, "no", {.fin = true}), ErrorKind::ok);
    };
    EXPECT_EQ(house.talk(expecting, 5s),
              "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
        << "nobody knows whether the body will come";
    // It comes nevertheless: the answer must not be lost to a reset.
    EXPECT_EQ(house.talk(std::string(expecting) + "xyz", 5s),
              "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
}

TEST(Framing, ThePeerNeedNotWaitForContinue) {
    House house;
    auto peer = house.connect(std::string(expecting) + "xyz");
    ASSERT_TRUE(house.until([&] { return has(peer->received(), "|xyz"); }));
    EXPECT_EQ(house.record(0).calls, "RBEC");
}

TEST(Framing, ABrokenRequestIsToldSo) {
    House house;
    const std::string got = house.talk("GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET \x01\r\n\r\n", 5s);
    EXPECT_TRUE(got.starts_with(answer_200("/a|") + "HTTP/1.1 400 Bad Request\r\n")) << got;
    EXPECT_TRUE(has(got, "Connection: close\r\n"));
    EXPECT_EQ(house.counters.protocol_errors.get(), 1U);
    EXPECT_EQ(house.requests(), 1U);
}

TEST(Framing, ABrokenBodyEndsItsExchange) {
    House house;
    const std::string got = house.talk("POST /a HTTP/1.1\r\nHost: x\r\n"
                                       "Transfer-Encoding: chunked\r\n\r\n3\r\nonexx",
                                       5s);
    EXPECT_TRUE(got.starts_with("HTTP/1.1 400 Bad Request\r\n")) << got;
    EXPECT_EQ(house.record(0).end, ErrorKind::protocol);
    EXPECT_EQ(house.record(0).calls, "RBC");
}

TEST(Framing, OneTooManyIsRefused) {
    House house;
    house.refuse_next = true;
    const std::string got = house.talk("GET /a HTTP/1.1\r\nHost: x\r\n\r\n", 5s);
    EXPECT_TRUE(got.starts_with("HTTP/1.1 503 Service Unavailable\r\n")) << got;
    EXPECT_TRUE(has(got, "Retry-After: 5\r\n")) << got;
    EXPECT_EQ(house.requests(), 0U);
}

} // namespace
} // namespace hc::link::test
