#include "core/proto/sse/decoder.hpp"

#include <gtest/gtest.h>

#include <string>

namespace hc::sse {
namespace {

/// What a stream brings: "type|data|last id" an event, joined by spaces.
std::string read(std::string_view stream, std::size_t slice = SIZE_MAX,
                 std::size_t bytes_max = 1000) {
    Decoder decoder(bytes_max);
    std::string out;
    while (!stream.empty()) {
        std::string_view input = stream.substr(0, slice);
        stream.remove_prefix(input.size());
        for (;;) {
            const auto outcome = decoder.next(input);
            if (outcome == Decoder::Outcome::too_big) return out + "too big";
            if (outcome == Decoder::Outcome::need_input) break;
            if (!out.empty()) out += ' ';
            out.append(decoder.type()).append("|").append(decoder.data()).append("|");
            out.append(decoder.last_event_id());
        }
    }
    return out;
}

/// The same in slices of every small size.
std::string read_anyhow(std::string_view stream) {
    std::string whole = read(stream);
    for (std::size_t slice = 1; slice < 6; ++slice) {
        const std::string pieces = read(stream, slice);
        EXPECT_EQ(pieces, whole) << slice;
    }
    return whole;
}

// The cases of the Web Platform Tests, eventsource/format-*.
TEST(SseDecoder, ReadsWhatTheWebPlatformTestsSend) {
    EXPECT_EQ(read_anyhow("\xEF\xBB\xBF"
                          "data:1\n\n\xEF\xBB\xBF"
                          "data:2\n\ndata:3\n\n"),
              "message|1| message|3|")
        << "format-bom: only the first is one";
    EXPECT_EQ(read_anyhow("\xEF\xBB\xBF\xEF\xBB\xBF"
                          "data:1\n\ndata:2\n\ndata:3\n\n"),
              "message|2| message|3|")
        << "format-bom-2";
    const std::string_view nul("\0", 1);
    EXPECT_EQ(read_anyhow(std::string("data:1\r:").append(nul) +
                          "\n:\r\ndata:2\n:xxx\rdata:3\n:data:fail\r:yyy\ndata:4\n\n"),
              "message|1\n2\n3\n4|")
        << "format-comments";
    EXPECT_EQ(read_anyhow("data:msg\ndata"), "") << "format-data-before-final-empty-line";
    EXPECT_EQ(read_anyhow("data:\n\ndata\ndata\n\ndata:test\n\n"),
              "message|| message|\n| message|test|")
        << "format-field-data";
    EXPECT_EQ(read_anyhow("event:test\ndata:x\n\ndata:x\n\n"), "test|x| message|x|");
    EXPECT_EQ(read_anyhow("event: \ndata:data\n\n"), "message|data|") << "format-field-event-empty";
    EXPECT_EQ(read_anyhow("id: 1\ndata:a\n\nid\ndata:b\n\n"), "message|a|1 message|b|");
    EXPECT_EQ(read_anyhow(std::string("id: 1\ndata:a\n\nid: 2") + '\0' + "3\ndata:b\n\n"),
              "message|a|1 message|b|1")
        << "format-field-id-null";
    EXPECT_EQ(read_anyhow(" data:test\ndata\n\n"), "message||") << "a space before the name";
    EXPECT_EQ(read_anyhow("data:test\n data\ndata\nfoobar:xxx\njustsometext\n:thisisacomment\n\n"),
              "message|test\n|")
        << "format-field-unknown";
    EXPECT_EQ(read_anyhow("data:\ttest\rdata: \ndata:test\n\n"), "message|\ttest\n\ntest|")
        << "format-leading-space";
    EXPECT_EQ(read_anyhow("data:test\r\ndata\n\ndata:test\r\n\r"), "message|test\n| message|test|")
        << "format-newlines";
    EXPECT_EQ(read_anyhow(std::string("data:") + '\0' + "a\n\n"),
              std::string("message|") + '\0' + "a|");
    EXPECT_EQ(read_anyhow("data:ok…\n\n"), "message|ok…|") << "format-utf-8";
}

TEST(SseDecoder, KnowsEveryLineEnd) {
    EXPECT_EQ(read_anyhow("data: a\r\rdata: b\n\ndata: c\r\n\r\n"),
              "message|a| message|b| message|c|");
    EXPECT_EQ(read_anyhow("data: a\r\n\rdata: b\r\r\n"), "message|a| message|b|");
}

TEST(SseDecoder, AnEventWithoutDataOnlySetsTheId) {
    EXPECT_EQ(read_anyhow("id: 5\nevent: gone\n\ndata: x\n\n"), "message|x|5");
    EXPECT_EQ(read_anyhow("id: 5\ndata: a\n\nid\n\ndata: b\n\n"), "message|a|5 message|b|");
}

TEST(SseDecoder, RetryIsDigitsOnly) {
    const auto retry = [](std::string_view value) {
        Decoder decoder(1000);
        const std::string stream = "retry: " + std::string(value) + "\n";
        std::string_view input = stream;
        decoder.next(input);
        return decoder.retry_ms().value_or(UINT64_MAX);
    };
    EXPECT_EQ(retry("3000"), 3000U);
    EXPECT_EQ(retry("0"), 0U);
    for (std::string_view bad : {"", "x", "1000x", "-1", "1.5", " 5", "99999999999999999999"}) {
        EXPECT_EQ(retry(bad), UINT64_MAX) << bad;
    }
}

TEST(SseDecoder, WhatWasNotCompleteIsForgottenOnReconnecting) {
    Decoder decoder(1000);
    std::string_view input = "id: 1\ndata: a\n\nid: 2\ndata: lost";
    ASSERT_EQ(decoder.next(input), Decoder::Outcome::event);
    ASSERT_EQ(decoder.next(input), Decoder::Outcome::need_input);
    decoder.reconnect();
    EXPECT_EQ(decoder.last_event_id(), "1");
    input = "\xEF\xBB\xBF"
            "data: b\n\n";
    ASSERT_EQ(decoder.next(input), Decoder::Outcome::event);
    EXPECT_EQ(decoder.data(), "b");
    EXPECT_EQ(decoder.last_event_id(), "1");
}

TEST(SseDecoder, IsBounded) {
    EXPECT_EQ(read(std::string(30, 'x'), 1, 20), "too big");
    EXPECT_EQ(read("data: 0123456789\n\n", SIZE_MAX, 20), "message|0123456789|");
    EXPECT_EQ(read("data: 0123456789\ndata: 0123456789\ndata: 0\n\n", SIZE_MAX, 20), "too big");
    std::string many;
    for (int i = 0; i < 30; ++i) many += "data\n";
    EXPECT_EQ(read(many + "\n", SIZE_MAX, 20), "too big");
}

} // namespace
} // namespace hc::sse
