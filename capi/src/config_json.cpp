#include "capi/src/config_json.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "capi/src/schema.hpp"

namespace hc::capi {

namespace {

using Json = nlohmann::ordered_json;

// Options are at most "group.name", so that a text nested deeper than this is a mistake or an
// attack on the parser's stack.
constexpr int depth_max = 16;

/// The text of a value as set_option takes it, or nullopt for a kind no option has.
std::optional<std::string> text_of(const Json& value) {
    if (value.is_string()) return value.get<std::string>();
    if (value.is_boolean()) return value.get<bool>() ? "true" : "false";
    if (value.is_number_unsigned()) return std::to_string(value.get<std::uint64_t>());
    if (value.is_number_integer()) return std::to_string(value.get<std::int64_t>());
    if (!value.is_array()) return std::nullopt;
    std::string items;
    for (const Json& item : value) {
        if (!item.is_string()) return std::nullopt;
        if (!items.empty()) items += ',';
        items += item.get<std::string>();
    }
    return items;
}

Result<void> set_value(Settings& settings, const std::string& key, const Json& value) {
    const Option* option = find_option(key);
    const auto text = text_of(value);
    const bool list = option != nullptr && type_name(*option) == "list";
    if (option != nullptr && (!text || (value.is_array() && !list))) {
        return fail(ErrorKind::invalid, key + ": the value's kind is not that of the option (" +
                                            std::string(type_name(*option)) + ")");
    }
    return set_option(settings, key, text.value_or(""));
}

/// Whether options have a key that begins with `key` and a dot.
bool is_section(std::string_view key) {
    return std::ranges::any_of(options(), [&](const Option& option) {
        const std::string_view whole = option.key;
        return whole.starts_with(key) && whole.substr(key.size()).starts_with('.');
    });
}

Result<void> walk(Settings& settings, const Json& object, const std::string& prefix,
                  std::string& about) {
    for (const auto& [name, value] : object.items()) {
        const std::string key = prefix.empty() ? name : prefix + "." + name;
        // An empty object is one value, of no option; a full one may name what is wrong in it.
        if (value.is_object() && (is_section(key) || !value.empty())) {
            if (auto ok = walk(settings, value, key, about); !ok) return ok;
            continue;
        }
        about = key;
        if (auto ok = set_value(settings, key, value); !ok) return ok;
    }
    return {};
}

/// The items of a list as text_of writes it.
Json items_of(std::string_view text) {
    Json items = Json::array();
    while (!text.empty()) {
        const std::size_t comma = std::min(text.find(','), text.size());
        items.push_back(text.substr(0, comma));
        text.remove_prefix(std::min(comma + 1, text.size()));
    }
    return items;
}

} // namespace

Result<void> load_json(Settings& settings, std::string_view text, std::string& about) {
    bool deep = false;
    const auto bounded = [&](int depth, Json::parse_event_t, Json&) {
        deep = deep || depth > depth_max;
        return !deep;
    };
    Json root;
    try {
        root = Json::parse(text, bounded);
    } catch (const Json::parse_error& error) {
        return fail(ErrorKind::invalid, "not JSON, at byte " + std::to_string(error.byte));
    } catch (const Json::out_of_range&) {
        return fail(ErrorKind::invalid, "a number beyond all bounds");
    }
    if (deep) return fail(ErrorKind::invalid, "nested too deeply");
    if (!root.is_object()) return fail(ErrorKind::invalid, "not one JSON object");
    Settings copy = settings;
    if (auto ok = walk(copy, root, "", about); !ok) return ok;
    settings = std::move(copy);
    return {};
}

const std::string& schema_json() {
    // Made once and never freed: a global with a destructor would run while threads still live.
    static const std::string* const text = [] {
        Settings defaults;
        Json list = Json::array();
        for (const Option& option : options()) {
            const std::string_view type = type_name(option);
            const std::string value = text_of(option, defaults);
            Json entry{{"key", option.key}, {"type", type}, {"unit", option.unit}};
            if (type == "bool") {
                entry["default"] = value == "true";
            } else if (type == "integer") {
                entry["default"] = std::stoll(value);
                entry["min"] = option.min;
                entry["max"] = option.max;
            } else if (type == "list") {
                entry["default"] = items_of(value);
            } else {
                entry["default"] = value;
            }
            if (type == "choice") entry["choices"] = choices(option);
            entry["reads"] = option.reads;
            entry["help"] = option.help;
            list.push_back(std::move(entry));
        }
        return new std::string(list.dump(1));
    }();
    return *text;
}

} // namespace hc::capi
