// Connections of HTTP/2: watermarks, tunnels, priorities, limits, drain and time.
#include <gtest/gtest.h>

#include "tests/unit/link/h2_house.hpp"

namespace hc::link::test {
namespace {

const std::string window_of_all = h2::frame(h2::window_update, h2::none, 0, h2::u32(1 << 30));
const std::string large_windows =
    h2::preface + h2::frame(h2::settings, h2::none, 0, h2::setting(4, 1 << 30)) + window_of_all;

h2::Fields connect_to(std::string_view protocol) {
    h2::Fields fields = h2::get("/chat");
    fields[0].second = "CONNECT";
    fields.emplace(fields.begin() + 4, ":protocol", protocol);
    return fields;
}

TEST(H2Send, AboveTheHighWatermarkNothingIsTakenAndOneReportFollows) {
    H2House house;
    house.limits.write_high_watermark_bytes = 10'000;
    house.limits.write_low_watermark_bytes = 4'000;
    house.script.on_head = [](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.respond(200, {}, "", {}), ErrorKind::ok);
    };
    H2Peer peer(house);
    peer.send(h2::request(1, h2::get("/")));
    house.turn_for(1s);
    Record& record = house.record(0);
    // The peer's window takes 65,535 of it.
    EXPECT_EQ(record.exchange->send(std::string(80'000, 'a'), {}), ErrorKind::ok);
    house.turn_for(1s);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(record.exchange->send("no", {}), ErrorKind::again);
    house.turn_for(1s);
    EXPECT_EQ(record.calls, "R");
    EXPECT_EQ(peer.answer(1).body.size(), 65'535U);
    peer.send(h2::frame(h2::window_update, h2::none, 1, h2::u32(20'000)) + window_of_all);
    ASSERT_TRUE(house.until([&] { return record.calls == "RW"; }, 1s)) << record.calls;
    house.turn_for(1s);
    EXPECT_EQ(record.calls, "RW") << "one for all the refusals";
    EXPECT_EQ(record.exchange->send("yes", {.fin = true}), ErrorKind::ok);
    ASSERT_TRUE(peer.ends(1));
    EXPECT_TRUE(peer.answer(1).body == std::string(80'000, 'a') + "yes");
    ASSERT_TRUE(house.until([&] { return record.end.has_value(); }, 1s));
    EXPECT_EQ(record.calls, "RWC");
}

TEST(H2Send, AnAnswerIsDoneWhenTheKernelHasIt) {
    H2House house(1, narrow_sockets());
    house.script.on_head = [](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.respond(200, {}, std::string(50'000, 'a'), {.fin = true}),
                  ErrorKind::ok);
    };
    H2Peer peer(house);
    peer.raw().pause_reading();
    peer.send(h2::request(1, h2::get("/")));
    house.turn_for(5s);
    EXPECT_FALSE(house.record(0).end) << "it waits in the transport";
    peer.raw().resume_reading();
    ASSERT_TRUE(peer.ends(1));
    ASSERT_TRUE(house.until([&] { return house.record(0).end.has_value(); }, 5s));
    EXPECT_EQ(house.record(0).end, ErrorKind::ok);
}

TEST(H2Send, APeerThatReadsNothingIsLeft) {
    H2House house(1, narrow_sockets());
    house.script.on_head = [](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.respond(200, {}, std::string(50'000, 'a'), {.fin = true}),
                  ErrorKind::ok);
    };
    H2Peer peer(house);
    peer.raw().pause_reading();
    peer.send(h2::request(1, h2::get("/")));
    house.turn_for(1s);
    ASSERT_EQ(house.requests(), 1U);
    ASSERT_TRUE(house.until([&] { return house.connections() == 0; }, 2min));
    EXPECT_EQ(house.record(0).end, ErrorKind::timeout);
    EXPECT_EQ(house.counters.timeouts.get(), 1U);
}

TEST(H2Tunnel, AnExtendedConnectGoesBothWays) {
    H2House house;
    house.script.on_head = [](Exchange& exchange, Record&) {
        const http::HeadView& head = exchange.head();
        EXPECT_EQ(head.text(head.protocol), "websocket");
        EXPECT_EQ(head.text(head.path), "/chat");
        EXPECT_EQ(exchange.upgrade(101, {}), ErrorKind::invalid) << "not in HTTP/2";
        EXPECT_EQ(exchange.upgrade(200, {}), ErrorKind::ok);
        EXPECT_EQ(exchange.grant(UINT64_MAX), ErrorKind::ok);
    };
    house.script.on_end = [](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.finish({}), ErrorKind::ok);
    };
    H2Peer peer(house);
    peer.send(h2::request(1, connect_to("websocket"), h2::none) +
              h2::frame(h2::data, h2::none, 1, "early ") + h2::frame(h2::data, h2::none, 1, "on"));
    house.turn_for(1s);
    EXPECT_EQ(peer.answer(1).status, 200);
    EXPECT_EQ(peer.got().settings_got[8], 1U) << "it was offered";
    Record& record = house.record(0);
    EXPECT_EQ(record.body, "early on");
    EXPECT_EQ(record.exchange->send("back", {}), ErrorKind::ok);
    house.turn_for(10min);
    EXPECT_EQ(peer.answer(1).body, "back") << "and no time limit runs";
    peer.send(h2::frame(h2::data, h2::end_stream, 1, "!"));
    ASSERT_TRUE(peer.ends(1));
    EXPECT_EQ(record.calls, "RBEC");
    EXPECT_EQ(record.body, "early on!");
    EXPECT_EQ(record.end, ErrorKind::ok);
}

TEST(H2Tunnel, APlainConnectNeedsAHostAndAPort) {
    H2House house;
    house.script.on_head = [](Exchange& exchange, Record& record) {
        EXPECT_EQ(record.target, "there:443");
        EXPECT_EQ(exchange.upgrade(200, {}), ErrorKind::ok);
    };
    H2Peer peer(house);
    peer.send(h2::request(1, {{":method", "CONNECT"}, {":authority", "there:443"}}, h2::none) +
              h2::request(3, {{":method", "CONNECT"}, {":authority", "there"}}, h2::none));
    ASSERT_TRUE(peer.ends(3));
    EXPECT_EQ(peer.answer(3).status, 400);
    EXPECT_EQ(peer.answer(1).status, 200);
    ASSERT_EQ(house.requests(), 1U);
    Script::release(house.record(0));
    ASSERT_TRUE(peer.ends(1));
    EXPECT_TRUE(peer.answer(1).ended) << "in order";
}

TEST(H2Tunnel, OnlyConnectOpensOne) {
    H2House house;
    house.script.on_head = [](Exchange& exchange, Record& record) {
        EXPECT_EQ(exchange.upgrade(200, {}), ErrorKind::state);
        EXPECT_EQ(exchange.upgrade(101, {}), ErrorKind::state);
        Script::answer(exchange, record);
    };
    H2Peer peer(house);
    peer.send(h2::request(1, h2::get("/")));
    EXPECT_TRUE(peer.ends(1));
}

/// The order in which the streams of large answers come.
std::string order_of(const std::string& requests, std::size_t size) {
    H2House house;
    house.script.on_head = [size](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.respond(200, {}, std::string(size, 'a'), {.fin = true}), ErrorKind::ok);
    };
    H2Peer peer(house, large_windows);
    peer.send(requests);
    for (int id : {1, 3, 5}) EXPECT_TRUE(peer.ends(id));
    return peer.got().order;
}

TEST(H2Priority, TheMoreUrgentComesFirst) {
    EXPECT_EQ(order_of(h2::request(1, h2::get("/", {{"priority", "u=5"}})) +
                           h2::request(3, h2::get("/", {{"priority", "u=0"}})) +
                           h2::request(5, h2::get("/", {{"priority", "u=1"}})),
                       30'000),
              "3 3 5 5 1 1 ");
}

TEST(H2Priority, IncrementalOnesShare) {
    EXPECT_EQ(order_of(h2::request(1, h2::get("/", {{"priority", "i"}})) +
                           h2::request(3, h2::get("/", {{"priority", "i"}})) +
                           h2::request(5, h2::get("/", {{"priority", "u=2"}})),
                       30'000),
              "5 5 1 3 1 3 ");
}

TEST(H2Priority, AnUpdateCountsFromThenOn) {
    const std::string update = h2::frame(h2::priority_update, h2::none, 0, h2::u32(5) + "u=0");
    EXPECT_EQ(order_of(h2::request(1, h2::get("/")) + h2::request(3, h2::get("/")) + update +
                           h2::request(5, h2::get("/")),
                       30'000),
              "5 5 1 1 3 3 ");
}

TEST(H2Limits, WhatIsTooLongIs431AndTheConnectionGoesOn) {
    H2House house;
    house.limits.header_bytes_max = 1'000;
    house.limits.header_count_max = 10;
    house.limits.target_bytes_max = 100;
    H2Peer peer(house);
    h2::Fields large = h2::get("/");
    for (int i = 0; i < 9; ++i) large.emplace_back("x-" + std::to_string(i), std::string(90, 'v'));
    h2::Fields many = h2::get("/");
    for (int i = 0; i < 11; ++i) many.emplace_back("x", "");
    peer.send(h2::request(1, large) + h2::request(3, many) +
              h2::request(5, h2::get("/" + std::string(110, 'p'))) + h2::request(7, h2::get("/")));
    ASSERT_TRUE(peer.ends(7));
    EXPECT_EQ(peer.answer(1).status, 431);
    EXPECT_EQ(peer.answer(3).status, 431);
    EXPECT_EQ(peer.answer(5).status, 414);
    EXPECT_EQ(peer.answer(7).status, 200);
    EXPECT_EQ(peer.got().settings_got[6], 1'000U) << "it was announced";
    EXPECT_EQ(house.counters.protocol_errors.get(), 3U);
    EXPECT_EQ(house.requests(), 1U);
}

TEST(H2Limits, ABodyThatIsTooLargeIs413) {
    H2House house;
    house.limits.body_bytes_max = 100;
    H2Peer peer(house);
    peer.send(h2::request(1, h2::post("/", {{"content-length", "101"}}), h2::none) +
              h2::request(3, h2::post("/"), h2::none) +
              h2::frame(h2::data, h2::none, 3, std::string(101, 'a')));
    ASSERT_TRUE(peer.ends(1));
    ASSERT_TRUE(peer.ends(3));
    EXPECT_EQ(peer.answer(1).status, 413);
    EXPECT_EQ(peer.answer(3).status, 413);
    ASSERT_EQ(house.requests(), 1U);
    EXPECT_EQ(house.record(0).end, ErrorKind::protocol);
}

TEST(H2Limits, MalformedRequestsAre400OrReset) {
    H2House house;
    H2Peer peer(house);
    h2::Fields path = h2::get("/a b");
    path[2].second = "/a#b";
    h2::Fields host = h2::get("/", {{"host", "other"}});
    h2::Fields user = h2::get("/");
    user[3].second = "";
    peer.send(h2::request(1, path) + h2::request(3, host) + h2::request(5, user) +
              h2::request(7, h2::get("/", {{"Upper", "x"}})) +
              h2::request(9, h2::get("/", {{"", "no name"}})) +
              h2::request(11, h2::get("/", {{"x", "a\nb"}})) +
              h2::request(13, h2::get("/", {{"connection", "close"}})) +
              h2::request(15, h2::get("/", {{"te", "gzip"}})) + h2::request(17, h2::get("/")));
    ASSERT_TRUE(peer.ends(17));
    for (int id : {1, 3}) EXPECT_EQ(peer.answer(id).status, 400) << id;
    for (int id : {5, 7, 9, 11, 13, 15}) EXPECT_EQ(peer.answer(id).reset, protocol_error) << id;
    EXPECT_EQ(peer.answer(17).status, 200);
    EXPECT_EQ(house.requests(), 1U);
}

TEST(H2Limits, CookiesAreJoined) {
    H2House house;
    house.script.on_head = [](Exchange& exchange, Record& record) {
        EXPECT_EQ(exchange.head().find(http::FieldName::cookie), "a=1; b=2; c=3");
        EXPECT_EQ(exchange.head().find("x-between"), "y");
        EXPECT_EQ(exchange.head().field_count, 2U);
        Script::answer(exchange, record);
    };
    H2Peer peer(house);
    peer.send(h2::request(
        1, h2::get("/",
                   {{"cookie", "a=1"}, {"x-between", "y"}, {"cookie", "b=2"}, {"cookie", "c=3"}})));
    EXPECT_TRUE(peer.ends(1));
}

TEST(H2Limits, AHeadInPiecesIsOneHead) {
    const std::string block = h2::plain(h2::get("/pieces", {{"x-a", "1"}, {"x-b", "2"}}));
    const std::string bytes = h2::frame(h2::headers, h2::end_stream, 1, block.substr(0, 20)) +
                              h2::frame(h2::continuation, h2::none, 1, block.substr(20, 20)) +
                              h2::frame(h2::continuation, h2::end_headers, 1, block.substr(40));
    for (std::size_t at = 1; at < bytes.size(); at += 3) {
        H2House house;
        house.script.on_head = [](Exchange& exchange, Record& record) {
            EXPECT_EQ(exchange.head().find("x-b"), "2");
            EXPECT_EQ(record.target, "/pieces");
            Script::answer(exchange, record);
        };
        H2Peer peer(house);
        H2Peer other(house);
        peer.send(bytes.substr(0, at));
        house.turn_for(1ms);
        other.send(h2::request(1, h2::get("/pieces", {{"x-b", "2"}})));
        ASSERT_TRUE(other.ends(1));
        peer.send(bytes.substr(at));
        ASSERT_TRUE(peer.ends(1)) << at;
    }
}

TEST(H2Limits, StreamsThatWereResetCountUntilTheyAreReleased) {
    H2House house;
    house.limits.h2_streams_max = 4;
    house.script.on_head = [](Exchange&, Record&) {};
    house.script.on_close = [](Exchange&, Record&) {}; // keeps them
    H2Peer peer(house);
    for (int id : {1, 3, 5, 7}) peer.send(h2::request(id, h2::get("/")));
    house.turn_for(1s);
    for (int id : {1, 3, 5, 7}) peer.send(h2::frame(h2::rst_stream, h2::none, id, h2::u32(cancel)));
    house.turn_for(1s);
    ASSERT_EQ(house.requests(), 4U);
    peer.send(h2::request(9, h2::get("/")));
    ASSERT_TRUE(peer.ends(9));
    EXPECT_EQ(peer.answer(9).reset, refused_stream);
    EXPECT_EQ(house.requests(), 4U);
    EXPECT_EQ(house.glitches(hc::h2::Glitch::refused), 1U);
    for (std::size_t i = 0; i < 4; ++i) Script::release(house.record(i));
    house.script.on_head = nullptr;
    house.script.on_close = nullptr;
    peer.send(h2::request(11, h2::get("/")));
    ASSERT_TRUE(peer.ends(11));
    EXPECT_EQ(peer.answer(11).status, 200);
}

TEST(H2Drain, ItEndsInTwoStepsAndLosesNoStream) {
    H2House house;
    house.script.on_head = [](Exchange&, Record&) {};
    H2Peer peer(house);
    peer.send(h2::request(1, h2::get("/a")));
    house.turn_for(1s);
    house.connection().drain();
    house.turn_for(100ms);
    ASSERT_EQ(peer.got().goaways.size(), 1U);
    EXPECT_EQ(peer.got().goaways[0].first, INT32_MAX) << "the first accepts all";
    EXPECT_EQ(peer.got().pings, 1U);
    peer.send(h2::request(3, h2::get("/b")) +
              h2::frame(h2::ping, h2::ack, 0, std::string(8, '\0')));
    house.turn_for(100ms);
    ASSERT_EQ(peer.got().goaways.size(), 2U);
    EXPECT_EQ(peer.got().goaways[1], (std::pair<std::int32_t, std::uint32_t>{3, no_error}));
    peer.send(h2::request(5, h2::get("/c")));
    house.turn_for(100ms);
    ASSERT_EQ(house.requests(), 2U) << "what comes now is not served";
    for (std::size_t i = 0; i < 2; ++i) Script::answer(*house.record(i).exchange, house.record(i));
    ASSERT_TRUE(peer.closes());
    EXPECT_TRUE(peer.answer(1).ended);
    EXPECT_TRUE(peer.answer(3).ended);
    EXPECT_EQ(house.record(0).end, ErrorKind::ok);
    EXPECT_EQ(house.record(1).end, ErrorKind::ok);
}

TEST(H2Drain, APeerThatDoesNotAnswerThePingIsNotWaitedFor) {
    H2House house;
    H2Peer peer(house);
    house.turn_for(100ms);
    house.connection().drain();
    ASSERT_TRUE(peer.closes(5s));
    EXPECT_EQ(peer.got().goaways.size(), 2U);
}

TEST(H2Drain, HurryEndsTunnelsInOrder) {
    H2House house;
    house.script.on_head = [](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.upgrade(200, {}), ErrorKind::ok);
        EXPECT_EQ(exchange.send("last", {}), ErrorKind::ok);
    };
    H2Peer peer(house);
    peer.send(h2::request(1, connect_to("echo"), h2::none));
    house.turn_for(100ms);
    house.connection().hurry();
    ASSERT_TRUE(peer.ends(1));
    EXPECT_EQ(peer.answer(1).body, "last");
    EXPECT_TRUE(peer.answer(1).ended);
    EXPECT_EQ(house.record(0).end, ErrorKind::closed);
    EXPECT_TRUE(peer.closes(10s));
}

TEST(H2Drain, KillResets) {
    H2House house;
    house.script.on_head = [](Exchange&, Record&) {};
    H2Peer peer(house);
    peer.send(h2::request(1, h2::get("/")));
    house.turn_for(100ms);
    EXPECT_TRUE(house.connection().busy());
    house.connection().kill();
    ASSERT_TRUE(peer.closes(1s));
    EXPECT_NE(peer.raw().error(), 0);
    EXPECT_EQ(house.record(0).end, ErrorKind::closed);
}

TEST(H2Time, AnIdleConnectionIsEnded) {
    H2House house;
    H2Peer peer(house);
    peer.send(h2::request(1, h2::get("/")));
    ASSERT_TRUE(peer.ends(1));
    house.turn_for(50s);
    EXPECT_FALSE(peer.goaway());
    ASSERT_TRUE(peer.closes(20s));
    EXPECT_EQ(peer.goaway(), no_error);
    EXPECT_EQ(house.counters.timeouts.get(), 0U);
}

TEST(H2Time, PrefaceAndHeadsMustComeInTime) {
    H2House house;
    H2Peer silent(house, h2::preface);
    H2Peer slow(house);
    const std::string block = h2::plain(h2::get("/"));
    slow.send(h2::frame(h2::headers, h2::end_stream, 1, block));
    house.turn_for(14s);
    EXPECT_FALSE(silent.goaway());
    EXPECT_FALSE(slow.goaway());
    ASSERT_TRUE(silent.closes(5s));
    ASSERT_TRUE(slow.closes(5s));
    EXPECT_EQ(silent.goaway(), 4U) << "SETTINGS_TIMEOUT";
    EXPECT_EQ(slow.goaway(), protocol_error);
    EXPECT_EQ(house.counters.timeouts.get(), 2U);
}

TEST(H2Time, BodiesAndAnswersMustComeInTime) {
    H2House house;
    house.limits.request_timeout_ms = 60'000;
    house.script.on_head = [](Exchange& exchange, Record& record) {
        if (record.method == "POST") EXPECT_EQ(exchange.grant(UINT64_MAX), ErrorKind::ok);
    };
    H2Peer peer(house);
    peer.send(h2::request(1, h2::post("/"), h2::none) + h2::request(3, h2::get("/")));
    house.turn_for(29s);
    EXPECT_EQ(peer.answer(1).status, 0);
    ASSERT_TRUE(peer.ends(1, 5s));
    EXPECT_EQ(peer.answer(1).status, 408);
    EXPECT_EQ(house.record(0).end, ErrorKind::timeout);
    ASSERT_TRUE(peer.ends(3, 40s));
    EXPECT_EQ(peer.answer(3).status, 503);
    EXPECT_EQ(house.record(1).end, ErrorKind::timeout);
    EXPECT_EQ(house.counters.timeouts.get(), 2U);
}

TEST(H2Time, AStreamWhoseWindowStaysShutIsReset) {
    H2House house;
    house.script.on_head = [](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.respond(200, {}, std::string(100'000, 'a'), {.fin = true}),
                  ErrorKind::ok);
    };
    H2Peer peer(house, h2::hello + window_of_all);
    peer.send(h2::request(1, h2::get("/")));
    house.turn_for(29s);
    EXPECT_FALSE(peer.answer(1).reset);
    ASSERT_TRUE(peer.ends(1, 5s));
    EXPECT_EQ(peer.answer(1).reset, cancel);
    EXPECT_EQ(house.record(0).end, ErrorKind::timeout);
    EXPECT_EQ(house.counters.h2_stalls.get(), 1U);
}

TEST(H2Time, PingsKeepAnEyeOnThePeer) {
    H2House house;
    house.limits.h2_ping_interval_ms = 5'000;
    house.limits.h2_ping_timeout_ms = 1'000;
    house.limits.idle_timeout_ms = 0;
    H2Peer peer(house);
    ASSERT_TRUE(house.until([&] { return peer.got().pings == 1; }, 7s));
    peer.send(h2::frame(h2::ping, h2::ack, 0, std::string(8, '\0')));
    ASSERT_TRUE(house.until([&] { return peer.got().pings == 2; }, 7s));
    ASSERT_TRUE(peer.closes(3s)) << "no answer";
    EXPECT_EQ(house.counters.timeouts.get(), 1U);
}

TEST(H2Ends, AHalfClosedClientGetsItsAnswers) {
    H2House house;
    house.script.on_head = [](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.grant(UINT64_MAX), ErrorKind::ok);
    };
    H2Peer peer(house);
    peer.send(h2::request(1, h2::get("/a")) + h2::request(3, h2::post("/b"), h2::none));
    peer.raw().shutdown_write();
    house.turn_for(1s);
    EXPECT_FALSE(house.record(0).end);
    EXPECT_EQ(house.record(1).end, ErrorKind::reset) << "its body has no end";
    Script::answer(*house.record(0).exchange, house.record(0));
    ASSERT_TRUE(peer.closes(5s));
    EXPECT_EQ(peer.answer(1).status, 200);
    EXPECT_EQ(house.record(0).end, ErrorKind::ok);
}

TEST(H2Ends, ALostConnectionIsTold) {
    H2House house;
    house.script.on_head = [](Exchange&, Record&) {};
    H2Peer peer(house);
    peer.send(h2::request(1, h2::get("/a")) + h2::request(3, h2::get("/b")));
    house.turn_for(100ms);
    peer.raw().reset();
    ASSERT_TRUE(house.until([&] { return house.connections() == 0; }, 1s));
    EXPECT_EQ(house.record(0).end, ErrorKind::reset);
    EXPECT_EQ(house.record(1).end, ErrorKind::reset);
}

TEST(H2Ends, APeerThatBreaksTheProtocolIsToldWhy) {
    H2House house;
    house.script.on_head = [](Exchange&, Record&) {};
    H2Peer peer(house);
    peer.send(h2::request(1, h2::get("/")));
    house.turn_for(100ms);
    peer.send(h2::frame(h2::data, h2::none, 0, "x"));
    ASSERT_TRUE(peer.closes(5s));
    EXPECT_EQ(peer.goaway(), protocol_error);
    EXPECT_EQ(house.record(0).end, ErrorKind::protocol);
    EXPECT_EQ(house.counters.protocol_errors.get(), 1U);
}

} // namespace
} // namespace hc::link::test
