// The PROXY protocol, versions 1 and 2: how a trusted proxy says whom it speaks for.
// Source: "The PROXY protocol, Versions 1 & 2", HAProxy, 2020. Sans-IO.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace hc::proxy {

/// The longest header that is read; longer version 2 headers (big TLV lists) are refused.
inline constexpr std::size_t header_bytes_max = 4096;

struct Address {
    enum class Family : std::uint8_t { none, v4, v6 };
    Family family =
        Family::none; // none: unknown, local or a Unix socket: keep the connection's own
    std::uint16_t port = 0;
    std::array<std::uint8_t, 16> ip{}; // v4 in the first four bytes
};

struct Header {
    Address source;
    std::size_t bytes = 0; // of the header; what follows is the connection's own
};

enum class Outcome : std::uint8_t { need_more, done, invalid };

/// Reads a header at the start of `input`. A version 1 line is at most 107 bytes; its numbers are
/// plain decimal.
Outcome parse(std::string_view input, Header& out) noexcept;

} // namespace hc::proxy
