#include "core/proto/ws/deflate.hpp"

#include <gtest/gtest.h>

#include "core/base/random.hpp"
#include "tests/unit/proto/ws/support.hpp"

namespace hc::ws {
namespace {

constexpr Deflate::Direction alone{.bits = 15, .takeover = false};
constexpr Deflate::Direction takeover{.bits = 15, .takeover = true};

std::string compressed(Deflater& deflater, std::string_view message) {
    Block out;
    deflater.compress(message, out);
    return std::string(out.view());
}
std::string packed(std::string_view payload, Opcode opcode = Opcode::text, bool fin = true) {
    return frame({.opcode = opcode, .payload = payload, .fin = fin, .compressed = true});
}

// RFC 7692, section 7.2.3.
TEST(WsDeflate, ReadsTheExamplesOfTheStandard) {
    Peer peer(Role::server, takeover);
    const std::string_view one("\xf2\x48\xcd\xc9\xc9\x07\x00", 7);
    peer.read(packed(one));
    peer.read(packed(one.substr(0, 3), Opcode::text, false) +
              frame({.opcode = Opcode::continuation, .payload = one.substr(3)}));
    peer.read(packed({"\xf2\x00\x11\x00\x00", 5}));                                  // refers back
    peer.read(packed({"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", 11}));         // stored
    peer.read(packed({"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8}));                      // a last block
    peer.read(packed({"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", 13})); // two blocks
    ASSERT_EQ(peer.reading.events.size(), 6U);
    for (const std::string& event : peer.reading.events) EXPECT_EQ(event, "text Hello");
}

TEST(WsDeflate, WritesTheExampleOfTheStandard) {
    Deflater deflater(15, {});
    EXPECT_EQ(compressed(deflater, "Hello"), std::string_view("\xf2\x48\xcd\xc9\xc9\x07\x00", 7));
    EXPECT_EQ(compressed(deflater, "Hello"), std::string_view("\xf2\x00\x11\x00\x00", 5));
    deflater.begin_anew();
    EXPECT_EQ(compressed(deflater, ""), std::string_view("\0", 1));
    EXPECT_EQ(compressed(deflater, ""), std::string_view("\0", 1));
}

TEST(WsDeflate, MessagesComeBackWithAndWithoutContext) {
    for (const bool keeps : {false, true}) {
        for (std::uint8_t bits = window_bits_min; bits <= window_bits_max; ++bits) {
            Random random(bits);
            Deflater deflater(bits, {.level = 1});
            Peer peer(Role::server, {.bits = bits, .takeover = keeps});
            std::vector<std::string> expected;
            for (const std::size_t size : {0UL, 1UL, 100UL, 5000UL, 200'000UL, 0UL, 3000UL}) {
                std::string message(size, '\0');
                for (char& c : message) c = static_cast<char>('a' + random.below(20));
                expected.push_back("text " + message);
                peer.read(packed(compressed(deflater, message)), 1 + random.below(9000));
                if (!keeps) deflater.begin_anew();
            }
            ASSERT_TRUE(peer.reading.events == expected) << int{bits};
        }
    }
}

TEST(WsDeflate, AMessageFromNothingIsReadByWhoeverKeepsContext) {
    // What topics rely on: shared messages between those of the connection's own context, which
    // begins anew behind each of them.
    Deflater own(15, {});
    Deflater shared(15, {});
    Peer peer(Role::client, takeover);
    const auto give = [&](const std::string& payload) {
        peer.read(frame({.payload = payload, .compressed = true, .masked = false}));
    };
    const std::string message = "the same words again and again";
    give(compressed(own, message));
    give(compressed(own, message));
    give(compressed(shared, message));
    own.begin_anew();
    give(compressed(own, message));
    give(compressed(own, message));
    ASSERT_EQ(peer.reading.events.size(), 5U);
    for (const std::string& event : peer.reading.events) EXPECT_EQ(event, "text " + message);
}

TEST(WsDeflate, ABombFailsBeforeItIsInflated) {
    Deflater deflater(15, {.level = 9});
    const std::string bomb = compressed(deflater, std::string(4 << 20, 'b'));
    EXPECT_LT(bomb.size(), 8000U);
    Peer peer(Role::server, alone);
    peer.limits.ws_message_bytes_max = 100'000;
    EXPECT_EQ(peer.read(packed(bomb)).code, code::too_big);
    EXPECT_LE(peer.shop.inflated().capacity(), 400'000U);
}

TEST(WsDeflate, ExactlyTheLimitIsAllowed) {
    for (const std::size_t more : {0UL, 1UL}) {
        Deflater deflater(15, {});
        Peer peer(Role::server, alone);
        peer.limits.ws_message_bytes_max = 70'000;
        peer.read(packed(compressed(deflater, std::string(70'000 + more, 'x'))));
        EXPECT_EQ(peer.reading.code, more == 0 ? code::none : code::too_big);
    }
}

TEST(WsDeflate, WhatCannotBeInflatedFails) {
    EXPECT_EQ(Peer(Role::server, alone).read(packed("\xFF\xFF\xFF")).code, code::bad_text);
    EXPECT_EQ(Peer(Role::server, alone).read(packed({"\xf2\x00\x11\x00\x00", 5})).code,
              code::bad_text)
        << "it refers to what was forgotten";
    Deflater deflater(15, {});
    EXPECT_EQ(Peer(Role::server, alone).read(packed(compressed(deflater, "\xC3\x28"))).code,
              code::bad_text);
}

TEST(WsDeflate, UncompressedMessagesMayComeBetween) {
    Deflater deflater(15, {});
    Peer peer(Role::server, takeover);
    peer.read(packed(compressed(deflater, "one")) + frame({.payload = "plain"}) +
              packed(compressed(deflater, "one")));
    EXPECT_EQ(peer.reading.events,
              (std::vector<std::string>{"text one", "text plain", "text one"}));
}

// -- negotiation ----------------------------------------------------------------------------------

std::string answer_to(std::string_view offers, const DeflateSettings& settings) {
    Extensions found;
    choose_extensions(offers, settings, found);
    return found.malformed ? "malformed" : extensions_answer(found);
}

constexpr DeflateSettings keeping{.context_takeover = true};

TEST(WsExtensions, AnOfferIsAnswered) {
    EXPECT_EQ(answer_to("permessage-deflate", keeping), "permessage-deflate");
    EXPECT_EQ(answer_to("permessage-deflate", {}),
              "permessage-deflate; server_no_context_takeover; client_no_context_takeover");
    EXPECT_EQ(answer_to("permessage-deflate; client_max_window_bits", keeping),
              "permessage-deflate");
    EXPECT_EQ(
        answer_to("permessage-deflate; client_max_window_bits=10; server_max_window_bits=\"9\"",
                  keeping),
        "permessage-deflate; server_max_window_bits=9; client_max_window_bits=10");
    EXPECT_EQ(answer_to("permessage-deflate; server_no_context_takeover", keeping),
              "permessage-deflate; server_no_context_takeover");
    EXPECT_EQ(answer_to("permessage-deflate; client_no_context_takeover", keeping),
              "permessage-deflate; client_no_context_takeover");
    DeflateSettings small = keeping;
    small.window_bits = 11;
    EXPECT_EQ(answer_to("permessage-deflate", small),
              "permessage-deflate; server_max_window_bits=11");
    EXPECT_EQ(answer_to("permessage-deflate; client_max_window_bits=8", small),
              "permessage-deflate; server_max_window_bits=11")
        << "no larger one may be named, and none of 8 bits is asked for";
    EXPECT_EQ(answer_to("permessage-deflate; client_max_window_bits", small),
              "permessage-deflate; server_max_window_bits=11; client_max_window_bits=11");
    DeflateSettings off;
    off.enabled = false;
    EXPECT_EQ(answer_to("permessage-deflate", off), "");
}

TEST(WsExtensions, OffersThatCannotBeKeptArePassedOver) {
    for (std::string_view bad :
         {"permessage-deflate; unknown", "permessage-deflate; server_max_window_bits",
          "permessage-deflate; server_max_window_bits=7",
          "permessage-deflate; server_max_window_bits=16",
          "permessage-deflate; server_max_window_bits=010",
          "permessage-deflate; server_max_window_bits=8",
          "permessage-deflate; client_max_window_bits=99",
          "permessage-deflate; server_no_context_takeover=1",
          "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
          "permessage-deflate; client_max_window_bits; client_max_window_bits=12",
          "x-webkit-deflate-frame", "", ",,"}) {
        EXPECT_EQ(answer_to(bad, keeping), "") << bad;
    }
    EXPECT_EQ(answer_to("foo; a=\"b\", permessage-deflate; server_max_window_bits=8, "
                        "permessage-deflate; client_max_window_bits=9, permessage-deflate",
                        keeping),
              "permessage-deflate; client_max_window_bits=9");
}

TEST(WsExtensions, WhatIsNoListIsMalformed) {
    for (std::string_view bad :
         {";", "permessage-deflate;", "permessage-deflate; =1",
          "permessage-deflate; a=", "permessage-deflate; a=\"b", "permessage-deflate; a=\"b c\"",
          "permessage-deflate foo", "a; b=\"\"", "=", "(x)"}) {
        EXPECT_EQ(answer_to(bad, keeping), "malformed") << bad;
    }
    EXPECT_EQ(answer_to("a; b=\"c\\d\" , permessage-deflate", keeping), "permessage-deflate");
}

TEST(WsExtensions, AClientReadsTheAnswer) {
    EXPECT_EQ(extensions_offer(keeping), "permessage-deflate; client_max_window_bits");
    const auto agreed = read_extensions_answer(
        "permessage-deflate; server_no_context_takeover; client_max_window_bits=12", keeping);
    ASSERT_TRUE(agreed.has_value());
    EXPECT_EQ(agreed->client.bits, 12);
    EXPECT_TRUE(agreed->client.takeover);
    EXPECT_EQ(agreed->server.bits, 15);
    EXPECT_FALSE(agreed->server.takeover);
    ASSERT_TRUE(read_extensions_answer("", keeping).has_value());
    EXPECT_FALSE(read_extensions_answer("", keeping)->agreed());
    for (std::string_view bad :
         {"foo", "permessage-deflate, permessage-deflate", "permessage-deflate; what",
          "permessage-deflate; client_max_window_bits",
          "permessage-deflate; client_max_window_bits=8"}) {
        EXPECT_FALSE(read_extensions_answer(bad, keeping).has_value()) << bad;
    }
    EXPECT_FALSE(read_extensions_answer("permessage-deflate", {}).has_value())
        << "the server would take its context over";
    EXPECT_TRUE(
        read_extensions_answer("permessage-deflate; server_no_context_takeover", {}).has_value());
}

} // namespace
} // namespace hc::ws
