#include "core/proto/h1/plain.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "core/base/ascii.hpp"
#include "core/http/field.hpp"

namespace hc::h1 {

namespace {

enum : std::uint8_t { name_char = 1, value_char = 2, path_char = 4, query_char = 8 };
constexpr std::array<std::uint8_t, 256> classes = [] {
    std::array<std::uint8_t, 256> table{};
    for (std::size_t c = 0; c < 256; ++c) {
        if (c < 0x80 && ascii::is_token_char(static_cast<char>(c))) table[c] |= name_char;
        if (c == '\t' || (c >= 0x20 && c != 0x7f)) table[c] |= value_char;
        if (c > 0x20 && c < 0x7f && c != '#')
            table[c] |= c == '?' ? query_char : query_char | path_char;
    }
    return table;
}();

const char* skip(const char* p, const char* end, std::uint8_t wanted) noexcept {
    while (p != end && (classes[static_cast<unsigned char>(*p)] & wanted) != 0) ++p;
    return p;
}

/// The end of a field's value: the first byte that may not be part of one. Eight bytes at a time:
/// the lowest marked byte is a control or 0x7f; only bytes above it may be marked wrongly (by a
/// borrow), and those of 0x80 and more are left to the table.
const char* skip_value(const char* p, const char* end) noexcept {
    if constexpr (std::endian::native == std::endian::little) {
        constexpr std::uint64_t ones = 0x0101010101010101ULL;
        while (end - p >= 8) {
            std::uint64_t w = 0;
            std::memcpy(&w, p, 8);
            const std::uint64_t del = w ^ ones * 0x7f;
            const std::uint64_t marks = ((w - ones * 0x20) | (del - ones) | w) & ones * 0x80;
            if (marks != 0) {
                p += std::countr_zero(marks) / 8;
                break;
            }
            p += 8;
        }
    }
    return skip(p, end, value_char);
}

constexpr std::uint64_t word(const char (&text)[9]) noexcept {
    std::array<char, 8> bytes{};
    for (std::size_t i = 0; i < 8; ++i) bytes[i] = text[i];
    return std::bit_cast<std::uint64_t>(bytes);
}
/// The bytes of a word that a text of `size` leaves out, as zeros.
constexpr std::uint64_t mask(std::size_t size) noexcept {
    std::array<unsigned char, 8> bytes{};
    for (std::size_t i = 0; i < size; ++i) bytes[i] = 0xff;
    return std::bit_cast<std::uint64_t>(bytes);
}

struct Known {
    std::uint64_t text; // with its space
    std::uint64_t mask;
    http::Method method;
    std::uint8_t size; // with its space
};
constexpr std::array<Known, 6> known_methods{{
    {word("GET \0\0\0\0"), mask(4), http::Method::get, 4},
    {word("POST \0\0\0"), mask(5), http::Method::post, 5},
    {word("HEAD \0\0\0"), mask(5), http::Method::head, 5},
    {word("PUT \0\0\0\0"), mask(4), http::Method::put, 4},
    {word("DELETE \0"), mask(7), http::Method::delete_, 7},
    {word("PATCH \0\0"), mask(6), http::Method::patch, 6},
}};

/// Past the method and its space, or nullptr.
const char* read_method(const char* begin, http::HeadView& head) noexcept {
    std::uint64_t first = 0;
    std::memcpy(&first, begin, 8);
    for (const Known& known : known_methods) {
        if ((first & known.mask) != known.text) continue;
        head.method = known.method;
        head.method_name = {0, known.size - 1U};
        return begin + known.size;
    }
    return nullptr;
}

/// Past the request line, or nullptr.
[[gnu::always_inline]] inline const char* read_line(const char* begin, const char* end,
                                                    std::uint32_t target_max,
                                                    http::HeadView& head) noexcept {
    const char* const target = read_method(begin, head);
    if (target == nullptr || *target != '/') return nullptr;
    const char* p = skip(target, end, path_char);
    const auto offset = static_cast<std::uint32_t>(target - begin);
    head.path = {offset, static_cast<std::uint32_t>(p - target)};
    head.has_query = p != end && *p == '?';
    if (head.has_query) {
        const char* const query = p + 1;
        p = skip(query, end, query_char);
        head.query = {static_cast<std::uint32_t>(query - begin),
                      static_cast<std::uint32_t>(p - query)};
    }
    head.target = {offset, static_cast<std::uint32_t>(p - target)};
    if (head.target.size > target_max || end - p < 11) return nullptr;
    if (std::memcmp(p, " HTTP/1.1\r\n", 11) == 0) head.version = http::Version::http_1_1;
    else if (std::memcmp(p, " HTTP/1.0\r\n", 11) == 0) head.version = http::Version::http_1_0;
    else return nullptr;
    return p + 11;
}

/// The colon behind a field's name, or `end`.
const char* find_colon(const char* p, const char* end) noexcept {
    if constexpr (std::endian::native == std::endian::little) {
        constexpr std::uint64_t ones = 0x0101010101010101ULL;
        for (; end - p >= 8; p += 8) {
            std::uint64_t w = 0;
            std::memcpy(&w, p, 8);
            w ^= ones * ':';
            // The lowest mark is a zero byte; those above it may be wrong (by a borrow).
            const std::uint64_t marks = (w - ones) & ~w & ones * 0x80;
            if (marks != 0) return p + std::countr_zero(marks) / 8;
        }
    }
    while (p != end && *p != ':') ++p;
    return p;
}

/// Reads the field at `p` up to its line's end, or gives nullptr when it is not for here. A chunked
/// body is read by llhttp, which must have seen its head.
const char* read_field(const char* p, const char* begin, const char* end,
                       http::FieldRef& field) noexcept {
    const char* const name = p;
    p = find_colon(p, end);
    const auto name_size = static_cast<std::size_t>(p - name);
    if (p == end || name_size - 1 >= UINT16_MAX) return nullptr;
    field.name = static_cast<std::uint32_t>(name - begin);
    field.name_size = static_cast<std::uint16_t>(name_size);
    field.known = http::lookup_field({name, name_size});
    // A known name is made of the right characters; of others each is looked at.
    if (field.known == http::FieldName::transfer_encoding ||
        (field.known == http::FieldName::other && skip(name, p, name_char) != p)) {
        return nullptr;
    }
    do ++p;
    while (p != end && (*p == ' ' || *p == '\t'));
    const char* const value = p;
    p = skip_value(p, end);
    const char* last = p;
    while (last != value && (last[-1] == ' ' || last[-1] == '\t')) --last;
    field.value = static_cast<std::uint32_t>(value - begin);
    field.value_size = static_cast<std::uint32_t>(last - value);
    return p;
}

bool is_line_end(const char* p, const char* end) noexcept {
    return end - p >= 2 && std::memcmp(p, "\r\n", 2) == 0;
}

} // namespace

std::size_t read_plain_line(std::string_view input, const ConnectionLimits& limits,
                            http::HeadView& head) noexcept {
    if (input.size() < 18) return 0;       // "GET / HTTP/1.1\r\n\r\n"
    static constexpr http::HeadView empty; // copied in a few moves
    head = empty;
    const char* const begin = input.data();
    const char* const p = read_line(begin, begin + input.size(), limits.target_bytes_max, head);
    return p == nullptr ? 0 : static_cast<std::size_t>(p - begin);
}

std::size_t read_plain_fields(std::string_view input, std::size_t line,
                              const ConnectionLimits& limits, http::HeadView& head,
                              http::FieldRef* fields) noexcept {
    const char* const begin = input.data();
    const char* const end = begin + input.size();
    const char* p = begin + line;
    http::FieldRef* field = fields;
    for (std::uint32_t left = limits.header_count_max; end - p >= 2 && *p != '\r'; --left) {
        if (left == 0) return 0;
        p = read_field(p, begin, end, *field++);
        if (p == nullptr || !is_line_end(p, end)) return 0;
        p += 2;
    }
    if (!is_line_end(p, end)) return 0;
    head.base = begin;
    head.size = static_cast<std::uint32_t>(p + 2 - begin);
    head.fields = fields;
    head.field_count = static_cast<std::uint32_t>(field - fields);
    return head.size;
}

} // namespace hc::h1
