// The cases of httpwg/structured-field-tests (../shared/vectors/structured-fields): each is read,
// compared with what is expected, and written; those of serialisation-tests are only written.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <iostream>
#include <string>

#include "core/http/structured.hpp"
#include "tests/support/vectors.hpp"

namespace hc::http {
namespace {

using namespace structured;
using json = nlohmann::json;

std::string base32(std::string_view text) {
    std::string out;
    std::uint32_t bits = 0;
    std::uint32_t count = 0;
    for (const char c : text) {
        if (c == '=') break;
        bits = bits << 5 | static_cast<std::uint32_t>(c >= 'A' ? c - 'A' : c - '2' + 26);
        count += 5;
        if (count >= 8) {
            count -= 8;
            out += static_cast<char>(bits >> count & 0xff);
        }
    }
    return out;
}

BareItem bare(const json& value) {
    if (value.is_boolean()) return BareItem::boolean(value);
    if (value.is_number_integer()) return BareItem::integer(value);
    if (value.is_number()) return BareItem::decimal(value);
    if (value.is_string()) return BareItem::string(value.get<std::string>());
    const std::string type = value.at("__type");
    if (type == "date") return BareItem::date(value.at("value"));
    const std::string text = value.at("value");
    if (type == "token") return BareItem::token(text);
    if (type == "binary") return BareItem::bytes(base32(text));
    EXPECT_EQ(type, "displaystring");
    return BareItem::display_string(text);
}

Parameters parameters(const json& pairs) {
    Parameters out;
    for (const json& pair : pairs) out.emplace_back(pair.at(0), bare(pair.at(1)));
    return out;
}

Item item(const json& pair) { return {bare(pair.at(0)), parameters(pair.at(1))}; }

Member member(const json& pair) {
    Member out;
    out.is_inner = pair.at(0).is_array();
    if (!out.is_inner) {
        out.item = item(pair);
        return out;
    }
    for (const json& inner : pair.at(0)) out.inner.push_back(item(inner));
    out.item.parameters = parameters(pair.at(1));
    return out;
}

List list(const json& members) {
    List out;
    for (const json& one : members) out.push_back(member(one));
    return out;
}

Dictionary dictionary(const json& members) {
    Dictionary out;
    for (const json& pair : members) out.emplace_back(pair.at(0), member(pair.at(1)));
    return out;
}

std::string joined(const json& lines) {
    std::string text;
    for (const json& line : lines) text += (text.empty() ? "" : ", ") + line.get<std::string>();
    return text;
}

/// One case for one of the three kinds of fields.
template <class Value>
void check(const json& it, std::optional<Value> (*parse)(std::string_view),
           std::optional<std::string> (*write)(const Value&), Value (*expected)(const json&)) {
    const bool must_fail = it.value("must_fail", false);
    if (!it.contains("raw")) { // to be written
        const auto written = write(expected(it.at("expected")));
        const std::string right = must_fail ? "" : joined(it.at("canonical"));
        EXPECT_TRUE(written == (must_fail ? std::nullopt : std::optional(right)));
        return;
    }
    const auto parsed = parse(joined(it.at("raw")));
    if (must_fail || (it.value("can_fail", false) && !parsed)) {
        EXPECT_FALSE(parsed);
        return;
    }
    ASSERT_TRUE(parsed);
    EXPECT_TRUE(*parsed == expected(it.at("expected")));
    const auto written = write(*parsed);
    EXPECT_TRUE(written == joined(it.contains("canonical") ? it.at("canonical") : it.at("raw")));
}

TEST(StructuredVectors, AllCases) {
    const auto folder = hc::test::find_vectors("structured-fields");
    if (!folder) GTEST_SKIP() << "vectors not present: 2,135 cases not run";
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(*folder)) {
        if (entry.path().extension() != ".json") continue;
        for (const json& it : json::parse(hc::test::read_file(entry.path()))) {
            const testing::ScopedTrace trace(__FILE__, __LINE__,
                                             entry.path().filename().string() + ": " +
                                                 it.at("name").get<std::string>());
            const std::string type = it.at("header_type");
            if (type == "item") check<Item>(it, parse_item, write_item, item);
            else if (type == "list") check<List>(it, parse_list, write_list, list);
            else check<Dictionary>(it, parse_dictionary, write_dictionary, dictionary);
            ++count;
        }
    }
    EXPECT_GE(count, 1'000U);
    std::cout << count << " cases\n";
}

} // namespace
} // namespace hc::http
