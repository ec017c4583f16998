// Answers that are coded: which, with what fields, when their bytes leave, and how they end.
#include "core/link/coder.hpp"

#include <gtest/gtest.h>

#include "tests/unit/link/coded.hpp"
#include "tests/unit/link/house.hpp"

namespace hc::link::test {
namespace {

using http::ContentCoding;
using http::Field;

CodingOptions compressing() {
    CodingOptions options;
    options.compress = true;
    return options;
}

std::string request(std::string_view accept, std::string_view method = "GET") {
    std::string text(method);
    text += " /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
    if (!accept.empty()) text.append("Accept-Encoding: ").append(accept).append("\r\n");
    return text + "\r\n";
}
const Field text_type{"content-type", "text/plain; charset=utf-8"};

/// A house whose answers may be coded.
struct Coding {
    explicit Coding(const CodingOptions& options = compressing(), sim::Options network = {})
        : house(1, std::move(network)) {
        house.context().use_coding(options);
    }
    /// What comes of one answer.
    Reply answer(const Answer& given, std::string_view accept = "gzip, br, zstd",
                 std::string_view method = "GET") {
        house.script.on_head = [&](Exchange& exchange, Record&) {
            EXPECT_EQ(exchange.respond(given), ErrorKind::ok);
        };
        return read_reply(house.talk(request(accept, method)));
    }
    House house;
};

class CodingOf : public testing::TestWithParam<ContentCoding> {
protected:
    std::string name() const { return std::string(coding_text(GetParam())); }
};
INSTANTIATE_TEST_SUITE_P(All, CodingOf,
                         testing::Values(ContentCoding::gzip, ContentCoding::brotli,
                                         ContentCoding::zstd),
                         [](const auto& each) { return std::string(coding_text(each.param)); });

TEST_P(CodingOf, ACompleteBodyGoesWithItsLength) {
    Coding it;
    const std::string text = prose(20'000);
    const Field fields[] = {text_type};
    for (int round = 0; round < 3; ++round) { // states are used again
        const Reply reply =
            it.answer({.fields = fields, .body = text, .flags = {.fin = true}}, name());
        EXPECT_TRUE(has(reply.head, "content-encoding: " + name() + "\r\n")) << reply.head;
        EXPECT_TRUE(has(reply.head, "vary: accept-encoding\r\n"));
        EXPECT_TRUE(
            has(reply.head, "Content-Length: " + std::to_string(reply.body.size()) + "\r\n"));
        EXPECT_LT(reply.body.size(), text.size() / 3);
        const Decoded back = decode(GetParam(), reply.body);
        EXPECT_TRUE(back.complete && back.text == text);
    }
}

TEST_P(CodingOf, ALongCompleteBodyIsStreamed) {
    Coding it;
    const std::string text = prose(3'000'000);
    const Field fields[] = {text_type};
    const Reply reply = it.answer({.fields = fields, .body = text, .flags = {.fin = true}}, name());
    EXPECT_FALSE(has(reply.head, "Content-Length"));
    EXPECT_TRUE(reply.ended);
    const Decoded back = decode(GetParam(), reply.body);
    EXPECT_TRUE(back.complete && back.text == text);
}

TEST_P(CodingOf, EveryPassIsFlushed) {
    Coding it;
    House& house = it.house;
    house.script.on_head = [&](Exchange& exchange, Record&) {
        const Field fields[] = {text_type};
        EXPECT_EQ(exchange.respond(200, fields, "one ", {}), ErrorKind::ok);
        EXPECT_EQ(exchange.send("two ", {}), ErrorKind::ok);
    };
    auto peer = house.connect(request(name()));
    const auto got = [&] { return decode(GetParam(), read_reply(peer->received()).body).text; };
    ASSERT_TRUE(house.until([&] { return got() == "one two "; }, 1s));
    Exchange& exchange = *house.record(0).exchange;
    EXPECT_EQ(read_reply(peer->received()).chunks, 1U) << "one pass, one flush";
    EXPECT_EQ(exchange.send("three ", {}), ErrorKind::ok);
    ASSERT_TRUE(house.until([&] { return got() == "one two three "; }, 1s));
    EXPECT_EQ(exchange.send("four", {.fin = true}), ErrorKind::ok);
    ASSERT_TRUE(house.until([&] { return peer->over(); }));
    const Reply reply = read_reply(peer->received());
    EXPECT_TRUE(reply.ended);
    EXPECT_TRUE(decode(GetParam(), reply.body).complete);
    EXPECT_EQ(got(), "one two three four");
    EXPECT_EQ(house.record(0).calls, "RC");
}

TEST_P(CodingOf, AFileIsCodedAndItsExchangeMayBeReleased) {
    struct Library final : Chunk::Lender {
        int sent = 0;
        void give_back(std::uint64_t, bool all) noexcept override { sent += all ? 1 : 0; }
    } library;
    sim::Options narrow;
    narrow.window_bytes_min = narrow.window_bytes_max = 2'000;
    Coding it(compressing(), narrow);
    House& house = it.house;
    house.limits.write_high_watermark_bytes = 10'000;
    const std::string text = prose(1'000'000);
    const std::intptr_t file = house.world.add_file(text);
    house.script.on_head = [&](Exchange& exchange, Record& record) {
        const std::string size = std::to_string(text.size() - 5 + 4);
        const Field fields[] = {text_type, {"content-length", size}, {"accept-ranges", "bytes"}};
        EXPECT_EQ(exchange.respond(200, fields, "", {}), ErrorKind::ok);
        EXPECT_EQ(exchange.send("now ", {}), ErrorKind::ok);
        Chain range;
        range.append_file(file, 5, text.size() - 5, &library, 1);
        record.exchange = nullptr;
        EXPECT_EQ(exchange.send(range, {.fin = true, .release = true}), ErrorKind::ok);
        EXPECT_EQ(library.sent, 0) << "not within the call";
    };
    const Reply reply = read_reply(house.talk(request(name())));
    EXPECT_FALSE(has(reply.head, "ontent-length") || has(reply.head, "ranges")) << reply.head;
    EXPECT_TRUE(reply.ended);
    const Decoded back = decode(GetParam(), reply.body);
    EXPECT_TRUE(back.complete && back.text == "now " + text.substr(5));
    EXPECT_EQ(library.sent, 1);
}

TEST(Coder, EventsLeaveOneByOne) {
    Coding it;
    House& house = it.house;
    house.script.on_head = [&](Exchange& exchange, Record&) {
        const Field fields[] = {{"content-type", "text/event-stream"}};
        EXPECT_EQ(exchange.respond(200, fields, "", {}), ErrorKind::ok);
        EXPECT_EQ(exchange.send("data: 1\n\n", {}), ErrorKind::ok);
        EXPECT_EQ(exchange.send("data: 2\n\n", {}), ErrorKind::ok);
    };
    auto peer = house.connect(request("gzip"));
    ASSERT_TRUE(house.until([&] { return read_reply(peer->received()).chunks == 2; }, 1s));
    EXPECT_EQ(decode(ContentCoding::gzip, read_reply(peer->received()).body).text,
              "data: 1\n\ndata: 2\n\n");
    EXPECT_EQ(house.record(0).exchange->finish({}), ErrorKind::ok);
}

TEST(Coder, TheClientChooses) {
    Coding it;
    const std::string text = prose(5'000);
    const Field fields[] = {text_type};
    const Answer given{.fields = fields, .body = text, .flags = {.fin = true}};
    EXPECT_TRUE(has(it.answer(given, "gzip, br, zstd").head, "content-encoding: zstd"));
    EXPECT_TRUE(has(it.answer(given, "gzip;q=0.5, br;q=0.4").head, "content-encoding: gzip"));
    for (const std::string_view accept :
         {"", "deflate", "identity", "gzip;q=0", "gzip;q=0.5,identity"}) {
        const Reply reply = it.answer(given, accept);
        EXPECT_TRUE(reply.body == text);
        EXPECT_FALSE(has(reply.head, "content-encoding")) << accept;
        EXPECT_TRUE(has(reply.head, "vary: accept-encoding")) << "others get other bytes";
    }
}

TEST(Coder, WhatIsNotWorthItGoesAsItIs) {
    Coding it;
    const std::string text = prose(5'000);
    const auto untouched = [&](const Answer& given) {
        const Reply reply = it.answer(given);
        EXPECT_FALSE(has(reply.head, "content-encoding: zstd")) << reply.head;
        EXPECT_FALSE(has(reply.head, "vary")) << reply.head;
        EXPECT_TRUE(given.status == 204 || given.status == 205 || reply.body == given.body);
    };
    const Field image[] = {{"content-type", "image/png"}};
    untouched({.fields = image, .body = text, .flags = {.fin = true}});
    untouched({.body = text, .flags = {.fin = true}});
    const Field plain[] = {text_type};
    untouched(
        {.fields = plain, .body = std::string_view(text).substr(0, 1023), .flags = {.fin = true}});
    untouched({.fields = plain, .body = "", .flags = {.fin = true}});
    untouched({.status = 204, .fields = plain, .flags = {.fin = true}});
    untouched({.status = 205, .fields = plain, .flags = {.fin = true}});
    untouched({.status = 206, .fields = plain, .body = text, .flags = {.fin = true}});
    for (const Field& field :
         {Field{"content-encoding", "br"}, Field{"Content-Encoding", "identity"},
          Field{"cache-control", "public, no-transform"}, Field{"content-range", "bytes 0-4999/*"},
          Field{"content-digest", "sha-256=:AA==:"}, Field{"Repr-Digest", "sha-256=:AA==:"}}) {
        const Field fields[] = {text_type, field};
        untouched({.fields = fields, .body = text, .flags = {.fin = true}});
    }
    const Field small[] = {text_type, {"content-length", "10"}};
    const Reply reply = it.answer({.fields = small, .body = "0123456789", .flags = {.fin = true}});
    EXPECT_EQ(reply.body, "0123456789");
}

TEST(Coder, ErrorsAreCodedToo) {
    Coding it;
    const std::string text = prose(5'000);
    const Field fields[] = {text_type};
    for (const int status : {201, 404, 500}) {
        const Reply reply =
            it.answer({.status = status, .fields = fields, .body = text, .flags = {.fin = true}});
        EXPECT_TRUE(has(reply.head, "content-encoding: zstd")) << status;
    }
}

TEST(Coder, WhatDoesNotBecomeSmallerGoesAsItIs) {
    Coding it;
    const std::string text = noise(5'000);
    const Field fields[] = {text_type, {"etag", "\"a\""}, {"accept-ranges", "bytes"}};
    const Reply reply = it.answer({.fields = fields, .body = text, .flags = {.fin = true}});
    EXPECT_FALSE(has(reply.head, "content-encoding"));
    EXPECT_TRUE(has(reply.head, "etag: \"a\"\r\naccept-ranges: bytes\r\nvary: accept-encoding"));
    EXPECT_TRUE(reply.body == text);
}

TEST(Coder, WhoRefusesIdentityGetsItCodedAnyway) {
    Coding it;
    const Field image[] = {{"content-type", "image/png"}};
    const Answer given{.fields = image, .body = "tiny", .flags = {.fin = true}};
    const Reply reply = it.answer(given, "gzip, identity;q=0");
    EXPECT_TRUE(has(reply.head, "content-encoding: gzip"));
    EXPECT_EQ(decode(ContentCoding::gzip, reply.body).text, "tiny");
    // There is nothing better to give.
    EXPECT_EQ(it.answer(given, "deflate, identity;q=0").body, "tiny");
}

TEST(Coder, FieldsFollowTheBody) {
    Coding it;
    const std::string text = prose(5'000);
    const auto head = [&](std::initializer_list<Field> more) {
        std::vector<Field> fields{text_type};
        fields.insert(fields.end(), more);
        return it.answer({.fields = fields, .body = text, .flags = {.fin = true}}).head;
    };
    EXPECT_TRUE(has(head({{"etag", "\"a\""}}), "etag: W/\"a\"\r\n"));
    EXPECT_TRUE(has(head({{"etag", "W/\"a\""}}), "etag: W/\"a\"\r\n"));
    EXPECT_FALSE(has(head({{"accept-ranges", "bytes"}}), "accept-ranges"));
    EXPECT_TRUE(has(head({{"vary", "accept"}}), "vary: accept, accept-encoding\r\n"));
    EXPECT_TRUE(has(head({{"vary", "x, Accept-Encoding"}}), "vary: x, Accept-Encoding\r\n"));
    EXPECT_TRUE(has(head({{"vary", "*"}}), "vary: *\r\n"));
    const std::string two = head({{"vary", "a"}, {"vary", "b"}});
    EXPECT_EQ(count(two, "accept-encoding"), 1U) << two;
}

TEST(Coder, HeadHasTheFieldsOfGet) {
    Coding it;
    const std::string text = prose(5'000);
    const Field fields[] = {text_type, {"etag", "\"a\""}};
    const Answer given{.fields = fields, .body = text, .flags = {.fin = true}};
    const Reply get = it.answer(given);
    const Reply head = it.answer(given, "gzip, br, zstd", "HEAD");
    EXPECT_EQ(head.head, get.head);
    EXPECT_EQ(head.body, "");
    // Told by its length only: what the coded one's will be is not known.
    const Field told[] = {text_type, {"content-length", "5000"}, {"etag", "\"a\""}};
    const Reply length = it.answer({.fields = told, .flags = {.fin = true}}, "gzip", "HEAD");
    EXPECT_TRUE(has(length.head, "content-encoding: gzip")) << length.head;
    EXPECT_FALSE(has(length.head, "ontent-length: 5000") || has(length.head, "Content-Length"));
    const Field few[] = {text_type, {"content-length", "50"}};
    const Reply small = it.answer({.fields = few, .flags = {.fin = true}}, "gzip", "HEAD");
    EXPECT_FALSE(has(small.head, "content-encoding")) << small.head;
    EXPECT_TRUE(has(small.head, "50\r\n"));
}

TEST(Coder, AHeadOfAStreamSendsNothing) {
    Coding it;
    it.house.script.on_head = [](Exchange& exchange, Record&) {
        const Field fields[] = {text_type};
        EXPECT_EQ(exchange.respond(200, fields, "", {}), ErrorKind::ok);
        EXPECT_EQ(exchange.send(prose(300'000), {}), ErrorKind::ok);
        EXPECT_EQ(exchange.finish({}), ErrorKind::ok);
    };
    const std::string got = it.house.talk(request("gzip", "HEAD"));
    EXPECT_TRUE(has(got, "content-encoding: gzip"));
    EXPECT_TRUE(got.ends_with("\r\n\r\n"));
    EXPECT_EQ(it.house.record(0).calls, "RC");
}

TEST(Coder, NotModifiedHasTheFieldsOfWhatIsNotModified) {
    Coding it;
    const Field fields[] = {{"etag", "\"a\""}};
    const Answer given{.status = 304, .fields = fields, .flags = {.fin = true}};
    const Reply coded = it.answer(given);
    EXPECT_TRUE(has(coded.head, "etag: W/\"a\"\r\nvary: accept-encoding\r\n")) << coded.head;
    EXPECT_FALSE(has(coded.head, "content-encoding"));
    const Reply plain = it.answer(given, "");
    EXPECT_TRUE(has(plain.head, "etag: \"a\"\r\nvary: accept-encoding\r\n")) << plain.head;
    const Field image[] = {{"etag", "\"a\""}, {"content-type", "image/png"}};
    EXPECT_FALSE(
        has(it.answer({.status = 304, .fields = image, .flags = {.fin = true}}).head, "vary"));
}

TEST(Coder, AnAnnouncedLengthIsAPromiseAllTheSame) {
    Coding it;
    const std::string text = prose(3'000);
    it.house.script.on_head = [&](Exchange& exchange, Record&) {
        const Field fields[] = {text_type, {"content-length", "5000"}};
        EXPECT_EQ(exchange.respond(200, fields, std::string(5'001, 'a'), {}), ErrorKind::limit);
        EXPECT_EQ(exchange.respond(200, fields, text, {.fin = true}), ErrorKind::invalid);
        EXPECT_EQ(exchange.respond(200, fields, text, {}), ErrorKind::ok);
        EXPECT_EQ(exchange.send(text, {}), ErrorKind::limit) << "nothing was taken";
        EXPECT_EQ(exchange.send(text.substr(0, 2'000), {.fin = true}), ErrorKind::ok);
    };
    const Reply reply = read_reply(it.house.talk(request("br")));
    EXPECT_TRUE(decode(ContentCoding::brotli, reply.body).text == text + text.substr(0, 2'000));
}

TEST(Coder, FewerBytesThanAnnouncedAreAReset) {
    Coding it;
    it.house.script.on_head = [&](Exchange& exchange, Record&) {
        const Field fields[] = {text_type, {"content-length", "5000"}};
        EXPECT_EQ(exchange.respond(200, fields, "text", {}), ErrorKind::ok);
        EXPECT_EQ(exchange.finish({}), ErrorKind::state);
    };
    auto peer = it.house.connect(request("gzip"));
    ASSERT_TRUE(it.house.until([&] { return peer->over(); }, 5s));
    EXPECT_NE(peer->error(), 0);
    EXPECT_EQ(it.house.record(0).calls, "RC");
    EXPECT_EQ(it.house.record(0).end, ErrorKind::closed);
}

TEST(Coder, AFileThatBecameShorterIsAReset) {
    struct Library final : Chunk::Lender {
        int back = 0;
        void give_back(std::uint64_t, bool) noexcept override { ++back; }
    } library;
    Coding it;
    const std::intptr_t file = it.house.world.add_file(prose(10'000));
    const auto answer = [&](Exchange& exchange, bool release) {
        const Field fields[] = {text_type};
        Chain body;
        body.append_file(file, 0, 20'000, &library, 1);
        EXPECT_EQ(
            exchange.respond(
                {.fields = fields, .flags = {.fin = true, .release = release}, .lent = &body}),
            ErrorKind::ok);
    };
    it.house.script.on_head = [&](Exchange& exchange, Record&) { answer(exchange, false); };
    auto kept = it.house.connect(request("gzip"));
    ASSERT_TRUE(it.house.until([&] { return kept->over(); }, 5s));
    EXPECT_NE(kept->error(), 0);
    EXPECT_EQ(it.house.record(0).end, ErrorKind::io);
    it.house.script.on_head = [&](Exchange& exchange, Record& record) {
        record.exchange = nullptr;
        answer(exchange, true);
    };
    auto released = it.house.connect(request("gzip"));
    ASSERT_TRUE(it.house.until([&] { return released->over(); }, 5s));
    EXPECT_NE(released->error(), 0);
    EXPECT_EQ(library.back, 2);
}

TEST(Coder, LentBytesComeBackOnce) {
    struct Library final : Chunk::Lender {
        int back = 0;
        void give_back(std::uint64_t, bool) noexcept override { ++back; }
    } library;
    Coding it;
    const std::string text = prose(10'000);
    const std::string large = prose(400'000);
    const Field fields[] = {text_type};
    for (const std::string_view bytes : {std::string_view(text), std::string_view(large)}) {
        for (const std::string_view method : {"GET", "HEAD"}) {
            library.back = 0;
            it.house.script.on_head = [&](Exchange& exchange, Record&) {
                Chain body;
                body.append_lent(bytes, &library, 1);
                EXPECT_EQ(
                    exchange.respond({.fields = fields, .flags = {.fin = true}, .lent = &body}),
                    ErrorKind::ok);
                EXPECT_TRUE(body.empty());
            };
            const Reply reply = read_reply(it.house.talk(request("gzip", method)));
            EXPECT_EQ(library.back, 1) << method;
            if (method == "GET") {
                EXPECT_TRUE(decode(ContentCoding::gzip, reply.body).text == bytes);
            }
        }
    }
    it.house.script.on_head = [&](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.respond(200, fields, "", {}), ErrorKind::ok);
        for (const std::string_view bytes : {std::string_view(text), std::string_view(large)}) {
            library.back = 0;
            Chain body;
            body.append_lent(bytes, &library, 1);
            EXPECT_EQ(exchange.send(body, {}), ErrorKind::ok);
            EXPECT_EQ(library.back, bytes.size() == text.size() ? 1 : 0);
        }
        EXPECT_EQ(exchange.finish({}), ErrorKind::ok);
        EXPECT_EQ(exchange.send("x", {}), ErrorKind::state);
        EXPECT_EQ(exchange.finish({}), ErrorKind::state);
    };
    const Reply reply = read_reply(it.house.talk(request("gzip")));
    EXPECT_TRUE(decode(ContentCoding::gzip, reply.body).text == text + large);
    EXPECT_EQ(library.back, 1);
}

TEST(Coder, LentBytesComeBackWhenThePeerIsGone) {
    struct Library final : Chunk::Lender {
        int back = 0;
        void give_back(std::uint64_t, bool) noexcept override { ++back; }
    } library;
    sim::Options narrow;
    narrow.window_bytes_min = narrow.window_bytes_max = 2'000;
    Coding it(compressing(), narrow);
    it.house.limits.write_high_watermark_bytes = 10'000;
    const std::string text = noise(1'000'000);
    for (const bool release : {false, true}) {
        library.back = 0;
        it.house.script.on_head = [&](Exchange& exchange, Record& record) {
            const Field fields[] = {text_type};
            Chain body;
            body.append_lent(text, &library, 1);
            if (release) record.exchange = nullptr;
            EXPECT_EQ(
                exchange.respond(
                    {.fields = fields, .flags = {.fin = true, .release = release}, .lent = &body}),
                ErrorKind::ok);
        };
        auto peer = it.house.connect(request("gzip"));
        peer->pause_reading();
        it.house.turn_for(1s);
        EXPECT_EQ(library.back, 0);
        peer->reset();
        EXPECT_TRUE(it.house.until([&] { return library.back == 1; }, 1s));
    }
}

TEST(Coder, WatermarksCountCodedBytes) {
    sim::Options narrow;
    narrow.window_bytes_min = narrow.window_bytes_max = 2'000;
    Coding it(compressing(), narrow);
    House& house = it.house;
    house.limits.write_high_watermark_bytes = 10'000;
    house.limits.write_low_watermark_bytes = 4'000;
    house.limits.write_timeout_ms = 0;
    int words = 0;
    int left = 60;
    const std::string pieces = noise(60 * 3'000);
    const auto fill = [&](Exchange& exchange, Record&) {
        while (left > 0) {
            const std::size_t at = static_cast<std::size_t>(60 - left) * 3'000;
            const auto result = exchange.send(std::string_view(pieces).substr(at, 3'000), {});
            if (result == ErrorKind::again) return;
            ASSERT_EQ(result, ErrorKind::ok);
            --left;
        }
        if (!exchange.answer_finished()) EXPECT_EQ(exchange.finish({}), ErrorKind::ok);
    };
    house.script.on_head = [&](Exchange& exchange, Record& record) {
        const Field fields[] = {text_type};
        EXPECT_EQ(exchange.respond(200, fields, "", {}), ErrorKind::ok);
        // What becomes nearly nothing is taken without end.
        for (; words < 100; ++words) {
            ASSERT_EQ(exchange.send(std::string(1'000, 'a'), {}), ErrorKind::ok);
        }
        fill(exchange, record);
    };
    house.script.on_room = fill;
    const Reply reply = read_reply(house.talk(request("gzip")));
    EXPECT_TRUE(reply.ended);
    const Decoded back = decode(ContentCoding::gzip, reply.body);
    EXPECT_TRUE(back.complete);
    EXPECT_EQ(back.text.size(), 100'000U + 60U * 3'000U);
    EXPECT_GE(count(house.record(0).calls, "W"), 5U);
}

TEST(Coder, WhoSendsWithoutEndIsToldToWaitHoweverSmallItBecomes) {
    for (const std::string_view type : {"text/plain", "text/event-stream"}) {
        Coding it;
        House& house = it.house;
        std::uint64_t left = 20'000'000;
        std::uint64_t most = 0; // within one call
        const std::string piece(10'000, 'a');
        const auto fill = [&](Exchange& exchange, Record&) {
            const std::uint64_t before = left;
            while (left > 0 && exchange.send(piece, {}) == ErrorKind::ok) left -= piece.size();
            most = std::max(most, before - left);
            if (left == 0 && !exchange.answer_finished()) exchange.finish({});
        };
        house.script.on_head = [&](Exchange& exchange, Record& record) {
            const Field fields[] = {{"content-type", type}};
            EXPECT_EQ(exchange.respond(200, fields, "", {}), ErrorKind::ok);
            fill(exchange, record);
        };
        house.script.on_room = fill;
        const Reply reply = read_reply(house.talk(request("gzip")));
        EXPECT_EQ(decode(ContentCoding::gzip, reply.body).text.size(), 20'000'000U);
        EXPECT_LE(most, 500'000U) << "the others of the worker have their turn";
    }
}

TEST(Coder, WhatWaitsToBeCodedCountsAsWell) {
    Coding it;
    House& house = it.house;
    house.script.on_head = [&](Exchange& exchange, Record&) {
        const Field fields[] = {text_type};
        EXPECT_EQ(exchange.respond(200, fields, "", {}), ErrorKind::ok);
        EXPECT_EQ(exchange.send(prose(500'000), {}), ErrorKind::ok);
        EXPECT_EQ(exchange.send("x", {}), ErrorKind::again);
    };
    house.script.on_room = [](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.send("x", {.fin = true}), ErrorKind::ok);
    };
    const Reply reply = read_reply(house.talk(request("gzip")));
    EXPECT_TRUE(decode(ContentCoding::gzip, reply.body).text == prose(500'000) + "x");
    EXPECT_EQ(house.record(0).calls, "RWC");
}

TEST(Coder, TrailersStayBehind) {
    Coding it;
    for (const std::size_t size : {std::size_t{10}, std::size_t{400'000}}) {
        it.house.script.on_head = [&](Exchange& exchange, Record&) {
            const Field fields[] = {text_type};
            EXPECT_EQ(exchange.respond(200, fields, "", {}), ErrorKind::ok);
            EXPECT_EQ(exchange.send(prose(size), {}), ErrorKind::ok);
            const std::string value = "v" + std::to_string(size);
            const Field bad[] = {{"x y", "z"}};
            EXPECT_EQ(exchange.finish(bad), ErrorKind::invalid);
            const Field trailers[] = {{"x-sum", value}};
            EXPECT_EQ(exchange.finish(trailers), ErrorKind::ok);
        };
        const std::string got = it.house.talk(request("zstd"));
        EXPECT_TRUE(got.ends_with("0\r\nx-sum: v" + std::to_string(size) + "\r\n\r\n"));
    }
}

TEST(Coder, OldClientsGetItUntilTheEnd) {
    Coding it;
    it.house.script.on_head = [](Exchange& exchange, Record&) {
        const Field fields[] = {text_type};
        EXPECT_EQ(exchange.respond(200, fields, "one ", {}), ErrorKind::ok);
        EXPECT_EQ(exchange.send("two", {.fin = true}), ErrorKind::ok);
    };
    const Reply reply =
        read_reply(it.house.talk("GET / HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n"));
    const Decoded back = decode(ContentCoding::gzip, reply.body);
    EXPECT_TRUE(back.complete);
    EXPECT_EQ(back.text, "one two");
}

TEST(Coder, OneEncoderTooManyIsNone) {
    CodingOptions options = compressing();
    options.encoders_max = 2;
    Coding it(options);
    House& house = it.house;
    house.script.on_head = [](Exchange& exchange, Record&) {
        const Field fields[] = {text_type};
        EXPECT_EQ(exchange.respond(200, fields, "text", {}), ErrorKind::ok);
    };
    std::vector<std::unique_ptr<sim::Peer>> peers;
    for (int i = 0; i < 3; ++i) {
        peers.push_back(house.connect(request("gzip")));
        house.turn_for(1s);
        EXPECT_EQ(has(peers.back()->received(), "content-encoding: gzip"), i < 2) << i;
    }
    EXPECT_TRUE(has(peers.back()->received(), "vary: accept-encoding"));
    for (std::size_t i = 0; i < 3; ++i) house.record(i).exchange->abort(0);
    house.turn_for(1s);
    EXPECT_EQ(house.context().coder->encoders().out(), 0U);
}

TEST(Coder, AnAnswerThatIsGivenUpFreesItsEncoder) {
    Coding it;
    House& house = it.house;
    house.script.on_head = [](Exchange& exchange, Record& record) {
        const Field fields[] = {text_type};
        EXPECT_EQ(exchange.respond(200, fields, prose(500'000), {}), ErrorKind::ok);
        Script::release(record);
    };
    auto peer = house.connect(request("gzip"));
    ASSERT_TRUE(house.until([&] { return peer->over(); }, 5s));
    EXPECT_NE(peer->error(), 0);
    EXPECT_EQ(house.context().coder->encoders().out(), 0U);
}

TEST(Coder, WithoutTheOptionNothingIsTouched) {
    Coding it(CodingOptions{});
    EXPECT_EQ(it.house.context().coder, nullptr);
    const std::string text = prose(5'000);
    const Field fields[] = {text_type, {"etag", "\"a\""}};
    const Reply reply = it.answer({.fields = fields, .body = text, .flags = {.fin = true}});
    EXPECT_FALSE(has(reply.head, "vary") || has(reply.head, "W/"));
    EXPECT_TRUE(reply.body == text);
}

} // namespace
} // namespace hc::link::test
