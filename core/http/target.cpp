#include "core/http/target.hpp"

#include <array>

#include "core/base/ascii.hpp"
#include "core/http/uri.hpp"

namespace hc::http {

namespace {

enum : std::uint8_t { target_char = 1, query_mark = 2, host_char = 4 };
constexpr std::array<std::uint8_t, 256> classes = [] {
    std::array<std::uint8_t, 256> table{};
    for (std::size_t c = 0x21; c < 0x7f; ++c) table[c] = target_char;
    table['#'] = 0;
    table['?'] |= query_mark;
    for (std::size_t c = 0; c < 0x80; ++c) {
        const char ch = static_cast<char>(c);
        if (ascii::is_alpha(ch) || ascii::is_digit(ch)) table[c] |= host_char;
    }
    for (char c : std::string_view("-._~!$&'()*+,;="))
        table[static_cast<unsigned char>(c)] |= host_char;
    return table;
}();
constexpr std::uint8_t class_of(char c) noexcept { return classes[static_cast<unsigned char>(c)]; }

} // namespace

bool split_path(HeadView& head, std::uint32_t offset) noexcept {
    const std::uint32_t end = head.target.offset + head.target.size;
    const char* const begin = head.base + offset;
    const char* const last = head.base + end;
    const char* p = begin;
    while (p != last && (class_of(*p) & (target_char | query_mark)) == target_char) ++p;
    head.path = {offset, static_cast<std::uint32_t>(p - begin)};
    if (p == last) return true;
    if (*p != '?') return false;
    const char* const query = ++p;
    while (p != last && class_of(*p) != 0) ++p;
    head.has_query = true;
    head.query = {static_cast<std::uint32_t>(query - head.base),
                  static_cast<std::uint32_t>(last - query)};
    return p == last;
}

bool is_host(std::string_view text) noexcept {
    const char* p = text.data();
    const char* const end = p + text.size();
    while (p != end && (class_of(*p) & host_char) != 0) ++p;
    if (p == end) return true;
    if (*p == ':' && end - p <= 6) {
        std::uint32_t port = 0;
        while (++p != end && ascii::is_digit(*p))
            port = port * 10 + static_cast<std::uint32_t>(*p - '0');
        if (p == end && port <= UINT16_MAX) return true;
    }
    const auto authority = split_authority(text);
    return authority && !authority->has_userinfo;
}

} // namespace hc::http
