#include "core/proto/sse/encoder.hpp"

#include <gtest/gtest.h>

#include "core/base/random.hpp"
#include "core/proto/sse/decoder.hpp"
#include "core/proto/sse/log.hpp"

namespace hc::sse {
namespace {

std::string written(const Event& event) {
    std::string out;
    return append_event(out, event) ? out : "refused";
}

TEST(SseEncoder, WritesFieldsInAFixedOrder) {
    EXPECT_EQ(written({.type = "t", .id = "7", .data = "d", .retry_ms = 0}),
              "event: t\nid: 7\nretry: 0\ndata: d\n\n");
    EXPECT_EQ(written({.data = ""}), "data: \n\n");
    EXPECT_EQ(written({}), "\n");
    EXPECT_EQ(written({.id = "", .data = "x"}), "id: \ndata: x\n\n");
}

TEST(SseEncoder, EveryLineBreakBeginsADataLine) {
    EXPECT_EQ(written({.data = "a\nb\rc\r\nd"}), "data: a\ndata: b\ndata: c\ndata: d\n\n");
    EXPECT_EQ(written({.data = "a\n"}), "data: a\ndata: \n\n");
    EXPECT_EQ(written({.data = "\n\r"}), "data: \ndata: \ndata: \n\n");
}

TEST(SseEncoder, RefusesWhatWouldBreakOut) {
    for (std::string_view bad : {"a\nb", "a\rb", "\n"}) {
        EXPECT_EQ(written({.type = bad}), "refused");
        EXPECT_EQ(written({.id = bad}), "refused");
    }
    EXPECT_EQ(written({.id = std::string_view("a\0b", 3)}), "refused");
}

TEST(SseEncoder, CommentsAreLinesOfTheirOwn) {
    std::string out;
    append_comment(out, "one\ntwo");
    EXPECT_EQ(out, ": one\n: two\n\n");
}

TEST(SseEncoder, WhatIsWrittenIsRead) {
    Random random(3);
    const auto some = [&](std::string_view from, std::uint64_t most) {
        std::string text(random.below(most), '\0');
        for (char& c : text) c = from[random.below(from.size())];
        return text;
    };
    for (int round = 0; round < 500; ++round) {
        const std::string type = "t" + some("abc :", 5);
        const std::string id = some("019: ", 5);
        const std::string data = some("xy \n:", 30);
        std::string stream = "\xEF\xBB\xBF";
        append_comment(stream, "beat");
        ASSERT_TRUE(append_event(stream, {.type = type, .id = id, .data = data}));
        Decoder decoder(1000);
        std::string_view rest = stream;
        int events = 0;
        while (!rest.empty()) {
            std::string_view slice = rest.substr(0, 1 + random.below(9));
            rest.remove_prefix(slice.size());
            while (decoder.next(slice) == Decoder::Outcome::event) {
                ++events;
                ASSERT_EQ(decoder.type(), type);
                ASSERT_EQ(decoder.data(), data);
                ASSERT_EQ(decoder.last_event_id(), id);
            }
        }
        ASSERT_EQ(events, 1) << round;
    }
}

// -- what is kept for those who come back ---------------------------------------------------------

std::string replayed(const Log<std::string>& log, std::uint64_t last_id) {
    std::string out;
    log.replay(last_id, [&](const std::string& event) { out += event + " "; });
    return out;
}

TEST(SseLog, GivesWhatCameBehindAnId) {
    Log<std::string> log({.events_max = 3, .bytes_max = 100});
    EXPECT_EQ(replayed(log, 1), "");
    for (std::uint64_t i = 1; i <= 5; ++i) log.push(10 * i, "e" + std::to_string(i), 10);
    EXPECT_EQ(log.size(), 3U);
    EXPECT_EQ(log.bytes(), 30U);
    EXPECT_EQ(replayed(log, 30), "e4 e5 ");
    EXPECT_EQ(replayed(log, 37), "e4 e5 ") << "an id of another log";
    EXPECT_EQ(replayed(log, 50), "");
    EXPECT_EQ(replayed(log, 10), "e3 e4 e5 ") << "forgotten";
    EXPECT_EQ(replayed(log, 0), "e3 e4 e5 ");
}

TEST(SseLog, IsBoundedByBytes) {
    Log<std::string> log({.events_max = 100, .bytes_max = 50});
    for (std::uint64_t i = 1; i <= 9; ++i) log.push(i, "e", 20);
    EXPECT_EQ(log.size(), 2U);
    log.push(10, "e", 51);
    EXPECT_TRUE(log.empty());
    Log<std::string> none({});
    none.push(1, "e", 0);
    EXPECT_TRUE(none.empty());
}

} // namespace
} // namespace hc::sse
