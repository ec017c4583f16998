// Addresses as text. Own code rather than inet_pton, so that this file needs no OS header and the
// simulation and the stub build anywhere.
#include "core/sys/address.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <span>

namespace hc::sys {

namespace {

using Bytes4 = std::array<std::uint8_t, 4>;
using Bytes16 = std::array<std::uint8_t, 16>;

/// A decimal number of one to `digits_max` digits, nothing else.
std::optional<std::uint32_t> parse_number(std::string_view text, std::size_t digits_max) {
    std::uint32_t value = 0;
    if (text.empty() || text.size() > digits_max) return std::nullopt;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc{} || stop != end) return std::nullopt;
    return value;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
    const auto value = parse_number(text, 5);
    if (!value || *value > UINT16_MAX) return std::nullopt;
    return static_cast<std::uint16_t>(*value);
}

/// Four decimal numbers. A leading zero is refused: some readers take it for octal.
std::optional<Bytes4> parse_v4(std::string_view text) {
    Bytes4 out{};
    for (std::size_t i = 0; i < out.size(); ++i) {
        const std::size_t dot = i + 1 < out.size() ? text.find('.') : text.size();
        if (dot == std::string_view::npos) return std::nullopt;
        const std::string_view part = text.substr(0, dot);
        const auto value = parse_number(part, 3);
        if (!value || *value > 255 || (part.size() > 1 && part[0] == '0')) return std::nullopt;
        out[i] = static_cast<std::uint8_t>(*value);
        text.remove_prefix(std::min(dot + 1, text.size()));
    }
    return text.empty() ? std::optional(out) : std::nullopt;
}

/// Groups of hexadecimal digits between colons into `out`; the last may be an IPv4 address.
/// Gives the number of bytes, or nothing when the text is wrong. The empty text is zero groups.
std::optional<std::size_t> parse_groups(std::string_view text, bool last_part,
                                        std::span<std::uint8_t, 16> out) {
    std::size_t used = 0;
    while (!text.empty()) {
        const std::size_t colon = text.find(':');
        const std::string_view group = text.substr(0, colon);
        if (colon == std::string_view::npos && last_part && group.contains('.')) {
            const auto v4 = parse_v4(group);
            if (!v4 || used + 4 > out.size()) return std::nullopt;
            std::ranges::copy(*v4, out.begin() + static_cast<std::ptrdiff_t>(used));
            return used + 4;
        }
        std::uint32_t value = 0;
        const char* end = group.data() + group.size();
        const auto [stop, error] = std::from_chars(group.data(), end, value, 16);
        if (group.empty() || group.size() > 4 || error != std::errc{} || stop != end ||
            used + 2 > out.size()) {
            return std::nullopt;
        }
        out[used++] = static_cast<std::uint8_t>(value >> 8);
        out[used++] = static_cast<std::uint8_t>(value);
        if (colon == std::string_view::npos) break;
        text.remove_prefix(colon + 1);
        if (text.empty()) return std::nullopt; // a colon at the end
    }
    return used;
}

std::optional<Bytes16> parse_v6(std::string_view text) {
    Bytes16 out{};
    const std::size_t gap = text.find("::");
    if (gap == std::string_view::npos) {
        const auto used = parse_groups(text, true, out);
        return used == out.size() ? std::optional(out) : std::nullopt;
    }
    Bytes16 tail{};
    const auto before = parse_groups(text.substr(0, gap), false, out);
    const auto behind = parse_groups(text.substr(gap + 2), true, tail);
    // "::" stands for at least one group of zeros.
    if (!before || !behind || *before + *behind > out.size() - 2) return std::nullopt;
    std::copy_n(tail.begin(), *behind, out.end() - static_cast<std::ptrdiff_t>(*behind));
    return out;
}

void append_number(std::string& out, std::uint32_t value, int base = 10) {
    std::array<char, 16> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value, base).ptr;
    out.append(digits.data(), end);
}

std::string format_v4(const std::uint8_t* ip) {
    std::string out;
    for (int i = 0; i < 4; ++i) {
        if (i != 0) out += '.';
        append_number(out, ip[i]);
    }
    return out;
}

std::uint32_t group_of(const Bytes16& ip, std::size_t index) {
    return static_cast<std::uint32_t>(ip[index * 2]) << 8 | ip[index * 2 + 1];
}

/// RFC 5952: lower case, the first longest run of at least two zero groups becomes "::".
std::string format_v6(const Bytes16& ip) {
    std::size_t best = 8;
    std::size_t best_length = 1;
    for (std::size_t i = 0; i < 8; ++i) {
        std::size_t length = 0;
        while (i + length < 8 && group_of(ip, i + length) == 0) ++length;
        if (length > best_length) {
            best = i;
            best_length = length;
        }
        i += length;
    }
    std::string out;
    for (std::size_t i = 0; i < 8; ++i) {
        if (i == best) {
            out += "::";
            i += best_length - 1;
            continue;
        }
        if (!out.empty() && out.back() != ':') out += ':';
        append_number(out, group_of(ip, i), 16);
    }
    return out;
}

std::unexpected<Error> invalid(std::string_view text, std::string_view why) {
    std::string message = "'";
    message += text;
    message += "' is not an address: ";
    message += why;
    return fail(ErrorKind::invalid, std::move(message));
}

} // namespace

