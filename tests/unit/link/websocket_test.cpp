// A WebSocket over a driver of HTTP/1.1 in the simulated world.
#include "core/link/websocket.hpp"

#include <gtest/gtest.h>

#include "core/link/shared_message.hpp"
#include "tests/unit/link/house.hpp"
#include "tests/unit/proto/ws/support.hpp"

namespace hc::link::test {
namespace {

using ws::Frame;
using ws::frame;
using ws::Opcode;

const std::string opening = "GET /ws HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\n"
                            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const std::string switched =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
    "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

std::string text(std::string_view payload) { return frame({.payload = payload}); }
std::string control(Opcode opcode, std::string_view payload = {}) {
    return frame({.opcode = opcode, .payload = payload});
}
/// As a server sends it.
std::string plain(Opcode opcode, std::string_view payload) {
    return frame({.opcode = opcode, .payload = payload, .masked = false});
}
std::string closing(std::uint16_t code, std::string_view reason = {}) {
    char out[ws::control_bytes_max];
    return {out, ws::write_close(out, code, reason)};
}

/// A house whose exchanges become WebSockets; what they tell is written down.
class Room : public WebSocketUser {
public:
    explicit Room(std::uint64_t credit = UINT64_MAX) {
        house.script.on_head = [this, credit](Exchange& exchange, Record&) {
            result = WebSocket::accept(exchange, terms, *this);
            if (result != ErrorKind::ok) {
                EXPECT_EQ(WebSocket::refuse(exchange, result, {}), ErrorKind::ok);
            } else if (credit > 0) {
                EXPECT_EQ(WebSocket::of(exchange)->grant(credit), ErrorKind::ok);
            }
        };
        house.script.on_room = [this](Exchange&, Record&) { log += "W "; };
    }
    WebSocket& socket() { return *WebSocket::of(*house.record(0).exchange); }
    /// A peer that has opened a WebSocket, and has read the answer's head.
    std::unique_ptr<sim::Peer> join(const std::string& more = {}) {
        auto peer = house.connect(opening + more + "\r\n");
        EXPECT_TRUE(house.until([&] { return has(peer->received(), "\r\n\r\n"); }, 1s));
        answer = peer->take_received();
        return peer;
    }
    std::string answer_in(const std::string& more) {
        join(more);
        return answer;
    }
    bool ended() {
        return house.until([&] { return house.record(0).end.has_value(); }, 10min);
    }

    void on_message(Exchange& exchange, Opcode opcode, std::string_view bytes) override {
        EXPECT_FALSE(inside);
        inside = true;
        log.append(opcode == Opcode::text ? "t:" : "b:").append(bytes.substr(0, 30)) += ' ';
        received += bytes.size();
        if (on_each) on_each(exchange, bytes);
        inside = false;
    }
    void on_ws_closed(Exchange& exchange, const WebSocketEnd& end) override {
        EXPECT_FALSE(inside);
        log += (end.clean ? "clean " : "lost ") + std::to_string(end.code) + " ";
        if (!end.reason.empty()) log.append(end.reason) += ' ';
        if (on_end) on_end(exchange);
    }
    bool keeps_messages() const noexcept override { return keeps; }

