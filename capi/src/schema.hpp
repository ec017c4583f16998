// The one table of options. The configuration, its schema, the command line's flags and the
// documentation are made from it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "capi/src/settings.hpp"
#include "core/base/result.hpp"

namespace hc::capi {

/// Permission bits, written in octal.
struct Mode {
    std::uint32_t* bits;
};

/// A text of any number of lines.
struct Lines {
    std::string* text;
};

/// One of several names, each of which is a value of an enumeration: its place among them.
struct Choice {
    std::span<const std::string_view> names;
    void* place;
    std::size_t (*get)(const void* place);
    void (*set)(void* place, std::size_t index);
};

/// Where an option lives; the alternative is its type.
using Place = std::variant<bool*, std::uint32_t*, std::uint64_t*, std::intptr_t*, std::string*,
                           std::vector<std::string>*, Mode, Lines, Choice>;

struct Option {
    std::string_view key;
    std::string_view unit;  // "bytes", "ms", "s", "count" or ""
    std::string_view reads; // what is made from it: "runtime", "server", "listener", "log"
    std::int64_t min = 0;   // integers only
    std::int64_t max = 0;
    Place (*place)(Settings&);
    std::string_view help;
};

std::span<const Option> options() noexcept;
const Option* find_option(std::string_view key) noexcept;
/// The key that differs from `key` in the fewest letters.
std::string_view nearest_key(std::string_view key);

/// Sets one option from its text. The message of an error tells the type or the range.
Result<void> set_option(Settings& settings, std::string_view key, std::string_view text);

/// "bool", "integer", "string", "text", "list", "mode" or "choice".
std::string_view type_name(const Option& option);
/// The names of a choice, in order of their values; none for other types.
std::span<const std::string_view> choices(const Option& option);
/// The present value, as set_option would take it.
std::string text_of(const Option& option, Settings& settings);

/// The table as JSON, made once.
const std::string& schema_json();

} // namespace hc::capi
