#include "core/proto/proxy/proxy.hpp"

#include <algorithm>
#include <optional>

#include "core/base/ascii.hpp"

namespace hc::proxy {

namespace {

constexpr std::string_view v2_signature{"\r\n\r\n\0\r\nQUIT\n", 12};
constexpr std::string_view v1_signature = "PROXY ";
constexpr std::size_t v1_bytes_max = 107;
constexpr std::size_t v2_head_bytes = 16;

/// Cuts the text up to the next space off `rest`.
std::string_view word(std::string_view& rest) noexcept {
    const std::size_t end = std::min(rest.find(' '), rest.size());
    const std::string_view found = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return found;
}

std::optional<std::uint16_t> parse_port(std::string_view text) noexcept {
    const auto n = ascii::parse_decimal(text);
    if (!n || *n > 65535 || (text.size() > 1 && text.front() == '0')) return std::nullopt;
    return static_cast<std::uint16_t>(*n);
}

bool parse_v4(std::string_view text, std::uint8_t* out) noexcept {
    for (int i = 0; i < 4; ++i) {
        const std::size_t dot = i < 3 ? text.find('.') : text.size();
        if (dot == std::string_view::npos) return false;
        const std::string_view part = text.substr(0, dot);
        const auto n = ascii::parse_decimal(part);
        if (!n || *n > 255 || (part.size() > 1 && part.front() == '0')) return false;
        out[i] = static_cast<std::uint8_t>(*n);
        text.remove_prefix(i < 3 ? dot + 1 : dot);
    }
    return true;
}

std::optional<std::uint16_t> parse_group(std::string_view text) noexcept {
    if (text.empty() || text.size() > 4) return std::nullopt;
    unsigned value = 0;
    for (char c : text) {
        const char l = ascii::lower(c);
        if (!ascii::is_digit(c) && !(l >= 'a' && l <= 'f')) return std::nullopt;
        value = value * 16 + static_cast<unsigned>(ascii::is_digit(c) ? c - '0' : l - 'a' + 10);
    }
    return static_cast<std::uint16_t>(value);
}

/// Groups of hex digits with at most one "::" (RFC 4291, section 2.2), without a scope; the last
/// two groups may be an IPv4 address.
bool parse_v6(std::string_view text, std::array<std::uint8_t, 16>& out) noexcept {
    std::array<std::uint8_t, 16> bytes{};
    std::size_t count = 0;
    std::size_t gap = 17; // where "::" stood
    if (text.starts_with("::")) {
        gap = 0;
        text.remove_prefix(2);
    }
    while (!text.empty()) {
        const auto colon = static_cast<std::size_t>(std::ranges::find(text, ':') - text.begin());
        const std::string_view part = text.substr(0, colon);
        if (colon == text.size() && std::ranges::find(part, '.') != part.end()) {
            if (count > 12 || !parse_v4(part, bytes.data() + count)) return false;
            count += 4;
            break;
        }
        const auto group = parse_group(part);
        if (!group || count > 14) return false;
        bytes[count++] = static_cast<std::uint8_t>(*group >> 8);
        bytes[count++] = static_cast<std::uint8_t>(*group & 0xFF);
        text.remove_prefix(colon);
        if (text.empty()) break;
        text.remove_prefix(1);
        if (text.empty()) return false; // ends in a single colon
        if (text.front() == ':') {
            if (gap != 17) return false;
            gap = count;
            text.remove_prefix(1);
        }
    }
    if (gap == 17 ? count != 16 : count > 14) return false;
    // What stood behind the gap moves to the end, zeros take its place.
    out = {};
    const std::size_t before = std::min(gap, count);
    for (std::size_t i = 0; i < 16 && i < before; ++i) out[i] = bytes[i];
    for (std::size_t i = 16, from = count; i > 0 && from > before; --i, --from) {
        out[i - 1] = bytes[from - 1];
    }
    return true;
}

Outcome parse_v1(std::string_view input, Header& out) noexcept {
    const std::size_t end = input.substr(0, v1_bytes_max).find("\r\n");
    if (end == std::string_view::npos) {
        return input.size() >= v1_bytes_max ? Outcome::invalid : Outcome::need_more;
    }
    out = {};
    out.bytes = end + 2;
    std::string_view rest = input.substr(v1_signature.size(), end - v1_signature.size());
    const std::string_view protocol = word(rest);
    if (protocol == "UNKNOWN") return Outcome::done;
    const bool v4 = protocol == "TCP4";
    if (!v4 && protocol != "TCP6") return Outcome::invalid;
    const std::string_view source = word(rest);
    const std::string_view destination = word(rest);
    const auto port = parse_port(word(rest));
    const auto other_port = parse_port(rest);
    Address other;
    const bool good =
        v4 ? parse_v4(source, out.source.ip.data()) && parse_v4(destination, other.ip.data())
           : parse_v6(source, out.source.ip) && parse_v6(destination, other.ip);
    if (!good || !port || !other_port) return Outcome::invalid;
    out.source.family = v4 ? Address::Family::v4 : Address::Family::v6;
    out.source.port = *port;
    return Outcome::done;
}

unsigned byte_at(std::string_view s, std::size_t i) noexcept {
    return static_cast<unsigned char>(s[i]);
}

Outcome parse_v2(std::string_view input, Header& out) noexcept {
    if (input.size() < v2_head_bytes) return Outcome::need_more;
    const unsigned command = byte_at(input, 12);
    const unsigned family = byte_at(input, 13);
    const std::size_t length = byte_at(input, 14) << 8 | byte_at(input, 15);
    if (command >> 4 != 2 || (command & 0xF) > 1) return Outcome::invalid;
    if (v2_head_bytes + length > header_bytes_max) return Outcome::invalid;
    if (input.size() < v2_head_bytes + length) return Outcome::need_more;
    out = {};
    out.bytes = v2_head_bytes + length;
    const bool local = (command & 0xF) == 0; // the proxy's own health check
    const bool v4 = family >> 4 == 1;
    const bool v6 = family >> 4 == 2;
    if (family >> 4 > 3 || (family & 0xF) > 2) return Outcome::invalid;
    if (local || !(v4 || v6)) return Outcome::done;
    const std::size_t ip_bytes = v4 ? 4 : 16;
    if (length < 2 * ip_bytes + 4) return Outcome::invalid;
    const std::string_view block = input.substr(v2_head_bytes);
    std::copy_n(block.begin(), ip_bytes, out.source.ip.begin());
    out.source.port = static_cast<std::uint16_t>(byte_at(block, 2 * ip_bytes) << 8 |
                                                 byte_at(block, 2 * ip_bytes + 1));
    out.source.family = v4 ? Address::Family::v4 : Address::Family::v6;
    return Outcome::done;
}

/// True when `input` begins like `signature`, as far as both go.
bool begins_like(std::string_view input, std::string_view signature) noexcept {
    const std::size_t n = std::min(input.size(), signature.size());
    return input.substr(0, n) == signature.substr(0, n);
}

} // namespace

Outcome parse(std::string_view input, Header& out) noexcept {
    if (begins_like(input, v2_signature)) {
        return input.size() < v2_signature.size() ? Outcome::need_more : parse_v2(input, out);
    }
    if (begins_like(input, v1_signature)) {
        return input.size() < v1_signature.size() ? Outcome::need_more : parse_v1(input, out);
    }
    return Outcome::invalid;
}

} // namespace hc::proxy
