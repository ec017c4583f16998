// The parsing algorithms are those of RFC 9651, section 4.2.
#include "core/http/structured.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/base/ascii.hpp"

namespace hc::http::structured {

namespace {

constexpr bool is_lower(char c) noexcept { return c >= 'a' && c <= 'z'; }
constexpr bool begins_key(char c) noexcept { return is_lower(c) || c == '*'; }
constexpr bool is_key_char(char c) noexcept {
    return is_lower(c) || ascii::is_digit(c) || c == '_' || c == '-' || c == '.' || c == '*';
}
constexpr bool begins_token(char c) noexcept { return ascii::is_alpha(c) || c == '*'; }
constexpr bool continues_token(char c) noexcept {
    return ascii::is_token_char(c) || c == ':' || c == '/';
}
constexpr bool is_printable(char c) noexcept { return c >= 0x20 && c < 0x7f; }

constexpr std::string_view base64_digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t no_digit = 0xff;
constexpr auto base64_values = [] {
    std::array<std::uint8_t, 256> values{};
    values.fill(no_digit);
    for (std::size_t i = 0; i < base64_digits.size(); ++i) {
        values[static_cast<unsigned char>(base64_digits[i])] = static_cast<std::uint8_t>(i);
    }
    return values;
}();

/// Padding may be missing, and bits that mean nothing may be set.
bool decode_base64(std::string_view text, std::string& out) {
    const std::size_t unpadded = std::min(text.find('='), text.size());
    const std::size_t padding = text.size() - unpadded;
    if (text.find_first_not_of('=', unpadded) != text.npos || unpadded % 4 == 1) return false;
    if (padding > 0 && (text.size() % 4 != 0 || padding > 2)) return false;
    std::uint32_t bits = 0;
    std::uint32_t count = 0;
    for (const char c : text.substr(0, unpadded)) {
        const std::uint8_t value = base64_values[static_cast<unsigned char>(c)];
        if (value == no_digit) return false;
        bits = bits << 6 | value;
        count += 6;
        if (count >= 8) {
            count -= 8;
            out += static_cast<char>(bits >> count & 0xff);
        }
    }
    return true;
}

void encode_base64(std::string_view bytes, std::string& out) {
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const std::size_t left = std::min<std::size_t>(3, bytes.size() - i);
        std::uint32_t bits = 0;
        for (std::size_t k = 0; k < 3; ++k) {
            bits = bits << 8 | (k < left ? static_cast<unsigned char>(bytes[i + k]) : 0U);
        }
        for (std::size_t k = 0; k < 4; ++k) {
            out += k <= left ? base64_digits[bits >> (18 - 6 * k) & 63] : '=';
        }
    }
}

/// Whether it is UTF-8 (RFC 3629): no overlong form, no surrogate, nothing beyond U+10FFFF.
bool is_utf8(std::string_view text) noexcept {
    for (std::size_t i = 0; i < text.size();) {
        const auto at = [&](std::size_t k) {
            return i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0U;
        };
        const unsigned first = at(0);
        if (first < 0x80) {
            ++i;
            continue;
        }
        const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
        if (first < 0xc2 || first > 0xf4) return false;
        for (std::size_t k = 1; k < size; ++k) {
            if ((at(k) & 0xc0U) != 0x80) return false;
        }
        if ((first == 0xe0 && at(1) < 0xa0) || (first == 0xed && at(1) >= 0xa0) ||
            (first == 0xf0 && at(1) < 0x90) || (first == 0xf4 && at(1) >= 0x90)) {
            return false;
        }
        i += size;
    }
    return true;
}

/// Sets what a key stands for; false when there are too many keys.
template <class Value>
bool set(std::vector<std::pair<std::string, Value>>& entries, std::string key, Value value,
         std::size_t most) {
    const auto found = std::ranges::find(entries, key, &std::pair<std::string, Value>::first);
    if (found != entries.end()) {
        found->second = std::move(value);
        return true;
    }
    if (entries.size() == most) return false;
    entries.emplace_back(std::move(key), std::move(value));
    return true;
}

class Parser {
public:
    explicit Parser(std::string_view text) noexcept : text_(text) {}

