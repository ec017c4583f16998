// Structured field values (RFC 9651): items, lists and dictionaries, read strictly and written in
// the one way that is right. And the one of them that the core itself reads, Priority (RFC 9218).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hc::http::structured {

enum class Type : std::uint8_t {
    integer,        // number
    decimal,        // number, in thousandths
    string,         // text, of printable ASCII
    token,          // text
    bytes,          // text
    boolean,        // number: 0 or 1
    date,           // number: seconds since 1970
    display_string, // text, in UTF-8
};

struct BareItem {
    Type type = Type::boolean;
    std::int64_t number = 1;
    std::string text;

    static BareItem integer(std::int64_t value) { return {Type::integer, value, {}}; }
    /// Rounded to thousandths, a half to the even one.
    static BareItem decimal(double value);
    static BareItem string(std::string_view text) { return {Type::string, 0, std::string(text)}; }
    static BareItem token(std::string_view text) { return {Type::token, 0, std::string(text)}; }
    static BareItem bytes(std::string_view text) { return {Type::bytes, 0, std::string(text)}; }
    static BareItem boolean(bool value) { return {Type::boolean, value ? 1 : 0, {}}; }
    static BareItem date(std::int64_t seconds) { return {Type::date, seconds, {}}; }
    static BareItem display_string(std::string_view utf8) {
        return {Type::display_string, 0, std::string(utf8)};
    }
    bool operator==(const BareItem&) const = default;
};

/// In order; of several with the same key only the last is left, where the first was.
using Parameters = std::vector<std::pair<std::string, BareItem>>;

struct Item {
    BareItem value;
    Parameters parameters;
    bool operator==(const Item&) const = default;
};

/// An item, or a list of items with parameters of its own.
struct Member {
    Item item;               // of an inner list its parameters only
    std::vector<Item> inner; // of an inner list
    bool is_inner = false;
    bool operator==(const Member&) const = default;
};

using List = std::vector<Member>;
using Dictionary = std::vector<std::pair<std::string, Member>>; // in order, as Parameters

// How many there may be. A value with more is refused, as one that is malformed: it can be sent
// only to make work. (RFC 9651 asks for no more than these.)
constexpr std::size_t members_max = 1024;
constexpr std::size_t inner_items_max = 256;
constexpr std::size_t parameters_max = 256;

/// What a field's values say, joined by commas where there are several; nullopt when they are
/// malformed anywhere: then nothing of them counts.
std::optional<Item> parse_item(std::string_view value);
std::optional<List> parse_list(std::string_view value);
std::optional<Dictionary> parse_dictionary(std::string_view value);

/// nullopt for what cannot be written: a key or a text with wrong characters, a number too large.
/// A list or a dictionary without members is empty: then the field is not to be sent.
std::optional<std::string> write_item(const Item& item);
std::optional<std::string> write_list(const List& list);
std::optional<std::string> write_dictionary(const Dictionary& dictionary);

/// The member of that key, or nullptr.
const Member* find(const Dictionary& dictionary, std::string_view key) noexcept;

} // namespace hc::http::structured

namespace hc::http {

/// How soon an answer is wanted, and whether parts of it are of use (RFC 9218).
struct Priority {
    std::uint8_t urgency = 3; // 0 is most urgent, 7 least
    bool incremental = false;
    bool operator==(const Priority&) const = default;
};

/// What a Priority field (or a PRIORITY_UPDATE frame) says. What is missing, out of range or not
/// understood is as by default.
Priority parse_priority(std::string_view value);

} // namespace hc::http