Result<Address> Address::ip_port(std::string_view ip, std::uint16_t port) {
    const std::string_view whole = ip;
    if (ip.starts_with('[') && ip.ends_with(']')) {
        ip = ip.substr(1, ip.size() - 2);
        if (!ip.contains(':')) return invalid(whole, "brackets are for IPv6");
    }
    Address out;
    out.port = port;
    if (!ip.contains(':')) {
        const auto v4 = parse_v4(ip);
        if (!v4) return invalid(whole, "expected an IPv4 or IPv6 literal");
        out.family = Family::v4;
        std::ranges::copy(*v4, out.ip.begin());
        return out;
    }
    if (const std::size_t percent = ip.find('%'); percent != std::string_view::npos) {
        const auto scope = parse_number(ip.substr(percent + 1), 10);
        if (!scope) return invalid(whole, "an IPv6 scope is the number of an interface");
        out.scope = *scope;
        ip = ip.substr(0, percent);
    }
    const auto v6 = parse_v6(ip);
    if (!v6) return invalid(whole, "expected an IPv4 or IPv6 literal");
    out.family = Family::v6;
    out.ip = *v6;
    return out;
}

Result<Address> Address::unix_path(std::string_view path) {
    Address out;
    out.family = Family::unix_;
    const bool abstract = path.starts_with('@');
    const std::string_view name = abstract ? path.substr(1) : path;
    const std::size_t room = out.path.size() - (abstract ? 2 : 1);
    if (name.empty()) return invalid(path, "a Unix socket needs a path or a name");
    if (name.size() > room) return invalid(path, "the path of a Unix socket has at most 107 bytes");
    if (name.contains('\0')) return invalid(name, "a NUL in the path of a Unix socket");
    std::ranges::copy(name, out.path.begin() + (abstract ? 1 : 0));
    return out;
}

Result<Address> Address::parse(std::string_view text) {
    if (text.starts_with("unix:")) return unix_path(text.substr(5));
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return invalid(text, "the port is missing");
    const std::string_view host = text.substr(0, colon);
    if (host.contains(':') && !(host.starts_with('[') && host.ends_with(']'))) {
        return invalid(text, "an IPv6 address with a port is written [address]:port");
    }
    const auto port = parse_port(text.substr(colon + 1));
    if (!port) return invalid(text, "a port is a number up to 65535");
    return ip_port(host, *port);
}

std::string Address::host() const {
    switch (family) {
    case Family::none: return "";
    case Family::v4: return format_v4(ip.data());
    case Family::unix_: return "unix";
    case Family::v6: break;
    }
    std::string out = is_v4_mapped() ? "::ffff:" + format_v4(ip.data() + 12) : format_v6(ip);
    if (scope != 0) {
        out += '%';
        append_number(out, scope);
    }
    return out;
}

std::string Address::to_string() const {
    std::string out;
    switch (family) {
    case Family::none: return out;
    case Family::unix_:
        out = "unix:";
        if (path[0] == '\0' && path[1] != '\0') out += '@';
        out += path[0] == '\0' ? path.data() + 1 : path.data();
        return out;
    case Family::v4: out = host(); break;
    case Family::v6: out = '[' + host() + ']'; break;
    }
    out += ':';
    append_number(out, port);
    return out;
}

bool Address::is_v4_mapped() const noexcept {
    static constexpr std::array<std::uint8_t, 12> prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return family == Family::v6 && std::equal(prefix.begin(), prefix.end(), ip.begin());
}

Address Address::unmapped() const noexcept {
    if (!is_v4_mapped()) return *this;
    Address out;
    out.family = Family::v4;
    out.port = port;
    std::copy_n(ip.begin() + 12, 4, out.ip.begin());
    return out;
}

namespace {

/// True when the first `bits` bits of both are the same.
bool same_prefix(const Bytes16& a, const Bytes16& b, unsigned bits) noexcept {
    const std::size_t whole = bits / 8;
    if (!std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(whole), b.begin())) {
        return false;
    }
    const unsigned rest = bits % 8;
    return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

} // namespace

Result<AddressRange> AddressRange::parse(std::string_view text) {
    if (text == "unix") {
        AddressRange any_unix;
        any_unix.base.family = Address::Family::unix_;
        return any_unix;
    }
    const std::size_t slash = text.find('/');
    auto base = Address::ip_port(text.substr(0, slash), 0);
    if (!base) return std::unexpected(std::move(base.error()));
    const unsigned bits_max = base->family == Address::Family::v4 ? 32 : 128;
    std::optional<std::uint32_t> bits = bits_max;
    if (slash != std::string_view::npos) bits = parse_number(text.substr(slash + 1), 3);
    if (!bits || *bits > bits_max) return invalid(text, "the prefix length is out of range");
    // contains() maps peers to IPv4, so a range of mapped addresses is kept as one of IPv4.
    if (base->is_v4_mapped() && *bits >= 96) {
        base = base->unmapped();
        *bits -= 96;
    }
    return AddressRange{.base = *base, .bits = static_cast<std::uint8_t>(*bits)};
}

bool AddressRange::contains(const Address& address) const noexcept {
    const Address plain = address.unmapped();
    if (plain.family != base.family || base.family == Address::Family::none) return false;
    return base.family == Address::Family::unix_ || same_prefix(plain.ip, base.ip, bits);
}

} // namespace hc::sys
