// URI references (RFC 3986), split and checked, without normalising anything.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hc::http {

/// host [":" port]. The views point into the text that was split.
struct Authority {
    std::string_view userinfo; // without "@"
    std::string_view host;     // as written; an IPv6 address with its brackets
    std::string_view port;     // digits as written, without ":"; may be empty
    bool has_userinfo = false;
    bool has_port = false;
    /// The port's number; nullopt when none was written or when it is above 65535.
    std::optional<std::uint16_t> port_number() const noexcept;
};

/// Splits and checks an authority. nullopt when a character, a percent-encoding, an IP literal or
/// the port is malformed or the port is above 65535. An empty host is legal here.
std::optional<Authority> split_authority(std::string_view text) noexcept;

/// A split reference. Absent and empty are told apart by the has_ members (RFC 3986, section 5.3).
struct Uri {
    std::string_view scheme; // without ":"; empty when relative
    Authority authority;
    std::string_view path;
    std::string_view query;    // without "?"
    std::string_view fragment; // without "#"
    bool has_authority = false;
    bool has_query = false;
    bool has_fragment = false;
};

/// Splits a URI or a relative reference. nullopt when it is not valid RFC 3986. An http or https
/// URI must have an authority with a host (RFC 9110, section 4.2.1).
std::optional<Uri> split_uri(std::string_view text) noexcept;

/// RFC 3986: ALPHA *( ALPHA / DIGIT / "+" / "-" / "." ).
bool is_scheme(std::string_view text) noexcept;
/// The port that "http" or "https" (any case) means when none is written; nullopt for others.
std::optional<std::uint16_t> default_port(std::string_view scheme) noexcept;

/// Decodes %XX once. nullopt when a "%" is not followed by two hexadecimal digits. "+" stays a
/// plus.
std::optional<std::string> percent_decode(std::string_view text);
/// RFC 3986, section 5.2.4, for a path that begins with "/". Percent-encoded dots are not dots
/// here.
std::string remove_dot_segments(std::string_view path);

} // namespace hc::http
