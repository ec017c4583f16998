// How a server ends: in order, with patience of two kinds, or at once.
#include <gtest/gtest.h>

#include "tests/unit/server/service.hpp"

namespace hc::server::test {
namespace {

const std::string tunnel = "GET /tunnel HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\n"
                           "Upgrade: echo\r\n\r\n";

struct Draining : Service {
    void drain(Duration soft, Duration hard) {
        server->drain(soft, hard, [this](std::uint64_t reset) { done.push_back(reset); });
        settle();
    }
    std::vector<std::uint64_t> done;
};

TEST(ServerDrain, AnIdleServerIsDrainedAtOnce) {
    Draining service;
    service.start();
    service.drain(1h, 2h);
    EXPECT_EQ(service.done, std::vector<std::uint64_t>{0});
    service.drain(1h, 2h);
    EXPECT_EQ(service.done.size(), 2U) << "each call is told";
    EXPECT_FALSE(service.server->listen({.address = "[::]:81"}));
}

TEST(ServerDrain, WhoComesLaterIsRefused) {
    Draining service;
    service.start();
    service.echo->holds = true;
    auto before = service.connect("198.51.100.1:0", get);
    service.settle();
    service.drain(1h, 2h);
    auto later = service.connect("198.51.100.1:0", get);
    EXPECT_TRUE(service.until([&] { return later->over(); }, 1s));
    EXPECT_EQ(later->error(), ECONNREFUSED);
    EXPECT_TRUE(service.done.empty());
    service.echo->finish();
    service.settle();
    EXPECT_TRUE(has(before->received(), "Connection: close\r\n"));
    EXPECT_TRUE(before->received().ends_with("/a"));
    EXPECT_TRUE(before->ended());
    before->close();
    service.settle();
    EXPECT_EQ(service.done, std::vector<std::uint64_t>{0});
}

TEST(ServerDrain, WhatHadConnectedIsServed) {
    Draining service;
    service.start();
    std::vector<std::unique_ptr<sim::Peer>> peers;
    for (int i = 0; i < 20; ++i) peers.push_back(service.connect("198.51.100.1:0", get));
    service.world.advance(100ms); // they wait in the backlog: nobody turns the worker
    service.drain(1h, 2h);
    service.turn_for(5s);
    for (const auto& peer : peers) {
        EXPECT_TRUE(peer->received().ends_with("/a")) << peer->error();
        EXPECT_EQ(peer->error(), 0);
    }
    EXPECT_EQ(service.done, std::vector<std::uint64_t>{0});
}

TEST(ServerDrain, AfterSoftTunnelsEndAfterHardEverythingDoes) {
    Draining service;
    service.start();
    auto through = service.connect("198.51.100.1:0", tunnel);
    service.settle();
    service.echo->holds = true;
    auto waiting = service.connect("198.51.100.1:0", get);
    auto idle = service.connect("198.51.100.1:0");
    service.settle();
    service.drain(10s, 20s);
    service.turn_for(5s);
    EXPECT_TRUE(idle->over()) << "it asked for nothing in time";
    EXPECT_FALSE(through->over());
    EXPECT_FALSE(waiting->over());
    service.turn_for(6s);
    EXPECT_TRUE(through->ended());
    EXPECT_EQ(through->error(), 0);
    EXPECT_FALSE(waiting->over());
    EXPECT_TRUE(service.done.empty());
    service.turn_for(10s);
    EXPECT_NE(waiting->error(), 0) << "a reset";
    EXPECT_EQ(service.done, std::vector<std::uint64_t>{1});
    EXPECT_EQ(service.echo->closed, 2U);
}

TEST(ServerDrain, ASecondCallMayOnlyShorten) {
    Draining service;
    service.echo->holds = true;
    service.start();
    auto peer = service.connect("198.51.100.1:0", get);
    service.settle();
    service.drain(10s, 20s);
    service.drain(1h, 2h);
    service.turn_for(15s);
    EXPECT_FALSE(peer->over());
    service.drain(0s, 1s);
    service.turn_for(2s);
    EXPECT_NE(peer->error(), 0);
    EXPECT_EQ(service.done, (std::vector<std::uint64_t>{1, 1, 1}));
}

TEST(ServerDrain, AtOnce) {
    Draining service;
    service.echo->holds = true;
    service.start();
    auto busy = service.connect("198.51.100.1:0", get);
    auto fresh = service.connect("198.51.100.1:0");
    service.settle();
    service.drain(0s, 0s);
    EXPECT_EQ(service.done, std::vector<std::uint64_t>{1}) << "the other had nothing to lose";
    EXPECT_TRUE(busy->over());
    EXPECT_TRUE(fresh->over());
}

TEST(ServerDrain, AServerThatIsGivenUpResetsAndRefuses) {
    for (const bool hoards : {false, true}) {
        Service service;
        service.echo->holds = true;
        service.echo->hoards = hoards;
        service.start();
        auto busy = service.connect("198.51.100.1:0", get);
        auto idle = service.connect("198.51.100.1:0");
        service.settle();
        service.server.reset();
        service.settle();
        EXPECT_NE(busy->error(), 0);
        EXPECT_TRUE(idle->over());
        EXPECT_EQ(service.echo->closed, 1U);
        auto later = service.connect("198.51.100.1:0", get);
        service.turn_for(1s);
        EXPECT_EQ(later->error(), ECONNREFUSED)
            << (hoards ? "also while a handler holds an exchange" : "");
    }
}

} // namespace
} // namespace hc::server::test
