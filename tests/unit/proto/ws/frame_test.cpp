#include "core/proto/ws/frame.hpp"

#include <gtest/gtest.h>

#include "core/base/random.hpp"
#include "core/proto/ws/utf8.hpp"
#include "tests/unit/proto/ws/support.hpp"

namespace hc::ws {
namespace {

std::string unmasked(Opcode opcode, std::string_view payload, bool fin = true) {
    return frame({.opcode = opcode, .payload = payload, .fin = fin, .masked = false});
}

// The examples of RFC 6455, section 5.7.
TEST(WsFrame, WritesTheExamplesOfTheStandard) {
    EXPECT_EQ(unmasked(Opcode::text, "Hello"), "\x81\x05Hello");
    const std::uint8_t key[] = {0x37, 0xfa, 0x21, 0x3d};
    std::uint32_t mask = 0;
    std::memcpy(&mask, key, 4);
    EXPECT_EQ(frame({.payload = "Hello", .mask = mask}),
              std::string_view("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11));
    EXPECT_EQ(unmasked(Opcode::text, "Hel", false), std::string_view("\x01\x03Hel"));
    EXPECT_EQ(unmasked(Opcode::continuation, "lo"), std::string_view("\x80\x02lo"));
    EXPECT_EQ(unmasked(Opcode::ping, "Hello"), "\x89\x05Hello");
    const std::string longer = unmasked(Opcode::binary, std::string(256, 'x'));
    EXPECT_EQ(longer.substr(0, 4), std::string_view("\x82\x7E\x01\x00", 4));
    const std::string longest = unmasked(Opcode::binary, std::string(65536, 'x'));
    EXPECT_EQ(longest.substr(0, 10),
              std::string_view("\x82\x7F\x00\x00\x00\x00\x00\x01\x00\x00", 10));
}

TEST(WsFrame, ReadsWhatItWrites) {
    for (std::uint64_t size : {0ULL, 1ULL, 125ULL, 126ULL, 65535ULL, 65536ULL, 1ULL << 40}) {
        for (bool masked : {false, true}) {
            const std::uint32_t mask = 0xdeadbeef;
            char bytes[frame_head_bytes_max];
            const char* end = write_frame_head(bytes, Opcode::binary, size % 2 == 0, true, size,
                                               masked ? &mask : nullptr);
            const std::string_view head(bytes, end);
            EXPECT_EQ(frame_head_bytes(head), head.size());
            const Role reader = masked ? Role::server : Role::client;
            EXPECT_EQ(examine_frame_head(head, reader, true).code, code::none);
            const FrameHead read = read_frame_head(bytes);
            EXPECT_EQ(read.size, size);
            EXPECT_EQ(read.opcode, Opcode::binary);
            EXPECT_EQ(read.fin, size % 2 == 0);
            EXPECT_EQ(read.masked, masked);
            EXPECT_EQ(read.mask, masked ? mask : 0);
            EXPECT_TRUE(read.compressed);
        }
    }
}

TEST(WsFrame, WhatIsWrongIsFoundOutEarly) {
    const auto judge = [](std::string_view bytes, bool may_compress = false) {
        return examine_frame_head(bytes, Role::server, may_compress).code;
    };
    EXPECT_EQ(judge(""), code::none);
    EXPECT_EQ(judge("\x81"), code::none);
    EXPECT_EQ(judge("\xC1"), code::protocol) << "RSV1";
    EXPECT_EQ(judge("\xC1", true), code::none);
    EXPECT_EQ(judge("\xC9", true), code::protocol) << "a compressed ping";
    EXPECT_EQ(judge("\xC0", true), code::protocol) << "a compressed continuation";
    EXPECT_EQ(judge("\xA1", true), code::protocol) << "RSV2";
    EXPECT_EQ(judge("\x91", true), code::protocol) << "RSV3";
    for (int opcode : {3, 4, 5, 6, 7, 11, 12, 13, 14, 15}) {
        const char first = static_cast<char>(0x80 | opcode);
        EXPECT_EQ(judge({&first, 1}), code::protocol) << opcode;
    }
    EXPECT_EQ(judge("\x09"), code::protocol) << "a ping in fragments";
    EXPECT_EQ(judge("\x89\xFE"), code::protocol) << "a long ping";
    EXPECT_EQ(judge("\x81\x05"), code::protocol) << "without a mask";
    EXPECT_EQ(examine_frame_head("\x81\x85", Role::client, false).code, code::protocol);
    EXPECT_EQ(judge({"\x82\xFE\x00\x7D", 4}), code::protocol) << "125 in two bytes";
    EXPECT_EQ(judge({"\x82\xFE\x00\x7E", 4}), code::none);
    EXPECT_EQ(judge({"\x82\xFF\0\0\0\0\0\0\xFF\xFF", 10}), code::protocol) << "in eight bytes";
    EXPECT_EQ(judge({"\x82\xFF\0\0\0\0\0\1\0\0", 10}), code::none);
    EXPECT_EQ(judge({"\x82\xFF\x80\0\0\0\0\0\0\0", 10}), code::protocol) << "64 bits";
}

TEST(WsFrame, AMaskIsTheSameInPiecesOfAnySize) {
    Random random(7);
    std::string text(3000, '\0');
    for (char& c : text) c = static_cast<char>(random.next());
    const std::uint32_t mask = 0x9a3c71e5;
    char key[4];
    std::memcpy(key, &mask, 4);
    std::string expected = text;
    for (std::size_t i = 0; i < text.size(); ++i) {
        expected[i] = static_cast<char>(expected[i] ^ key[i % 4]);
    }
    for (int round = 0; round < 200; ++round) {
        std::string made(text.size(), '\0');
        for (std::size_t at = 0; at < text.size();) {
            const std::size_t n = std::min<std::size_t>(random.below(40), text.size() - at);
            apply_mask(made.data() + at, text.data() + at, n, mask, at);
            at += n;
        }
        ASSERT_TRUE(made == expected);
    }
    apply_mask(text.data(), text.data(), text.size(), mask, 0);
    EXPECT_TRUE(text == expected) << "in place";
}

TEST(WsFrame, WhatACloseSays) {
    const auto read = [](std::string_view payload) {
        CloseText text;
        const Failure bad = read_close(payload, text);
        return bad.code != 0 ? -static_cast<int>(bad.code) : static_cast<int>(text.code);
    };
    EXPECT_EQ(read(""), code::absent);
    EXPECT_EQ(read("\x03"), -code::protocol);
    EXPECT_EQ(read("\x03\xE8"), 1000);
    EXPECT_EQ(read("\x03\xE8"
                   "bye"),
              1000);
    EXPECT_EQ(read("\x03\xE8\xC3"), -code::bad_text);
    for (int good : {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000,
                     3999, 4000, 4999}) {
        const char bytes[] = {static_cast<char>(good >> 8), static_cast<char>(good)};
        EXPECT_EQ(read({bytes, 2}), good);
    }
    for (int bad : {0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535}) {
        const char bytes[] = {static_cast<char>(bad >> 8), static_cast<char>(bad)};
        EXPECT_EQ(read({bytes, 2}), -code::protocol) << bad;
    }
}

TEST(WsFrame, AReasonIsCutBetweenCharacters) {
    char out[control_bytes_max];
    std::string reason;
    for (int i = 0; i < 60; ++i) reason += "\xE2\x82\xAC"; // 180 bytes
    const char* end = write_close(out, 1000, reason);
    CloseText text;
    EXPECT_EQ(read_close({out, end}, text).code, code::none);
    EXPECT_EQ(text.reason.size(), 123U);
    EXPECT_EQ(write_close(out, code::absent, ""), out);
    const std::string crooked = "x" + reason;
    end = write_close(out, 1000, crooked);
    EXPECT_EQ(read_close({out, end}, text).code, code::none);
    EXPECT_EQ(text.reason.size(), 121U);
}

// -- UTF-8 ----------------------------------------------------------------------------------------

TEST(WsUtf8, KnowsTextFromBytes) {
    for (std::string_view good :
         {"", "plain", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
          "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF", "\xCE\xBA\xE1\xBD\xB9"}) {
        EXPECT_TRUE(is_utf8(good)) << good;
    }
    for (std::string_view bad :
         {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2\x41", "\xE0\x80\x80",
          "\xE0\x9F\xBF", "\xED\xA0\x80", "\xED\xBF\xBF", "\xE1\x80", "\xF0\x80\x80\x80",
          "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFE", "\xFF",
          "\xF8\x88\x80\x80\x80"}) {
        EXPECT_FALSE(is_utf8(bad));
    }
}

/// The definition, written down as it is: decoded, in range, and in its shortest form.
bool is_utf8_by_definition(std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        const auto first = static_cast<std::uint8_t>(text[i]);
        std::size_t n = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : 4;
        if (n == 4 && first >> 3 != 30) return false;
        if (i + n > text.size()) return false;
        std::uint32_t value = n == 1 ? first : first & (0x7FU >> n);
        for (std::size_t j = 1; j < n; ++j) {
            const auto next = static_cast<std::uint8_t>(text[i + j]);
            if (next >> 6 != 2) return false;
            value = value << 6 | (next & 0x3FU);
        }
        const std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        if (value < least[n] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) {
            return false;
        }
        i += n;
    }
    return true;
}

TEST(WsUtf8, AgreesWithTheDefinitionAlsoInPieces) {
    Random random(11);
    int good = 0;
    for (int round = 0; round < 20000; ++round) {
        std::string text(random.below(6), 'a'); // some ASCII before
        if (round % 3 == 0) text.append(random.below(80), 'b');
        for (std::uint64_t n = random.below(4); n > 0; --n) {
            static constexpr std::string_view seeds[] = {"\xE2\x82\xAC", "\xF0\x9F\x98\x80",
                                                         "\xC3\xA9", "\xED\x9F\xBF"};
            text += seeds[random.below(4)];
        }
        if (!text.empty() && round % 2 == 0) {
            text[random.below(text.size())] = static_cast<char>(random.next());
        }
        const bool expected = is_utf8_by_definition(text);
        good += expected ? 1 : 0;
        ASSERT_EQ(is_utf8(text), expected) << round;
        Utf8 pieces;
        bool fed = true;
        for (std::size_t at = 0; at < text.size() && fed;) {
            const std::size_t n = 1 + random.below(5);
            fed = pieces.feed(std::string_view(text).substr(at, n));
            at += n;
        }
        ASSERT_EQ(fed && pieces.complete(), expected) << round;
    }
    EXPECT_GT(good, 1000);
    EXPECT_LT(good, 19000);
}

} // namespace
} // namespace hc::ws