    bool item(Item& out) { return bare(out.value) && parameters(out.parameters); }

    bool member(Member& out) {
        out.is_inner = next_is('(');
        return out.is_inner ? inner_list(out) : item(out.item);
    }

    bool list(List& out) {
        while (!text_.empty()) {
            if (out.size() == members_max || !member(out.emplace_back())) return false;
            if (!separator()) return false;
        }
        return true;
    }

    bool dictionary(Dictionary& out) {
        while (!text_.empty()) {
            std::string name;
            Member value;
            if (!key(name)) return false;
            if (!(take('=') ? member(value) : parameters(value.item.parameters))) return false;
            if (!set(out, std::move(name), std::move(value), members_max)) return false;
            if (!separator()) return false;
        }
        return true;
    }

    void skip_spaces() noexcept {
        while (take(' ')) {}
    }
    bool at_end() const noexcept { return text_.empty(); }

private:
    bool next_is(char c) const noexcept { return !text_.empty() && text_.front() == c; }
    bool take(char c) noexcept {
        if (!next_is(c)) return false;
        text_.remove_prefix(1);
        return true;
    }
    char take_any() noexcept {
        const char c = text_.front();
        text_.remove_prefix(1);
        return c;
    }
    template <class Is>
    std::string_view take_while(Is&& is) noexcept {
        std::size_t n = 0;
        while (n < text_.size() && is(text_[n])) ++n;
        const std::string_view taken = text_.substr(0, n);
        text_.remove_prefix(n);
        return taken;
    }
    void skip_blanks() noexcept {
        while (take(' ') || take('\t')) {}
    }

    /// Behind a member: the end, or a comma that another member follows.
    bool separator() noexcept {
        skip_blanks();
        if (text_.empty()) return true;
        if (!take(',')) return false;
        skip_blanks();
        return !text_.empty();
    }

    bool inner_list(Member& out) {
        take('(');
        for (;;) {
            skip_spaces();
            if (take(')')) return parameters(out.item.parameters);
            if (out.inner.size() == inner_items_max || !item(out.inner.emplace_back()))
                return false;
            if (!next_is(' ') && !next_is(')')) return false;
        }
    }

    bool key(std::string& out) {
        if (text_.empty() || !begins_key(text_.front())) return false;
        out = take_while(is_key_char);
        return true;
    }

    bool parameters(Parameters& out) {
        while (take(';')) {
            skip_spaces();
            std::string name;
            BareItem value;
            if (!key(name) || (take('=') && !bare(value))) return false;
            if (!set(out, std::move(name), std::move(value), parameters_max)) return false;
        }
        return true;
    }

    bool bare(BareItem& out) {
        if (text_.empty()) return false;
        const char c = text_.front();
        if (c == '-' || ascii::is_digit(c)) return number(out);
        if (begins_token(c)) {
            out = BareItem::token(take_while(continues_token));
            return true;
        }
        text_.remove_prefix(1);
        switch (c) {
        case '"': out = BareItem::string({}); return string(out.text);
        case ':': return bytes(out);
        case '?': return boolean(out);
        case '@': return number(out) && std::exchange(out.type, Type::date) == Type::integer;
        case '%': out = BareItem::display_string({}); return take('"') && display_string(out.text);
        default: return false;
        }
    }

    bool number(BareItem& out) {
        const bool negative = take('-');
        const std::string_view whole = take_while(ascii::is_digit);
        if (whole.empty() || whole.size() > 15) return false;
        std::int64_t value = 0;
        for (const char c : whole) value = value * 10 + (c - '0');
        out.type = Type::integer;
        if (take('.')) {
            const std::string_view part = take_while(ascii::is_digit);
            if (whole.size() > 12 || part.empty() || part.size() > 3) return false;
            out.type = Type::decimal;
            for (std::size_t i = 0; i < 3; ++i) {
                value = value * 10 + (i < part.size() ? part[i] - '0' : 0);
            }
        }
        out.number = negative ? -value : value;
        return true;
    }

