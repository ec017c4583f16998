// What waits to be sent on all streams of a connection together is bounded, and every stream gets
// on.
#include <gtest/gtest.h>

#include "tests/unit/link/h2_house.hpp"

namespace hc::link::test {
namespace {

constexpr std::uint16_t initial_window_size = 4;
constexpr std::size_t piece = 5'000;

std::string window(std::int32_t stream, std::uint32_t n) {
    return h2::frame(h2::window_update, h2::none, stream, h2::u32(n));
}

/// Handlers send `wanted` bytes each, as much at a time as is taken.
class H2Output : public ::testing::Test {
protected:
    H2Output() {
        house.limits.h2_connection_output_bytes_max = bound;
        house.script.on_head = [this](Exchange& exchange, Record& record) {
            EXPECT_EQ(exchange.respond(200, {}, {}, {}), ErrorKind::ok);
            go_on(exchange, record);
        };
        house.script.on_room = [this](Exchange& exchange, Record& record) {
            go_on(exchange, record);
        };
    }
    void go_on(Exchange& exchange, const Record& record) {
        std::size_t& done = sent[record.target];
        while (done < wanted) {
            const ErrorKind kind = exchange.send(std::string(piece, 'x'), {});
            if (kind == ErrorKind::again) {
                ++refused[record.target];
                return;
            }
            ASSERT_EQ(kind, ErrorKind::ok);
            done += piece;
        }
        EXPECT_EQ(exchange.finish({}), ErrorKind::ok);
    }
    std::size_t all_sent() const {
        std::size_t sum = 0;
        for (const auto& [target, n] : sent) sum += n;
        return sum;
    }
    void ask(H2Peer& peer, int streams) {
        for (int i = 0; i < streams; ++i) {
            peer.send(h2::request(2 * i + 1, h2::get("/" + std::to_string(i))));
        }
        const auto all = static_cast<std::size_t>(streams);
        ASSERT_TRUE(house.until([&] { return sent.size() == all; }, 1s));
    }

    static constexpr std::size_t bound = 60'000;
    H2House house;
    std::size_t wanted = 100'000;
    std::map<std::string, std::size_t> sent;
    std::map<std::string, std::size_t> refused;
};

/// A client whose streams begin with shut windows.
const std::string shut =
    h2::preface + h2::frame(h2::settings, h2::none, 0, h2::setting(initial_window_size, 0));

TEST_F(H2Output, ManyStreamsShareABound) {
    constexpr int streams = 40;
    H2Peer peer(house, shut);
    ask(peer, streams);
    house.turn_for(1s);
    EXPECT_GE(all_sent(), bound);
    EXPECT_LE(all_sent(), bound + streams * piece) << "a stream's own watermark is 256 KiB";
    for (const auto& [target, n] : sent) {
        EXPECT_GE(n, piece) << target << " has nothing waiting, and may always send something";
        EXPECT_EQ(refused[target], 1U) << target;
    }
}

TEST_F(H2Output, EveryStreamGetsOn) {
    constexpr int streams = 40;
    H2Peer peer(house, shut);
    ask(peer, streams);
    std::size_t most = 0;
    std::map<int, std::size_t> opened;
    // A reader that lets little through, of one stream after the other.
    for (int round = 0; round < 3'000; ++round) {
        const int i = round * 7 % streams;
        peer.send(window(2 * i + 1, 4'000) + window(0, 4'000));
        house.turn_for(1ms);
        std::size_t got = 0;
        for (const auto& [id, answer] : peer.got().streams) got += answer.body.size();
        most = std::max(most, all_sent() - got);
    }
    EXPECT_LE(most, bound + streams * piece);
    for (int i = 0; i < streams; ++i) {
        ASSERT_TRUE(peer.ends(2 * i + 1)) << i;
        EXPECT_EQ(peer.answer(2 * i + 1).body.size(), wanted);
    }
}

TEST_F(H2Output, WhoWasRefusedIsToldWhenOthersHaveMadeRoom) {
    H2Peer peer(house, shut);
    ask(peer, 10);
    house.turn_for(1s);
    ASSERT_EQ(sent["/9"], piece);
    ASSERT_EQ(refused["/9"], 1U);
    // All but the last drain to their end.
    for (int i = 0; i < 9; ++i) peer.send(window(2 * i + 1, 100'000) + window(0, 100'000));
    for (int i = 0; i < 9; ++i) ASSERT_TRUE(peer.ends(2 * i + 1)) << i;
    house.turn_for(1s);
    EXPECT_EQ(peer.answer(19).body.size(), 0U);
    EXPECT_EQ(sent["/9"], bound) << "it has all of the room now";
    EXPECT_EQ(refused["/9"], 2U);
}

TEST_F(H2Output, AFastReaderNoticesNothing) {
    wanted = 500'000;
    H2Peer peer(house);
    peer.send(window(0, 1U << 30));
    for (int i = 0; i < 10; ++i) {
        peer.send(h2::request(2 * i + 1, h2::get("/" + std::to_string(i))) +
                  window(2 * i + 1, 1U << 30));
    }
    for (int i = 0; i < 10; ++i) {
        ASSERT_TRUE(peer.ends(2 * i + 1)) << i;
        EXPECT_EQ(peer.answer(2 * i + 1).body.size(), wanted);
    }
}

TEST_F(H2Output, WhatIsResetMakesRoom) {
    H2Peer peer(house, shut);
    ask(peer, 20);
    house.turn_for(1s);
    ASSERT_EQ(sent["/19"], piece);
    for (int i = 0; i < 19; ++i) {
        peer.send(h2::frame(h2::rst_stream, h2::none, 2 * i + 1, h2::u32(cancel)));
    }
    house.turn_for(1s);
    EXPECT_EQ(sent["/19"], bound) << "none of theirs counts any more";
}

TEST_F(H2Output, OtherThreadsAreHeldToItToo) {
    H2Peer peer(house, shut);
    ask(peer, 20);
    house.turn_for(1s);
    Exchange& exchange = *house.record(19).exchange;
    EXPECT_FALSE(exchange.accept_remote(1));
    for (int i = 0; i < 19; ++i) {
        peer.send(h2::frame(h2::rst_stream, h2::none, 2 * i + 1, h2::u32(cancel)));
    }
    house.script.on_room = [](Exchange&, Record&) {};
    house.turn_for(1s);
    EXPECT_TRUE(exchange.accept_remote(1));
    exchange.arrived(1);
}

TEST_F(H2Output, AnswersGivenWholeAreAlwaysTaken) {
    house.script.on_head = [](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.respond(200, {}, std::string(20'000, 'x'), {.fin = true}),
                  ErrorKind::ok);
    };
    H2Peer peer(house);
    for (int i = 0; i < 20; ++i) peer.send(h2::request(2 * i + 1, h2::get("/")));
    peer.send(window(0, 1U << 30));
    for (int i = 0; i < 20; ++i) {
        ASSERT_TRUE(peer.ends(2 * i + 1)) << i;
        EXPECT_EQ(peer.answer(2 * i + 1).body.size(), 20'000U);
    }
}

} // namespace
} // namespace hc::link::test
