// Request bodies that are decoded: what the user sees of them, and what becomes of bad ones.
#include <gtest/gtest.h>

#include "core/link/coder.hpp"
#include "tests/unit/link/coded.hpp"
#include "tests/unit/link/house.hpp"

namespace hc::link::test {
namespace {

using enum http::ContentCoding;

CodingOptions decompressing() {
    CodingOptions options;
    options.decompress = true;
    return options;
}

std::string post(std::string_view encoding, std::string_view body, std::string_view more = "") {
    std::string text = "POST /a HTTP/1.1\r\nHost: x\r\n";
    if (!encoding.empty()) text.append("Content-Encoding: ").append(encoding).append("\r\n");
    text.append(more).append("Content-Length: ").append(std::to_string(body.size()));
    return text.append("\r\n\r\n").append(body);
}
const std::string last = "GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

struct Decoding {
    explicit Decoding(sim::Options network = {}) : house(1, std::move(network)) {
        house.context().use_coding(decompressing());
    }
    House house;
};

TEST(Decoder, TheUserSeesTheBodyAsItWas) {
    Decoding it;
    const std::string text = prose(200'000);
    std::string bytes;
    for (const auto coding : {gzip, brotli, zstd}) {
        bytes += post(coding_text(coding), encode(coding, text));
    }
    bytes += post("gzip, br", encode(brotli, encode(gzip, text)));
    bytes += post("GZIP,identity\r\nContent-Encoding: zstd", encode(zstd, encode(gzip, text)));
    bytes += post("identity", text) + post("", text);
    it.house.talk(bytes + last);
    ASSERT_EQ(it.house.requests(), 8U);
    for (std::size_t i = 0; i < 7; ++i) {
        EXPECT_TRUE(it.house.record(i).body == text) << i;
        EXPECT_EQ(it.house.record(i).calls, "RBEC");
        EXPECT_EQ(it.house.record(i).end, ErrorKind::ok);
    }
}

TEST(Decoder, TheHeadTellsOfTheDecodedBody) {
    Decoding it;
    bool seen = false;
    const auto look = [&](Exchange& exchange) {
        const http::HeadView& head = exchange.head();
        EXPECT_FALSE(head.find(http::FieldName::content_encoding));
        EXPECT_FALSE(head.find(http::FieldName::content_length));
        EXPECT_EQ(head.find("x-other"), "y");
        EXPECT_EQ(head.text(head.path), "/a");
        seen = true;
    };
    it.house.script.on_head = [&](Exchange& exchange, Record&) {
        look(exchange);
        exchange.grant(UINT64_MAX);
    };
    it.house.script.on_end = [&](Exchange& exchange, Record& record) {
        look(exchange); // in memory of its own now
        Script::answer(exchange, record);
    };
    it.house.talk(post("gzip", encode(gzip, "text"), "X-Other: y\r\nConnection: close\r\n"));
    EXPECT_TRUE(seen);
    EXPECT_EQ(it.house.record(0).body, "text");
}

TEST(Decoder, SlicesChunksAndTrailers) {
    sim::Options options;
    options.piece_bytes_max = 3;
    Decoding it(options);
    const std::string text = prose(5'000);
    const std::string coded = encode(zstd, text);
    char head[32];
    std::snprintf(head, sizeof head, "%zx\r\n", coded.size());
    const std::string got = it.house.talk(
        "POST /a HTTP/1.1\r\nHost: x\r\nContent-Encoding: zstd\r\nTransfer-Encoding: chunked\r\n"
        "Connection: close\r\n\r\n" +
        std::string(head) + coded + "\r\n0\r\nx-sum: 7\r\n\r\n");
    EXPECT_TRUE(it.house.record(0).body == text);
    EXPECT_EQ(it.house.record(0).trailers, "x-sum: 7\n");
    EXPECT_TRUE(has(got, "200 OK"));
}

TEST(Decoder, NoBytesAreNoBody) {
    Decoding it;
    const std::string got = it.house.talk(post("gzip", "") + last);
    EXPECT_EQ(count(got, "200 OK"), 2U);
    EXPECT_EQ(it.house.record(0).calls, "RC") << "it ended with its head";
}

TEST(Decoder, UnknownCodingsAreRefusedWithAList) {
    for (const std::string_view coding : {"deflate", "gzip, compress", "br, br, br", "x"}) {
        Decoding it;
        const std::string got = it.house.talk(post(coding, "body") + last);
        EXPECT_TRUE(got.starts_with("HTTP/1.1 415 ")) << coding;
        EXPECT_TRUE(has(got, "accept-encoding: zstd, br, gzip\r\n"));
        EXPECT_TRUE(has(got, "/last|")) << "the connection goes on";
        EXPECT_EQ(it.house.requests(), 1U) << "nobody was asked";
    }
}

TEST(Decoder, MalformedBodiesAreRefused) {
    const std::string good = encode(gzip, prose(1'000));
    for (const std::string& bad : {std::string("not coded at all"), good.substr(0, good.size() - 1),
                                   good + "garbage", good.substr(0, 5)}) {
        Decoding it;
        const std::string got = it.house.talk(post("gzip", bad) + last);
        EXPECT_TRUE(got.starts_with("HTTP/1.1 400 ")) << bad.size();
        EXPECT_TRUE(has(got, "/last|")) << "the connection goes on";
        EXPECT_EQ(it.house.record(0).end, ErrorKind::protocol);
        EXPECT_FALSE(has(it.house.record(0).calls, "E")) << "no end came";
        EXPECT_EQ(it.house.counters.protocol_errors.get(), 1U);
    }
}

TEST(Decoder, BombsAreRefused) {
    const std::string bomb = encode(gzip, std::string(10'000'000, '\0'));
    for (const bool by_ratio : {false, true}) {
        Decoding it;
        it.house.limits.decoded_body_bytes_max = by_ratio ? 0 : 1'000'000;
        it.house.limits.decoded_ratio_max = by_ratio ? 200 : 0;
        it.house.limits.decoded_ratio_from_bytes = 100'000;
        const std::string got = it.house.talk(post("gzip", bomb) + last);
        EXPECT_TRUE(got.starts_with("HTTP/1.1 413 ")) << by_ratio;
        EXPECT_TRUE(has(got, "/last|")) << "the connection goes on";
        EXPECT_EQ(it.house.record(0).end, ErrorKind::limit);
        EXPECT_LE(it.house.record(0).body.size(), by_ratio ? 2'000'000U : 1'000'000U);
    }
}

TEST(Decoder, BehindAnAnswerABadBodyIsAReset) {
    Decoding it;
    it.house.script.on_head = [](Exchange& exchange, Record&) {
        exchange.grant(UINT64_MAX);
        EXPECT_EQ(exchange.respond(200, {}, "begun", {}), ErrorKind::ok);
    };
    it.house.script.on_end = [](Exchange&, Record&) { ADD_FAILURE() << "it has no end"; };
    auto peer = it.house.connect(post("gzip", "not coded at all"));
    ASSERT_TRUE(it.house.until([&] { return peer->over(); }, 5s));
    EXPECT_NE(peer->error(), 0);
    EXPECT_EQ(it.house.record(0).end, ErrorKind::protocol);
}

TEST(Decoder, AFinishedAnswerIsNotCutOffByABadBody) {
    Decoding it;
    it.house.script.on_head = [](Exchange& exchange, Record&) {
        exchange.grant(UINT64_MAX);
        EXPECT_EQ(exchange.respond(200, {}, "whole", {.fin = true}), ErrorKind::ok);
    };
    it.house.script.on_end = [](Exchange&, Record&) { ADD_FAILURE() << "it has no end"; };
    auto peer = it.house.connect(post("gzip", "not coded at all") + last);
    ASSERT_TRUE(it.house.until([&] { return peer->over(); }, 5s));
    EXPECT_EQ(peer->error(), 0);
    EXPECT_EQ(count(peer->received(), "whole"), 2U);
}

TEST(Decoder, NothingIsDecodedAheadOfItsUser) {
    Decoding it;
    House& house = it.house;
    house.limits.exchange_buffer_bytes_max = 32 * 1024;
    house.limits.decoded_ratio_max = 0;
    house.limits.body_timeout_ms = 0;
    house.script.on_head = [](Exchange& exchange, Record& record) {
        if (record.target == "/last") Script::answer(exchange, record);
    };
    house.script.on_end = [](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.respond(200, {}, "read", {.fin = true}), ErrorKind::ok);
    };
    const std::string text(20'000'000, 'a');
    auto peer = house.connect(post("gzip", encode(gzip, text)) + last);
    house.turn_for(10s);
    Record& record = house.record(0);
    EXPECT_TRUE(record.exchange->over_buffer());
    EXPECT_EQ(record.calls, "R");
    for (std::size_t credit = 1; credit <= 20; ++credit) {
        EXPECT_EQ(record.exchange->grant(1'000'000), ErrorKind::ok);
        ASSERT_TRUE(house.until([&] { return record.body.size() == credit * 1'000'000; }, 1s));
    }
    ASSERT_TRUE(house.until([&] { return has(peer->received(), "/last|"); }, 5s));
    EXPECT_TRUE(record.body == text);
    EXPECT_EQ(record.calls, "RBEC");
}

TEST(Decoder, WhatIsKeptHoldsBackTheRest) {
    Decoding it;
    House& house = it.house;
    house.limits.exchange_buffer_bytes_max = 32 * 1024;
    house.limits.body_timeout_ms = 0;
    house.script.keeps = true;
    const std::string text = prose(500'000);
    auto peer = house.connect(post("br", encode(brotli, text)));
    house.turn_for(10s);
    Record& record = house.record(0);
    EXPECT_LT(record.body.size(), 64U * 1024U);
    std::size_t consumed = 0;
    while (!has(record.calls, "E")) {
        const std::size_t held = record.body.size() - consumed;
        ASSERT_GT(held, 0U);
        ASSERT_LT(held, 64U * 1024U);
        EXPECT_EQ(record.exchange->consume(held), ErrorKind::ok);
        consumed += held;
        house.turn_for(1s);
    }
    EXPECT_TRUE(record.body == text);
    ASSERT_TRUE(house.until([&] { return has(peer->received(), "200 OK"); }, 5s));
}

TEST(Decoder, AUserThatLetsGoIsLeftAlone) {
    Decoding it;
    it.house.script.on_bytes = [](Exchange& exchange, Record& record) {
        EXPECT_EQ(exchange.respond(200, {}, "enough", {.fin = true}), ErrorKind::ok);
        Script::release(record);
    };
    const std::string got = it.house.talk(post("gzip", encode(gzip, prose(100'000))) + last);
    EXPECT_TRUE(has(got, "enough"));
    EXPECT_LE(it.house.record(0).body.size(), 16U * 1024U);
}

TEST(Decoder, OneDecoderTooManyIs503) {
    Decoding it;
    CodingOptions options = decompressing();
    options.decoders_max = 1;
    it.house.context().use_coding(options);
    it.house.script.on_head = [](Exchange&, Record&) {};
    auto first = it.house.connect(post("gzip", encode(gzip, "text")));
    it.house.turn_for(1s);
    auto second = it.house.connect(post("gzip", encode(gzip, "text")));
    ASSERT_TRUE(it.house.until([&] { return has(second->received(), "503 "); }, 1s));
    EXPECT_TRUE(has(second->received(), "retry-after"));
    EXPECT_EQ(it.house.requests(), 1U);
    it.house.record(0).exchange->abort(0);
    it.house.turn_for(1s);
    auto third = it.house.connect(post("gzip", encode(gzip, "text")));
    ASSERT_TRUE(it.house.until([&] { return it.house.requests() == 2; }, 1s));
    it.house.record(1).exchange->abort(0);
    --it.house.finished_count; // the house expects no exchange of those that are refused
}

TEST(Decoder, WithoutTheOptionBodiesStayAsTheyAre) {
    House house;
    const std::string coded = encode(gzip, "text");
    house.talk(post("gzip", coded) + last);
    EXPECT_TRUE(house.record(0).body == coded);
}

} // namespace
} // namespace hc::link::test
