// The PROXY protocol at a server's door.
#include <gtest/gtest.h>

#include "tests/unit/server/service.hpp"

namespace hc::server::test {
namespace {

const std::string v1 = "PROXY TCP4 203.0.113.7 192.0.2.1 1234 80\r\n";
const std::string v2 = std::string("\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24", 16) +
                       std::string("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07", 16) +
                       std::string("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x08", 16) +
                       std::string("\x12\x34\0\x50", 4);
const std::string v2_local = std::string("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16);
constexpr std::string_view proxy = "10.1.2.3:0";

struct Proxied : Service {
    explicit Proxied(sim::Options network = {}) : Service(std::move(network)) {
        listening.proxy_from = {"10.0.0.0/8", "fd00::/8"};
    }
};

TEST(Proxy, ATrustedOneSaysWhoAsks) {
    Proxied service;
    service.start();
    for (const auto& [header, host] : {std::pair{v1, "203.0.113.7"}, std::pair{v2, "2001:db8::7"},
                                       std::pair{v2_local, "10.1.2.3"},
                                       std::pair{std::string("PROXY UNKNOWN\r\n"), "10.1.2.3"}}) {
        auto peer = service.connect(proxy, header + get);
        const std::string expected = std::string(host) + " /a";
        EXPECT_TRUE(service.until([&] { return peer->received().ends_with(expected); }, 1s))
            << peer->received() << " in place of " << expected;
        peer->send(get);
        peer->take_received();
        EXPECT_TRUE(service.until([&] { return peer->received().ends_with(expected); }, 1s))
            << "also the next request";
    }
    EXPECT_EQ(service.metrics().protocol_errors, 0U);
}

TEST(Proxy, TheHeaderMayComeInPieces) {
    Proxied service;
    service.start();
    for (const auto& [header, host] :
         {std::pair{v1, "203.0.113.7"}, std::pair{v2, "2001:db8::7"}}) {
        const std::string all = header + get;
        const std::string expected = std::string(host) + " /a";
        for (std::size_t at = 1; at < all.size(); ++at) {
            auto peer = service.connect(proxy, all.substr(0, at));
            service.settle();
            peer->send(all.substr(at));
            EXPECT_TRUE(service.until([&] { return peer->received().ends_with(expected); }, 1s))
                << "split at " << at << ": " << peer->received();
        }
    }
}

TEST(Proxy, ByteByByte) {
    sim::Options network;
    network.piece_bytes_max = 1;
    Proxied service(network);
    service.start();
    for (const std::string& header : {v1, v2}) {
        auto peer = service.connect(proxy, header + get + get);
        EXPECT_TRUE(service.until([&] { return peer->received().ends_with("7 /a"); }, 5s));
        service.settle();
        EXPECT_NE(peer->received().find("7 /a"), peer->received().rfind("7 /a")) << "both";
    }
}

TEST(Proxy, OthersAreServedAsTheyAre) {
    Proxied service;
    service.start();
    auto plain = service.connect("198.51.100.1:0", get);
    EXPECT_TRUE(service.until([&] { return plain->received().ends_with("198.51.100.1 /a"); }, 1s));
    auto liar = service.connect("198.51.100.1:0", v1 + get);
    EXPECT_TRUE(service.until([&] { return liar->over(); }, 5s));
    EXPECT_TRUE(liar->received().starts_with("HTTP/1.1 501 ")) << "no method of HTTP";
}

TEST(Proxy, WhatIsNoHeaderIsClosedWithoutAWord) {
    Proxied service;
    service.start();
    std::uint64_t errors = 0;
    for (const std::string& bytes :
         {get, std::string("PROXY TCP4 1.2.3.4\r\n"), std::string("PROXY ") + std::string(200, 'x'),
          std::string("\r\n\r\n\0\r\nQUIT\n\x31\x21\0\x24", 16)}) {
        auto peer = service.connect(proxy, bytes);
        EXPECT_TRUE(service.until([&] { return peer->over(); }, 1s)) << bytes;
        EXPECT_EQ(peer->received(), "");
        EXPECT_EQ(service.metrics().protocol_errors, ++errors);
    }
    EXPECT_EQ(service.metrics().requests, 0U);
}

TEST(Proxy, ASlowOrBrokenOneIsClosed) {
    Proxied service;
    service.start();
    auto slow = service.connect(proxy, v1.substr(0, 20));
    service.turn_for(14s);
    EXPECT_FALSE(slow->over());
    EXPECT_TRUE(service.until([&] { return slow->over(); }, 2s));
    auto ends = service.connect(proxy, v1.substr(0, 20));
    ends->shutdown_write();
    EXPECT_TRUE(service.until([&] { return ends->over(); }, 1s));
    auto resets = service.connect(proxy, v1.substr(0, 20));
    service.settle();
    resets->reset();
    service.settle();
    slow->close();
    ends->close();
    EXPECT_EQ(service.world.network().open_sockets(), 1U) << "the listener";
}

TEST(Proxy, AHeaderCountsAsNoRequestInADrain) {
    Proxied service;
    service.start();
    auto peer = service.connect(proxy, v1.substr(0, 20));
    service.settle();
    bool done = false;
    service.server->drain(1s, 2s, [&](std::uint64_t reset) {
        done = true;
        EXPECT_EQ(reset, 0U);
    });
    service.settle();
    EXPECT_TRUE(done);
    EXPECT_TRUE(peer->over());
}

/// The limit is one of clients: neither their proxy's address counts, nor do they share it.
TEST(Proxy, ClientsAreCountedByTheirOwnAddress) {
    Proxied service;
    service.options.limits.connections_per_peer_max = 2;
    service.start();
    const auto ask = [&](const std::string& client) {
        auto peer = service.connect(proxy, "PROXY TCP4 " + client + " 192.0.2.1 1234 80\r\n" + get);
        service.settle();
        return peer;
    };
    for (int round = 0; round < 5; ++round) {
        auto a = ask("203.0.113.1");
        auto b = ask("203.0.113.1");
        auto c = ask("203.0.113.2");
        EXPECT_TRUE(a->received().ends_with("203.0.113.1 /a")) << round;
        EXPECT_TRUE(b->received().ends_with("203.0.113.1 /a")) << round;
        EXPECT_TRUE(c->received().ends_with("203.0.113.2 /a")) << round;
        auto d = ask("203.0.113.1");
        EXPECT_TRUE(d->received().starts_with("HTTP/1.1 503 ")) << d->received();
        a->close();
        d->close();
        service.settle();
        auto e = ask("203.0.113.1");
        EXPECT_TRUE(e->received().ends_with("203.0.113.1 /a")) << "there is room again";
        for (auto* peer : {&b, &c, &e}) (*peer)->close();
        service.settle();
    }
    EXPECT_EQ(service.metrics().connections_refused, 5U);
    EXPECT_EQ(service.metrics().connections_open, 0U);
}

/// One that leaves before its header is complete was never counted by address.
TEST(Proxy, UnfinishedHeadersDoNotDisturbTheCount) {
    Proxied service;
    service.options.limits.connections_per_peer_max = 1;
    service.options.limits.connections_max = 2;
    service.start();
    for (int i = 0; i < 5; ++i) {
        auto half = service.connect(proxy, v1.substr(0, 10));
        auto whole = service.connect(proxy, v2_local + get);
        service.settle();
        EXPECT_TRUE(whole->received().ends_with("10.1.2.3 /a")) << i;
        half->close();
        service.settle();
        auto second = service.connect(proxy, v2_local + get);
        service.settle();
        EXPECT_TRUE(second->received().starts_with("HTTP/1.1 503 ")) << i;
        whole->close();
        second->close();
        service.settle();
    }
}

} // namespace
} // namespace hc::server::test
