// Connections with TLS: handshakes that end well or not, bytes both ways, files, ends, limits.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>

#include "tests/unit/link/tls_house.hpp"

namespace hc::link::test {
namespace {

std::string big(std::size_t n) {
    std::string bytes(n, ' ');
    for (std::size_t i = 0; i < n; ++i) bytes[i] = static_cast<char>('a' + i * i % 23);
    return bytes;
}

class Tls : public testing::TestWithParam<std::uint64_t> {
protected:
    TlsHouse house_{GetParam(), GetParam() == 0 ? sim::Options() : sim::Options::hostile()};
    const tls::Context trusting_ = client_context();
};
INSTANTIATE_TEST_SUITE_P(Seeds, Tls, testing::Range<std::uint64_t>(0, 12));

TEST_P(Tls, RequestsAreAnswered) {
    TlsPeer client(house_, trusting_);
    client.send("GET /1 HTTP/1.1\r\nHost: x\r\n\r\n"
                "POST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nfive!");
    const std::string answers = answer_200("/1|") + answer_200("/2|five!");
    ASSERT_TRUE(house_.until([&] {
        client.pump();
        return client.received.size() >= answers.size();
    })) << client.received;
    EXPECT_EQ(client.received, answers);
    EXPECT_EQ(client.engine().alpn(), "http/1.1");
}

TEST_P(Tls, LargeBodiesBothWays) {
    const std::string body = big(300'000);
    house_.limits.exchange_buffer_bytes_max = 20'000; // reading pauses in the middle of slices
    TlsPeer client(house_, trusting_);
    client.send("POST /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " +
                std::to_string(body.size()) + "\r\n\r\n" + body);
    ASSERT_TRUE(house_.until([&] { return client.pump(); })) << client.received.size();
    EXPECT_EQ(client.last, Progress::ended) << client.engine().error().message;
    EXPECT_TRUE(client.received.ends_with("/b|" + body)) << client.received.size();
}

TEST_P(Tls, FilesAreEncrypted) {
    const std::string content = big(100'000);
    const std::intptr_t file = house_.world.add_file(content);
    house_.script.on_head = [&](Exchange& exchange, Record& record) {
        ASSERT_EQ(exchange.respond(200, {}, {}, {}), ErrorKind::ok);
        Chain range;
        range.append_file(file, 1'000, 98'000, nullptr, 0);
        ASSERT_EQ(exchange.send(range, {.fin = true}), ErrorKind::ok);
        Script::release(record);
    };
    TlsPeer client(house_, trusting_);
    client.send("GET /f HTTP/1.0\r\n\r\n");
    ASSERT_TRUE(house_.until([&] { return client.pump(); }));
    const std::size_t at = client.received.find("\r\n\r\n");
    ASSERT_NE(at, std::string::npos);
    EXPECT_TRUE(client.received.substr(at + 4) == content.substr(1'000, 98'000));
}

TEST_P(Tls, APeerThatDoesNotReadIsKeptWithinBounds) {
    const std::string body = big(100'000);
    std::uint64_t taken = 0;
    const auto send_more = [&](Exchange& exchange, Record&) {
        while (exchange.send(body, {}) == ErrorKind::ok) taken += body.size();
    };
    house_.script.on_head = [&](Exchange& exchange, Record& record) {
        ASSERT_EQ(exchange.respond(200, {}, {}, {}), ErrorKind::ok);
        send_more(exchange, record);
    };
    house_.script.on_room = send_more;
    TlsPeer client(house_, trusting_);
    client.send("GET /f HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_TRUE(house_.until([&] {
        client.pump();
        return house_.requests() == 1;
    }));
    client.peer().pause_reading();
    house_.turn_for(5s);
    // What the peer took before, what is on the way, and what waits here.
    const std::uint64_t once = taken;
    EXPECT_GE(once, house_.limits.write_high_watermark_bytes);
    house_.turn_for(5s);
    EXPECT_EQ(taken, once) << "nothing moves, so nothing more is taken";
    client.peer().reset();
    ASSERT_TRUE(house_.until([&] { return house_.connections() == 0; }));
}

TEST_P(Tls, AClientThatTrustsNobodyIsToldNothingMore) {
    TlsPeer client(house_, client_context(""));
    client.send("GET /1 HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_TRUE(house_.until([&] { return client.pump(); }));
    EXPECT_EQ(client.last, Progress::failed);
    EXPECT_EQ(house_.requests(), 0U);
    EXPECT_EQ(house_.counters.protocol_errors.get(), 1U);
}

TEST_P(Tls, ClearTextIsNoHandshake) {
    auto peer = house_.connect("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_TRUE(house_.until([&] { return peer->over(); }));
    EXPECT_TRUE(peer->ended()) << "in order";
    EXPECT_EQ(house_.requests(), 0U);
}

TEST_P(Tls, AHandshakeHasItsTime) {
    const Instant began = house_.world.now();
    auto silent = house_.connect();
    auto partly = house_.connect(std::string("\x16\x03\x01\x02\x00\x01", 6));
    ASSERT_TRUE(house_.until([&] { return silent->over() && partly->over(); }));
    const Duration took = house_.world.now() - began;
    EXPECT_GE(took, milliseconds(house_.limits.tls_handshake_timeout_ms));
    EXPECT_LE(took, milliseconds(house_.limits.tls_handshake_timeout_ms) + 30s) << "and its way";
    EXPECT_EQ(house_.counters.timeouts.get(), 2U);
}

TEST_P(Tls, APeerThatGoesInTheMiddleLeavesNothing) {
    for (int turns = 0; turns < 12; ++turns) {
        TlsPeer client(house_, trusting_);
        client.send("GET /1 HTTP/1.1\r\nHost: x\r\n\r\n");
        for (int i = 0; i < turns; ++i) {
            client.pump();
            house_.turn_for(300us);
        }
        if (turns % 2 == 0) client.peer().reset();
        else client.peer().close();
        ASSERT_TRUE(house_.until([&] { return house_.connections() == 0; }));
    }
}

TEST_P(Tls, ADrainEndsHandshakes) {
    auto silent = house_.connect();
    ASSERT_TRUE(house_.until([&] { return house_.connections() == 1; }));
    house_.connection().drain();
    ASSERT_TRUE(house_.until([&] { return silent->over(); }));
    EXPECT_EQ(house_.connections(), 0U);
}

TEST_P(Tls, AnEndWithoutNoticeEndsTheExchange) {
    house_.script.on_head = [](Exchange&, Record&) {}; // never answers
    TlsPeer client(house_, trusting_);
    client.send("POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf");
    ASSERT_TRUE(house_.until([&] {
        client.pump();
        return house_.requests() == 1;
    }));
    client.peer().close();
    ASSERT_TRUE(house_.until([&] { return house_.record(0).end.has_value(); }));
    EXPECT_EQ(house_.record(0).end, ErrorKind::reset);
}

} // namespace
} // namespace hc::link::test
