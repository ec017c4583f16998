// The opening handshake (RFC 6455, section 4; RFC 8441, section 5): what a request asks for, and
// what the answer to it says.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/base/error.hpp"
#include "core/http/head.hpp"
#include "core/proto/ws/deflate.hpp"

namespace hc::ws {

/// What a request for a WebSocket asks for. Views into its head.
struct Request {
    std::string_view key;    // empty with an extended CONNECT, which has none
    std::string_view origin; // empty when there is none
    Extensions extensions;
};

/// Whether `head` opens a WebSocket, by an Upgrade or by an extended CONNECT, and what it asks for.
///   ok           it does
///   unsupported  it does not ask for one (426), or for another version (426, which tells ours)
///   protocol     it asks in a way that is against the rules (400)
ErrorKind read_request(const http::HeadView& head, const DeflateSettings& settings, Request& out);
/// The status that an answer to such a request has, and to one of an origin that is not allowed
/// (`permission`).
int refusal_status(ErrorKind why) noexcept;

/// Whether the request offers the subprotocol.
bool offers_protocol(const http::HeadView& head, std::string_view protocol) noexcept;

/// The value of Sec-WebSocket-Accept for a key (RFC 6455, section 4.2.2).
std::array<char, 28> accept_value(std::string_view key);
/// Whether it is the base64 of 16 bytes.
bool is_key(std::string_view key) noexcept;

// -- the client's side ----------------------------------------------------------------------------

/// A key out of 16 bytes that nobody can guess (RFC 6455, section 4.1, point 7).
std::array<char, 24> make_key(std::span<const std::uint8_t, 16> random);

/// What the server agreed to.
struct Answer {
    std::string_view protocol; // empty: none. A view into its head
    Deflate deflate;
};

/// Reads the answer to a request that was sent with `key` (empty: an extended CONNECT), offered
/// these subprotocols, and extensions_offer(settings).
///   ok           it is open
///   unsupported  the server refuses: `head` is an answer like others
///   protocol     it says yes in a way that fails the connection (RFC 6455, section 4.1)
ErrorKind read_answer(const http::HeadView& head, std::string_view key,
                      std::span<const std::string_view> protocols, const DeflateSettings& settings,
                      Answer& out);

/// Whether a page of `origin` may open WebSockets: it is listed ("*" lists all), or "same" is and
/// its host and port are those of the request (RFC 6454, section 7; RFC 6455, section 10.2).
/// A request without Origin comes from no browser, and is allowed.
bool origin_is_listed(const http::HeadView& head, std::string_view listed) noexcept;

} // namespace hc::ws