    bool string(std::string& out) {
        while (!text_.empty()) {
            char c = take_any();
            if (c == '"') return true;
            if (c == '\\') {
                if (!next_is('"') && !next_is('\\')) return false;
                c = take_any();
            }
            if (!is_printable(c)) return false;
            out += c;
        }
        return false;
    }

    bool bytes(BareItem& out) {
        const std::size_t end = text_.find(':');
        if (end == text_.npos) return false;
        out = BareItem::bytes({});
        const bool good = decode_base64(text_.substr(0, end), out.text);
        text_.remove_prefix(end + 1);
        return good;
    }

    bool boolean(BareItem& out) {
        if (!next_is('0') && !next_is('1')) return false;
        out = BareItem::boolean(take_any() == '1');
        return true;
    }

    static int hex(char c) noexcept {
        if (ascii::is_digit(c)) return c - '0';
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    }

    bool display_string(std::string& out) {
        while (!text_.empty()) {
            const char c = take_any();
            if (c == '"') return is_utf8(out);
            if (!is_printable(c)) return false;
            if (c != '%') {
                out += c;
                continue;
            }
            if (text_.size() < 2) return false;
            const int high = hex(take_any());
            const int low = hex(take_any());
            if (high < 0 || low < 0) return false;
            out += static_cast<char>(high * 16 + low);
        }
        return false;
    }