    std::string log;
    std::string answer;
    std::uint64_t received = 0;
    std::function<void(Exchange&, std::string_view)> on_each;
    std::function<void(Exchange&)> on_end;
    WebSocket::Terms terms;
    ErrorKind result = ErrorKind::ok;
    bool keeps = false;
    bool inside = false;
    House house;
};

void echo(Exchange& exchange, std::string_view bytes) {
    EXPECT_EQ(WebSocket::of(exchange)->send(Opcode::text, bytes), ErrorKind::ok);
}

TEST(WebSocket, OpensEchoesAndCloses) {
    Room room;
    room.on_each = echo;
    auto peer = room.join();
    EXPECT_EQ(room.answer, switched + "\r\n");
    peer->send(text("hello") + control(Opcode::ping, "are you there"));
    room.house.turn_for(1s);
    EXPECT_EQ(peer->take_received(),
              plain(Opcode::text, "hello") + plain(Opcode::pong, "are you there"));
    peer->send(control(Opcode::close, closing(1000, "bye")));
    ASSERT_TRUE(room.house.until([&] { return peer->ended(); }, 1s)) << "the server ends first";
    EXPECT_EQ(peer->take_received(), plain(Opcode::close, closing(1000)));
    EXPECT_EQ(room.log, "t:hello clean 1000 bye ");
    EXPECT_FALSE(room.house.record(0).end);
    peer->shutdown_write();
    ASSERT_TRUE(room.ended());
    EXPECT_EQ(room.house.record(0).end, ErrorKind::ok);
    EXPECT_EQ(room.house.counters.websockets_open.get(), 0U);
}

TEST(WebSocket, FramesInTheSliceOfTheRequestAreRead) {
    Room room;
    auto peer = room.house.connect(opening + "\r\n" + text("early"));
    ASSERT_TRUE(room.house.until([&] { return room.log == "t:early "; }, 1s)) << room.log;
}

TEST(WebSocket, RequestsThatAreNoneAreRefused) {
    Room room;
    EXPECT_TRUE(has(room.house.talk("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
                    "HTTP/1.1 426 Upgrade Required\r\n"));
    EXPECT_EQ(room.result, ErrorKind::unsupported);
    std::string old = opening;
    old.replace(old.find("13\r\n"), 2, "12");
    auto peer = room.house.connect(old + "\r\n");
    ASSERT_TRUE(room.house.until([&] { return has(peer->received(), "\r\n\r\n"); }, 1s));
    EXPECT_TRUE(has(peer->received(), "HTTP/1.1 426 "));
    EXPECT_TRUE(has(peer->received(), "sec-websocket-version: 13\r\n"));
    EXPECT_TRUE(has(room.answer_in("Sec-WebSocket-Version: 13\r\n"), "HTTP/1.1 400 "));
    room.terms.protocol = "chat";
    EXPECT_TRUE(has(room.answer_in(""), "HTTP/1.1 400 "));
    EXPECT_EQ(room.result, ErrorKind::invalid);
    EXPECT_TRUE(has(room.answer_in("Sec-WebSocket-Protocol: a, chat\r\n"),
                    "\r\nsec-websocket-protocol: chat\r\n"));
    const http::Field stranger("Sec-WebSocket-Accept", "x");
    room.terms = {.fields = {&stranger, 1}};
    room.join();
    EXPECT_EQ(room.result, ErrorKind::invalid);
}

TEST(WebSocket, OriginsAreJudged) {
    WebSocketSettings settings;
    settings.origins = {"same", "https://friend.example"};
    Room room;
    room.house.context().websocket_settings = &settings;
    EXPECT_TRUE(has(room.answer_in("Origin: https://evil.example\r\n"), "HTTP/1.1 403 "));
    EXPECT_TRUE(has(room.answer_in("Origin: http://example.com\r\n"), "HTTP/1.1 101 "));
    EXPECT_TRUE(has(room.answer_in("Origin: https://friend.example\r\n"), "HTTP/1.1 101 "));
    EXPECT_TRUE(has(room.answer_in(""), "HTTP/1.1 101 "));
}

TEST(WebSocket, ABrokenRuleIsAnsweredWithItsCode) {
    const struct {
        std::string bytes;
        std::uint16_t code;
    } cases[] = {
        {frame({.payload = "x", .masked = false}), 1002},
        {control(static_cast<Opcode>(11)), 1002},
        {frame({.opcode = Opcode::continuation, .payload = "x"}), 1002},
        {text("\xC3\x28"), 1007},
        {frame({.opcode = Opcode::binary, .payload = std::string(2000, 'x')}), 1009},
        {control(Opcode::close, "x"), 1002},
        {control(Opcode::close, closing(1000, "\xFF")), 1007},
    };
    for (const auto& c : cases) {
        Room room;
        room.house.limits.ws_message_bytes_max = 1000;
        auto peer = room.join();
        peer->send(text("fine") + c.bytes + text("never read"));
        ASSERT_TRUE(room.house.until([&] { return peer->ended(); }, 1s)) << c.code;
        const std::string got = peer->take_received();
        ASSERT_GT(got.size(), 4U);
        EXPECT_EQ(got.substr(0, 1), "\x88");
        EXPECT_EQ(got.substr(2, 2), closing(c.code));
        EXPECT_TRUE(room.log.starts_with("t:fine lost " + std::to_string(c.code))) << room.log;
        peer->shutdown_write();
        ASSERT_TRUE(room.ended());
        EXPECT_EQ(room.house.record(0).end, ErrorKind::protocol);
    }
}

TEST(WebSocket, OurCloseWaitsForThePeers) {
    Room room;
    auto peer = room.join();
    EXPECT_EQ(room.socket().send(Opcode::text, "last"), ErrorKind::ok);
    EXPECT_EQ(room.socket().close(2999, {}), ErrorKind::invalid);
    EXPECT_EQ(room.socket().close(1000, std::string(124, 'x')), ErrorKind::invalid);
    EXPECT_EQ(room.socket().close(4001, "enough"), ErrorKind::ok);
    EXPECT_EQ(room.socket().close(1000, {}), ErrorKind::closed);
    EXPECT_EQ(room.socket().send(Opcode::text, "no"), ErrorKind::closed);
    room.house.turn_for(10ms);
    EXPECT_EQ(peer->take_received(),
              plain(Opcode::text, "last") + plain(Opcode::close, closing(4001, "enough")));
    peer->send(text("crossing") + control(Opcode::close, closing(4001)));
    ASSERT_TRUE(room.house.until([&] { return peer->ended(); }, 1s));
    EXPECT_EQ(peer->take_received(), "");
    EXPECT_EQ(room.log, "t:crossing clean 4001 ");
    peer->shutdown_write();
    ASSERT_TRUE(room.ended());
    EXPECT_EQ(room.house.record(0).end, ErrorKind::ok);
}

TEST(WebSocket, AReasonIsText) {
    Room room;
    auto peer = room.join();
    EXPECT_EQ(room.socket().close(1000, "\xff\xfe"), ErrorKind::invalid);
    EXPECT_EQ(room.socket().close(1000, "tsch\xc3\xbcss"), ErrorKind::ok);
    room.house.turn_for(1s);
    EXPECT_EQ(peer->take_received(), plain(Opcode::close, closing(1000, "tsch\xc3\xbcss")));
}

TEST(WebSocket, APeerThatNeverClosesIsGivenUp) {
    for (const bool answers : {false, true}) {
        Room room;
        room.house.limits.ws_close_timeout_ms = 3000;
        auto peer = room.join();
        room.socket().close(1000, {});
        if (answers) peer->send(control(Opcode::close, closing(1000)));
        room.house.turn_for(2900ms);
        EXPECT_FALSE(room.house.record(0).end);
        room.house.turn_for(200ms);
        ASSERT_TRUE(room.house.record(0).end);
        EXPECT_EQ(*room.house.record(0).end, answers ? ErrorKind::ok : ErrorKind::timeout);
        EXPECT_EQ(room.log, answers ? "clean 1000 " : "lost 1006 ");
    }
}

TEST(WebSocket, WhatComesBeforeOurCloseMayTakeItsTime) {
    for (const std::size_t size : {2'000, 1'000'000}) { // what the kernel takes, and more
        Room room;
        room.house.limits.ws_close_timeout_ms = 3000;
        auto peer = room.join();
        peer->pause_reading();
        const std::string message(size, 'm');
        ASSERT_EQ(room.socket().send(Opcode::binary, message), ErrorKind::ok);
        ASSERT_EQ(room.socket().close(1000, {}), ErrorKind::ok);
        room.house.turn_for(10s);
        peer->resume_reading();
        const std::string all =
            plain(Opcode::binary, message) + plain(Opcode::close, closing(1000));
        ASSERT_TRUE(room.house.until([&] { return peer->received().size() == all.size(); }, 1min));
        EXPECT_TRUE(peer->received() == all);
        EXPECT_EQ(size > 100'000, !room.house.record(0).end) << "only what the kernel has is left";
        peer->send(control(Opcode::close, closing(1000)));
        peer->shutdown_write();
        ASSERT_TRUE(room.ended());
    }
}

TEST(WebSocket, ALostConnectionIsTold) {
    for (const bool in_order : {false, true}) {
        Room room;
        auto peer = room.join();
        if (in_order) {
            peer->send(text("x"));
            peer->shutdown_write();
        } else {
            peer->reset();
        }
        ASSERT_TRUE(room.ended());
        EXPECT_EQ(room.log, in_order ? "t:x lost 1006 " : "lost 1006 ");
        EXPECT_EQ(room.house.record(0).end, ErrorKind::reset);
    }
}

TEST(WebSocket, ASilentPeerIsPingedThenGivenUp) {
    Room room;
    room.house.limits.ws_ping_interval_ms = 30'000;
    room.house.limits.ws_pong_timeout_ms = 20'000;
    auto peer = room.join();
    room.house.turn_for(20s);
    peer->send(text("alive"));
    room.house.turn_for(25s);
    EXPECT_EQ(peer->take_received(), "");
    room.house.turn_for(6s);
    EXPECT_EQ(peer->take_received(), plain(Opcode::ping, ""));
    peer->send(control(Opcode::pong));
    room.house.turn_for(29s);
    EXPECT_EQ(peer->take_received(), "");
    room.house.turn_for(2s);
    EXPECT_EQ(peer->take_received(), plain(Opcode::ping, ""));
    room.house.turn_for(19s);
    EXPECT_FALSE(room.house.record(0).end);
    room.house.turn_for(2s);
    ASSERT_TRUE(room.house.record(0).end);
    EXPECT_EQ(*room.house.record(0).end, ErrorKind::timeout);
    EXPECT_EQ(room.log, "t:alive lost 1006 ");
}

TEST(WebSocket, NothingIsDeliveredWithoutCredit) {
    Room room(0);
    auto peer = room.join();
    peer->send(text("one") + text("twotwo") + text("three") + text("4"));
    room.house.turn_for(1s);
    EXPECT_EQ(room.log, "");
    room.socket().grant(1); // taken beyond: 2 are owed
    room.house.turn_for(1s);
    EXPECT_EQ(room.log, "t:one ");
    room.socket().grant(2);
    room.house.turn_for(1s);
    EXPECT_EQ(room.log, "t:one ");
    room.socket().grant(1);
    room.house.turn_for(1s);
    EXPECT_EQ(room.log, "t:one t:twotwo ");
    room.socket().grant(UINT64_MAX);
    room.house.turn_for(1s);
    EXPECT_EQ(room.log, "t:one t:twotwo t:three t:4 ");
}

TEST(WebSocket, CreditOfBeforeIsCreditOfMessages) {
    Room room(0);
    room.house.script.on_head = [&](Exchange& exchange, Record&) {
        EXPECT_EQ(exchange.grant(5), ErrorKind::ok);
        EXPECT_EQ(WebSocket::accept(exchange, {}, room), ErrorKind::ok);
    };
    auto peer = room.join();
    peer->send(text("one") + text("two") + text("three"));
    room.house.turn_for(1s);
    EXPECT_EQ(room.log, "t:one t:two ");
    peer->send(frame({.opcode = Opcode::binary, .payload = std::string(2'000'000, 'x')}));
    room.house.turn_for(1s);
    EXPECT_GT(peer->unsent(), 1'000'000U);
    Script::release(room.house.record(0));
}

TEST(WebSocket, WithoutCreditControlFramesAreAnsweredStill) {
    Room room(0);
    auto peer = room.join();
    peer->send(control(Opcode::ping, "p"));
    room.house.turn_for(1s);
    EXPECT_EQ(peer->take_received(), plain(Opcode::pong, "p"));
    peer->send(control(Opcode::close, closing(1001)));
    ASSERT_TRUE(room.house.until([&] { return peer->ended(); }, 1s));
    EXPECT_EQ(room.log, "clean 1001 ");
}

TEST(WebSocket, APeerThatIsNotReadIsStopped) {
    Room room(0);
    auto peer = room.join();
    const std::string message =
        frame({.opcode = Opcode::binary, .payload = std::string(50'000, 'x')});
    for (int i = 0; i < 60; ++i) peer->send(message);
    room.house.turn_for(10min);
    EXPECT_GT(peer->unsent(), 1'000'000U) << "and it is not taken for dead";
    EXPECT_FALSE(room.house.record(0).end);
    room.socket().grant(UINT64_MAX);
    ASSERT_TRUE(room.house.until([&] { return room.received == 3'000'000; }, 1min));
    EXPECT_EQ(peer->unsent(), 0U);
}

TEST(WebSocket, HeldMessagesStopThePeer) {
    Room room;
    room.keeps = true;
    room.house.limits.exchange_buffer_bytes_max = 100'000;
    std::vector<std::string_view> held;
    room.on_each = [&](Exchange&, std::string_view bytes) { held.push_back(bytes); };
    auto peer = room.join();
    for (int i = 0; i < 20; ++i) {
        peer->send(frame({.opcode = Opcode::binary,
                          .payload = std::string(30'000, static_cast<char>('a' + i))}));
    }
    room.house.turn_for(1s);
    ASSERT_EQ(held.size(), 4U);
    for (int i = 0; i < 4; ++i) {
        EXPECT_TRUE(held[i] == std::string(30'000, static_cast<char>('a' + i))) << i;
    }
    EXPECT_EQ(room.socket().consume(120'001), ErrorKind::invalid);
    EXPECT_EQ(room.socket().consume(45'000), ErrorKind::ok);
    EXPECT_TRUE(held[1].substr(15'000) == std::string(15'000, 'b')) << "half of it is";
    room.house.turn_for(1s);
    EXPECT_EQ(held.size(), 5U);
    std::uint64_t given = 45'000;
    while (given < 600'000) {
        ASSERT_EQ(room.socket().consume(15'000), ErrorKind::ok);
        given += 15'000;
        room.house.turn_for(1s);
    }
    EXPECT_EQ(held.size(), 20U);
    EXPECT_EQ(room.socket().consume(1), ErrorKind::invalid);
}

TEST(WebSocket, EmptyMessagesAreHeldToo) {
    Room room;
    room.keeps = true;
    room.house.limits.exchange_buffer_bytes_max = 6'400;
    int messages = 0;
    room.on_each = [&](Exchange&, std::string_view) { ++messages; };
    auto peer = room.join();
    std::string many;
    for (int i = 0; i < 300; ++i) many += text("");
    peer->send(many);
    room.house.turn_for(1s);
    EXPECT_EQ(messages, 100);
    for (int i = 0; i < 50; ++i) EXPECT_EQ(room.socket().consume(0), ErrorKind::ok);
    room.house.turn_for(1s);
    EXPECT_EQ(messages, 150) << "one for each that was given back";
    Script::release(room.house.record(0));
}

TEST(WebSocket, SendsAreRefusedAboveTheWatermarkOnce) {
    Room room;
    auto peer = room.join();
    peer->pause_reading();
    const std::string message(60'000, 'm');
    int sent = 0;
    for (; sent < 200 && room.socket().send(Opcode::binary, message) == ErrorKind::ok; ++sent) {
        room.house.turn_for(10ms);
    }
    ASSERT_LT(sent, 200);
    EXPECT_EQ(room.socket().send(Opcode::binary, message), ErrorKind::again);
    room.house.turn_for(1s);
    EXPECT_EQ(room.log, "");
    peer->resume_reading();
    ASSERT_TRUE(room.house.until([&] { return room.log == "W "; }, 1s)) << room.log;
    room.house.turn_for(1s);
    EXPECT_EQ(room.log, "W ");
    EXPECT_EQ(peer->received().size(), static_cast<std::size_t>(sent) * 60'004);
}

TEST(WebSocket, PingsOfAPeerThatDoesNotReadAreNotPiledUp) {
    Room room;
    room.house.limits.ws_controls_per_s_max = 1'000'000'000;
    auto peer = room.join();
    peer->pause_reading();
    std::string pings;
    for (int i = 0; i < 1000; ++i) pings += control(Opcode::ping, std::string(125, 'p'));
    for (int i = 0; i < 60; ++i) peer->send(pings);
    room.house.turn_for(5s);
    EXPECT_GT(peer->unsent(), 1'000'000U);
    EXPECT_LE(room.house.record(0).exchange->context().limits.write_high_watermark_bytes, 262'144U);
    peer->resume_reading();
    ASSERT_TRUE(room.house.until([&] { return peer->received().size() == 60'000 * 127; }, 1min));
    EXPECT_EQ(room.log, "") << "the user did not ask to be told";
}

TEST(WebSocket, AFloodOfControlFramesIsEnded) {
    Room room;
    room.house.limits.ws_controls_per_s_max = 50;
    auto peer = room.join();
    std::string pings;
    for (int i = 0; i < 60; ++i) pings += control(i % 2 == 0 ? Opcode::ping : Opcode::pong);
    peer->send(pings);
    ASSERT_TRUE(room.house.until([&] { return peer->ended(); }, 1s));
    EXPECT_TRUE(room.log.starts_with("lost 1008 ")) << room.log;
}

TEST(WebSocket, ReleasingSaysGoodBye) {
    for (const bool inside : {false, true}) {
        Room room;
        auto peer = room.join();
        if (inside) {
            room.on_each = [&](Exchange&, std::string_view) {
                Script::release(room.house.record(0));
            };
            peer->send(text("x") + text("y"));
        } else {
            Script::release(room.house.record(0));
        }
        ASSERT_TRUE(room.house.until([&] { return peer->ended(); }, 1s));
        EXPECT_EQ(peer->received(), plain(Opcode::close, closing(1001)));
        EXPECT_EQ(room.log, inside ? "t:x " : "");
        EXPECT_EQ(room.house.counters.websockets_open.get(), 0U);
    }
}

TEST(WebSocket, ReleasedWhereItsEndIsTold) {
    Room room;
    auto peer = room.join();
    room.on_end = [&](Exchange&) { Script::release(room.house.record(0)); };
    peer->send(control(Opcode::close, closing(1000)));
    ASSERT_TRUE(room.house.until([&] { return peer->ended(); }, 1s));
    EXPECT_EQ(peer->received(), plain(Opcode::close, closing(1000)));
    EXPECT_FALSE(room.house.record(0).end) << "it is not told of what it released";
}

TEST(WebSocket, AConnectionThatHurriesSaysGoingAway) {
    Room room;
    auto peer = room.join();
    room.house.connection().hurry();
    room.house.turn_for(10ms);
    EXPECT_EQ(peer->take_received(), plain(Opcode::close, closing(1001)));
    EXPECT_FALSE(peer->ended());
    peer->send(control(Opcode::close, closing(1001)));
    ASSERT_TRUE(room.house.until([&] { return peer->ended(); }, 1s));
    EXPECT_EQ(room.log, "clean 1001 ");
}

// -- compression ----------------------------------------------------------------------------------

/// What a client reads, compressed or not.
std::vector<std::string> read_as_client(const std::string& bytes, bool takeover) {
    ws::Peer client(ws::Role::client, {.bits = 15, .takeover = takeover});
    return client.read(bytes).events;
}

TEST(WebSocketDeflate, LongMessagesAreCompressed) {
    Room room;
    room.on_each = echo;
    auto peer = room.join("Sec-WebSocket-Extensions: permessage-deflate\r\n");
    EXPECT_TRUE(has(room.answer, "sec-websocket-extensions: permessage-deflate; "
                                 "server_no_context_takeover; client_no_context_takeover\r\n"));
    const std::string big(10'000, 'z');
    ws::Deflater deflater(15, {});
    ws::Block small;
    deflater.compress(big, small);
    peer->send(frame({.payload = small.view(), .compressed = true}) + text("short") + text(big));
    room.house.turn_for(1s);
    const std::string got = peer->take_received();
    EXPECT_LT(got.size(), 500U);
    EXPECT_TRUE(read_as_client(got, false) ==
                (std::vector<std::string>{"text " + big, "text short", "text " + big}));
}

TEST(WebSocketDeflate, LentBytesAreCompressedOrSentAsTheyAre) {
    struct Lender final : Chunk::Lender {
        void give_back(std::uint64_t, bool sent) noexcept override { (sent ? good : bad) += 1; }
        int good = 0, bad = 0;
    };
    for (const bool compressed : {false, true}) {
        Lender lender;
        Room room;
        auto peer = room.join(compressed ? "Sec-WebSocket-Extensions: permessage-deflate\r\n" : "");
        const std::string bytes(5000, 'l');
        Chain lent;
        lent.append_lent(bytes, &lender, 7);
        EXPECT_EQ(room.socket().send(Opcode::binary, lent), ErrorKind::ok);
        room.house.turn_for(1s);
        EXPECT_EQ(lender.good, 1);
        EXPECT_EQ(lender.bad, 0);
        EXPECT_TRUE(read_as_client(peer->take_received(), false) ==
                    (std::vector<std::string>{"binary " + bytes}));
    }
}

TEST(WebSocketDeflate, WhatInflatesToMuchLetsOthersHaveTheirTurn) {
    constexpr ws::DeflateSettings any;
    ws::Block compressed;
    ws::Deflater(ws::window_bits_max, any).compress(std::string(1'000'000, 'z'), compressed);
    const std::string one =
        frame({.opcode = Opcode::binary, .payload = compressed.view(), .compressed = true});
    Room room;
    auto peer = room.join("Sec-WebSocket-Extensions: permessage-deflate\r\n");
    std::string many;
    for (int i = 0; i < 10; ++i) many += one;
    ASSERT_LT(many.size(), 65'536U) << "of one slice";
    std::uint64_t most = 0;
    peer->send(many);
    while (room.received < 10'000'000) {
        const std::uint64_t before = room.received;
        room.house.turn(10ms);
        most = std::max(most, room.received - before);
    }
    EXPECT_LE(most, 2'000'000U) << "one a pass; a turn has two";
}

TEST(WebSocketDeflate, SharedMessagesAreReadableInAnyContext) {
    for (const bool takeover : {false, true}) {
        WebSocketSettings settings;
        settings.deflate.context_takeover = takeover;
        settings.deflate.bytes_min = 1;
        Room room;
        room.house.context().websocket_settings = &settings;
        auto peer = room.join("Sec-WebSocket-Extensions: permessage-deflate\r\n");
        const std::string words = "words that come again and again";
        SharedMessageRef shared(SharedMessage::make(Opcode::text, words, 0));
        const std::string large(90'000, 'L');
        SharedMessageRef big(SharedMessage::make(Opcode::binary, large, 0));
        for (int i = 0; i < 3; ++i) {
            EXPECT_EQ(room.socket().send(Opcode::text, words), ErrorKind::ok);
            EXPECT_EQ(room.socket().send_shared({&shared, 1}), 1U);
            EXPECT_EQ(room.socket().send(Opcode::text, words), ErrorKind::ok);
            EXPECT_EQ(room.socket().send_shared({&big, 1}), 1U);
        }
        room.house.turn_for(1s);
        std::vector<std::string> expected;
        for (int i = 0; i < 3; ++i) {
            expected.insert(expected.end(), 3, "text " + words);
            expected.push_back("binary " + large);
        }
        EXPECT_TRUE(read_as_client(peer->take_received(), takeover) == expected) << takeover;
    }
}

} // namespace
} // namespace hc::link::test
