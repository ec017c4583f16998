// Server push: promises, what becomes of them, and where there are none.
#include <gtest/gtest.h>

#include "tests/unit/link/h2_house.hpp"

namespace hc::link::test {
namespace {

constexpr std::uint16_t enable_push = 2;
constexpr std::uint16_t max_concurrent_streams = 3;

/// Whoever asks for "/" is promised "/style.css".
class H2Push : public ::testing::Test {
protected:
    H2Push() {
        house.script.on_head = [this](Exchange& exchange, Record& record) {
            if (record.target == "/") result = push(exchange);
            if (then) then(exchange, record);
            else Script::answer(exchange, record);
        };
    }
    static ErrorKind push(Exchange& exchange, std::string_view path = "/style.css",
                          std::span<const http::Field> fields = {}) {
        return exchange.promise({http::Method::get, path, fields});
    }
    Record* record(std::string_view target) {
        for (Record& record : house.script.records) {
            if (record.target == target) return &record;
        }
        return nullptr;
    }

    H2House house;
    std::optional<ErrorKind> result;
    std::function<void(Exchange&, Record&)> then;
};

TEST_F(H2Push, APromiseIsKept) {
    const http::Field fields[] = {{"Accept", "text/css"}};
    bool told = false;
    house.script.on_head = [&](Exchange& exchange, Record& record) {
        if (record.target == "/") {
            result = push(exchange, "/style.css?v=1", fields);
            EXPECT_FALSE(exchange.head().promised);
        } else {
            const http::HeadView& head = exchange.head();
            told = head.promised;
            EXPECT_EQ(record.method, "GET");
            EXPECT_EQ(head.text(head.path), "/style.css");
            EXPECT_EQ(head.text(head.query), "v=1");
            EXPECT_EQ(head.text(head.authority), "x");
            EXPECT_EQ(head.text(head.scheme), "http");
            EXPECT_EQ(head.find("accept"), "text/css");
            EXPECT_TRUE(exchange.request_ended());
        }
        Script::answer(exchange, record);
    };
    H2Peer peer(house);
    peer.send(h2::request(1, h2::get("/")));
    ASSERT_TRUE(peer.ends(1));
    ASSERT_TRUE(peer.ends(2));
    EXPECT_EQ(result, ErrorKind::ok);
    EXPECT_TRUE(told);
    EXPECT_EQ(peer.got().promises[2],
              "1 :method: GET\n:scheme: http\n:authority: x\n:path: /style.css?v=1\n"
              "accept: text/css\n");
    EXPECT_EQ(peer.answer(1).body, "/|");
    EXPECT_EQ(peer.answer(2).status, 200);
    EXPECT_EQ(peer.answer(2).body, "/style.css?v=1|");
    ASSERT_TRUE(house.until([&] { return house.record(1).end.has_value(); }, 1s));
    EXPECT_EQ(house.record(1).end, ErrorKind::ok);
    EXPECT_EQ(house.counters.requests.get(), 2U);
}

TEST_F(H2Push, ThePromisedRequestMayBeHead) {
    house.script.on_head = [&](Exchange& exchange, Record& record) {
        if (record.target == "/") result = exchange.promise({http::Method::head, "/h", {}});
        Script::answer(exchange, record);
    };
    H2Peer peer(house);
    peer.send(h2::request(1, h2::get("/")));
    ASSERT_TRUE(peer.ends(2));
    EXPECT_EQ(house.record(1).method, "HEAD");
    EXPECT_EQ(peer.answer(2).fields, "content-length: 3\n");
    EXPECT_EQ(peer.answer(2).body, "");
}

TEST_F(H2Push, APromiseMayComeBetweenHeadAndEnd) {
    then = [](Exchange& exchange, Record& record) {
        if (record.target != "/") return Script::answer(exchange, record);
        EXPECT_EQ(exchange.respond(200, {}, "begun", {}), ErrorKind::ok);
        EXPECT_EQ(push(exchange, "/second"), ErrorKind::ok);
        EXPECT_EQ(exchange.finish({}), ErrorKind::ok);
        EXPECT_EQ(push(exchange, "/third"), ErrorKind::state) << "it is too late";
    };
    H2Peer peer(house);
    peer.send(h2::request(1, h2::get("/")));
    ASSERT_TRUE(peer.ends(1));
    ASSERT_TRUE(peer.ends(2));
    ASSERT_TRUE(peer.ends(4));
    EXPECT_EQ(peer.got().promises.size(), 2U);
    EXPECT_EQ(peer.answer(4).body, "/second|");
}

TEST_F(H2Push, WhoIsPushedPushesNothing) {
    std::optional<ErrorKind> nested;
    then = [&](Exchange& exchange, Record& record) {
        if (record.target == "/style.css") nested = push(exchange, "/font");
        Script::answer(exchange, record);
    };
    H2Peer peer(house);
    peer.send(h2::request(1, h2::get("/")));
    ASSERT_TRUE(peer.ends(2));
    EXPECT_EQ(nested, ErrorKind::state);
    EXPECT_EQ(house.requests(), 2U);
}

TEST_F(H2Push, AClientMayWantNone) {
    H2Peer peer(house,
                h2::preface + h2::frame(h2::settings, h2::none, 0, h2::setting(enable_push, 0)));
    peer.send(h2::request(1, h2::get("/")));
    ASSERT_TRUE(peer.ends(1));
    EXPECT_EQ(result, ErrorKind::unsupported);
    EXPECT_TRUE(peer.got().promises.empty());
    EXPECT_EQ(house.requests(), 1U);
}

TEST_F(H2Push, AClientMayChangeItsMind) {
    H2Peer peer(house);
    peer.send(h2::frame(h2::settings, h2::none, 0, h2::setting(enable_push, 0)) +
              h2::request(1, h2::get("/")));
    ASSERT_TRUE(peer.ends(1));
    EXPECT_EQ(result, ErrorKind::unsupported);
    peer.send(h2::frame(h2::settings, h2::none, 0, h2::setting(enable_push, 1)) +
              h2::request(3, h2::get("/")));
    ASSERT_TRUE(peer.ends(2));
    EXPECT_EQ(result, ErrorKind::ok);
}

TEST_F(H2Push, Http1HasNone) {
    EXPECT_TRUE(has(house.talk("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), "/|"));
    EXPECT_EQ(result, ErrorKind::unsupported);
}

TEST_F(H2Push, WhatNoRequestCanBeIsRefused) {
    const auto with = [](Exchange& exchange, const http::Field& field) {
        return push(exchange, "/a", {&field, 1});
    };
    then = [&](Exchange& exchange, Record& record) {
        if (record.target != "/") return Script::answer(exchange, record);
        for (const auto method : {http::Method::post, http::Method::connect, http::Method::other}) {
            EXPECT_EQ(exchange.promise({method, "/a", {}}), ErrorKind::invalid);
        }
        for (const std::string_view path : {"", "a", "*", "/a b", "/a#b", "/a\n", "http://x/"}) {
            EXPECT_EQ(push(exchange, path), ErrorKind::invalid) << path;
        }
        for (const std::string_view name :
             {":path", "Host", "Connection", "Transfer-Encoding", "Upgrade", "TE", "Trailer",
              "Content-Length", "Expect", "Keep-Alive", "a b", ""}) {
            EXPECT_EQ(with(exchange, {name, "0"}), ErrorKind::invalid) << name;
        }
        EXPECT_EQ(with(exchange, {"x", "a\nb"}), ErrorKind::invalid);
        EXPECT_EQ(push(exchange, "/" + std::string(house.limits.target_bytes_max, 'a')),
                  ErrorKind::limit);
        EXPECT_EQ(with(exchange, {"x", std::string(house.limits.header_bytes_max, 'a')}),
                  ErrorKind::limit);
        const std::vector<http::Field> many(house.limits.header_count_max + 1,
                                            http::Field{"x", "y"});
        EXPECT_EQ(push(exchange, "/a", many), ErrorKind::limit);
        Script::answer(exchange, record);
    };
    H2Peer peer(house);
    peer.send(h2::request(1, h2::get("/")));
    ASSERT_TRUE(peer.ends(1));
    ASSERT_TRUE(peer.ends(2));
    EXPECT_EQ(peer.got().promises.size(), 1U);
}

/// How many of `wanted` promises are taken.
std::size_t taken(Exchange& exchange, std::size_t wanted, ErrorKind& refused) {
    for (std::size_t i = 0; i < wanted; ++i) {
        refused = exchange.promise({http::Method::get, "/" + std::to_string(i), {}});
        if (refused != ErrorKind::ok) return i;
    }
    return wanted;
}

TEST_F(H2Push, ThereIsABound) {
    house.limits.h2_pushes_max = 3;
    std::vector<Exchange*> held;
    ErrorKind refused = ErrorKind::ok;
    house.script.on_head = [&](Exchange& exchange, Record& record) {
        if (record.target != "/many") return held.push_back(&exchange);
        EXPECT_EQ(taken(exchange, 10, refused), held.empty() ? 3U : 0U);
        Script::answer(exchange, record);
    };
    H2Peer peer(house);
    peer.send(h2::request(1, h2::get("/many")));
    ASSERT_TRUE(peer.ends(1));
    EXPECT_EQ(refused, ErrorKind::limit);
    ASSERT_TRUE(house.until([&] { return held.size() == 3; }, 1s));
    peer.send(h2::request(3, h2::get("/many")));
    ASSERT_TRUE(peer.ends(3));
    EXPECT_EQ(refused, ErrorKind::limit) << "they count until they are released";
    for (std::size_t i = 0; i < held.size(); ++i) Script::answer(*held[i], house.record(i + 1));
    for (const std::int32_t id : {2, 4, 6}) ASSERT_TRUE(peer.ends(id));
    held.clear();
    house.turn_for(1s);
    peer.send(h2::request(5, h2::get("/many")));
    ASSERT_TRUE(house.until([&] { return held.size() == 3; }, 1s));
    peer.raw().reset();
}

TEST_F(H2Push, TheClientsNumberOfStreamsHolds) {
    ErrorKind refused = ErrorKind::ok;
    house.script.on_head = [&](Exchange& exchange, Record& record) {
        if (record.target == "/") EXPECT_EQ(taken(exchange, 10, refused), 2U);
        Script::answer(exchange, record);
    };
    H2Peer peer(house, h2::preface + h2::frame(h2::settings, h2::none, 0,
                                               h2::setting(max_concurrent_streams, 2)));
    peer.send(h2::request(1, h2::get("/")));
    for (const std::int32_t id : {1, 2, 4}) ASSERT_TRUE(peer.ends(id));
    EXPECT_EQ(refused, ErrorKind::limit);
}

TEST_F(H2Push, TheClientsOwnStreamsAreNotFewerForThem) {
    house.limits.h2_streams_max = 2;
    house.script.on_head = [&](Exchange& exchange, Record& record) {
        if (record.target == "/") result = push(exchange);
        if (record.target == "/end") Script::answer(exchange, record);
    };
    H2Peer peer(house);
    peer.send(h2::request(1, h2::get("/")));
    ASSERT_TRUE(house.until([&] { return house.requests() == 2; }, 1s));
    peer.send(h2::request(3, h2::get("/end")));
    ASSERT_TRUE(peer.ends(3));
    EXPECT_EQ(peer.answer(3).status, 200);
    EXPECT_EQ(house.glitches(hc::h2::Glitch::refused), 0U);
    peer.raw().reset();
}

TEST_F(H2Push, AClientMayRefuseOne) {
    house.limits.h2_resets_max = 3;
    std::size_t ended = 0;
    house.script.on_close = [&](Exchange&, Record& record) {
        if (record.end == ErrorKind::reset) ++ended;
        Script::release(record);
    };
    then = [](Exchange& exchange, Record& record) {
        if (record.target == "/") Script::answer(exchange, record);
    };
    H2Peer peer(house);
    for (int i = 0; i < 20; ++i) {
        peer.send(h2::request(2 * i + 1, h2::get("/")));
        ASSERT_TRUE(house.until([&] { return peer.got().promises.contains(2 * i + 2); }, 1s));
        peer.send(h2::frame(h2::rst_stream, h2::none, 2 * i + 2, h2::u32(cancel)));
    }
    ASSERT_TRUE(house.until([&] { return ended == 20; }, 1s));
    EXPECT_FALSE(peer.goaway()) << "to refuse a promise is no flood";
    EXPECT_EQ(house.glitches(hc::h2::Glitch::reset_by_peer), 0U);
    // What is not promised cannot be refused, nor twice.
    for (int i = 0; i < 5; ++i) {
        peer.send(h2::frame(h2::rst_stream, h2::none, 2, h2::u32(cancel)));
    }
    ASSERT_TRUE(peer.closes());
    EXPECT_EQ(peer.goaway(), calm);
}

TEST_F(H2Push, NothingIsPromisedBehindAnEnd) {
    std::vector<Exchange*> held;
    house.script.on_head = [&](Exchange& exchange, Record&) { held.push_back(&exchange); };
    H2Peer leaving(house);
    leaving.send(h2::request(1, h2::get("/a")) +
                 h2::frame(h2::goaway, h2::none, 0, h2::u32(0) + h2::u32(no_error)));
    ASSERT_TRUE(house.until([&] { return held.size() == 1; }, 1s));
    EXPECT_EQ(push(*held[0]), ErrorKind::state);
    Script::answer(*held[0], house.record(0));
    ASSERT_TRUE(leaving.closes());
}

TEST_F(H2Push, NothingIsPromisedInADrain) {
    Exchange* held = nullptr;
    house.script.on_head = [&](Exchange& exchange, Record&) { held = &exchange; };
    H2Peer drained(house);
    drained.send(h2::request(1, h2::get("/")));
    ASSERT_TRUE(house.until([&] { return held != nullptr; }, 1s));
    house.connection().drain();
    EXPECT_EQ(push(*held), ErrorKind::state);
    Script::answer(*held, house.record(0));
    ASSERT_TRUE(drained.ends(1));
    EXPECT_TRUE(drained.got().promises.empty());
}

TEST_F(H2Push, ADrainWaitsForWhatWasPromised) {
    Exchange* held = nullptr;
    then = [&](Exchange& exchange, Record& record) {
        if (record.target == "/") Script::answer(exchange, record);
        else held = &exchange;
    };
    H2Peer peer(house);
    peer.send(h2::request(1, h2::get("/")));
    ASSERT_TRUE(house.until([&] { return held != nullptr; }, 1s));
    house.connection().drain();
    house.turn_for(20s); // the second GOAWAY goes without an answer to the PING
    ASSERT_EQ(peer.got().goaways.size(), 2U);
    EXPECT_FALSE(peer.raw().over());
    Script::answer(*held, house.record(1));
    ASSERT_TRUE(peer.ends(2));
    EXPECT_EQ(peer.answer(2).body, "/style.css|");
    EXPECT_TRUE(peer.closes());
}

TEST_F(H2Push, APromiseOnAStreamThatIsResetIsNone) {
    house.limits.h2_resets_max = 2;
    then = [](Exchange& exchange, Record& record) {
        if (record.target == "/") EXPECT_EQ(exchange.abort(0), ErrorKind::ok);
    };
    H2Peer peer(house);
    for (int i = 0; i < 10; ++i) {
        peer.send(h2::request(2 * i + 1, h2::get("/")));
        ASSERT_TRUE(peer.ends(2 * i + 1));
        EXPECT_EQ(result, ErrorKind::ok);
    }
    EXPECT_TRUE(peer.got().promises.empty());
    EXPECT_EQ(house.requests(), 10U) << "what was not promised is not asked";
    EXPECT_FALSE(peer.goaway());
}

TEST_F(H2Push, AResetOfTheFirstLeavesTheSecond) {
    std::vector<Exchange*> held;
    then = [&](Exchange& exchange, Record&) { held.push_back(&exchange); };
    H2Peer peer(house);
    peer.send(h2::request(1, h2::get("/")));
    ASSERT_TRUE(house.until([&] { return held.size() == 2; }, 1s));
    peer.send(h2::frame(h2::rst_stream, h2::none, 1, h2::u32(cancel)));
    ASSERT_TRUE(house.until([&] { return house.record(0).end.has_value(); }, 1s));
    Script::answer(*held[1], house.record(1));
    ASSERT_TRUE(peer.ends(2));
    EXPECT_EQ(peer.answer(2).body, "/style.css|");
}

TEST_F(H2Push, AConnectionMayBeLostMeanwhile) {
    then = [](Exchange&, Record&) {};
    H2Peer peer(house);
    peer.send(h2::request(1, h2::get("/")));
    ASSERT_TRUE(house.until([&] { return house.requests() == 2; }, 1s));
    peer.raw().reset();
    ASSERT_TRUE(house.until([&] { return house.record(1).end.has_value(); }, 1s));
    EXPECT_EQ(house.record(1).end, ErrorKind::reset);
}

TEST_F(H2Push, AClientThatEndsItsSideGetsWhatItAskedFor) {
    then = [](Exchange&, Record&) {};
    H2Peer peer(house);
    peer.send(h2::request(1, h2::get("/")));
    ASSERT_TRUE(house.until([&] { return house.requests() == 2; }, 1s));
    peer.raw().shutdown_write();
    ASSERT_TRUE(peer.ends(2));
    EXPECT_EQ(peer.answer(2).reset, cancel);
    EXPECT_EQ(house.record(1).end, ErrorKind::reset);
    Script::answer(*house.record(0).exchange, house.record(0));
    ASSERT_TRUE(peer.ends(1));
    EXPECT_EQ(peer.answer(1).body, "/|");
}

TEST_F(H2Push, WhoTakesNoStreamIsNotWaitedForForEver) {
    Exchange* held = nullptr;
    then = [&](Exchange& exchange, Record& record) {
        if (record.target == "/") Script::answer(exchange, record);
        else held = &exchange;
    };
    H2Peer peer(house);
    peer.send(h2::request(1, h2::get("/")));
    ASSERT_TRUE(house.until([&] { return held != nullptr; }, 1s));
    peer.send(h2::frame(h2::settings, h2::none, 0, h2::setting(max_concurrent_streams, 0)));
    house.turn_for(100s);
    Script::answer(*held, house.record(1));
    house.turn_for(1s);
    EXPECT_FALSE(house.record(1).end) << "the time begins with the answer";
    ASSERT_TRUE(peer.ends(2, 60s));
    EXPECT_EQ(peer.answer(2).reset, cancel);
    EXPECT_EQ(house.record(1).end, ErrorKind::timeout);
    EXPECT_EQ(house.counters.h2_stalls.get(), 1U);
}

TEST_F(H2Push, AnInterimAnswerToAPromisedRequestIsLeftOut) {
    then = [](Exchange& exchange, Record& record) {
        if (record.target != "/") {
            EXPECT_EQ(exchange.interim(103, {}), ErrorKind::ok);
        }
        Script::answer(exchange, record);
    };
    H2Peer peer(house, h2::preface + h2::frame(h2::settings, h2::none, 0,
                                               h2::setting(max_concurrent_streams, 1)));
    peer.send(h2::request(1, h2::get("/")));
    ASSERT_TRUE(peer.ends(2));
    EXPECT_TRUE(peer.answer(2).interim.empty());
    EXPECT_EQ(peer.answer(2).status, 200);
}

TEST_F(H2Push, DataFromTheClientOnAPromisedStreamEndsTheConnection) {
    for (const bool closed : {false, true}) {
        SCOPED_TRACE(closed);
        H2Peer peer(house);
        then = [closed](Exchange& exchange, Record& record) {
            if (record.target == "/" || closed) Script::answer(exchange, record);
        };
        peer.send(h2::request(1, h2::get("/")));
        ASSERT_TRUE(house.until([&] { return peer.got().promises.contains(2); }, 1s));
        if (closed) ASSERT_TRUE(peer.ends(2));
        peer.send(h2::frame(h2::data, h2::none, 2, "no"));
        ASSERT_TRUE(peer.closes());
        EXPECT_NE(peer.goaway(), no_error);
    }
}

} // namespace
} // namespace hc::link::test
