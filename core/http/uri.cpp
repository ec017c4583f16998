#include "core/http/uri.hpp"

#include <algorithm>
#include <array>

#include "core/base/ascii.hpp"

namespace hc::http {

namespace {

enum : std::uint8_t {
    unreserved = 1,
    sub_delim = 2,
    colon = 4,
    at_sign = 8,
    slash = 16,
    question = 32
};
constexpr std::uint8_t reg_name_chars = unreserved | sub_delim;
constexpr std::uint8_t userinfo_chars = reg_name_chars | colon;
constexpr std::uint8_t path_chars = userinfo_chars | at_sign | slash;
constexpr std::uint8_t query_chars = path_chars | question;

constexpr std::array<std::uint8_t, 256> classes = [] {
    std::array<std::uint8_t, 256> table{};
    for (std::size_t c = 0; c < 0x80; ++c) {
        const char ch = static_cast<char>(c);
        if (ascii::is_alpha(ch) || ascii::is_digit(ch)) table[c] = unreserved;
    }
    for (char c : std::string_view("-._~")) table[static_cast<unsigned char>(c)] = unreserved;
    for (char c : std::string_view("!$&'()*+,;=")) table[static_cast<unsigned char>(c)] = sub_delim;
    table[':'] = colon;
    table['@'] = at_sign;
    table['/'] = slash;
    table['?'] = question;
    return table;
}();

constexpr int hex_value(char c) noexcept {
    if (ascii::is_digit(c)) return c - '0';
    const char l = ascii::lower(c);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

/// Only characters of `allowed` and well-formed percent-encodings.
bool all_in(std::string_view text, std::uint8_t allowed) noexcept {
    for (std::size_t i = 0; i < text.size(); ++i) {
        if ((classes[static_cast<unsigned char>(text[i])] & allowed) != 0) continue;
        if (text[i] != '%' || text.size() - i < 3) return false;
        if (hex_value(text[i + 1]) < 0 || hex_value(text[i + 2]) < 0) return false;
        i += 2;
    }
    return true;
}

bool is_ipv4(std::string_view text) noexcept {
    int parts = 0;
    while (true) {
        const std::string_view part = text.substr(0, text.find('.'));
        const auto n = ascii::parse_decimal(part);
        if (!n || *n > 255 || part.size() > 3 || (part.size() > 1 && part.front() == '0'))
            return false;
        if (++parts == 4) return part.size() == text.size();
        if (part.size() == text.size()) return false;
        text.remove_prefix(part.size() + 1);
    }
}

/// RFC 3986, section 3.2.2: eight groups, of which one run may be "::", the last two may be IPv4.
bool is_ipv6(std::string_view text) noexcept {
    int groups = 0;
    bool gap = false;
    if (text.starts_with("::")) {
        gap = true;
        text.remove_prefix(2);
        if (text.empty()) return true;
    }
    while (true) {
        const std::size_t end = std::min(text.find(':'), text.size());
        const std::string_view group = text.substr(0, end);
        if (end == text.size() && group.find('.') != std::string_view::npos) {
            if (!is_ipv4(group)) return false;
            groups += 2;
            break;
        }
        if (group.empty() || group.size() > 4) return false;
        if (std::any_of(group.begin(), group.end(), [](char c) { return hex_value(c) < 0; }))
            return false;
        ++groups;
        if (end == text.size()) break;
        text.remove_prefix(end + 1);
        if (text.empty()) return false; // one colon at the end
        if (text.front() == ':') {
            if (gap) return false;
            gap = true;
            text.remove_prefix(1);
            if (text.empty()) break;
        }
    }
    return gap ? groups < 8 : groups == 8;
}

bool is_ip_literal(std::string_view inner) noexcept {
    if (inner.empty() || ascii::lower(inner.front()) != 'v') return is_ipv6(inner);
    const std::size_t dot = inner.find('.'); // IPvFuture
    if (dot == std::string_view::npos || dot < 2 || dot + 1 == inner.size()) return false;
    const std::string_view version = inner.substr(1, dot - 1);
    if (std::any_of(version.begin(), version.end(), [](char c) { return hex_value(c) < 0; }))
        return false;
    const std::string_view address = inner.substr(dot + 1);
    return address.find('%') == std::string_view::npos && all_in(address, userinfo_chars);
}

} // namespace

std::optional<std::uint16_t> Authority::port_number() const noexcept {
    const auto n = ascii::parse_decimal(port);
    if (!n || *n > 65'535) return std::nullopt;
    return static_cast<std::uint16_t>(*n);
}

std::optional<Authority> split_authority(std::string_view text) noexcept {
    Authority out;
    if (const std::size_t at = text.find('@'); at != std::string_view::npos) {
        out.has_userinfo = true;
        out.userinfo = text.substr(0, at);
        if (!all_in(out.userinfo, userinfo_chars)) return std::nullopt;
        text.remove_prefix(at + 1);
    }
    std::size_t host_size = 0;
    if (text.starts_with('[')) {
        const std::size_t close = text.find(']');
        if (close == std::string_view::npos || !is_ip_literal(text.substr(1, close - 1)))
            return std::nullopt;
        host_size = close + 1;
    } else {
        host_size = std::min(text.find(':'), text.size());
        if (!all_in(text.substr(0, host_size), reg_name_chars)) return std::nullopt;
    }
    out.host = text.substr(0, host_size);
    text.remove_prefix(host_size);
    if (text.empty()) return out;
    if (text.front() != ':') return std::nullopt;
    out.has_port = true;
    out.port = text.substr(1);
    if (!out.port.empty() && !out.port_number()) return std::nullopt;
    return out;
}

bool is_scheme(std::string_view text) noexcept {
    if (text.empty() || !ascii::is_alpha(text.front())) return false;
    return std::all_of(text.begin(), text.end(), [](char c) {
        return ascii::is_alpha(c) || ascii::is_digit(c) || c == '+' || c == '-' || c == '.';
    });
}

std::optional<std::uint16_t> default_port(std::string_view scheme) noexcept {
    if (ascii::equals_ignoring_case(scheme, "http")) return std::uint16_t{80};
    if (ascii::equals_ignoring_case(scheme, "https")) return std::uint16_t{443};
    return std::nullopt;
}

std::optional<Uri> split_uri(std::string_view text) noexcept {
    Uri out;
    if (const std::size_t hash = text.find('#'); hash != std::string_view::npos) {
        out.has_fragment = true;
        out.fragment = text.substr(hash + 1);
        text = text.substr(0, hash);
    }
    if (const std::size_t mark = text.find('?'); mark != std::string_view::npos) {
        out.has_query = true;
        out.query = text.substr(mark + 1);
        text = text.substr(0, mark);
    }
    const std::size_t delimiter = text.find_first_of(":/");
    if (delimiter != std::string_view::npos && text[delimiter] == ':') {
        // A relative reference may not have a colon in its first segment: what is before it is a
        // scheme.
        out.scheme = text.substr(0, delimiter);
        if (!is_scheme(out.scheme)) return std::nullopt;
        text.remove_prefix(delimiter + 1);
    }
    if (text.starts_with("//")) {
        out.has_authority = true;
        text.remove_prefix(2);
        const std::string_view authority = text.substr(0, text.find('/'));
        const auto split = split_authority(authority);
        if (!split) return std::nullopt;
        out.authority = *split;
        text.remove_prefix(authority.size());
    }
    out.path = text;
    if (!all_in(out.path, path_chars) || !all_in(out.query, query_chars) ||
        !all_in(out.fragment, query_chars)) {
        return std::nullopt;
    }
    if (default_port(out.scheme) && out.authority.host.empty()) return std::nullopt;
    return out;
}

std::optional<std::string> percent_decode(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        if (text.size() - i < 3) return std::nullopt;
        const int high = hex_value(text[i + 1]);
        const int low = hex_value(text[i + 2]);
        if (high < 0 || low < 0) return std::nullopt;
        out += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return out;
}

std::string remove_dot_segments(std::string_view path) {
    std::string out;
    out.reserve(path.size());
    while (!path.empty()) {
        const std::size_t end = std::min(path.find('/', 1), path.size());
        const std::string_view segment = path.substr(0, end); // with its leading slash
        const bool last = end == path.size();
        path.remove_prefix(end);
        if (segment == "/.") {
            if (last) out += '/';
        } else if (segment == "/..") {
            out.resize(std::min(out.rfind('/'), out.size()));
            if (last) out += '/';
        } else {
            out += segment;
        }
    }
    return out;
}

} // namespace hc::http
