// What a server refuses: connections in total and from one address, exchanges, routes.
#include <gtest/gtest.h>

#include "tests/unit/server/service.hpp"

namespace hc::server::test {
namespace {

bool refused(const sim::Peer& peer) {
    return peer.received().starts_with("HTTP/1.1 503 Service Unavailable\r\n") &&
           has(peer.received(), "Retry-After: 7\r\n") && has(peer.received(), "Connection: close");
}
bool served(const sim::Peer& peer) { return peer.received().starts_with("HTTP/1.1 200 "); }

struct Limited : Service {
    Limited() { options.limits.retry_after_s = 7; }
    std::unique_ptr<sim::Peer> ask(std::string_view from) {
        auto peer = connect(from, get);
        settle();
        return peer;
    }
};

TEST(ServerLimits, ConnectionsInTotal) {
    Limited service;
    service.options.limits.connections_max = 3;
    service.start();
    std::vector<std::unique_ptr<sim::Peer>> peers;
    for (int i = 0; i < 3; ++i) peers.push_back(service.ask("198.51.100.1:0"));
    for (const auto& peer : peers) EXPECT_TRUE(served(*peer));
    auto more = service.ask("198.51.100.2:0");
    EXPECT_TRUE(refused(*more)) << more->received();
    EXPECT_TRUE(more->ended());
    // What is refused does not count: closing one that is served makes room, at once.
    peers.pop_back();
    service.settle();
    auto again = service.ask("198.51.100.2:0");
    EXPECT_TRUE(served(*again));
    const Metrics metrics = service.metrics();
    EXPECT_EQ(metrics.connections_accepted, 5U);
    EXPECT_EQ(metrics.connections_refused, 1U);
    EXPECT_EQ(metrics.requests, 4U);
}

TEST(ServerLimits, ConnectionsOfOnePeer) {
    Limited service;
    service.options.limits.connections_per_peer_max = 2;
    service.start();
    auto a = service.ask("198.51.100.1:0");
    auto b = service.ask("198.51.100.1:0");
    auto c = service.ask("198.51.100.1:0");
    auto other = service.ask("198.51.100.2:0");
    EXPECT_TRUE(served(*a));
    EXPECT_TRUE(served(*b));
    EXPECT_TRUE(refused(*c));
    EXPECT_TRUE(served(*other));
    b->reset();
    service.settle();
    auto d = service.ask("198.51.100.1:0");
    EXPECT_TRUE(served(*d)) << "a reset makes room, too";
}

TEST(ServerLimits, ASubnetOfIpv6IsOnePeer) {
    Limited service;
    service.options.limits.connections_per_peer_max = 1;
    service.start();
    auto a = service.ask("[2001:db8:1:2::1]:0");
    auto same = service.ask("[2001:db8:1:2:ffff::2]:0");
    auto other = service.ask("[2001:db8:1:3::1]:0");
    EXPECT_TRUE(served(*a));
    EXPECT_TRUE(refused(*same));
    EXPECT_TRUE(served(*other));
}

TEST(ServerLimits, BeyondAThousandNobodyIsToldWhy) {
    Limited service;
    service.options.limits.connections_max = 1;
    service.options.connection.linger_timeout_ms = 3'600'000;
    service.start();
    auto first = service.ask("198.51.100.1:0");
    std::vector<std::unique_ptr<sim::Peer>> peers;
    for (int i = 0; i < 1'100; ++i) peers.push_back(service.connect("198.51.100.1:0"));
    service.turn_for(1s);
    std::size_t told = 0;
    for (const auto& peer : peers) told += refused(*peer);
    EXPECT_EQ(told, 1'024U);
    EXPECT_EQ(service.metrics().connections_refused, 1'100U);
    peers.clear();
    service.settle();
    auto later = service.ask("198.51.100.1:0");
    EXPECT_TRUE(refused(*later)) << "those who left make room for the next to be told";
}

TEST(ServerLimits, Exchanges) {
    Limited service;
    service.options.limits.exchanges_max = 2;
    service.echo->holds = true;
    service.start();
    auto a = service.ask("198.51.100.1:0");
    auto b = service.ask("198.51.100.1:0");
    auto c = service.ask("198.51.100.1:0");
    EXPECT_TRUE(c->received().starts_with("HTTP/1.1 503 ")) << c->received();
    EXPECT_TRUE(has(c->received(), "retry-after: 7\r\n")) << c->received();
    EXPECT_FALSE(c->over()) << "the connection is kept";
    EXPECT_EQ(service.metrics().requests_refused, 1U);
    EXPECT_EQ(service.metrics().requests_active, 2U);
    service.echo->finish();
    service.settle();
    c->take_received();
    c->send(get);
    service.settle();
    service.echo->finish();
    service.settle();
    EXPECT_TRUE(served(*c));
}

TEST(ServerLimits, Routes) {
    Service service;
    service.options.limits.routes_max = 2;
    service.server = Server::create(*service.runtime, service.options).value();
    EXPECT_TRUE(service.server->route("GET", "/a", 0));
    EXPECT_TRUE(service.server->route("GET", "/b", 0));
    const auto third = service.server->route("GET", "/c", 0);
    ASSERT_FALSE(third);
    EXPECT_EQ(third.error().kind, ErrorKind::limit);
}

TEST(ServerRoutes, HaveToBeBoundBeforeTheFirstListen) {
    Service service;
    service.server = Server::create(*service.runtime, service.options).value();
    ASSERT_TRUE(service.server->route("GET", "/a", 3));
    auto listening = service.server->listen(service.listening);
    ASSERT_FALSE(listening);
    EXPECT_EQ(listening.error().kind, ErrorKind::state);
    EXPECT_TRUE(has(listening.error().message, "route 3")) << listening.error().message;
    ASSERT_TRUE(service.server->bind(3, service.echo));
    EXPECT_EQ(service.server->bind(3, service.echo).error().kind, ErrorKind::state);
    EXPECT_TRUE(service.server->listen(service.listening));
    EXPECT_EQ(service.server->route("GET", "/b", 4).error().kind, ErrorKind::state);
    EXPECT_EQ(service.server->bind(4, service.echo).error().kind, ErrorKind::state);
}

TEST(ServerRoutes, LargeNumbersWork) {
    Service service;
    service.server = Server::create(*service.runtime, service.options).value();
    for (const std::uint32_t route : {0U, 1'023U, 1'024U, 4'000'000'000U}) {
        ASSERT_TRUE(service.server->route("GET", "/" + std::to_string(route), route));
        ASSERT_TRUE(service.server->bind(route, service.echo));
    }
    ASSERT_TRUE(service.server->listen(service.listening));
    for (const char* route : {"0", "1023", "1024", "4000000000"}) {
        auto peer = service.connect("198.51.100.1:0",
                                    std::string("GET /") + route + " HTTP/1.1\r\nHost: x\r\n\r\n");
        service.settle();
        EXPECT_TRUE(peer->received().ends_with(std::string("/") + route)) << peer->received();
    }
}

TEST(ServerRoutes, WhatMatchesNothingIsAnsweredAndTheConnectionKept) {
    Service service;
    service.server = Server::create(*service.runtime, service.options).value();
    ASSERT_TRUE(service.server->route("GET", "/a", 0));
    ASSERT_TRUE(service.server->route("PUT", "/a", 0));
    ASSERT_TRUE(service.server->bind(0, service.echo));
    ASSERT_TRUE(service.server->listen(service.listening));
    auto peer = service.connect("198.51.100.1:0", "GET /b HTTP/1.1\r\nHost: x\r\n\r\n"
                                                  "POST /a HTTP/1.1\r\nHost: x\r\n"
                                                  "Content-Length: 3\r\n\r\nxyz" +
                                                      get);
    service.settle();
    const std::string& got = peer->received();
    EXPECT_TRUE(got.starts_with("HTTP/1.1 404 Not Found\r\n")) << got;
    EXPECT_TRUE(has(got, "HTTP/1.1 405 Method Not Allowed\r\n")) << got;
    EXPECT_TRUE(has(got, "allow: GET, HEAD, PUT\r\n")) << got;
    EXPECT_TRUE(got.ends_with("/a")) << got;
    EXPECT_FALSE(peer->over());
}

TEST(ServerListen, RefusesWhatCannotBe) {
    Service service;
    service.start();
    EXPECT_FALSE(service.server->listen({.address = "nonsense"}));
    EXPECT_EQ(service.server->listen({.address = "[::]:80"}).error().kind,
              ErrorKind::address_in_use);
    EXPECT_FALSE(service.server->listen({.address = "[::]:81", .proxy_from = {"10.0.0.0/99"}}));
    EXPECT_EQ(service.server->address(1).error().kind, ErrorKind::not_found);
    EXPECT_EQ(service.server->address(0)->port, 80);
}

} // namespace
} // namespace hc::server::test
