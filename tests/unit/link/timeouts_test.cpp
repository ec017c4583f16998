// Every time limit of a connection: that it strikes when it should, not before, and with which
// answer.
#include <gtest/gtest.h>

#include "tests/unit/link/house.hpp"

namespace hc::link::test {
namespace {

const std::string get = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
const std::string post = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n";

/// How long it takes until `done`, in whole seconds rounded down.
std::int64_t seconds_until(House& house, const std::function<bool()>& done) {
    const Instant start = house.world.now();
    EXPECT_TRUE(house.until(done, 1h));
    return (house.world.now() - start) / 1s;
}

TEST(Timeouts, AConnectionThatSaysNothingIsTold408) {
    House house;
    auto peer = house.connect();
    EXPECT_EQ(seconds_until(house, [&] { return peer->over(); }), 15);
    EXPECT_TRUE(peer->received().starts_with("HTTP/1.1 408 Request Timeout\r\n"));
    EXPECT_TRUE(peer->ended());
    EXPECT_EQ(house.counters.timeouts.get(), 1U);
}

TEST(Timeouts, AHeadHasToBeThereInTimeHoweverItDrips) {
    House house;
    auto peer = house.connect("GET /");
    for (int i = 0; i < 100; ++i) {
        house.world.at(house.world.now() + i * 500ms, [&peer] {
            if (!peer->over()) peer->send("a");
        });
    }
    EXPECT_EQ(seconds_until(house, [&] { return peer->over(); }), 15);
    EXPECT_TRUE(peer->received().starts_with("HTTP/1.1 408 "));
    house.turn_for(1min);
}

TEST(Timeouts, TheNextHeadsTimeStartsWithItsFirstByte) {
    House house;
    auto peer = house.connect(get);
    house.turn_for(50s);
    EXPECT_EQ(peer->take_received(), answer_200("/a|"));
    peer->send("GET /");
    house.turn_for(14s);
    EXPECT_FALSE(peer->over()) << "neither idle nor late";
    EXPECT_LE(seconds_until(house, [&] { return peer->over(); }), 1);
    EXPECT_TRUE(peer->received().starts_with("HTTP/1.1 408 "));
}

TEST(Timeouts, AnIdleConnectionIsClosedWithoutAWord) {
    House house;
    auto peer = house.connect(get);
    house.turn_for(1s);
    peer->take_received();
    EXPECT_EQ(seconds_until(house, [&] { return peer->over(); }), 59);
    EXPECT_TRUE(peer->ended());
    EXPECT_EQ(peer->received(), "");
    EXPECT_EQ(house.counters.timeouts.get(), 0U) << "that is no failure";
}

/// Its handler let go of the exchange long before the last byte was written.
TEST(Timeouts, AConnectionIsIdleOnlyOnceItsAnswerIsWritten) {
    sim::Options options;
    options.window_bytes_min = options.window_bytes_max = 4'000;
    House house(1, options);
    house.script.on_head = [](Exchange& exchange, Record& record) {
        EXPECT_EQ(
            exchange.respond(200, {}, std::string(20'000, 'x'), {.fin = true, .release = true}),
            ErrorKind::ok);
        record.exchange = nullptr;
    };
    auto peer = house.connect(get);
    for (int i = 0; i < 20 && count(peer->received(), "x") < 20'000; ++i) {
        peer->pause_reading();
        house.turn_for(25s);
        peer->resume_reading();
        house.turn_for(1s);
    }
    EXPECT_EQ(count(peer->received(), "x"), 20'000U);
    house.turn_for(50s);
    EXPECT_FALSE(peer->over());
    house.turn_for(10s);
    EXPECT_TRUE(peer->over());
}

TEST(Timeouts, ABodyMayBeSlowButNotSilent) {
    House house;
    auto peer = house.connect(post);
    for (int i = 0; i < 4; ++i) {
        house.turn_for(29s);
        EXPECT_EQ(peer->received(), "");
        peer->send("1");
    }
    house.turn_for(1s);
    EXPECT_EQ(seconds_until(house, [&] { return peer->over(); }), 29);
    EXPECT_TRUE(peer->received().starts_with("HTTP/1.1 408 Request Timeout\r\n"));
    EXPECT_EQ(house.record(0).end, ErrorKind::timeout);
    EXPECT_EQ(house.record(0).calls, "RBC");
}

TEST(Timeouts, ABodyIsNotLateWhileNobodyWaitsForIt) {
    House house;
    house.script.on_head = [](Exchange& exchange, Record&) { exchange.grant(1); };
    auto peer = house.connect(post + "1");
    house.turn_for(1h);
    Record& record = house.record(0);
    ASSERT_FALSE(record.end);
    EXPECT_EQ(record.exchange->grant(10), ErrorKind::ok); // now its time starts
    house.turn_for(29s);
    ASSERT_FALSE(record.end);
    peer->send("2345");
    ASSERT_TRUE(house.until([&] { return has(peer->received(), "|12345"); }, 1s));
}

TEST(Timeouts, ALateBodyBehindAnAnswerIsCutOff) {
    House house;
    house.script.on_head = [](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.grant(10), ErrorKind::ok);
        EXPECT_EQ(exchange.respond(200, {}, "half", {}), ErrorKind::ok);
    };
    auto peer = house.connect(post);
    EXPECT_EQ(seconds_until(house, [&] { return peer->over(); }), 30);
    EXPECT_NE(peer->error(), 0);
    EXPECT_EQ(house.record(0).end, ErrorKind::timeout);
}

TEST(Timeouts, ALateRestOfAnUnwantedBodyIsCutOff) {
    House house;
    house.script.on_head = [](Exchange& exchange, Record& record) {
        Script::answer(exchange, record);
    };
    auto peer = house.connect(post);
    EXPECT_EQ(seconds_until(house, [&] { return peer->over(); }), 30);
    EXPECT_EQ(peer->received(), answer_200("/a|"));
}

TEST(Timeouts, AnUnwantedBodysTimeStartsWithTheAnswer) {
    House house;
    house.script.on_head = [&](Exchange& exchange, Record& record) {
        if (house.requests() == 2) Script::answer(exchange, record);
    };
    auto peer = house.connect(post);
    house.turn_for(1min); // nobody asked for the body meanwhile
    Script::answer(*house.record(0).exchange, house.record(0));
    house.turn_for(3s);
    EXPECT_EQ(peer->take_received(), answer_200("/a|"));
    ASSERT_FALSE(peer->over());
    peer->send("12345" + get);
    ASSERT_TRUE(house.until([&] { return house.requests() == 2; }, 1s));
}

TEST(Timeouts, ARequestHasToBeAnsweredInTime) {
    House house;
    house.limits.request_timeout_ms = 5'000;
    house.script.on_head = [](Exchange&, Record&) {};
    auto peer = house.connect(get + get);
    EXPECT_EQ(seconds_until(house, [&] { return peer->over(); }), 5);
    EXPECT_TRUE(peer->received().starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
    EXPECT_TRUE(has(peer->received(), "Retry-After: 5\r\n"));
    EXPECT_EQ(house.record(0).end, ErrorKind::timeout);
    EXPECT_EQ(house.requests(), 1U);
}

TEST(Timeouts, AnAnswerHasToEndInTime) {
    House house;
    house.limits.request_timeout_ms = 5'000;
    house.script.on_head = [](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.respond(200, {}, "half", {}), ErrorKind::ok);
    };
    auto peer = house.connect(get);
    for (int i = 0; i < 20; ++i) {
        house.turn_for(500ms);
        if (!house.record(0).end) house.record(0).exchange->send("x", {});
    }
    EXPECT_TRUE(peer->over());
    EXPECT_NE(peer->error(), 0);
    EXPECT_EQ(house.record(0).end, ErrorKind::timeout);
    EXPECT_EQ(count(peer->received(), "x"), 10U);
}

TEST(Timeouts, APeerThatTakesNothingIsReset) {
    sim::Options options;
    options.window_bytes_min = options.window_bytes_max = 4'000;
    House house(1, options);
    house.script.on_head = [](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.respond(200, {}, std::string(40'000, 'x'), {.fin = true}),
                  ErrorKind::ok);
    };
    auto peer = house.connect(get);
    peer->pause_reading();
    EXPECT_EQ(seconds_until(house, [&] { return house.connections() > 0; }), 0);
    EXPECT_EQ(seconds_until(house, [&] { return house.connections() == 0; }), 30);
    EXPECT_EQ(house.record(0).end, ErrorKind::timeout);
    EXPECT_EQ(house.record(0).calls, "RC");
    EXPECT_EQ(house.counters.timeouts.get(), 1U);
}

TEST(Timeouts, APeerThatTakesALittleNowAndThenIsNot) {
    sim::Options options;
    options.window_bytes_min = options.window_bytes_max = 4'000;
    House house(1, options);
    house.script.on_head = [](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.respond(200, {}, std::string(40'000, 'x'), {.fin = true}),
                  ErrorKind::ok);
    };
    auto peer = house.connect(get);
    for (int i = 0; i < 50 && count(peer->received(), "x") < 40'000; ++i) {
        peer->pause_reading();
        house.turn_for(25s);
        peer->resume_reading(); // one window
        ASSERT_FALSE(peer->over());
    }
    EXPECT_EQ(count(peer->received(), "x"), 40'000U);
}

TEST(Timeouts, APeerThatDoesNotCloseIsNotWaitedForForEver) {
    House house;
    auto peer = house.connect("GET /a HTTP/1.0\r\n\r\n");
    ASSERT_TRUE(house.until([&] { return peer->ended(); }, 1s));
    EXPECT_EQ(house.connections(), 1U) << "it lingers";
    const Instant ended = house.world.now(); // a moment ago
    ASSERT_TRUE(house.until([&] { return house.connections() == 0; }));
    EXPECT_GT(house.world.now() - ended, 1'990ms);
    EXPECT_LE(house.world.now() - ended, 2s);
    EXPECT_EQ(house.counters.timeouts.get(), 0U) << "the answer was given";
    EXPECT_EQ(house.record(0).end, ErrorKind::ok);
}

TEST(Timeouts, ASlowPeerGetsTheWholeOfALastAnswer) {
    House house;
    house.script.on_head = [](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.respond(200, {}, std::string(40'000, 'x'), {.fin = true}),
                  ErrorKind::ok);
    };
    auto peer = house.connect("GET /a HTTP/1.0\r\n\r\n");
    ASSERT_TRUE(house.until([&] { return house.requests() == 1; }));
    peer->pause_reading();
    ASSERT_TRUE(house.until([&] { return house.connections() == 0; })); // the kernel has all of it
    house.turn_for(10s);
    peer->resume_reading();
    ASSERT_TRUE(house.until([&] { return peer->over(); }));
    EXPECT_TRUE(peer->ended()) << peer->error();
    EXPECT_EQ(count(peer->received(), "x"), 40'000U);
}

TEST(Timeouts, APeerThatClosesIsNotWaitedFor) {
    House house;
    auto peer = house.connect("GET /a HTTP/1.0\r\n\r\n");
    ASSERT_TRUE(house.until([&] { return peer->ended(); }, 1s));
    peer->close();
    EXPECT_EQ(seconds_until(house, [&] { return house.connections() == 0; }), 0);
}

TEST(Timeouts, WhoSendsWithoutEndIsNotListenedToForEver) {
    House house;
    house.limits.discard_bytes_max = 100'000;
    house.limits.linger_timeout_ms = 3'600'000;
    auto peer = house.connect("GET /a HTTP/1.0\r\n\r\n");
    ASSERT_TRUE(house.until([&] { return peer->ended(); }, 1s));
    peer->send(std::string(90'000, 'x'));
    house.turn_for(1s);
    EXPECT_EQ(house.connections(), 1U);
    peer->send(std::string(20'000, 'x'));
    EXPECT_EQ(seconds_until(house, [&] { return house.connections() == 0; }), 0);
}

TEST(Timeouts, ZeroMeansNever) {
    House house;
    house.limits.header_timeout_ms = 0;
    house.limits.idle_timeout_ms = 0;
    house.limits.body_timeout_ms = 0;
    house.limits.request_timeout_ms = 0;
    auto silent = house.connect();
    auto idle = house.connect(get);
    auto body = house.connect(post);
    house.turn_for(24h);
    EXPECT_FALSE(silent->over());
    EXPECT_FALSE(idle->over());
    EXPECT_FALSE(body->over());
    silent->close();
    idle->close();
    body->close();
}

} // namespace
} // namespace hc::link::test
