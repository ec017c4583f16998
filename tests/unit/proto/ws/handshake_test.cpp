#include "core/proto/ws/handshake.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>

#include "core/base/limits.hpp"
#include "core/proto/h1/parser.hpp"
#include "core/tls/digest.hpp"

namespace hc::ws {
namespace {

constexpr std::string_view good_fields = "Host: server.example.com\r\n"
                                         "Upgrade: websocket\r\n"
                                         "Connection: Upgrade\r\n"
                                         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                                         "Sec-WebSocket-Version: 13\r\n";

/// A request as a server parses it.
class Parsed {
public:
    explicit Parsed(std::string_view fields, std::string_view line = "GET /chat HTTP/1.1\r\n")
        : text_(line), parser_(h1::Role::server, limits_, scratch_) {
        text_.append(fields).append("\r\n");
        std::string_view input = text_;
        EXPECT_EQ(parser_.next(input), h1::Event::head);
    }
    const http::HeadView& head() const { return parser_.head(); }

private:
    std::string text_;
    ConnectionLimits limits_;
    h1::HeadScratch scratch_;
    h1::Parser parser_;
};

std::string changed(std::string_view from, std::string_view to) {
    std::string text(good_fields);
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos);
    return text.replace(at, from.size(), to);
}

ErrorKind judge(std::string_view fields, std::string_view line = "GET /chat HTTP/1.1\r\n") {
    const Parsed request(fields, line);
    Request out;
    return read_request(request.head(), {}, out);
}

TEST(WsHandshake, DigestsAsTheStandardDoes) {
    const auto accept = accept_value("dGhlIHNhbXBsZSBub25jZQ==");
    EXPECT_EQ(std::string_view(accept.data(), accept.size()), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    EXPECT_EQ(tls::sha1("abc")[0], 0xa9);
    EXPECT_EQ(tls::sha1("")[0], 0xda);
}

TEST(WsHandshake, AGoodRequestIsRead) {
    const Parsed request(std::string(good_fields) +
                         "Origin: http://example.com\r\n"
                         "Sec-WebSocket-Protocol: chat, superchat\r\n"
                         "Sec-WebSocket-Protocol: other\r\n"
                         "Sec-WebSocket-Extensions: foo\r\n"
                         "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    Request out;
    ASSERT_EQ(read_request(request.head(), {}, out), ErrorKind::ok);
    EXPECT_EQ(out.key, "dGhlIHNhbXBsZSBub25jZQ==");
    EXPECT_EQ(out.origin, "http://example.com");
    EXPECT_TRUE(out.extensions.deflate.agreed());
    EXPECT_TRUE(offers_protocol(request.head(), "superchat"));
    EXPECT_TRUE(offers_protocol(request.head(), "other"));
    EXPECT_FALSE(offers_protocol(request.head(), "Chat"));
    EXPECT_FALSE(offers_protocol(request.head(), "nothing"));
}

TEST(WsHandshake, WhatIsNoneIsTold) {
    EXPECT_EQ(judge(good_fields), ErrorKind::ok);
    EXPECT_EQ(judge(changed("Upgrade: websocket", "Upgrade: h2c, WebSocket")), ErrorKind::ok);
    EXPECT_EQ(judge("Host: x\r\n"), ErrorKind::unsupported);
    EXPECT_EQ(judge(changed("Upgrade: websocket", "Upgrade: h2c")), ErrorKind::unsupported);
    EXPECT_EQ(judge(changed("Connection: Upgrade", "Connection: close")), ErrorKind::unsupported);
    EXPECT_EQ(judge(good_fields, "GET /chat HTTP/1.0\r\n"), ErrorKind::unsupported);
    EXPECT_EQ(judge(changed("Version: 13", "Version: 8")), ErrorKind::unsupported);
    EXPECT_EQ(judge(changed("Sec-WebSocket-Version: 13", "X: 13")), ErrorKind::protocol);
    EXPECT_EQ(judge(std::string(good_fields) + "Sec-WebSocket-Version: 8\r\n"),
              ErrorKind::protocol);
    EXPECT_EQ(judge(good_fields, "POST /chat HTTP/1.1\r\n"), ErrorKind::protocol);
    EXPECT_EQ(judge(std::string(good_fields) + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
              ErrorKind::protocol);
    for (std::string_view bad : {"", "short", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZ===",
                                 "dGhlIHNhbXBsZSBub25j!Q==", "dGhlIHNhbXBsZSBub25jZQAA"}) {
        EXPECT_EQ(judge(changed("dGhlIHNhbXBsZSBub25jZQ==", bad)), ErrorKind::protocol) << bad;
    }
    EXPECT_EQ(judge(std::string(good_fields) + "Sec-WebSocket-Extensions: a; b=\"\r\n"),
              ErrorKind::protocol);
    EXPECT_EQ(judge(std::string(good_fields) + "Sec-WebSocket-Protocol: a b\r\n"),
              ErrorKind::protocol);
    EXPECT_EQ(refusal_status(ErrorKind::unsupported), 426);
    EXPECT_EQ(refusal_status(ErrorKind::protocol), 400);
    EXPECT_EQ(refusal_status(ErrorKind::permission), 403);
}

TEST(WsHandshake, AnExtendedConnectHasNoKey) {
    // As a driver of HTTP/2 presents it (RFC 8441, section 5.1).
    const std::string bytes = "websocket"
                              "13";
    const http::FieldRef version{.name = 0,
                                 .value = 9,
                                 .value_size = 2,
                                 .name_size = 0,
                                 .known = http::FieldName::sec_websocket_version};
    http::HeadView head;
    head.base = bytes.data();
    head.size = static_cast<std::uint32_t>(bytes.size());
    head.version = http::Version::http_2;
    head.method = http::Method::connect;
    head.protocol = {0, 9};
    head.fields = &version;
    head.field_count = 1;
    Request out;
    EXPECT_EQ(read_request(head, {}, out), ErrorKind::ok);
    EXPECT_TRUE(out.key.empty());
}

TEST(WsHandshake, OriginsAreListed) {
    const Parsed request(std::string(good_fields) + "Origin: https://server.EXAMPLE.com\r\n");
    EXPECT_TRUE(origin_is_listed(request.head(), "same"));
    EXPECT_TRUE(origin_is_listed(request.head(), "*"));
    EXPECT_TRUE(origin_is_listed(request.head(), "https://server.example.com"));
    EXPECT_FALSE(origin_is_listed(request.head(), "http://server.example.com"));
    const Parsed evil(std::string(good_fields) + "Origin: https://server.example.com.evil\r\n");
    EXPECT_FALSE(origin_is_listed(evil.head(), "same"));
    const Parsed opaque(std::string(good_fields) + "Origin: null\r\n");
    EXPECT_FALSE(origin_is_listed(opaque.head(), "same"));
    const Parsed none(good_fields);
    EXPECT_TRUE(origin_is_listed(none.head(), "same"));
}

// -- the client's side ----------------------------------------------------------------------------

constexpr std::string_view sample_key = "dGhlIHNhbXBsZSBub25jZQ==";
const std::string good_answer = "HTTP/1.1 101 Switching Protocols\r\n"
                                "Upgrade: WebSocket\r\n"
                                "Connection: keep-alive, upgrade\r\n"
                                "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

ErrorKind judge_answer(const std::string& text, Answer& out, std::string_view key = sample_key,
                       const DeflateSettings& settings = {}) {
    ConnectionLimits limits;
    h1::HeadScratch scratch;
    h1::Parser parser(h1::Role::client, limits, scratch);
    const std::string whole = text + "\r\n";
    std::string_view input = whole;
    EXPECT_EQ(parser.next(input), h1::Event::head);
    constexpr std::string_view offered[] = {"chat", "superchat"};
    const ErrorKind kind = read_answer(parser.head(), key, offered, settings, out);
    out.protocol = std::ranges::find(offered, out.protocol) == std::end(offered)
                       ? std::string_view{}
                       : *std::ranges::find(offered, out.protocol);
    return kind;
}

TEST(WsClientHandshake, KeysAreOfSixteenBytes) {
    constexpr std::uint8_t nonce[] = {'t', 'h', 'e', ' ', 's', 'a', 'm', 'p',
                                      'l', 'e', ' ', 'n', 'o', 'n', 'c', 'e'};
    const auto key = make_key(nonce);
    EXPECT_EQ(std::string_view(key.data(), key.size()), sample_key);
    EXPECT_TRUE(is_key({key.data(), key.size()}));
}

TEST(WsClientHandshake, AGoodAnswerIsRead) {
    Answer out;
    EXPECT_EQ(judge_answer(good_answer, out), ErrorKind::ok);
    EXPECT_TRUE(out.protocol.empty());
    EXPECT_FALSE(out.deflate.agreed());
    const std::string more = "Sec-WebSocket-Protocol: superchat\r\nSec-WebSocket-Extensions: "
                             "permessage-deflate; server_no_context_takeover\r\n";
    EXPECT_EQ(judge_answer(good_answer + more, out), ErrorKind::ok);
    EXPECT_EQ(out.protocol, "superchat");
    EXPECT_TRUE(out.deflate.agreed());
    EXPECT_FALSE(out.deflate.server.takeover);
    EXPECT_EQ(judge_answer("HTTP/1.1 200 OK\r\nSec-WebSocket-Protocol: chat\r\n", out, {}),
              ErrorKind::ok)
        << "to an extended CONNECT";
    EXPECT_EQ(out.protocol, "chat");
}

TEST(WsClientHandshake, ARefusalIsAnAnswerLikeOthers) {
    Answer out;
    for (const std::string status : {"200 OK", "302 Found", "403 Forbidden", "426 Upgrade"}) {
        EXPECT_EQ(judge_answer("HTTP/1.1 " + status + "\r\n", out), ErrorKind::unsupported);
    }
    EXPECT_EQ(judge_answer("HTTP/1.1 404 Not Found\r\n", out, {}), ErrorKind::unsupported);
}

TEST(WsClientHandshake, WhatWasNotAskedForFails) {
    const auto without = [](const std::string& from, const std::string& to) {
        std::string text = good_answer;
        return text.replace(text.find(from), from.size(), to);
    };
    Answer out;
    for (const std::string& text : {
             without("Upgrade: WebSocket", "Upgrade: h2c"), without("Upgrade: WebSocket\r\n", ""),
             without("keep-alive, upgrade", "keep-alive"),
             without("Connection: keep-alive, upgrade\r\n", ""), without("s3pP", "s3pp"),
             without("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", ""),
             good_answer + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
             good_answer + "Sec-WebSocket-Protocol: other\r\n",
             good_answer + "Sec-WebSocket-Protocol: Chat\r\n",
             good_answer + "Sec-WebSocket-Protocol: chat, superchat\r\n",
             good_answer + "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat\r\n",
             good_answer + "Sec-WebSocket-Extensions: foo\r\n",
             good_answer + "Sec-WebSocket-Extensions: permessage-deflate\r\n", // takes over
         }) {
        EXPECT_EQ(judge_answer(text, out), ErrorKind::protocol) << text;
    }
    EXPECT_EQ(judge_answer(good_answer + "Sec-WebSocket-Extensions: permessage-deflate\r\n", out,
                           sample_key, {.enabled = false}),
              ErrorKind::protocol);
}

} // namespace
} // namespace hc::ws
