// How exchanges end before their time: given up, aborted, reset at any stage.
#include <gtest/gtest.h>

#include "tests/unit/link/house.hpp"

namespace hc::link::test {
namespace {

const std::string get = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
const std::string post = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n";
const std::string upgrade = "GET /a HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\n"
                            "Upgrade: echo\r\n\r\n";

TEST(Ends, ReleasedBeforeTheAnswerIs500) {
    for (const std::string& request : {get, post, post + "12345" + get, get + get}) {
        for (const bool at_once : {true, false}) {
            House house;
            house.script.on_head = [at_once](Exchange&, Record& record) {
                if (at_once) Script::release(record);
            };
            auto peer = house.connect(request);
            house.turn_for(1s);
            if (!at_once) Script::release(house.record(0));
            ASSERT_TRUE(house.until([&] { return peer->over(); }, 5s));
            EXPECT_TRUE(peer->received().starts_with("HTTP/1.1 500 Internal Server Error\r\n"));
            EXPECT_TRUE(has(peer->received(), "Connection: close\r\n"));
            EXPECT_EQ(house.requests(), 1U);
            EXPECT_EQ(house.record(0).calls, "R") << "no call behind the release";
        }
    }
}

TEST(Ends, ReleasedInTheMiddleOfAnAnswerIsAReset) {
    for (const bool at_once : {true, false}) {
        House house;
        house.script.on_head = [at_once](Exchange& exchange, Record& record) {
            EXPECT_EQ(exchange.respond(200, {}, "half", {}), ErrorKind::ok);
            if (at_once) Script::release(record);
        };
        auto peer = house.connect(get);
        house.turn_for(1s);
        if (!at_once) Script::release(house.record(0));
        ASSERT_TRUE(house.until([&] { return peer->over(); }, 1s));
        EXPECT_NE(peer->error(), 0);
    }
}

TEST(Ends, ReleasedInsideOnBody) {
    House house;
    house.script.on_bytes = [](Exchange&, Record& record) { Script::release(record); };
    auto peer = house.connect(post + "12345" + get);
    ASSERT_TRUE(house.until([&] { return peer->over(); }, 5s));
    EXPECT_TRUE(peer->received().starts_with("HTTP/1.1 500 "));
    EXPECT_EQ(house.record(0).calls, "RB");
}

TEST(Ends, AnsweredThenReleasedInsideOnBody) {
    House house;
    house.script.on_bytes = [](Exchange& exchange, Record& record) {
        Script::answer(exchange, record);
        Script::release(record);
    };
    auto peer = house.connect(post + "12");
    house.turn_for(1s);
    peer->send("345" + get);
    house.script.on_bytes = nullptr;
    ASSERT_TRUE(house.until([&] { return count(peer->received(), "/a|") == 2; }, 5s))
        << peer->received();
    EXPECT_EQ(peer->received(), answer_200("/a|12") + answer_200("/a|"));
}

TEST(Ends, AbortIsAReset) {
    for (const bool begun : {true, false}) {
        for (const bool at_once : {true, false}) {
            House house;
            house.script.on_head = [=](Exchange& exchange, Record&) {
                if (begun) EXPECT_EQ(exchange.respond(200, {}, "half", {}), ErrorKind::ok);
                if (at_once) EXPECT_EQ(exchange.abort(0), ErrorKind::ok);
            };
            auto peer = house.connect(get + get);
            house.turn_for(1s);
            if (!at_once) EXPECT_EQ(house.record(0).exchange->abort(0), ErrorKind::ok);
            ASSERT_TRUE(house.until([&] { return peer->over(); }, 1s));
            EXPECT_NE(peer->error(), 0);
            EXPECT_EQ(house.record(0).calls, "RC");
            EXPECT_EQ(house.record(0).end, ErrorKind::cancelled);
            EXPECT_EQ(house.requests(), 1U);
        }
    }
}

TEST(Ends, NothingIsOfUseOnceItIsClosed) {
    House house;
    house.script.on_head = [](Exchange&, Record&) {};
    house.script.on_close = [](Exchange&, Record&) {}; // kept
    auto peer = house.connect(post + "1");
    house.turn_for(1s);
    peer->reset();
    Record& record = house.record(0);
    ASSERT_TRUE(house.until([&] { return record.end.has_value(); }, 1s));
    Exchange& exchange = *record.exchange;
    EXPECT_EQ(record.end, ErrorKind::reset);
    EXPECT_EQ(house.connections(), 0U);
    EXPECT_EQ(exchange.respond(200, {}, "", {.fin = true}), ErrorKind::closed);
    EXPECT_EQ(exchange.interim(103, {}), ErrorKind::closed);
    EXPECT_EQ(exchange.send("x", {}), ErrorKind::closed);
    EXPECT_EQ(exchange.finish({}), ErrorKind::closed);
    EXPECT_EQ(exchange.abort(0), ErrorKind::closed);
    EXPECT_EQ(exchange.grant(1), ErrorKind::closed);
    EXPECT_EQ(exchange.peer(), sys::Address{});
    EXPECT_EQ(exchange.head().text(exchange.head().target), "/a") << "the head stays";
    EXPECT_EQ(house.counters.requests_active.get(), 1U);
    house.turn_for(1h);
    EXPECT_EQ(record.calls, "RC");
    Script::release(record);
    EXPECT_EQ(house.counters.requests_active.get(), 0U);
}

TEST(Ends, OneMayEndAnothersConnection) {
    House house;
    Exchange* first = nullptr;
    house.script.on_head = [&](Exchange& exchange, Record& record) {
        if (record.target == "/a") {
            first = &exchange;
            return;
        }
        EXPECT_EQ(first->abort(0), ErrorKind::ok);
        Script::answer(exchange, record);
    };
    auto a = house.connect(get);
    house.turn_for(1s);
    auto b = house.connect("GET /b HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_TRUE(house.until([&] { return a->over() && has(b->received(), "/b|"); }, 1s));
    EXPECT_EQ(house.record(0).end, ErrorKind::cancelled);
}

/// What a peer has done, or had done to it, before it leaves.
struct Stage {
    const char* name;
    std::string sent;
    std::function<void(Exchange&, Record&)> on_head;
    bool reads = true;
};

std::vector<Stage> stages() {
    const auto nothing = [](Exchange&, Record&) {};
    const auto begin = [](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.respond(200, {}, std::string(50'000, 'x'), {}), ErrorKind::ok);
    };
    const auto whole = [](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.respond(200, {}, std::string(50'000, 'x'), {.fin = true}),
                  ErrorKind::ok);
    };
    const auto tunnel = [](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.upgrade(101, {}), ErrorKind::ok);
        EXPECT_EQ(exchange.grant(UINT64_MAX), ErrorKind::ok);
    };
    return {
        {"nothing sent", "", nothing},
        {"half a head", get.substr(0, 20), nothing},
        {"a head, no answer", get, nothing},
        {"a head, no answer, the next behind it", get + get, nothing},
        {"half a body that is wanted", post + "12", nullptr},
        {"half a body without credit", post + "12", nothing},
        {"an answer half given", get, begin},
        {"an answer half given, the next behind it", get + get, begin},
        {"an answer half given and half the body", post + "12", begin},
        {"an answer half read", get, whole, false},
        {"an answer half read, the next behind it", get + get, whole, false},
        {"an answer half read and half the body", post + "12", whole, false},
        {"an early answer and half the body", post + "12", whole},
        {"a whole exchange", get, whole},
        {"a tunnel", upgrade + "hello", tunnel},
        {"the last answer half read", "GET /a HTTP/1.0\r\n\r\n", whole, false},
        {"refused", "broken\r\n\r\n", nothing, false},
    };
}

TEST(Ends, AResetAtEachStageEndsItOnce) {
    sim::Options options;
    options.window_bytes_min = options.window_bytes_max = 8'000;
    for (const Stage& stage : stages()) {
        SCOPED_TRACE(stage.name);
        House house(1, options);
        house.script.on_head = stage.on_head;
        auto peer = house.connect(stage.sent);
        if (!stage.reads) peer->pause_reading();
        house.turn_for(1s);
        peer->reset();
        EXPECT_TRUE(house.until([&] { return house.connections() == 0; }, 1s));
        for (const Record& record : house.script.records) {
            EXPECT_EQ(count(record.calls, "C"), 1U) << record.calls;
        }
        EXPECT_LE(house.requests(), 1U);
    }
}

TEST(Ends, AKillAtEachStageEndsItOnce) {
    sim::Options options;
    options.window_bytes_min = options.window_bytes_max = 8'000;
    for (const Stage& stage : stages()) {
        SCOPED_TRACE(stage.name);
        House house(1, options);
        house.script.on_head = stage.on_head;
        auto peer = house.connect(stage.sent);
        if (!stage.reads) peer->pause_reading();
        house.turn_for(1s);
        house.connection().kill();
        EXPECT_EQ(house.connections(), 0U);
        peer->resume_reading();
        EXPECT_TRUE(house.until([&] { return peer->over(); }, 1s));
        // One that was refused has our orderly end already.
        EXPECT_TRUE(peer->error() != 0 || stage.sent.starts_with("broken")) << "a kill is a reset";
        for (const Record& record : house.script.records) {
            EXPECT_EQ(count(record.calls, "C"), 1U) << record.calls;
        }
    }
}

/// The peer's orderly end, at each stage: what is complete is answered, the rest is gone.
TEST(Ends, AnEndAtEachStage) {
    sim::Options options;
    options.window_bytes_min = options.window_bytes_max = 8'000;
    for (const Stage& stage : stages()) {
        SCOPED_TRACE(stage.name);
        House house(1, options);
        house.script.on_head = stage.on_head;
        auto peer = house.connect(stage.sent);
        if (!stage.reads) peer->pause_reading();
        house.turn_for(1s);
        const bool answered = house.requests() == 1 && house.record(0).exchange != nullptr
                                  ? house.record(0).exchange->answer_finished()
                                  : house.requests() == 1;
        peer->shutdown_write();
        house.turn_for(1s);
        peer->resume_reading();
        // Handlers that still owe something pay it.
        for (int i = 0; i < 5; ++i) {
            for (Record& record : house.script.records) {
                if (record.exchange == nullptr || record.exchange->answer_finished()) continue;
                if (record.exchange->answer_begun()) {
                    EXPECT_EQ(record.exchange->finish({}), ErrorKind::ok);
                } else {
                    Script::answer(*record.exchange, record);
                }
            }
            house.turn_for(1s);
        }
        EXPECT_EQ(house.connections(), 0U);
        EXPECT_TRUE(peer->over());
        // No reset: whatever was sent is whole. But for an answer that ends with its request.
        const bool half = std::string_view(stage.name) == "an answer half given and half the body";
        EXPECT_EQ(peer->error() != 0, half);
        for (const Record& record : house.script.records) {
            EXPECT_EQ(count(record.calls, "C"), 1U) << record.calls;
            const bool cut = stage.sent == post + "12" && !answered;
            EXPECT_EQ(record.end, cut ? ErrorKind::reset : ErrorKind::ok);
        }
    }
}

/// An old peer reads until the end, so that an orderly one would make half an answer whole.
TEST(Ends, AnEndInTheMiddleOfARequestDoesNotEndItsAnswerInOrder) {
    House house;
    house.script.on_head = [](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.respond(200, {}, "half", {}), ErrorKind::ok);
    };
    auto peer = house.connect("POST /a HTTP/1.0\r\nContent-Length: 5\r\n\r\n12");
    house.turn_for(1s);
    EXPECT_TRUE(peer->received().ends_with("half"));
    peer->shutdown_write();
    ASSERT_TRUE(house.until([&] { return peer->over(); }, 1s));
    EXPECT_NE(peer->error(), 0);
    EXPECT_EQ(house.record(0).end, ErrorKind::reset);
}

TEST(Ends, AnEndBehindACompleteRequestIsOnlyThat) {
    House house;
    house.script.on_head = [](Exchange&, Record&) {};
    auto peer = house.connect(get);
    peer->shutdown_write();
    house.turn_for(10s);
    ASSERT_FALSE(house.record(0).end);
    Script::answer(*house.record(0).exchange, house.record(0));
    ASSERT_TRUE(house.until([&] { return peer->over(); }, 1s));
    EXPECT_TRUE(has(peer->received(), "/a|"));
    EXPECT_EQ(house.record(0).end, ErrorKind::ok);
}

TEST(Ends, AnEndInABodyThatIsWantedIsTold) {
    House house;
    house.script.on_head = [](Exchange& exchange, Record& record) {
        exchange.grant(UINT64_MAX);
        Script::answer(exchange, record);
    };
    auto peer = house.connect("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf");
    ASSERT_TRUE(house.until([&] { return has(peer->received(), "/a|"); }, 1s));
    ASSERT_FALSE(house.record(0).end);
    peer->shutdown_write();
    ASSERT_TRUE(house.until([&] { return peer->over(); }, 1s));
    EXPECT_EQ(peer->error(), 0) << "the answer was complete";
    EXPECT_EQ(house.record(0).body, "half");
    EXPECT_EQ(house.record(0).end, ErrorKind::reset);
    EXPECT_EQ(house.connections(), 0U);
}

TEST(Ends, AnEndInTheNextRequestLeavesTheAnswerBeforeItWhole) {
    House house;
    const std::string body(3'000'000, 'b');
    house.script.on_head = [&](Exchange& exchange, Record& record) {
        if (exchange.head().method != http::Method::get) return;
        record.exchange = nullptr;
        EXPECT_EQ(exchange.respond(200, {}, body, {.fin = true, .release = true}), ErrorKind::ok);
    };
    auto peer = house.connect(get + "POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
    peer->shutdown_write();
    ASSERT_TRUE(house.until([&] { return peer->over(); }, 1min));
    EXPECT_TRUE(peer->received().ends_with(body)) << peer->received().size();
    EXPECT_EQ(peer->error(), 0);
}

TEST(Ends, AnEndMayBeTakenForAPeerThatIsGone) {
    House house;
    house.context().half_close_is_gone = true;
    house.script.on_head = [](Exchange&, Record&) {};
    auto peer = house.connect(get);
    peer->shutdown_write();
    ASSERT_TRUE(house.until([&] { return house.requests() == 1 && house.record(0).end; }, 1s));
    EXPECT_EQ(house.record(0).end, ErrorKind::reset);
    EXPECT_EQ(house.connections(), 0U);
}

} // namespace
} // namespace hc::link::test
