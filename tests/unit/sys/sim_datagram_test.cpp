// What the simulation promises of datagrams beyond the contract: what is lost, late or doubled when
// it is asked for, and the same each time.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <set>
#include <string>
#include <vector>

#include "core/sys/sim/world.hpp"

namespace hc::sys::sim {
namespace {

using namespace std::chrono_literals;

class SimDatagrams : public testing::Test {
protected:
    explicit SimDatagrams(Options options = {}) : world(1, std::move(options)) {}
    void SetUp() override {
        from = *world.sockets().bind_udp(*Address::parse("127.0.0.1:0"), {});
        to = *world.sockets().bind_udp(*Address::parse("127.0.0.1:5000"), {});
    }
    Io send(std::string_view text) {
        DatagramsOut message{.bytes = text, .to = &address};
        return world.sockets().send_udp(from, {&message, 1});
    }
    std::vector<int> receive_all() {
        while (world.step()) {}
        std::vector<int> out;
        std::array<char, 64> memory;
        DatagramsIn room{.into = memory};
        while (world.sockets().recv_udp(to, {&room, 1}).ok()) {
            out.push_back(std::stoi(std::string(memory.data(), room.bytes)));
        }
        return out;
    }
    std::vector<int> exchange(int count) {
        for (int i = 0; i < count; ++i) EXPECT_TRUE(send(std::to_string(i)).ok());
        return receive_all();
    }

    World world;
    Socket from{};
    Socket to{};
    const Address address = *Address::parse("127.0.0.1:5000");
};

TEST_F(SimDatagrams, EachArrivesOnceAndInOrder) {
    const std::vector<int> got = exchange(500);
    ASSERT_EQ(got.size(), 500U);
    EXPECT_TRUE(std::ranges::is_sorted(got));
}

TEST_F(SimDatagrams, SomeAreLost) {
    world.options().datagram_losses_per_million = 200'000;
    const std::vector<int> got = exchange(1000);
    EXPECT_GT(got.size(), 700U);
    EXPECT_LT(got.size(), 900U);
    EXPECT_TRUE(std::ranges::is_sorted(got));
    EXPECT_EQ(std::set(got.begin(), got.end()).size(), got.size());
}

TEST_F(SimDatagrams, SomeArriveTwice) {
    world.options().datagram_duplicates_per_million = 200'000;
    const std::vector<int> got = exchange(1000);
    EXPECT_GT(got.size(), 1100U);
    EXPECT_LT(got.size(), 1300U);
    EXPECT_EQ(std::set(got.begin(), got.end()).size(), 1000U);
}

TEST_F(SimDatagrams, SomeAreOvertaken) {
    world.options().datagram_delays_per_million = 200'000;
    const std::vector<int> got = exchange(1000);
    EXPECT_EQ(got.size(), 1000U);
    EXPECT_FALSE(std::ranges::is_sorted(got));
    EXPECT_EQ(std::set(got.begin(), got.end()).size(), 1000U);
}

TEST_F(SimDatagrams, WhatFindsNoRoomIsLost) {
    world.options().datagram_inbox_bytes_max = 25;
    const std::vector<int> got = exchange(20); // 10 of one byte, 10 of two
    EXPECT_EQ(got.size(), 17U);
    EXPECT_EQ(exchange(5).size(), 5U) << "there is room again";
}

TEST_F(SimDatagrams, TheSenderWaitsForRoom) {
    world.options().datagram_flight_bytes_max = 4;
    auto selector = std::move(world.make_selector().value());
    ASSERT_TRUE(selector->register_(from, 7, Interest::write().edge_triggered()));
    Events<4> events;
    ASSERT_TRUE(selector->select(events, Duration::zero()));
    EXPECT_EQ(events.size(), 1U);
    const std::string text = "123456789";
    DatagramsOut train{.bytes = text, .to = &address, .segment_bytes = 2};
    const Io io = world.sockets().send_udp(from, {&train, 1});
    ASSERT_TRUE(io.ok());
    EXPECT_EQ(io.bytes, 0U) << "not all of it";
    EXPECT_EQ(train.bytes, "56789") << "what was taken is gone from the front";
    EXPECT_EQ(world.sockets().send_udp(from, {&train, 1}).status, Io::Status::would_block);
    ASSERT_TRUE(selector->select(events, 10s));
    ASSERT_EQ(events.size(), 1U);
    EXPECT_TRUE(events[0].writable);
    while (!train.bytes.empty()) {
        if (!world.sockets().send_udp(from, {&train, 1}).ok()) world.step();
    }
    const std::vector<int> got = receive_all();
    EXPECT_EQ(got, (std::vector{12, 34, 56, 78, 9}));
}

TEST_F(SimDatagrams, EqualSeedsGiveEqualWorlds) {
    Options options;
    options.datagram_losses_per_million = 100'000;
    options.datagram_delays_per_million = 100'000;
    options.datagram_duplicates_per_million = 100'000;
    const auto trace_of = [&](std::uint64_t seed) {
        std::string out;
        Options traced = options;
        traced.trace = [&](Instant at, std::string_view line) {
            out += std::to_string(at.ns) + " " + std::string(line) + "\n";
        };
        World each(seed, traced);
        const Socket one = *each.sockets().bind_udp(*Address::parse("127.0.0.1:0"), {});
        const Socket two = *each.sockets().bind_udp(address, {});
        for (int i = 0; i < 100; ++i) {
            DatagramsOut message{.bytes = "x", .to = &address};
            EXPECT_TRUE(each.sockets().send_udp(one, {&message, 1}).ok());
        }
        while (each.step()) {}
        each.sockets().close(one);
        each.sockets().close(two);
        return out;
    };
    EXPECT_EQ(trace_of(7), trace_of(7));
    EXPECT_NE(trace_of(7), trace_of(8));
}

TEST_F(SimDatagrams, NamesThatWereAdded) {
    world.add_name("server.test", {*Address::parse("10.1.2.3:0"), *Address::parse("[fd00::1]:0")});
    const auto found = world.sockets().lookup("server.test", 443);
    ASSERT_TRUE(found);
    EXPECT_EQ(*found,
              (std::vector{*Address::parse("10.1.2.3:443"), *Address::parse("[fd00::1]:443")}));
    EXPECT_EQ(world.sockets().lookup("other.test", 443).error().kind, ErrorKind::not_found);
    EXPECT_FALSE(world.sockets().lookup_waits());
}

} // namespace
} // namespace hc::sys::sim
