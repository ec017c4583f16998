// What is sent to make a server work for nothing: each ends its connection, and no other.
#include <gtest/gtest.h>

#include "tests/unit/link/h2_house.hpp"

namespace hc::link::test {
namespace {

using hc::h2::Glitch;

constexpr int flood = 200'000;

/// Sends one thing over and over; true when that ended the connection with ENHANCE_YOUR_CALM while
/// another client was served.
void expect_calm(H2House& house, H2Peer& peer, const std::function<std::string(int)>& one) {
    H2Peer other(house);
    std::string batch;
    int sent = 0;
    for (; sent < flood && !peer.raw().over(); ++sent) {
        batch += one(sent);
        if (batch.size() < 8'000) continue;
        peer.send(batch);
        batch.clear();
        house.turn_for(100us);
    }
    peer.send(batch);
    EXPECT_TRUE(house.until([&] { return peer.goaway().has_value() || peer.raw().over(); }, 5s));
    EXPECT_EQ(peer.goaway(), calm);
    EXPECT_TRUE(peer.closes(10s));
    EXPECT_LT(sent, 20'000) << "long before the end";
    EXPECT_EQ(house.counters.h2_calmed.get(), 1U);
    other.send(h2::request(1, h2::get("/other")));
    ASSERT_TRUE(other.ends(1));
    EXPECT_EQ(other.answer(1).status, 200);
}

TEST(H2Attack, RapidReset) {
    H2House house;
    int begun = 0;
    house.on_dispatch = [&](Exchange& exchange) {
        ++begun;
        exchange.set_user(house.script);
    };
    H2Peer peer(house);
    expect_calm(house, peer, [](int i) {
        return h2::request(2 * i + 1, h2::get("/")) +
               h2::frame(h2::rst_stream, h2::none, 2 * i + 1, h2::u32(cancel));
    });
    EXPECT_LT(begun, 600);
    EXPECT_GE(house.glitches(Glitch::reset_by_peer), house.limits.h2_resets_max);
}

TEST(H2Attack, MadeYouReset) {
    H2House house;
    H2Peer peer(house);
    // A body that is longer than was announced makes us reset the stream.
    expect_calm(house, peer, [](int i) {
        const int id = 2 * i + 1;
        return h2::request(id, h2::post("/", {{"content-length", "1"}}), h2::none) +
               h2::frame(h2::data, h2::none, id, "too much");
    });
    EXPECT_GE(house.glitches(Glitch::reset_by_us), house.limits.h2_resets_max);
}

TEST(H2Attack, MalformedHeads) {
    H2House house;
    H2Peer peer(house);
    expect_calm(house, peer,
                [](int i) { return h2::request(2 * i + 1, h2::get("/", {{"Upper", "x"}})); });
    EXPECT_EQ(house.requests(), 1U);
}

TEST(H2Attack, ZeroLengthNames) {
    H2House house;
    H2Peer peer(house);
    expect_calm(house, peer,
                [](int i) { return h2::request(2 * i + 1, h2::get("/", {{"", ""}, {"", ""}})); });
    EXPECT_GE(house.glitches(Glitch::bad_field), 100U);
}

TEST(H2Attack, ContinuationFlood) {
    for (const std::string piece : {"", "x"}) {
        H2House house;
        H2Peer peer(house);
        peer.send(h2::frame(h2::headers, h2::end_stream, 1, h2::plain(h2::get("/"))));
        expect_calm(house, peer,
                    [&](int) { return h2::frame(h2::continuation, h2::none, 1, piece); });
        EXPECT_GE(house.glitches(piece.empty() ? Glitch::empty : Glitch::continuation), 1U);
    }
}

TEST(H2Attack, EmptyDataFrames) {
    H2House house;
    H2Peer peer(house);
    peer.send(h2::request(1, h2::post("/"), h2::none));
    expect_calm(house, peer, [](int) { return h2::frame(h2::data, h2::none, 1); });
    EXPECT_GE(house.glitches(Glitch::empty), house.limits.h2_glitches_max);
}

TEST(H2Attack, DataOfNothingButPadding) {
    H2House house;
    H2Peer peer(house);
    peer.send(h2::request(1, h2::post("/"), h2::none));
    expect_calm(house, peer, [](int) {
        return h2::frame(h2::data, h2::padded, 1, std::string(1, '\x04') + std::string(4, '\0'));
    });
    EXPECT_GE(house.glitches(Glitch::empty), house.limits.h2_glitches_max);
}

TEST(H2Attack, SettingsFlood) {
    H2House house;
    H2Peer peer(house);
    expect_calm(house, peer, [](int i) {
        return h2::frame(h2::settings, h2::none, 0,
                         h2::setting(4, 1'000U + static_cast<std::uint32_t>(i)));
    });
    EXPECT_GE(house.glitches(Glitch::settings), house.limits.h2_glitches_max);
}

TEST(H2Attack, PingFlood) {
    H2House house;
    H2Peer peer(house);
    expect_calm(house, peer,
                [](int) { return h2::frame(h2::ping, h2::none, 0, std::string(8, 'p')); });
    EXPECT_GE(house.glitches(Glitch::ping), house.limits.h2_glitches_max);
}

TEST(H2Attack, PriorityFloods) {
    {
        H2House house;
        H2Peer peer(house);
        expect_calm(house, peer, [](int i) {
            return h2::frame(h2::priority, h2::none, 2 * i + 1, h2::u32(0) + "x");
        });
    }
    H2House house;
    H2Peer peer(house);
    peer.send(h2::request(1, h2::post("/"), h2::none));
    expect_calm(house, peer, [](int) {
        return h2::frame(h2::priority_update, h2::none, 0, h2::u32(1) + "u=0");
    });
    EXPECT_GE(house.glitches(Glitch::priority), house.limits.h2_glitches_max);
}

TEST(H2Attack, UnknownFrames) {
    H2House house;
    H2Peer peer(house);
    expect_calm(house, peer, [](int) { return h2::frame(0xbe, 0xff, 7, "what"); });
    EXPECT_GE(house.glitches(Glitch::unknown), house.limits.h2_glitches_max);
}

TEST(H2Attack, WindowUpdatesForNothing) {
    H2House house;
    H2Peer peer(house);
    expect_calm(house, peer,
                [](int) { return h2::frame(h2::window_update, h2::none, 0, h2::u32(1)); });
    EXPECT_GE(house.glitches(Glitch::window), house.limits.h2_glitches_max);
}

TEST(H2Attack, HeadsThatUnpackToMuchMore) {
    H2House house;
    H2Peer peer(house);
    // 4000 bytes are put into the table once, then named by one byte each.
    std::string bomb = h2::plain(h2::get("/"));
    bomb += '\x40';
    bomb += "\x01y\x7f";
    bomb += "\xa1\x1e"; // 127 + 33 + 30 * 128 = 4000
    bomb += std::string(4'000, 'z');
    bomb += std::string(10'000, '\xbe');
    expect_calm(house, peer, [&](int i) {
        return h2::frame(h2::headers, h2::end_headers | h2::end_stream, 2 * i + 1, bomb);
    });
    EXPECT_GE(house.glitches(Glitch::large_head), 100U);
    EXPECT_EQ(house.requests(), 1U) << "none of them is a request";
}

TEST(H2Attack, StreamsBeyondTheLimit) {
    H2House house;
    house.limits.h2_streams_max = 2;
    house.script.on_close = [](Exchange&, Record&) {}; // keeps them
    bool keep = true;
    house.script.on_head = [&](Exchange& exchange, Record& record) {
        if (!keep || record.target == "/other") Script::answer(exchange, record);
    };
    H2Peer peer(house);
    for (int id : {1, 3}) {
        peer.send(h2::request(id, h2::get("/")) +
                  h2::frame(h2::rst_stream, h2::none, id, h2::u32(cancel)));
        house.turn_for(1ms);
    }
    peer.send(h2::request(5, h2::get("/")) + h2::request(7, h2::get("/")));
    house.turn_for(1ms);
    for (int id : {5, 7}) peer.send(h2::frame(h2::rst_stream, h2::none, id, h2::u32(cancel)));
    house.turn_for(1ms);
    for (int i = 4; i < 2'000 && !peer.goaway(); ++i) {
        peer.send(h2::request(2 * i + 1, h2::get("/")));
        house.turn_for(1ms);
    }
    EXPECT_EQ(peer.goaway(), calm);
    EXPECT_GE(house.glitches(Glitch::refused), 100U);
    EXPECT_EQ(house.requests(), 2U);
    for (Record& record : house.script.records) Script::release(record);
}

/// It takes none of what it causes to be sent.
TEST(H2Attack, APeerThatReadsNothingCostsABoundedAmount) {
    H2House house(1, narrow_sockets());
    H2Peer peer(house);
    peer.raw().pause_reading();
    std::string requests;
    for (int i = 0; i < 100'000; ++i) requests += h2::request(2 * i + 1, h2::get("/"));
    peer.send(requests);
    house.turn_for(5s);
    EXPECT_LT(house.requests(), 30'000U) << "what it sends is not read any more";
    EXPECT_GT(peer.raw().unsent(), 1'000'000U);
    ASSERT_TRUE(house.until([&] { return house.connections() == 0; }, 2min));
}

/// Real work earns what goes with it.
TEST(H2Attack, PingsBesideRequestsAreNoFlood) {
    H2House house;
    H2Peer peer(house);
    for (int i = 0; i < 5'000; ++i) {
        peer.send(h2::request(2 * i + 1, h2::get("/")) +
                  h2::frame(h2::ping, h2::none, 0, std::string(8, 'p')));
        if (i % 16 == 15) ASSERT_TRUE(peer.ends(2 * i + 1)) << i;
    }
    ASSERT_TRUE(peer.ends(9'999));
    EXPECT_FALSE(peer.goaway());
    EXPECT_EQ(peer.got().pongs, 5'000U);
}

/// Nor are the resets of a client that changes its mind now and then.
TEST(H2Attack, ResetsAreForgivenWithTime) {
    H2House house;
    house.script.on_head = [](Exchange&, Record&) {};
    H2Peer peer(house);
    int id = -1;
    for (int second = 0; second < 30; ++second) {
        for (int i = 0; i < 40; ++i) {
            id += 2;
            peer.send(h2::request(id, h2::get("/")) +
                      h2::frame(h2::rst_stream, h2::none, id, h2::u32(cancel)));
        }
        house.turn_for(1s);
    }
    EXPECT_FALSE(peer.goaway());
    EXPECT_EQ(house.glitches(Glitch::reset_by_peer), 1'200U);
}

} // namespace
} // namespace hc::link::test
