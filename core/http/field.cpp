#include "core/http/field.hpp"

#include <array>
#include <bit>
#include <cstring>

#include "core/base/ascii.hpp"

namespace hc::http {

namespace {

constexpr auto name_count = static_cast<std::size_t>(FieldName::count_);

// In the order of FieldName.
// clang-format off
constexpr std::array<std::string_view, name_count> names{
    "", "accept", "accept-charset", "accept-encoding", "accept-language", "accept-ranges",
    "access-control-allow-credentials", "access-control-allow-headers",
    "access-control-allow-methods", "access-control-allow-origin", "access-control-expose-headers",
    "access-control-max-age", "access-control-request-headers", "access-control-request-method",
    "age", "allow", "alt-svc", "authorization", "cache-control", "connection",
    "content-disposition", "content-encoding", "content-language", "content-length",
    "content-location", "content-range", "content-security-policy", "content-type", "cookie",
    "date", "early-data", "etag", "expect", "expires", "forwarded", "from", "host",
    "http2-settings", "if-match", "if-modified-since", "if-none-match", "if-range",
    "if-unmodified-since", "keep-alive", "last-event-id", "last-modified", "link", "location",
    "max-forwards", "origin", "pragma", "priority", "proxy-authenticate", "proxy-authorization",
    "proxy-connection", "range", "referer", "retry-after", "sec-fetch-dest", "sec-fetch-mode",
    "sec-fetch-site", "sec-fetch-user", "sec-websocket-accept", "sec-websocket-extensions",
    "sec-websocket-key", "sec-websocket-protocol", "sec-websocket-version", "server", "set-cookie",
    "strict-transport-security", "te", "trailer", "transfer-encoding", "upgrade",
    "upgrade-insecure-requests", "user-agent", "vary", "via", "warning", "www-authenticate",
    "x-content-type-options", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto",
    "x-frame-options", "x-real-ip", "x-request-id"};
// clang-format on

constexpr std::size_t size_min = 2;
constexpr std::size_t size_max = 32;
constexpr unsigned slot_bits = 10;

/// The first and the last four characters (two of a shorter name) with the case bit set, as one
/// number; together with the length they tell all the names apart. Byte order does not matter here.
template <class Half>
constexpr std::uint64_t ends_of(const char* name, std::size_t size) noexcept {
    std::array<char, sizeof(Half)> first{};
    std::array<char, sizeof(Half)> last{};
    if consteval {
        for (std::size_t i = 0; i < sizeof(Half); ++i) {
            first[i] = name[i];
            last[i] = name[size - sizeof(Half) + i];
        }
    } else {
        std::memcpy(first.data(), name, sizeof(Half));
        std::memcpy(last.data(), name + size - sizeof(Half), sizeof(Half));
    }
    return std::uint64_t{std::bit_cast<Half>(first)} << 32 | std::bit_cast<Half>(last);
}
constexpr std::uint64_t mix(const char* name, std::size_t size) noexcept {
    const std::uint64_t ends =
        size >= 4 ? ends_of<std::uint32_t>(name, size) : ends_of<std::uint16_t>(name, size);
    return (ends | 0x2020202020202020ULL) + size * 0x0101010101010101ULL;
}
constexpr std::uint32_t slot_of(std::uint64_t mixed, std::uint64_t factor) noexcept {
    return static_cast<std::uint32_t>((mixed * factor) >> (64 - slot_bits));
}

struct Table {
    std::uint64_t factor = 0;
    std::array<std::uint8_t, 1U << slot_bits> slots{}; // FieldName, 0 where there is none
};

constexpr bool fill(Table& table) {
    table.slots = {};
    for (std::size_t i = 1; i < name_count; ++i) {
        auto& slot = table.slots[slot_of(mix(names[i].data(), names[i].size()), table.factor)];
        if (slot != 0) return false;
        slot = static_cast<std::uint8_t>(i);
    }
    return true;
}

/// Tries odd factors from a fixed sequence until no two names share a slot.
constexpr Table search() {
    Table table;
    table.factor = 0x9e3779b97f4a7c15ULL;
    for (int i = 0; i < 2000; ++i) {
        if (fill(table)) return table;
        table.factor = (table.factor * 6364136223846793005ULL + 1442695040888963407ULL) | 1;
    }
    return {};
}

constexpr Table table = search();
static_assert(table.factor != 0, "no perfect hash for the field names: widen slot_bits");
static_assert(name_count <= 256, "a slot is one byte");

constexpr bool sizes_hold() {
    for (std::size_t i = 1; i < name_count; ++i) {
        if (names[i].size() < size_min || names[i].size() > size_max) return false;
    }
    return true;
}
static_assert(sizes_hold());

template <class Word>
Word load(const char* p) noexcept {
    Word w;
    std::memcpy(&w, p, sizeof w);
    return w;
}

/// Whether eight characters are those of lower-case `text`, in any case: they may differ in the
/// case bit, and only where `text` has a letter (no digit and no "-" has bit 0x40).
constexpr bool same_word(std::uint64_t name, std::uint64_t text) noexcept {
    constexpr std::uint64_t case_bits = 0x2020202020202020ULL;
    return ((name ^ text) & ~((text >> 1) & case_bits)) == 0;
}

/// `name` in any case against lower-case `text` of the same size (2 to 32 bytes). Words overlap at
/// the end, so that nothing outside of the two is read.
bool same_name(const char* name, const char* text, std::size_t size) noexcept {
    if (size >= 8) {
        for (std::size_t i = 0; i + 8 < size; i += 8) {
            if (!same_word(load<std::uint64_t>(name + i), load<std::uint64_t>(text + i)))
                return false;
        }
        return same_word(load<std::uint64_t>(name + size - 8),
                         load<std::uint64_t>(text + size - 8));
    }
    if (size >= 4) {
        return same_word(ends_of<std::uint32_t>(name, size), ends_of<std::uint32_t>(text, size));
    }
    return same_word(ends_of<std::uint16_t>(name, size), ends_of<std::uint16_t>(text, size));
}

enum : std::uint8_t { token_char = 1, value_char = 2 };
constexpr std::array<std::uint8_t, 256> char_classes = [] {
    std::array<std::uint8_t, 256> classes{};
    for (int c = 0; c < 256; ++c) {
        std::uint8_t is = 0;
        if (c < 0x80 && ascii::is_token_char(static_cast<char>(c))) is |= token_char;
        if (c == '\t' || (c >= 0x20 && c != 0x7f)) is |= value_char;
        classes[static_cast<std::size_t>(c)] = is;
    }
    return classes;
}();
/// Might one of eight bytes be below 0x20 or 0x7f? May say yes too often, never no.
constexpr bool has_control(std::uint64_t w) noexcept {
    constexpr std::uint64_t ones = 0x0101010101010101ULL;
    const std::uint64_t del = w ^ ones * 0x7f;
    return (((w - ones * 0x20) | (del - ones)) & ones * 0x80) != 0;
}
bool all(std::string_view text, std::uint8_t wanted) noexcept {
    for (char c : text) {
        if ((char_classes[static_cast<unsigned char>(c)] & wanted) == 0) return false;
    }
    return true;
}

} // namespace

FieldName lookup_field(std::string_view name) noexcept {
    const std::size_t size = name.size();
    if (size < size_min || size > size_max) return FieldName::other;
    const std::uint8_t found = table.slots[slot_of(mix(name.data(), size), table.factor)];
    const std::string_view text = names[found];
    if (text.size() != size || !same_name(name.data(), text.data(), size)) return FieldName::other;
    return static_cast<FieldName>(found);
}

std::string_view field_text(FieldName name) noexcept {
    const auto i = static_cast<std::size_t>(name);
    return i < name_count ? names[i] : std::string_view{};
}

bool is_named(std::string_view name, FieldName known) noexcept {
    const auto i = static_cast<std::size_t>(known);
    if (i - 1 >= name_count - 1 || names[i].size() != name.size()) return false;
    return same_name(name.data(), names[i].data(), name.size());
}

bool is_field_name(std::string_view name) noexcept {
    return !name.empty() && all(name, token_char);
}

bool is_field_value(std::string_view value) noexcept {
    if (value.empty()) return true;
    const auto blank = [](char c) { return c == ' ' || c == '\t'; };
    if (blank(value.front()) || blank(value.back())) return false;
    if (value.size() < 8) return all(value, value_char);
    // Eight at a time, the last eight perhaps a second time; the table decides in doubt.
    const char* const last = value.data() + value.size() - 8;
    bool doubt = has_control(load<std::uint64_t>(last));
    for (const char* p = value.data(); p < last; p += 8) {
        doubt = doubt || has_control(load<std::uint64_t>(p));
    }
    return !doubt || all(value, value_char);
}

bool may_be_trailer(FieldName name) noexcept {
    switch (name) {
    case FieldName::age:
    case FieldName::authorization:
    case FieldName::cache_control:
    case FieldName::connection:
    case FieldName::content_encoding:
    case FieldName::content_length:
    case FieldName::content_range:
    case FieldName::content_type:
    case FieldName::cookie:
    case FieldName::date:
    case FieldName::early_data:
    case FieldName::expect:
    case FieldName::expires:
    case FieldName::forwarded:
    case FieldName::host:
    case FieldName::http2_settings:
    case FieldName::if_match:
    case FieldName::if_modified_since:
    case FieldName::if_none_match:
    case FieldName::if_range:
    case FieldName::if_unmodified_since:
    case FieldName::keep_alive:
    case FieldName::location:
    case FieldName::max_forwards:
    case FieldName::pragma:
    case FieldName::proxy_authenticate:
    case FieldName::proxy_authorization:
    case FieldName::proxy_connection:
    case FieldName::range:
    case FieldName::retry_after:
    case FieldName::set_cookie:
    case FieldName::te:
    case FieldName::trailer:
    case FieldName::transfer_encoding:
    case FieldName::upgrade:
    case FieldName::vary:
    case FieldName::warning:
    case FieldName::www_authenticate:
    case FieldName::x_forwarded_for:
    case FieldName::x_forwarded_host:
    case FieldName::x_forwarded_proto:
    case FieldName::x_real_ip: return false;
    default: return true; // every other name, known or not, now or later
    }
}

} // namespace hc::http
