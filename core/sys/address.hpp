// Where a socket is: an IPv4 or IPv6 address and port, or the path of a Unix-domain socket.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.hpp"

namespace hc::sys {

struct Address {
    enum class Family : std::uint8_t { none, v4, v6, unix_ };

    Family family = Family::none;
    std::uint16_t port = 0;
    std::uint32_t scope = 0;           // IPv6 scope id
    std::array<std::uint8_t, 16> ip{}; // v4 in the first four bytes, network order
    std::array<char, 108> path{};      // Unix: zero-terminated; a leading NUL is abstract

    /// "127.0.0.1:80", "[::1]:80", "[fe80::1%2]:80", "unix:/run/x.sock", "unix:@abstract". Names
    /// are not resolved, neither of hosts nor of network interfaces.
    static Result<Address> parse(std::string_view text);
    /// An IP literal, with or without brackets, and a port.
    static Result<Address> ip_port(std::string_view ip, std::uint16_t port);
    /// A path of at most 107 bytes, or '@' and an abstract name of at most 106.
    static Result<Address> unix_path(std::string_view path);

    /// The inverse of parse(). IPv6 as RFC 5952 writes it; an unnamed Unix socket (the usual peer
    /// of an accepted one) is "unix:".
    std::string to_string() const;
    /// The address without the port: "127.0.0.1", "::1", "unix".
    std::string host() const;
    /// True for ::ffff:a.b.c.d; `unmapped` gives the plain IPv4 address.
    bool is_v4_mapped() const noexcept;
    Address unmapped() const noexcept;
    /// A Unix socket that is a file, so that somebody has to remove it one day.
    bool is_file() const noexcept { return family == Family::unix_ && path[0] != '\0'; }

    friend bool operator==(const Address&, const Address&) = default;
};

/// A range of addresses: "10.0.0.0/8", "::1", "fd00::/8", or "unix" for every Unix-domain peer.
/// For lists of trusted peers. Bits of the address beyond the prefix are ignored.
struct AddressRange {
    Address base;
    std::uint8_t bits = 0;

    static Result<AddressRange> parse(std::string_view text);
    bool contains(const Address& address) const noexcept; // maps IPv4-mapped IPv6 first
};

} // namespace hc::sys
