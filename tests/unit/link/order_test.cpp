// Pipelining: answers in order, however the input is cut and whenever the handlers answer.
#include <gtest/gtest.h>

#include <vector>

#include "tests/unit/link/house.hpp"

namespace hc::link::test {
namespace {

const std::string requests = "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n"
                             "POST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nfive!"
                             "POST /3 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                             "4\r\nfour\r\n1\r\n!\r\n0\r\nX-T: 1\r\n\r\n"
                             "HEAD /4 HTTP/1.1\r\nHost: x\r\n\r\n"
                             "\r\nGET /5 HTTP/1.1\r\nHost: x\r\n\r\n";
const std::string answers = answer_200("/1|") + answer_200("/2|five!") + answer_200("/3|four!") +
                            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n" + answer_200("/5|");

enum class When { at_once, in_the_pass, later };

/// Sends `pieces` one by one, each when the one before was read, and checks the answers.
void check_pieces(const std::vector<std::string_view>& pieces, When when) {
    House house;
    std::vector<Record*> waiting;
    const auto answer = [&](Exchange& exchange, Record& record) {
        if (when == When::at_once) return Script::answer(exchange, record);
        waiting.push_back(&record);
    };
    house.script.on_head = [&](Exchange& exchange, Record& record) {
        EXPECT_EQ(exchange.grant(1'000), ErrorKind::ok);
        if (record.method != "POST") answer(exchange, record);
    };
    house.script.on_end = answer;
    auto peer = house.connect();
    std::size_t next = 0;
    std::uint64_t sent = 0;
    ASSERT_TRUE(house.until([&] {
        if (next < pieces.size() &&
            (house.counters.bytes_received.get() == sent || !waiting.empty())) {
            sent += pieces[next].size();
            peer->send(pieces[next++]);
        }
        for (Record* record : std::exchange(waiting, {})) {
            if (when == When::later) house.turn_for(3ms);
            Script::answer(*record->exchange, *record);
        }
        return peer->received().size() >= answers.size();
    })) << peer->received();
    EXPECT_EQ(peer->received(), answers);
    EXPECT_EQ(house.requests(), 5U);
    EXPECT_FALSE(peer->over());
}

/// Only when all that waits is used up is more let in.
TEST(Order, AnAnswerBeforeItsBodyLetsNothingInBehindWhatWaits) {
    House house;
    house.script.on_head = [](Exchange& exchange, Record& record) {
        if (record.method == "POST") Script::answer(exchange, record);
    };
    const std::string first = "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n"
                              "POST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n2"
                              "GET /3 HTTP/1.1\r\nHost: x\r\n\r\n"
                              "GET /4 HTTP/1.1\r\nHost: x\r\n\r\n";
    auto peer = house.connect(first);
    ASSERT_TRUE(house.until([&] { return house.requests() == 1; }, 1s));
    peer->send("GET /5 HTTP/1.1\r\nHost: x\r\n\r\n");
    peer->shutdown_write();
    Script::answer(*house.record(0).exchange, house.record(0));
    ASSERT_TRUE(house.until([&] { return house.requests() == 3; }, 1s));
    house.turn_for(1s);
    EXPECT_EQ(house.counters.bytes_received.get(), first.size());
    Script::answer(*house.record(2).exchange, house.record(2));
    ASSERT_TRUE(house.until([&] { return house.requests() == 4; }, 1s));
    Script::answer(*house.record(3).exchange, house.record(3));
    ASSERT_TRUE(house.until([&] { return house.requests() == 5; }, 1s));
    Script::answer(*house.record(4).exchange, house.record(4));
    ASSERT_TRUE(house.until([&] { return peer->over(); }, 1s));
    EXPECT_TRUE(peer->received().ends_with("/5|")) << peer->received();
}

TEST(Order, JoinedInOnePiece) {
    for (const When when : {When::at_once, When::in_the_pass, When::later}) {
        check_pieces({requests}, when);
    }
}

TEST(Order, SplitOnceAtEveryByte) {
    for (std::size_t at = 1; at < requests.size(); ++at) {
        SCOPED_TRACE(at);
        const std::string_view all = requests;
        check_pieces({all.substr(0, at), all.substr(at)}, When::at_once);
        check_pieces({all.substr(0, at), all.substr(at)}, When::later);
    }
}

TEST(Order, SplitAtAllBytes) {
    std::vector<std::string_view> bytes;
    for (std::size_t at = 0; at < requests.size(); ++at) {
        bytes.push_back(std::string_view(requests).substr(at, 1));
    }
    for (const When when : {When::at_once, When::in_the_pass, When::later}) {
        check_pieces(bytes, when);
    }
}

TEST(Order, ALateAnswerHoldsBackTheOthers) {
    House house;
    house.script.on_head = [](Exchange& exchange, Record& record) {
        if (record.target != "/1") Script::answer(exchange, record);
    };
    auto peer =
        house.connect("GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
    house.turn_for(5s);
    EXPECT_EQ(house.requests(), 1U) << "the second is not looked at before the first is answered";
    EXPECT_EQ(peer->received(), "");
    Script::answer(*house.record(0).exchange, house.record(0));
    ASSERT_TRUE(house.until([&] { return has(peer->received(), "/2|"); }, 1s));
    EXPECT_EQ(peer->received(), answer_200("/1|") + answer_200("/2|"));
}

TEST(Order, TheNextRequestWaitsForTheRelease) {
    House house;
    house.script.on_close = [](Exchange&, Record&) {}; // kept
    auto peer =
        house.connect("GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
    house.turn_for(5s);
    EXPECT_EQ(peer->received(), answer_200("/1|"));
    EXPECT_EQ(house.requests(), 1U) << "what is not released counts against the connection";
    EXPECT_EQ(house.counters.requests_active.get(), 1U);
    house.script.on_close = nullptr;
    Script::release(house.record(0));
    EXPECT_TRUE(house.until([&] { return has(peer->received(), "/2|"); }, 1s));
}

TEST(Order, AnsweredAndReleasedInOneCall) {
    House house;
    house.script.on_head = [](Exchange& exchange, Record& record) {
        EXPECT_EQ(exchange.respond(200, {}, record.target, {.fin = true, .release = true}),
                  ErrorKind::ok);
        record.exchange = nullptr;
    };
    std::string all;
    std::string expected;
    for (int i = 0; i < 500; ++i) {
        const std::string target = "/" + std::to_string(i);
        all += "GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n";
        expected += answer_200(target);
    }
    auto peer = house.connect(all);
    ASSERT_TRUE(house.until([&] { return peer->received().size() >= expected.size(); }));
    EXPECT_EQ(peer->received(), expected);
    EXPECT_EQ(house.record(0).calls, "R") << "nothing is told behind the release";
}

/// A peer that sends requests without end while one is under way costs a slice, not more.
TEST(Order, PipelinedInputIsBounded) {
    sim::Options options;
    options.window_bytes_min = options.window_bytes_max = 16 * 1024;
    House house(1, options);
    house.script.on_head = [](Exchange&, Record&) {};
    std::string all;
    for (int i = 0; i < 100'000; ++i) all += "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    auto peer = house.connect(all);
    house.turn_for(10s);
    EXPECT_EQ(house.requests(), 1U);
    EXPECT_LE(house.counters.bytes_received.get(), runtime::Worker::receive_bytes);
    EXPECT_GT(peer->unsent(), all.size() - 200'000) << "the rest is the peer's burden";
    peer->reset();
    EXPECT_TRUE(house.until([&] { return house.record(0).end.has_value(); }, 1s))
        << "a reset is noticed although nobody reads";
}

} // namespace
} // namespace hc::link::test
