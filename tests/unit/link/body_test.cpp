// The ledgers of a request's body: credit, what is held, and what nobody wants.
#include <gtest/gtest.h>

#include "tests/unit/link/house.hpp"

namespace hc::link::test {
namespace {

std::string post(std::string_view target, std::string_view body) {
    return "POST " + std::string(target) +
           " HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
           std::string(body);
}
const std::string get = "GET /next HTTP/1.1\r\nHost: x\r\n\r\n";

TEST(Body, NothingIsDeliveredWithoutCredit) {
    House house;
    house.script.on_head = [](Exchange&, Record&) {};
    auto peer = house.connect(post("/a", "0123456789"));
    house.turn_for(1s);
    Record& record = house.record(0);
    EXPECT_EQ(record.calls, "R");
    EXPECT_EQ(record.exchange->grant(0), ErrorKind::ok);
    house.turn_for(1s);
    EXPECT_EQ(record.body, "");
    EXPECT_EQ(record.exchange->grant(3), ErrorKind::ok);
    house.turn_for(1s);
    EXPECT_EQ(record.body, "012");
    EXPECT_EQ(record.exchange->grant(4), ErrorKind::ok);
    EXPECT_EQ(record.exchange->grant(2), ErrorKind::ok) << "credit adds up";
    house.turn_for(1s);
    EXPECT_EQ(record.body, "012345678");
    EXPECT_EQ(record.calls, "RB") << "the end comes behind the last byte";
    EXPECT_EQ(record.exchange->grant(1), ErrorKind::ok);
    EXPECT_TRUE(house.until([&] { return has(peer->received(), "/a|0123456789"); }, 1s));
    EXPECT_EQ(record.calls, "RBEC");
}

TEST(Body, CreditDoesNotOverflow) {
    House house;
    house.script.on_head = [](Exchange& exchange, Record&) {
        for (int i = 0; i < 3; ++i) EXPECT_EQ(exchange.grant(UINT64_MAX), ErrorKind::ok);
    };
    auto peer = house.connect(post("/a", "xyz"));
    EXPECT_TRUE(house.until([&] { return has(peer->received(), "/a|xyz"); }, 1s));
}

TEST(Body, CallsDoNotNestWhenCreditIsGrantedInThem) {
    House house;
    house.script.on_head = [](Exchange& exchange, Record&) { exchange.grant(1); };
    house.script.on_bytes = [](Exchange& exchange, Record&) { exchange.grant(1); };
    auto peer = house.connect(post("/a", "0123456789"));
    EXPECT_TRUE(house.until([&] { return has(peer->received(), "/a|0123456789"); }, 1s));
}

TEST(Body, WhatIsKeptStaysUntilItIsConsumed) {
    House house;
    house.script.keeps = true;
    house.script.on_head = [](Exchange& exchange, Record&) { exchange.grant(4); };
    house.script.on_end = [](Exchange&, Record&) {};
    auto peer = house.connect(post("/a", "0123456789"));
    house.turn_for(1s);
    Record& record = house.record(0);
    EXPECT_EQ(record.body, "0123");
    EXPECT_EQ(record.exchange->consume(5), ErrorKind::invalid) << "more than was delivered";
    EXPECT_EQ(record.exchange->consume(1), ErrorKind::ok);
    EXPECT_EQ(record.exchange->grant(100), ErrorKind::ok);
    house.turn_for(1s);
    EXPECT_EQ(record.body, "0123456789");
    EXPECT_EQ(record.exchange->consume(9), ErrorKind::ok);
    EXPECT_EQ(record.exchange->consume(1), ErrorKind::invalid);
    Script::answer(*record.exchange, record);
    EXPECT_TRUE(house.until([&] { return has(peer->received(), "/a|0123456789"); }, 1s));
}

/// What is delivered in place must be where it was as long as it is not consumed.
TEST(Body, KeptBytesDoNotMove) {
    sim::Options options;
    options.piece_bytes_max = 700;
    House house(3, options);
    house.limits.exchange_buffer_bytes_max = 8 * 1024;
    struct Keeper final : ExchangeUser {
        std::deque<std::string_view> held;
        std::uint64_t held_bytes = 0;
        std::string all;
        Exchange* exchange = nullptr;
        bool ended = false;
        void on_request(Exchange& it, bool) override { (exchange = &it)->grant(UINT64_MAX); }
        void on_body(Exchange&, std::string_view bytes) override {
            held.push_back(bytes);
            held_bytes += bytes.size();
        }
        void on_body_end(Exchange&) override { ended = true; }
        void on_writable(Exchange&) override {}
        void on_closed(Exchange& it, ErrorKind) override { it.release(); }
        bool keeps_body() const noexcept override { return true; }
        /// Gives back the oldest piece, in two steps.
        void take_one() {
            const std::string_view piece = held.front();
            held.pop_front();
            all += piece;
            held_bytes -= piece.size();
            EXPECT_EQ(exchange->consume(piece.size() / 2), ErrorKind::ok);
            EXPECT_EQ(exchange->consume(piece.size() - piece.size() / 2), ErrorKind::ok);
        }
    } keeper;
    house.on_dispatch = [&](Exchange& exchange) { exchange.set_user(keeper); };
    std::string body;
    for (int i = 0; body.size() < 100'000; ++i) body += std::to_string(i) + ',';
    auto peer = house.connect(post("/a", body));
    EXPECT_TRUE(house.until([&] {
        while (keeper.held_bytes > 3'000) keeper.take_one();
        if (keeper.ended) {
            while (!keeper.held.empty()) keeper.take_one();
        }
        return keeper.ended;
    }));
    EXPECT_TRUE(keeper.all == body);
    EXPECT_EQ(keeper.exchange->respond(200, {}, "", {.fin = true}), ErrorKind::ok);
    EXPECT_TRUE(house.until([&] { return has(peer->received(), "200 OK"); }, 1s));
}

TEST(Body, AFullBufferPausesReading) {
    sim::Options options;
    options.window_bytes_min = options.window_bytes_max = 4 * 1024;
    House house(1, options);
    house.limits.exchange_buffer_bytes_max = 10'000;
    house.script.on_head = [](Exchange&, Record&) {};
    const std::string body(500'000, 'x');
    auto peer = house.connect(post("/a", body));
    house.turn_for(1min);
    Record& record = house.record(0);
    EXPECT_LE(house.counters.bytes_received.get(), 10'000 + 4'096 + 200);
    EXPECT_FALSE(record.end) << "nobody waits for the peer, so no time limit runs";
    // Taking a little makes no room yet; taking all of it does.
    EXPECT_EQ(record.exchange->grant(100), ErrorKind::ok);
    house.turn_for(1s);
    EXPECT_EQ(record.body.size(), 100U);
    const std::uint64_t before = house.counters.bytes_received.get();
    EXPECT_EQ(record.exchange->grant(8'000), ErrorKind::ok);
    EXPECT_TRUE(house.until([&] { return house.counters.bytes_received.get() > before; }, 1s));
    EXPECT_EQ(record.exchange->grant(UINT64_MAX), ErrorKind::ok);
    EXPECT_TRUE(house.until([&] { return record.body == body; }, 1min));
    EXPECT_TRUE(house.until([&] { return peer->received().size() > body.size(); }, 1min));
}

TEST(Body, WhatIsHeldPausesReading) {
    sim::Options options;
    options.window_bytes_min = options.window_bytes_max = 4 * 1024;
    House house(1, options);
    house.limits.exchange_buffer_bytes_max = 10'000;
    house.script.keeps = true;
    auto peer = house.connect(post("/a", std::string(100'000, 'x')));
    house.turn_for(5s);
    Record& record = house.record(0);
    EXPECT_GE(record.body.size(), 10'000U);
    EXPECT_LE(record.body.size(), 10'000U + 4'096);
    const std::size_t before = record.body.size();
    EXPECT_EQ(record.exchange->consume(before), ErrorKind::ok);
    EXPECT_TRUE(house.until([&] { return record.body.size() > before; }, 1s));
    EXPECT_TRUE(house.until([&] {
        if (record.exchange != nullptr) record.exchange->consume(1'000);
        return has(peer->received(), "/a|");
    }));
}

/// The buffer was full for a moment within one slice, in which the request ended and was answered.
TEST(Body, ReadingGoesOnBehindABodyThatFilledTheBuffer) {
    House house;
    house.limits.exchange_buffer_bytes_max = 4;
    house.script.keeps = true;
    house.script.on_end = [](Exchange& exchange, Record& record) {
        EXPECT_EQ(exchange.consume(record.body.size()), ErrorKind::ok);
        Script::answer(exchange, record);
        Script::release(record);
    };
    auto peer = house.connect(post("/a", "01234567"));
    ASSERT_TRUE(house.until([&] { return has(peer->received(), "/a|01234567"); }, 1s));
    peer->send(get);
    EXPECT_TRUE(house.until([&] { return has(peer->received(), "/next|"); }, 1s));
}

TEST(Body, ASmallOneThatNobodyWantsKeepsTheConnection) {
    House house;
    house.script.on_head = [](Exchange& exchange, Record& record) {
        Script::answer(exchange, record);
    };
    auto peer = house.connect(post("/a", std::string(50'000, 'x')) + get);
    EXPECT_TRUE(house.until([&] { return has(peer->received(), "/next|"); }, 5s));
    EXPECT_EQ(peer->received(), answer_200("/a|") + answer_200("/next|"));
    EXPECT_EQ(house.record(0).calls, "RC") << "none of it is delivered";
}

TEST(Body, AnAnswerEndsBeforeTheBodyThatIsWanted) {
    House house;
    house.script.on_head = [](Exchange& exchange, Record& record) {
        exchange.grant(UINT64_MAX);
        Script::answer(exchange, record);
    };
    const std::string all = post("/a", std::string(50'000, 'x')) + get;
    auto peer = house.connect(all.substr(0, 1'000));
    house.turn_for(1s);
    EXPECT_EQ(peer->received(), answer_200("/a|"));
    EXPECT_EQ(house.record(0).calls.substr(0, 2), "RB");
    EXPECT_FALSE(house.record(0).end) << "the request is not complete";
    peer->send(all.substr(1'000));
    EXPECT_TRUE(house.until([&] { return has(peer->received(), "/next|"); }, 5s));
    EXPECT_EQ(house.record(0).calls, "RBEC");
    EXPECT_EQ(house.record(0).body.size(), 50'000U);
}

TEST(Body, ALongOneThatNobodyWantsEndsTheConnection) {
    House house;
    house.limits.discard_bytes_max = 10'000;
    house.script.on_head = [](Exchange& exchange, Record& record) {
        Script::answer(exchange, record);
    };
    auto peer = house.connect(post("/a", std::string(10'001, 'x')) + get);
    EXPECT_TRUE(house.until([&] { return peer->over(); }, 5s));
    EXPECT_EQ(peer->received(),
              "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\n/a|")
        << "its length said at once that it is too long";
    EXPECT_EQ(house.record(0).end, ErrorKind::ok);
}

TEST(Body, AChunkedOneThatNobodyWantsEndsTheConnectionWhenItGetsLong) {
    for (const bool release : {false, true}) {
        House house;
        house.limits.discard_bytes_max = 10'000;
        house.script.on_head = [release](Exchange& exchange, Record& record) {
            Script::answer(exchange, record);
            if (release) Script::release(record);
        };
        auto peer =
            house.connect("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
        house.turn_for(1s);
        for (int i = 0; i < 200; ++i) peer->send("400\r\n" + std::string(1'024, 'x') + "\r\n");
        EXPECT_TRUE(house.until([&] { return peer->over(); }, 5s));
        EXPECT_TRUE(peer->received().starts_with(answer_200("/a|"))) << peer->received();
        EXPECT_LE(house.counters.bytes_received.get(), 200'000U);
    }
}

TEST(Body, AnnouncedTooLongIsRefused) {
    House house;
    house.limits.body_bytes_max = 10;
    const std::string got = house.talk(post("/a", "0123456789!"), 5s);
    EXPECT_TRUE(got.starts_with("HTTP/1.1 413 ")) << got;
    EXPECT_EQ(house.requests(), 0U);
}

TEST(Body, ChunkedTooLongIsRefusedInTheMiddle) {
    House house;
    house.limits.body_bytes_max = 10;
    const std::string got =
        house.talk("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "8\r\n01234567\r\n8\r\n01234567\r\n0\r\n\r\n",
                   5s);
    EXPECT_TRUE(got.starts_with("HTTP/1.1 413 ")) << got;
    EXPECT_EQ(house.record(0).end, ErrorKind::protocol);
}

} // namespace
} // namespace hc::link::test
