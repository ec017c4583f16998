// How messages end, and what becomes of their connection (RFC 9112, sections 6 and 9).
#pragma once

#include <cstdint>

namespace hc::h1 {

/// How the body of a message ends.
enum class BodyKind : std::uint8_t { none, length, chunked, until_close };

/// What a received head decides about its message and its connection.
struct Framing {
    std::uint64_t content_length = 0; // of BodyKind::length; as told in answers to HEAD and in 304
    BodyKind body = BodyKind::none;
    bool keep_alive = false;      // as the version and Connection say
    bool expect_continue = false; // HTTP/1.1 only, and only with a body
    bool upgrade = false;         // an Upgrade field that Connection lists, or CONNECT
    bool connect = false;         // method CONNECT
};

} // namespace hc::h1