    std::string_view text_;
};

template <class Value, class Parse>
std::optional<Value> parse(std::string_view text, Parse&& with) {
    Parser parser(text);
    Value value;
    parser.skip_spaces();
    if (!with(parser, value)) return std::nullopt;
    parser.skip_spaces();
    if (!parser.at_end()) return std::nullopt;
    return value;
}

// -- writing --------------------------------------------------------------------------------------

constexpr std::int64_t integer_max = 999'999'999'999'999;

bool write_decimal(std::int64_t thousandths, std::string& out) {
    if (thousandths > integer_max || thousandths < -integer_max) return false;
    if (thousandths < 0) out += '-';
    const auto size = static_cast<std::uint64_t>(thousandths < 0 ? -thousandths : thousandths);
    out += std::to_string(size / 1000);
    std::string part = std::to_string(1000 + size % 1000).substr(1);
    while (part.size() > 1 && part.back() == '0') part.pop_back();
    out.append(".").append(part);
    return true;
}

bool write_integer(std::int64_t value, std::string& out) {
    out += std::to_string(value);
    return value <= integer_max && value >= -integer_max;
}

bool write_string(std::string_view text, std::string& out) {
    out += '"';
    for (const char c : text) {
        if (!is_printable(c)) return false;
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    out += '"';
    return true;
}

bool write_display_string(std::string_view text, std::string& out) {
    constexpr std::string_view digits = "0123456789abcdef";
    out += "%\"";
    for (const char c : text) {
        if (is_printable(c) && c != '%' && c != '"') {
            out += c;
        } else {
            const auto byte = static_cast<unsigned char>(c);
            out.append("%").append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
        }
    }
    out += '"';
    return is_utf8(text);
}

bool write_bare(const BareItem& item, std::string& out) {
    const std::string_view text = item.text;
    switch (item.type) {
    case Type::integer: return write_integer(item.number, out);
    case Type::decimal: return write_decimal(item.number, out);
    case Type::string: return write_string(text, out);
    case Type::token:
        out += text;
        return !text.empty() && begins_token(text.front()) &&
               std::ranges::all_of(text, continues_token);
    case Type::bytes:
        out += ':';
        encode_base64(text, out);
        out += ':';
        return true;
    case Type::boolean: out += item.number != 0 ? "?1" : "?0"; return true;
    case Type::date: out += '@'; return write_integer(item.number, out);
    case Type::display_string: return write_display_string(text, out);
    }
    return false;
}

bool write_key(std::string_view key, std::string& out) {
    out += key;
    return !key.empty() && begins_key(key.front()) && std::ranges::all_of(key, is_key_char);
}

bool is_true(const BareItem& item) noexcept {
    return item.type == Type::boolean && item.number != 0;
}

bool write_parameters(const Parameters& parameters, std::string& out) {
    for (const auto& [key, value] : parameters) {
        out += ';';
        if (!write_key(key, out)) return false;
        if (is_true(value)) continue;
        out += '=';
        if (!write_bare(value, out)) return false;
    }
    return true;
}

bool write(const Item& item, std::string& out) {
    return write_bare(item.value, out) && write_parameters(item.parameters, out);
}

bool write(const Member& member, std::string& out) {
    if (!member.is_inner) return write(member.item, out);
    out += '(';
    for (const Item& item : member.inner) {
        if (&item != member.inner.data()) out += ' ';
        if (!write(item, out)) return false;
    }
    out += ')';
    return write_parameters(member.item.parameters, out);
}

} // namespace

BareItem BareItem::decimal(double value) {
    constexpr double most = 999'999'999'999'999.0;
    const double thousandths = std::nearbyint(value * 1000);
    // What is too large, or no number, stays so: it cannot be written.
    if (!(std::fabs(thousandths) <= most)) return {Type::decimal, INT64_MAX, {}};
    return {Type::decimal, static_cast<std::int64_t>(thousandths), {}};
}

std::optional<Item> parse_item(std::string_view value) {
    return parse<Item>(value, [](Parser& parser, Item& out) { return parser.item(out); });
}

std::optional<List> parse_list(std::string_view value) {
    return parse<List>(value, [](Parser& parser, List& out) { return parser.list(out); });
}

std::optional<Dictionary> parse_dictionary(std::string_view value) {
    return parse<Dictionary>(
        value, [](Parser& parser, Dictionary& out) { return parser.dictionary(out); });
}

std::optional<std::string> write_item(const Item& item) {
    std::string out;
    if (!write(item, out)) return std::nullopt;
    return out;
}

std::optional<std::string> write_list(const List& list) {
    std::string out;
    for (const Member& member : list) {
        if (&member != list.data()) out += ", ";
        if (!write(member, out)) return std::nullopt;
    }
    return out;
}

std::optional<std::string> write_dictionary(const Dictionary& dictionary) {
    std::string out;
    for (const auto& [key, member] : dictionary) {
        if (&key != &dictionary.front().first) out += ", ";
        if (!write_key(key, out)) return std::nullopt;
        const bool flag = !member.is_inner && is_true(member.item.value);
        if (!flag) out += '=';
        if (!(flag ? write_parameters(member.item.parameters, out) : write(member, out))) {
            return std::nullopt;
        }
    }
    return out;
}

const Member* find(const Dictionary& dictionary, std::string_view key) noexcept {
    for (const auto& [name, member] : dictionary) {
        if (name == key) return &member;
    }
    return nullptr;
}

} // namespace hc::http::structured

namespace hc::http {

Priority parse_priority(std::string_view value) {
    Priority priority;
    const auto dictionary = structured::parse_dictionary(value);
    if (!dictionary) return priority;
    const auto of_type = [&](std::string_view key, structured::Type type) {
        const structured::Member* member = structured::find(*dictionary, key);
        const bool good = member != nullptr && !member->is_inner && member->item.value.type == type;
        return good ? std::optional(member->item.value.number) : std::nullopt;
    };
    const auto urgency = of_type("u", structured::Type::integer);
    if (urgency && *urgency >= 0 && *urgency <= 7) {
        priority.urgency = static_cast<std::uint8_t>(*urgency);
    }
    priority.incremental = of_type("i", structured::Type::boolean).value_or(0) != 0;
    return priority;
}

} // namespace hc::http
