// Sending: all or nothing, watermarks, announced lengths, lent bytes.
#include <gtest/gtest.h>

#include "tests/unit/link/house.hpp"

namespace hc::link::test {
namespace {

const std::string get = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
const std::string last = "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// A world in which little fits on the way, and a handler that answers with a length or in chunks.
struct Narrow {
    Narrow() : house(1, options()) {
        house.limits.write_high_watermark_bytes = 10'000;
        house.limits.write_low_watermark_bytes = 4'000;
        house.limits.write_timeout_ms = 0;
    }
    static sim::Options options() {
        sim::Options out;
        out.window_bytes_min = out.window_bytes_max = 2'000;
        return out;
    }
    House house;
};

TEST(Send, AboveTheHighWatermarkNothingIsTaken) {
    Narrow narrow;
    House& house = narrow.house;
    house.script.on_head = [](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.respond(200, {}, "", {}), ErrorKind::ok);
    };
    auto peer = house.connect(last);
    peer->pause_reading();
    house.turn_for(1s);
    Record& record = house.record(0);
    // A chunk is taken whole below the mark, however large.
    EXPECT_EQ(record.exchange->send(std::string(50'000, 'a'), {}), ErrorKind::ok);
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(record.exchange->send("no", {}), ErrorKind::again);
        EXPECT_EQ(record.exchange->send("no", {.fin = true, .release = true}), ErrorKind::again)
            << "nothing of it is done";
    }
    house.turn_for(1min);
    EXPECT_EQ(record.calls, "R");
    peer->resume_reading();
    ASSERT_TRUE(house.until([&] { return record.calls == "RW"; }));
    EXPECT_GE(peer->received().size(), 40'000U) << "only at the low watermark";
    house.turn_for(1min);
    EXPECT_EQ(record.calls, "RW") << "one for all the refusals";
    EXPECT_EQ(record.exchange->send("yes", {.fin = true}), ErrorKind::ok);
    ASSERT_TRUE(house.until([&] { return peer->over(); }));
    EXPECT_TRUE(peer->received().ends_with("a\r\n3\r\nyes\r\n0\r\n\r\n"));
    EXPECT_FALSE(has(peer->received(), "no"));
    EXPECT_EQ(record.calls, "RWC");
}

TEST(Send, EachRefusalThatFollowsAReportIsReportedAgain) {
    Narrow narrow;
    House& house = narrow.house;
    int left = 50;
    const auto fill = [&](Exchange& exchange, Record&) {
        while (left > 0) {
            const auto result = exchange.send(std::string(3'000, 'a'), {});
            if (result == ErrorKind::again) return;
            ASSERT_EQ(result, ErrorKind::ok);
            --left;
        }
        if (!exchange.answer_finished()) EXPECT_EQ(exchange.finish({}), ErrorKind::ok);
    };
    house.script.on_head = [&](Exchange& exchange, Record& record) {
        const http::Field length[] = {{"content-length", "150000"}};
        EXPECT_EQ(exchange.respond(200, length, "", {}), ErrorKind::ok);
        fill(exchange, record);
    };
    house.script.on_room = fill;
    const std::string got = house.talk(last);
    EXPECT_TRUE(got.ends_with("\r\n\r\n" + std::string(150'000, 'a')));
    const std::size_t reports = count(house.record(0).calls, "W");
    EXPECT_GE(reports, 10U);
    EXPECT_LE(reports, 50U);
}

TEST(Send, NoReportOnceTheAnswerIsFinished) {
    Narrow narrow;
    House& house = narrow.house;
    house.script.on_head = [](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.respond(200, {}, std::string(20'000, 'a'), {}), ErrorKind::ok);
        EXPECT_EQ(exchange.send("x", {}), ErrorKind::again);
        EXPECT_EQ(exchange.finish({}), ErrorKind::ok) << "that needs no room";
        EXPECT_EQ(exchange.send("x", {}), ErrorKind::state);
        EXPECT_EQ(exchange.finish({}), ErrorKind::state);
    };
    const std::string got = house.talk(last);
    EXPECT_TRUE(got.ends_with("a\r\n0\r\n\r\n"));
    EXPECT_EQ(house.record(0).calls, "RC");
}

TEST(Send, AReportThatIsDueAtOnceComesInThePass) {
    House house;
    house.script.on_head = [](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.respond(200, {}, "", {}), ErrorKind::ok);
    };
    auto peer = house.connect(get);
    house.turn_for(1s);
    Record& record = house.record(0);
    record.exchange->want_writable(); // nothing is queued: no write would ever report it
    house.turn_for(1s);
    EXPECT_EQ(record.calls, "RW");
    EXPECT_EQ(record.exchange->finish({}), ErrorKind::ok);
}

TEST(Send, AnAnnouncedLengthIsAPromise) {
    House house;
    house.script.on_head = [](Exchange& exchange, Record&) {
        const http::Field length[] = {{"content-length", "5"}};
        EXPECT_EQ(exchange.respond(200, length, "123456", {}), ErrorKind::limit);
        EXPECT_EQ(exchange.respond(200, length, "123", {}), ErrorKind::ok);
        EXPECT_EQ(exchange.send("456", {}), ErrorKind::limit) << "nothing was taken";
        EXPECT_EQ(exchange.send("45", {}), ErrorKind::ok);
        EXPECT_EQ(exchange.send("6", {}), ErrorKind::limit);
        EXPECT_EQ(exchange.finish({}), ErrorKind::ok);
    };
    auto peer = house.connect(get + last);
    EXPECT_TRUE(house.until([&] { return peer->over(); }, 5s));
    EXPECT_EQ(count(peer->received(), "12345"), 2U) << peer->received();
    EXPECT_FALSE(has(peer->received(), "6"));
}

TEST(Send, FewerBytesThanAnnouncedIsAReset) {
    House house;
    house.script.on_head = [](Exchange& exchange, Record&) {
        const http::Field length[] = {{"content-length", "5"}};
        EXPECT_EQ(exchange.respond(200, length, "123", {}), ErrorKind::ok);
    };
    auto peer = house.connect(get);
    house.turn_for(1s);
    Record& record = house.record(0);
    EXPECT_EQ(record.exchange->finish({}), ErrorKind::state);
    EXPECT_EQ(record.exchange->send("4", {}), ErrorKind::closed);
    ASSERT_TRUE(house.until([&] { return peer->over(); }, 1s));
    EXPECT_NE(peer->error(), 0) << "the peer must not take it for the whole";
    EXPECT_EQ(record.calls, "RC");
    EXPECT_NE(record.end, ErrorKind::ok);
}

TEST(Send, StatesAreChecked) {
    House house;
    house.script.on_head = [](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.send("x", {}), ErrorKind::state);
        EXPECT_EQ(exchange.finish({}), ErrorKind::state);
        EXPECT_EQ(exchange.respond(99, {}, "", {}), ErrorKind::invalid);
        EXPECT_EQ(exchange.respond(100, {}, "", {}), ErrorKind::invalid);
        EXPECT_EQ(exchange.respond(1000, {}, "", {}), ErrorKind::invalid);
        const http::Field split[] = {{"x", "a\r\nb: c"}};
        EXPECT_EQ(exchange.respond(200, split, "", {.fin = true, .release = true}),
                  ErrorKind::invalid);
        EXPECT_EQ(exchange.interim(103, split), ErrorKind::invalid);
        EXPECT_EQ(exchange.upgrade(101, {}), ErrorKind::state) << "it was not asked for";
        EXPECT_EQ(exchange.respond(200, {}, "ok", {}), ErrorKind::ok);
        EXPECT_EQ(exchange.respond(200, {}, "ok", {}), ErrorKind::state);
        EXPECT_EQ(exchange.finish(split), ErrorKind::invalid);
        EXPECT_EQ(exchange.finish({}), ErrorKind::ok);
    };
    const std::string got = house.talk(last, 5s);
    EXPECT_TRUE(got.ends_with("\r\n\r\n2\r\nok\r\n0\r\n\r\n")) << got;
}

/// Counts what it gets back.
struct Library final : Chunk::Lender {
    void give_back(std::uint64_t token, bool sent) noexcept override {
        ++given_back;
        tokens += token;
        all_sent &= sent;
    }
    int given_back = 0;
    std::uint64_t tokens = 0;
    bool all_sent = true;
};

TEST(Send, LentBytesComeBackOnceTheyAreWritten) {
    Library library;
    const std::string text(5'000, 'L');
    Narrow narrow;
    House& house = narrow.house;
    house.script.on_head = [&](Exchange& exchange, Record&) {
        Chain body;
        body.append_lent(text, &library, 1);
        EXPECT_EQ(exchange.respond({.lent = &body}), ErrorKind::ok);
        EXPECT_TRUE(body.empty());
        Chain more;
        more.append_lent(text, &library, 10);
        EXPECT_EQ(exchange.send(more, {.fin = true}), ErrorKind::ok);
        Chain late;
        late.append_lent("x", &library, 100);
        EXPECT_EQ(exchange.send(late, {}), ErrorKind::state);
        EXPECT_EQ(late.size(), 1U) << "a refused chain stays with its owner";
        EXPECT_EQ(library.given_back, 0);
        late.clear();
        library.all_sent = true;
    };
    const std::string got = house.talk(last);
    EXPECT_EQ(count(got, "L"), 10'000U);
    EXPECT_EQ(library.given_back, 3);
    EXPECT_EQ(library.tokens, 111U);
    EXPECT_TRUE(library.all_sent);
}

TEST(Send, LentBytesComeBackWhenThePeerIsGone) {
    Library library;
    const std::string text(50'000, 'L');
    Narrow narrow;
    House& house = narrow.house;
    house.script.on_head = [&](Exchange& exchange, Record&) {
        Chain body;
        body.append_lent(text, &library, 1);
        EXPECT_EQ(exchange.respond({.flags = {.fin = true}, .lent = &body}), ErrorKind::ok);
    };
    auto peer = house.connect(get);
    peer->pause_reading();
    house.turn_for(1s);
    EXPECT_EQ(library.given_back, 0);
    peer->reset();
    EXPECT_TRUE(house.until([&] { return library.given_back == 1; }, 1s));
    EXPECT_FALSE(library.all_sent);
}

TEST(Send, LentBytesOfAnAnswerToHeadComeBackUnsent) {
    Library library;
    House house;
    house.script.on_head = [&](Exchange& exchange, Record&) {
        Chain body;
        body.append_lent("12345", &library, 1);
        EXPECT_EQ(exchange.respond({.flags = {.fin = true}, .lent = &body}), ErrorKind::ok);
    };
    const std::string got = house.talk("HEAD /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(got, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(library.given_back, 1);
}

TEST(Send, FilesAreSentFromWhereTheyAre) {
    Library library;
    Narrow narrow;
    House& house = narrow.house;
    std::string content;
    for (int i = 0; content.size() < 50'000; ++i) content += std::to_string(i) + ' ';
    const std::intptr_t file = house.world.add_file(content);
    house.script.on_head = [&](Exchange& exchange, Record&) {
        Chain body;
        body.append_file(file, 1'000, content.size() - 1'000, &library, 1);
        EXPECT_EQ(exchange.respond({.flags = {.fin = true}, .lent = &body}), ErrorKind::ok);
    };
    const std::string got = house.talk(get + last);
    EXPECT_EQ(count(got, content.substr(1'000)), 2U);
    EXPECT_EQ(library.given_back, 2);
}

/// What was accepted is what arrives, however much larger the range is.
TEST(Send, RangesOfFilesFromOtherThreadsLeaveTheCountAsItWas) {
    Library library;
    Narrow narrow;
    House& house = narrow.house;
    const std::intptr_t file = house.world.add_file(std::string(50'000, 'f'));
    house.script.on_head = [](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.respond(200, {}, "", {}), ErrorKind::ok);
    };
    auto peer = house.connect(last);
    house.turn_for(1s);
    Exchange& exchange = *house.record(0).exchange;
    Chain range;
    range.append_file(file, 0, 50'000, &library, 1);
    ASSERT_TRUE(exchange.accept_remote(range.memory_size()));
    EXPECT_EQ(exchange.send_arrived(range, {}), ErrorKind::ok);
    ASSERT_TRUE(house.until([&] { return library.given_back == 1; }));
    house.turn_for(1s); // and the end of its chunk
    EXPECT_TRUE(exchange.accept_remote(9'999));
    EXPECT_TRUE(exchange.accept_remote(1)) << "only what was accepted counts";
    EXPECT_FALSE(exchange.accept_remote(1));
    exchange.abort(0);
}

TEST(Send, AFileThatBecameShorterIsAReset) {
    Library library;
    House house;
    const std::intptr_t file = house.world.add_file("0123456789");
    house.script.on_head = [&](Exchange& exchange, Record&) {
        Chain body;
        body.append_file(file, 0, 100, &library, 1);
        EXPECT_EQ(exchange.respond({.flags = {.fin = true}, .lent = &body}), ErrorKind::ok);
    };
    auto peer = house.connect(get);
    ASSERT_TRUE(house.until([&] { return peer->over(); }, 5s));
    EXPECT_EQ(library.given_back, 1);
    EXPECT_EQ(house.record(0).end, ErrorKind::io);
    EXPECT_NE(peer->error(), 0) << "an orderly end would be taken for the answer's";
}

TEST(Send, TheRequestBehindAShortFileHasNoPartInIt) {
    Library library;
    Narrow narrow;
    House& house = narrow.house;
    const std::intptr_t file = house.world.add_file(std::string(20'000, 'f'));
    house.script.on_head = [&](Exchange& exchange, Record& record) {
        if (house.requests() > 1) return; // unanswered
        Chain body;
        body.append_file(file, 0, 30'000, &library, 1);
        record.exchange = nullptr;
        EXPECT_EQ(exchange.respond({.flags = {.fin = true, .release = true}, .lent = &body}),
                  ErrorKind::ok);
    };
    auto peer = house.connect(get + get);
    ASSERT_TRUE(house.until([&] { return peer->over(); }, 5s));
    EXPECT_NE(peer->error(), 0);
    ASSERT_EQ(house.requests(), 2U);
    EXPECT_EQ(house.record(1).end, ErrorKind::closed);
}

} // namespace
} // namespace hc::link::test
