// Exchanges over HTTP/2: what is promised to users holds as over HTTP/1.1.
#include <gtest/gtest.h>

#include "tests/unit/link/h2_house.hpp"

namespace hc::link::test {
namespace {

TEST(H2Exchange, ARequestIsAnswered) {
    H2House house;
    house.script.on_head = [](Exchange& exchange, Record& record) {
        const http::HeadView& head = exchange.head();
        EXPECT_EQ(head.version, http::Version::http_2);
        EXPECT_EQ(head.text(head.path), "/a");
        EXPECT_EQ(head.text(head.query), "q=1");
        EXPECT_TRUE(head.has_query);
        EXPECT_EQ(head.text(head.authority), "x");
        EXPECT_EQ(head.text(head.scheme), "http");
        EXPECT_EQ(head.find("x-own"), "v");
        EXPECT_EQ(head.field_count, 1U) << "pseudo-fields are none";
        Script::answer(exchange, record);
    };
    H2Peer peer(house);
    peer.send(h2::request(1, h2::get("/a?q=1", {{"x-own", "v"}})));
    ASSERT_TRUE(peer.ends(1));
    EXPECT_EQ(peer.answer(1).status, 200);
    EXPECT_EQ(peer.answer(1).fields, "content-length: 7\n");
    EXPECT_EQ(peer.answer(1).body, "/a?q=1|");
    ASSERT_TRUE(house.until([&] { return house.record(0).end.has_value(); }, 1s));
    EXPECT_EQ(house.record(0).calls, "RC");
    EXPECT_EQ(house.record(0).end, ErrorKind::ok);
}

TEST(H2Exchange, ManyStreamsOfOneSliceAreAnsweredInOneTrain) {
    H2House house;
    H2Peer peer(house);
    std::string requests;
    for (int i = 0; i < 50; ++i)
        requests += h2::request(2 * i + 1, h2::get("/" + std::to_string(i)));
    peer.send(requests);
    for (int i = 0; i < 50; ++i) {
        ASSERT_TRUE(peer.ends(2 * i + 1));
        EXPECT_EQ(peer.answer(2 * i + 1).body, "/" + std::to_string(i) + "|");
    }
    EXPECT_EQ(house.requests(), 50U);
}

TEST(H2Exchange, ThePrefaceMayComeInPieces) {
    for (std::size_t at = 1; at < h2::hello.size(); ++at) {
        H2House house;
        H2Peer peer(house, h2::hello.substr(0, at));
        house.turn_for(10ms);
        peer.send(h2::hello.substr(at) + h2::request(1, h2::get("/")));
        ASSERT_TRUE(peer.ends(1)) << at;
        EXPECT_EQ(peer.answer(1).status, 200);
    }
}

TEST(H2Exchange, WhatOnlyBeginsLikeThePrefaceIsHttp1) {
    H2House house;
    for (const std::string method : {"P", "PR", "PRI"}) {
        auto peer = house.connect(method);
        house.turn_for(10ms);
        peer->send("OP / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        ASSERT_TRUE(house.until([&] { return peer->over(); }, 10s));
        EXPECT_TRUE(peer->received().starts_with("HTTP/1.1 501"));
    }
    auto peer = house.connect("P");
    house.turn_for(10ms);
    peer->send("UT /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi");
    ASSERT_TRUE(house.until([&] { return peer->over(); }, 10s));
    EXPECT_TRUE(has(peer->received(), "/x|hi"));
}

TEST(H2Exchange, ABodyComesWithinCredit) {
    H2House house;
    house.script.on_head = [](Exchange&, Record&) {};
    H2Peer peer(house);
    peer.send(h2::request(1, h2::post("/"), h2::none) + h2::frame(h2::data, h2::none, 1, "abcdef") +
              h2::frame(h2::data, h2::end_stream, 1, "ghi"));
    house.turn_for(1s);
    Record& record = house.record(0);
    EXPECT_EQ(record.calls, "R") << "no credit, no body";
    EXPECT_EQ(record.exchange->grant(4), ErrorKind::ok);
    house.turn_for(1s);
    EXPECT_EQ(record.body, "abcd");
    EXPECT_EQ(record.exchange->grant(100), ErrorKind::ok);
    ASSERT_TRUE(peer.ends(1));
    EXPECT_EQ(record.calls, "RBEC");
    EXPECT_EQ(peer.answer(1).body, "/|abcdefghi");
}

TEST(H2Exchange, TheWindowFollowsWhatIsConsumed) {
    H2House house;
    house.script.keeps = true;
    house.script.on_head = [](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.grant(UINT64_MAX), ErrorKind::ok);
    };
    house.script.on_bytes = [](Exchange&, Record&) {};
    H2Peer peer(house);
    peer.send(h2::request(1, h2::post("/"), h2::none));
    const std::string piece(16'000, 'a');
    for (int i = 0; i < 4; ++i) peer.send(h2::frame(h2::data, h2::none, 1, piece));
    house.turn_for(1s);
    EXPECT_EQ(peer.got().windows.count(1), 0U) << "nothing was consumed";
    EXPECT_GE(peer.got().windows[0], 32'000U) << "siblings may send";
    Record& record = house.record(0);
    EXPECT_EQ(record.body.size(), 64'000U);
    EXPECT_EQ(record.exchange->consume(64'000), ErrorKind::ok);
    house.turn_for(1s);
    EXPECT_EQ(peer.got().windows[1], 64'000U);
    peer.send(h2::frame(h2::data, h2::end_stream, 1, "z"));
    ASSERT_TRUE(peer.ends(1));
    EXPECT_EQ(peer.answer(1).status, 200);
}

TEST(H2Exchange, TheConnectionsWindowStaysShutWhileHandlersHoldTooMuch) {
    H2House house;
    house.limits.h2_connection_buffer_bytes_max = 40'000;
    house.script.keeps = true;
    house.script.on_head = [](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.grant(UINT64_MAX), ErrorKind::ok);
    };
    house.script.on_bytes = [](Exchange&, Record&) {};
    H2Peer peer(house);
    const std::string piece(15'000, 'a');
    for (int i = 0; i < 4; ++i) {
        peer.send(h2::request(2 * i + 1, h2::post("/"), h2::none));
        peer.send(h2::frame(h2::data, h2::none, 2 * i + 1, piece));
    }
    house.turn_for(1s);
    EXPECT_LE(peer.got().windows[0], 40'000U);
    const std::uint64_t before = peer.got().windows[0];
    EXPECT_EQ(house.record(0).exchange->consume(15'000), ErrorKind::ok);
    EXPECT_EQ(house.record(1).exchange->consume(15'000), ErrorKind::ok);
    house.turn_for(1s);
    EXPECT_GT(peer.got().windows[0], before);
    peer.raw().reset();
}

TEST(H2Exchange, WindowsGrowWithUse) {
    H2House house;
    house.script.on_end = [](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.respond(200, {}, "", {.fin = true}), ErrorKind::ok);
    };
    H2Peer peer(house);
    ASSERT_TRUE(house.until([&] { return !peer.got().settings_got.empty(); }, 1s));
    peer.send(h2::frame(h2::settings, h2::ack, 0) + h2::request(1, h2::post("/"), h2::none));
    house.turn_for(1ms);
    std::uint64_t sent = 0;
    const auto room = [&] { return 65'535 + peer.got().windows[1] - sent; };
    const auto connection_room = [&] { return 65'535 + peer.got().windows[0] - sent; };
    std::uint64_t largest = 0;
    for (int i = 0; i < 20'000 && sent < 40'000'000; ++i) {
        while (std::min(room(), connection_room()) >= 16'000) {
            peer.send(h2::frame(h2::data, h2::none, 1, std::string(16'000, 'a')));
            sent += 16'000;
        }
        house.turn_for(100us);
        largest = std::max(largest, room());
    }
    EXPECT_GT(largest, 400'000U);
    EXPECT_LE(largest, house.limits.h2_stream_window_bytes_max);
    peer.send(h2::frame(h2::data, h2::end_stream, 1));
    ASSERT_TRUE(peer.ends(1));
}

TEST(H2Exchange, TrailersBothWays) {
    H2House house;
    house.script.on_end = [](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.respond(200, {}, "body", {}), ErrorKind::ok);
        const http::Field trailers[] = {{"X-Sum", "42"}, {"content-length", "9"}};
        EXPECT_EQ(exchange.finish(trailers), ErrorKind::ok);
    };
    H2Peer peer(house);
    peer.send(h2::request(1, h2::post("/"), h2::none) + h2::frame(h2::data, h2::none, 1, "b") +
              h2::request(1, {{"x-check", "1"}, {"authorization", "no"}}));
    ASSERT_TRUE(peer.ends(1));
    EXPECT_EQ(house.record(0).trailers, "x-check: 1\n");
    EXPECT_EQ(peer.answer(1).trailers, "x-sum: 42\n");
    EXPECT_EQ(peer.answer(1).body, "body");
    EXPECT_EQ(house.record(0).calls, "RBEC");
}

TEST(H2Exchange, InterimAnswersComeFirst) {
    H2House house;
    house.script.on_head = [](Exchange& exchange, Record& record) {
        const http::Field link[] = {{"link", "</a.css>"}};
        EXPECT_EQ(exchange.interim(103, link), ErrorKind::ok);
        EXPECT_EQ(exchange.interim(101, {}), ErrorKind::invalid);
        Script::answer(exchange, record);
    };
    H2Peer peer(house);
    peer.send(h2::request(1, h2::get("/")));
    ASSERT_TRUE(peer.ends(1));
    EXPECT_EQ(peer.answer(1).interim, std::vector<int>{103});
    EXPECT_EQ(peer.answer(1).status, 200);
}

TEST(H2Exchange, TheFirstCreditAnswersAnExpectation) {
    H2House house;
    house.script.on_head = [](Exchange&, Record&) {};
    H2Peer peer(house);
    peer.send(h2::request(1, h2::post("/", {{"expect", "100-continue"}}), h2::none));
    house.turn_for(1s);
    EXPECT_TRUE(peer.answer(1).interim.empty());
    EXPECT_EQ(house.record(0).exchange->grant(10), ErrorKind::ok);
    house.turn_for(1s);
    EXPECT_EQ(peer.answer(1).interim, std::vector<int>{100});
    peer.send(h2::frame(h2::data, h2::end_stream, 1, "x"));
    ASSERT_TRUE(peer.ends(1));
    peer.send(h2::request(3, h2::post("/", {{"expect", "a miracle"}}), h2::none));
    ASSERT_TRUE(peer.ends(3));
    EXPECT_EQ(peer.answer(3).status, 417);
}

TEST(H2Exchange, FieldsOfTheConnectionAreLeftOutAndNamesAreLowered) {
    H2House house;
    house.context().server_name = "me";
    house.script.on_head = [](Exchange& exchange, Record&) {
        const http::Field fields[] = {
            {"Connection", "close"}, {"Keep-Alive", "1"}, {"Transfer-Encoding", "chunked"},
            {"Upgrade", "x"},        {"TE", "trailers"},  {"X-Loud", "Yes"}};
        EXPECT_EQ(exchange.respond(200, fields, "b", {.fin = true}), ErrorKind::ok);
    };
    H2Peer peer(house);
    peer.send(h2::request(1, h2::get("/")));
    ASSERT_TRUE(peer.ends(1));
    EXPECT_EQ(peer.answer(1).fields, "server: me\nx-loud: Yes\ncontent-length: 1\n");
    peer.send(h2::request(3, h2::get("/")));
    EXPECT_TRUE(peer.ends(3)) << "and the connection goes on";
}

TEST(H2Exchange, BodiesThatMayNotBeAreNotSent) {
    H2House house;
    int status = 200;
    house.script.on_head = [&](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.respond(status, {}, "body", {.fin = true}), ErrorKind::ok);
    };
    H2Peer peer(house);
    h2::Fields head = h2::get("/");
    head[0].second = "HEAD";
    peer.send(h2::request(1, head));
    ASSERT_TRUE(peer.ends(1));
    EXPECT_EQ(peer.answer(1).body, "");
    EXPECT_EQ(peer.answer(1).fields, "content-length: 4\n");
    status = 304;
    peer.send(h2::request(3, h2::get("/")));
    ASSERT_TRUE(peer.ends(3));
    EXPECT_EQ(peer.answer(3).body, "");
}

TEST(H2Exchange, AnAnnouncedLengthIsAPromise) {
    H2House house;
    house.script.on_head = [](Exchange& exchange, Record&) {
        const http::Field length[] = {{"content-length", "5"}};
        EXPECT_EQ(exchange.respond(200, length, "123456", {}), ErrorKind::limit);
        EXPECT_EQ(exchange.respond(200, length, "123", {}), ErrorKind::ok);
        EXPECT_EQ(exchange.send("456", {}), ErrorKind::limit) << "nothing was taken";
        EXPECT_EQ(exchange.send("4", {}), ErrorKind::ok);
    };
    H2Peer peer(house);
    peer.send(h2::request(1, h2::get("/")));
    house.turn_for(1s);
    Record& record = house.record(0);
    EXPECT_EQ(peer.answer(1).body, "1234");
    EXPECT_EQ(record.exchange->finish({}), ErrorKind::state);
    EXPECT_EQ(record.exchange->send("5", {}), ErrorKind::closed);
    ASSERT_TRUE(peer.ends(1));
    EXPECT_EQ(peer.answer(1).reset, internal_error);
    EXPECT_EQ(record.calls, "RC");
    peer.send(h2::request(3, h2::get("/")));
    house.turn_for(1s);
    EXPECT_EQ(house.requests(), 2U) << "the connection goes on";
    Script::release(house.record(1));
    EXPECT_TRUE(peer.ends(3));
}

TEST(H2Exchange, LentBytesMoveWithoutACopyAndComeBackOnce) {
    struct Lender final : Chunk::Lender {
        void give_back(std::uint64_t, bool was_sent) noexcept override {
            ++times;
            sent = was_sent;
        }
        int times = 0;
        bool sent = false;
    } lender;
    const std::string big(60'000, 'x');
    H2House house;
    house.script.on_head = [&](Exchange& exchange, Record&) {
        Chain lent;
        lent.append_lent(big, &lender, 1);
        Answer answer;
        answer.flags.fin = true;
        answer.lent = &lent;
        EXPECT_EQ(exchange.respond(answer), ErrorKind::ok);
    };
    H2Peer peer(house);
    peer.send(h2::request(1, h2::get("/")));
    ASSERT_TRUE(peer.ends(1));
    EXPECT_TRUE(peer.answer(1).body == big);
    EXPECT_EQ(lender.times, 1);
    EXPECT_TRUE(lender.sent);
}

TEST(H2Exchange, ReleaseWithoutAnAnswerIs500) {
    H2House house;
    house.script.on_head = [](Exchange&, Record& record) { Script::release(record); };
    H2Peer peer(house);
    peer.send(h2::request(1, h2::get("/")));
    ASSERT_TRUE(peer.ends(1));
    EXPECT_EQ(peer.answer(1).status, 500);
}

TEST(H2Exchange, ReleaseOfAnUnfinishedAnswerIsAReset) {
    H2House house;
    house.script.on_head = [](Exchange& exchange, Record& record) {
        EXPECT_EQ(exchange.respond(200, {}, "half", {}), ErrorKind::ok);
        Script::release(record);
    };
    H2Peer peer(house);
    peer.send(h2::request(1, h2::get("/")));
    ASSERT_TRUE(peer.ends(1));
    EXPECT_EQ(peer.answer(1).reset, internal_error);
    EXPECT_FALSE(peer.answer(1).ended);
}

TEST(H2Exchange, AbortCarriesItsCode) {
    H2House house;
    house.script.on_head = [](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.abort(exchange.head().find("x-code") ? 5 : 0), ErrorKind::ok);
        EXPECT_EQ(exchange.send("x", {}), ErrorKind::closed);
    };
    H2Peer peer(house);
    peer.send(h2::request(1, h2::get("/")) + h2::request(3, h2::get("/", {{"x-code", "5"}})));
    ASSERT_TRUE(peer.ends(1));
    ASSERT_TRUE(peer.ends(3));
    EXPECT_EQ(peer.answer(1).reset, cancel);
    EXPECT_EQ(peer.answer(3).reset, 5U);
    EXPECT_EQ(house.record(0).end, ErrorKind::cancelled);
}

TEST(H2Exchange, AResetByThePeerIsTold) {
    H2House house;
    house.script.on_head = [](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.grant(UINT64_MAX), ErrorKind::ok);
    };
    H2Peer peer(house);
    peer.send(h2::request(1, h2::post("/"), h2::none));
    house.turn_for(1s);
    peer.send(h2::frame(h2::rst_stream, h2::none, 1, h2::u32(cancel)));
    ASSERT_TRUE(house.until([&] { return house.record(0).end.has_value(); }, 1s));
    EXPECT_EQ(house.record(0).end, ErrorKind::reset);
    EXPECT_EQ(house.glitches(hc::h2::Glitch::reset_by_peer), 1U);
}

TEST(H2Exchange, OneThatIsResetWithItsHeadIsNeverBegun) {
    H2House house;
    H2Peer peer(house);
    peer.send(h2::hello.substr(h2::hello.size()) + h2::request(1, h2::get("/a")) +
              h2::frame(h2::rst_stream, h2::none, 1, h2::u32(cancel)) +
              h2::request(3, h2::get("/b")));
    ASSERT_TRUE(peer.ends(3));
    ASSERT_EQ(house.requests(), 1U);
    EXPECT_EQ(house.record(0).target, "/b");
}

TEST(H2Exchange, AnEarlyAnswerLetsTheClientFinishOrEndsIt) {
    H2House house;
    house.script.on_head = [](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.respond(413, {}, "no", {.fin = true}), ErrorKind::ok);
    };
    H2Peer peer(house);
    peer.send(h2::request(1, h2::post("/"), h2::none));
    ASSERT_TRUE(peer.ends(1));
    EXPECT_FALSE(peer.answer(1).reset) << "it may be about to end";
    peer.send(h2::frame(h2::data, h2::end_stream, 1, "late"));
    ASSERT_TRUE(house.until([&] { return house.record(0).end.has_value(); }, 1s));
    EXPECT_EQ(house.record(0).end, ErrorKind::ok);
    EXPECT_EQ(house.record(0).calls, "RC");

    peer.send(h2::request(3, h2::post("/"), h2::none));
    ASSERT_TRUE(house.until([&] { return peer.answer(3).reset.has_value(); }, 10s));
    EXPECT_EQ(peer.answer(3).reset, no_error) << "it takes too long";
    EXPECT_TRUE(peer.answer(3).ended);

    peer.send(h2::request(5, h2::post("/", {{"content-length", "1000000"}}), h2::none));
    ASSERT_TRUE(house.until([&] { return peer.answer(5).reset.has_value(); }, 1s));
    EXPECT_EQ(peer.answer(5).reset, no_error) << "it would send too much";
}

} // namespace
} // namespace hc::link::test
