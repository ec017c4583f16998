#include "core/proto/ws/decoder.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "core/base/random.hpp"
#include "tests/unit/proto/ws/support.hpp"

namespace hc::ws {
namespace {

using Events = std::vector<std::string>;

std::string text(std::string_view payload, bool fin = true) {
    return frame({.payload = payload, .fin = fin});
}
std::string more(std::string_view payload, bool fin) {
    return frame({.opcode = Opcode::continuation, .payload = payload, .fin = fin});
}
std::string control(Opcode opcode, std::string_view payload) {
    return frame({.opcode = opcode, .payload = payload});
}

TEST(WsDecoder, ReadsMessagesOfOneFrame) {
    Peer peer;
    peer.read(text("hello") + text("") + frame({.opcode = Opcode::binary, .payload = "\xFF"}));
    EXPECT_EQ(peer.reading.events, (Events{"text hello", "text ", "binary \xFF"}));
    EXPECT_TRUE(peer.decoder.idle());
}

TEST(WsDecoder, ReadsFragmentsWithControlFramesBetween) {
    for (std::size_t slice : {std::size_t{1}, std::size_t{2}, std::size_t{7}, SIZE_MAX}) {
        Peer peer;
        peer.read(text("one ", false) + control(Opcode::ping, "now") + more("two ", false) +
                      control(Opcode::pong, "") + more("", false) + more("three", true) +
                      text("next"),
                  slice);
        EXPECT_EQ(peer.reading.events,
                  (Events{"ping now", "pong ", "text one two three", "text next"}));
    }
}

TEST(WsDecoder, IsIdleBetweenMessagesHoweverTheyCome) {
    for (std::size_t slice : {std::size_t{1}, std::size_t{3}, SIZE_MAX}) {
        Peer peer;
        peer.read(text("split", false) + more("", true) + control(Opcode::ping, "p"), slice);
        std::string_view nothing;
        EXPECT_EQ(peer.decoder.next(nothing, peer.limits, peer.shop), Decoder::Event::need_input);
        EXPECT_TRUE(peer.decoder.idle()) << slice;
    }
}

TEST(WsDecoder, FramesOutOfOrderFail) {
    EXPECT_EQ(Peer().read(more("x", true)).code, code::protocol);
    EXPECT_EQ(Peer().read(more("x", false)).code, code::protocol);
    EXPECT_EQ(Peer().read(text("a", false) + text("b")).code, code::protocol);
    EXPECT_EQ(Peer().read(text("a") + more("b", true)).events, (Events{"text a", "failed 1002"}));
}

TEST(WsDecoder, NothingIsReadBehindAFailure) {
    Peer peer;
    peer.read(more("x", true) + text("late"));
    EXPECT_EQ(peer.reading.events, (Events{"failed 1002"}));
    std::string_view late = "anything";
    EXPECT_EQ(peer.decoder.next(late, peer.limits, peer.shop), Decoder::Event::failed);
}

TEST(WsDecoder, TextFailsAtItsFirstWrongByte) {
    Peer whole;
    EXPECT_EQ(whole.read(text("\xC3\x28")).code, code::bad_text);
    // The frame is not complete, and never will be.
    Peer early;
    const std::string bytes = text(std::string("good \xF4\x90\x80\x80") + std::string(500, 'x'));
    early.read(std::string_view(bytes).substr(0, 8 + 6)); // head, and up to 0xF4
    EXPECT_EQ(early.reading.code, code::none);
    early.read(std::string_view(bytes).substr(8 + 6, 1));
    EXPECT_EQ(early.reading.code, code::bad_text);
}

TEST(WsDecoder, ACharacterMayBeSplitBetweenFragments) {
    EXPECT_EQ(Peer().read(text("\xE2\x82", false) + more("\xAC", true)).events,
              (Events{"text \xE2\x82\xAC"}));
    EXPECT_EQ(Peer().read(text("\xE2\x82", false) + more("", true)).code, code::bad_text);
    EXPECT_EQ(Peer().read(text("\xE2\x82")).code, code::bad_text);
    EXPECT_EQ(Peer().read(frame({.opcode = Opcode::binary, .payload = "\xE2"})).code, code::none);
}

TEST(WsDecoder, CloseIsExamined) {
    EXPECT_EQ(Peer().read(control(Opcode::close, "")).events, (Events{"close "}));
    EXPECT_EQ(Peer().read(control(Opcode::close, "\x03\xE8ok")).events,
              (Events{"close \x03\xE8ok"}));
    EXPECT_EQ(Peer().read(control(Opcode::close, "\x03")).code, code::protocol);
    EXPECT_EQ(Peer().read(control(Opcode::close, "\x03\xED")).code, code::protocol);
    EXPECT_EQ(Peer().read(control(Opcode::close, "\x03\xE8\xFF")).code, code::bad_text);
}

TEST(WsDecoder, AMessageThatIsTooBigFailsWithItsHead) {
    Peer peer;
    peer.limits.ws_message_bytes_max = 10;
    EXPECT_EQ(peer.read(text("0123456789")).events, (Events{"text 0123456789"}));
    const std::string big = text("0123456789a");
    EXPECT_EQ(peer.read(std::string_view(big).substr(0, 6)).code, code::too_big);

    Peer pieces;
    pieces.limits.ws_message_bytes_max = 10;
    EXPECT_EQ(pieces.read(text("01234", false) + more("56789", false) + more("", false)).code,
              code::none);
    EXPECT_EQ(pieces.read(more("a", true)).code, code::too_big);
}

TEST(WsDecoder, AFrameThatIsTooBigFails) {
    Peer peer;
    peer.limits.ws_frame_bytes_max = 4;
    EXPECT_EQ(peer.read(text("0123", false) + more("4567", true)).events,
              (Events{"text 01234567"}));
    EXPECT_EQ(peer.read(text("01234")).code, code::too_big);
}

TEST(WsDecoder, TooManyFragmentsFail) {
    Peer peer;
    peer.limits.ws_fragments_max = 3;
    EXPECT_EQ(peer.read(text("a", false) + more("", false) + more("b", true)).events,
              (Events{"text ab"}));
    EXPECT_EQ(peer.read(text("", false) + more("", false) + more("", false)).code, code::none);
    EXPECT_EQ(peer.read(more("", true)).code, code::too_big);
}

TEST(WsDecoder, AHeadThatAnnouncesMuchCostsLittle) {
    Peer peer;
    peer.limits.ws_message_bytes_max = std::uint64_t{1} << 40;
    char head[frame_head_bytes_max];
    const std::uint32_t mask = 1;
    char* end = write_frame_head(head, Opcode::binary, true, false, std::uint64_t{1} << 40, &mask);
    EXPECT_EQ(peer.read({head, end}).code, code::none);
    EXPECT_EQ(peer.read("only a few bytes").code, code::none);
}

TEST(WsDecoder, AMessageCanBeTakenOver) {
    Peer peer;
    for (const std::size_t size : {std::size_t{0}, std::size_t{5}, std::size_t{300'000}}) {
        const std::string payload(size, 'q');
        const std::string bytes = text(payload, false) + more("!", true) + text("after");
        Block kept;
        std::string_view input(bytes);
        ASSERT_EQ(peer.decoder.next(input, peer.limits, peer.shop), Decoder::Event::message);
        kept = peer.shop.take_found();
        ASSERT_EQ(peer.decoder.next(input, peer.limits, peer.shop), Decoder::Event::message);
        EXPECT_TRUE(kept.view() == payload + "!");
        EXPECT_TRUE(peer.shop.take_found().view() == "after");
    }
}

// -- random messages in random pieces -------------------------------------------------------------

class Traffic {
public:
    Traffic(std::uint64_t seed, Role receiver) : random_(seed), masked_(receiver == Role::server) {}

    void message() {
        const bool is_text = random_.below(2) == 0;
        std::string payload = is_text ? some_text() : some_bytes();
        expected.push_back((is_text ? "text " : "binary ") + payload);
        std::string_view rest = payload;
        Opcode opcode = is_text ? Opcode::text : Opcode::binary;
        for (std::uint64_t cuts = random_.below(4); cuts > 0; --cuts) {
            const std::size_t n = random_.below(rest.size() + 1);
            add(opcode, rest.substr(0, n), false);
            rest.remove_prefix(n);
            opcode = Opcode::continuation;
            if (random_.below(3) == 0) interlude();
        }
        add(opcode, rest, true);
    }
    std::string bytes;
    Events expected;

private:
    void interlude() {
        const std::string payload(random_.below(126), 'c');
        const bool ping = random_.below(2) == 0;
        // It is read before the message that it interrupts.
        expected.insert(expected.end() - 1, (ping ? "ping " : "pong ") + payload);
        add(ping ? Opcode::ping : Opcode::pong, payload, true);
    }
    void add(Opcode opcode, std::string_view payload, bool fin) {
        bytes += frame({.opcode = opcode,
                        .payload = payload,
                        .fin = fin,
                        .masked = masked_,
                        .mask = static_cast<std::uint32_t>(random_.next())});
    }
    std::string some_text() {
        std::string out;
        for (std::uint64_t n = random_.below(300); n > 0; --n) {
            out += random_.below(5) == 0 ? "\xE2\x82\xAC" : "t";
        }
        return out;
    }
    std::string some_bytes() {
        static constexpr std::size_t sizes[] = {0, 1, 125, 126, 127, 4096, 65535, 65536, 70000};
        std::string out(sizes[random_.below(9)], '\0');
        for (char& c : out) c = static_cast<char>(random_.next());
        return out;
    }
    Random random_;
    bool masked_;
};

TEST(WsDecoder, AnySlicesOfAnyMessagesReadTheSame) {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        const Role role = seed % 2 == 0 ? Role::server : Role::client;
        Traffic traffic(seed, role);
        for (int i = 0; i < 12; ++i) traffic.message();
        Random random(seed * 31);
        Peer peer(role);
        std::string_view rest = traffic.bytes;
        const std::uint64_t most = seed % 4 == 0 ? 7 : 3000;
        while (!rest.empty()) {
            const std::size_t n = 1 + random.below(most);
            peer.read(rest.substr(0, n));
            rest.remove_prefix(std::min(n, rest.size()));
        }
        ASSERT_TRUE(peer.reading.events == traffic.expected) << seed;
        std::string_view nothing;
        peer.decoder.next(nothing, peer.limits, peer.shop);
        ASSERT_TRUE(peer.decoder.idle());
    }
}

TEST(WsDecoder, RandomBytesNeverDoHarm) {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        Random random(seed);
        Traffic traffic(seed, Role::server);
        traffic.message();
        traffic.message();
        std::string bytes = traffic.bytes.substr(0, 2000);
        for (std::uint64_t n = 1 + random.below(8); n > 0; --n) {
            bytes[random.below(bytes.size())] = static_cast<char>(random.next());
        }
        Peer one(Role::server, {.bits = 15, .takeover = seed % 2 == 0});
        Peer other(Role::server, {.bits = 15, .takeover = seed % 2 == 0});
        one.read(bytes);
        other.read(bytes, 1);
        ASSERT_TRUE(one.reading.events == other.reading.events) << seed;
    }
}

} // namespace
} // namespace hc::ws
