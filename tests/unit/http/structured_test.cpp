#include "core/http/structured.hpp"

#include <gtest/gtest.h>

#include <string>

namespace hc::http {
namespace {

using namespace structured;

/// What is written for what was read; "-" for what is malformed.
std::string list(std::string_view text) {
    const auto parsed = parse_list(text);
    return parsed ? write_list(*parsed).value_or("?") : "-";
}
std::string dictionary(std::string_view text) {
    const auto parsed = parse_dictionary(text);
    return parsed ? write_dictionary(*parsed).value_or("?") : "-";
}
std::string item(std::string_view text) {
    const auto parsed = parse_item(text);
    return parsed ? write_item(*parsed).value_or("?") : "-";
}

TEST(Structured, IsWrittenAsItShouldHaveBeen) {
    EXPECT_EQ(list(" a ,\t\"b\" ,1.50;x=?1;  y=:aGk=:,( 1  2 );q=0.5 "),
              "a, \"b\", 1.5;x;y=:aGk=:, (1 2);q=0.5");
    EXPECT_EQ(dictionary("a=1, b , c;d, a=?1"), "a, b, c;d");
    EXPECT_EQ(dictionary("a=?0, b=(), c=( x );y"), "a=?0, b=(), c=(x);y");
    EXPECT_EQ(item("  -0  "), "0");
    EXPECT_EQ(item("-0.0"), "0.0");
    EXPECT_EQ(item("@-1"), "@-1");
    EXPECT_EQ(item("%\"%c3%bc%25 a%22\""), "%\"%c3%bc%25 a%22\"");
    EXPECT_EQ(list(""), "");
    EXPECT_EQ(dictionary("  "), "");
}

TEST(Structured, WhatIsMalformedIsNothing) {
    for (const std::string_view text : {"a,",
                                        ",a",
                                        "a,,b",
                                        "a b",
                                        "(a",
                                        "(a,b)",
                                        "()a",
                                        "\"a",
                                        "\"\\a\"",
                                        "\"\x7f\"",
                                        "'a'",
                                        "1.",
                                        ".1",
                                        "1.1234",
                                        "1234567890123.1",
                                        "1234567890123456",
                                        "--1",
                                        "-",
                                        "-a",
                                        "?2",
                                        "?",
                                        ":a",
                                        ":a:",
                                        ":a=a=:",
                                        ":====:",
                                        "@1.0",
                                        "@",
                                        "@a",
                                        "%a",
                                        "%\"%C3\"",
                                        "%\"%c3\"",
                                        "%\"%ed%a0%80\"",
                                        "%\"%c0%80\"",
                                        "%\"%f4%90%80%80\"",
                                        "%\"%4\"",
                                        "a;=1",
                                        "a;A=1",
                                        "a;b=",
                                        "a; ",
                                        "\xc3\xbc"}) {
        EXPECT_EQ(list(text), "-") << text;
    }
    for (const std::string_view text : {"A=1", "a=", "=1", "a=1,", "a=1 b=2", "1=a", "a =1"}) {
        EXPECT_EQ(dictionary(text), "-") << text;
    }
    for (const std::string_view text : {"", "a, b", "a b", "(a)", "a=1"}) {
        EXPECT_EQ(item(text), "-") << text;
    }
}

TEST(Structured, WhatCannotBeWrittenIsNot) {
    const auto write = [](BareItem value) { return write_item({std::move(value), {}}); };
    EXPECT_FALSE(write(BareItem::token("")));
    EXPECT_FALSE(write(BareItem::token("1a")));
    EXPECT_FALSE(write(BareItem::token("a b")));
    EXPECT_FALSE(write(BareItem::string("\n")));
    EXPECT_FALSE(write(BareItem::string("\xc3\xbc")));
    EXPECT_FALSE(write(BareItem::display_string("\xff")));
    EXPECT_FALSE(write(BareItem::integer(1'000'000'000'000'000)));
    EXPECT_FALSE(write(BareItem::integer(INT64_MIN)));
    EXPECT_FALSE(write(BareItem::date(INT64_MAX)));
    EXPECT_FALSE(write(BareItem::decimal(1e12)));
    EXPECT_FALSE(write(BareItem::decimal(0.0 / 0.0)));
    EXPECT_FALSE(write_item({BareItem::boolean(true), {{"A", {}}}}));
    EXPECT_FALSE(write_dictionary({{"", {}}}));
    EXPECT_EQ(write(BareItem::decimal(-0.25)), "-0.25");
    EXPECT_EQ(write(BareItem::bytes(std::string_view("\0\xff", 2))), ":AP8=:");
}

TEST(Structured, ThereIsABoundToEverything) {
    const auto repeated = [](std::string_view text, std::size_t count) {
        std::string all;
        for (std::size_t i = 0; i < count; ++i) all += text;
        return all;
    };
    EXPECT_TRUE(parse_list(repeated("a,", members_max - 1) + "a"));
    EXPECT_FALSE(parse_list(repeated("a,", members_max) + "a"));
    EXPECT_TRUE(parse_list("(" + repeated("a ", inner_items_max) + ")"));
    EXPECT_FALSE(parse_list("(" + repeated("a ", inner_items_max + 1) + ")"));
    std::string parameters = "a";
    for (std::size_t i = 0; i < parameters_max; ++i) parameters += ";k" + std::to_string(i);
    EXPECT_TRUE(parse_item(parameters));
    EXPECT_TRUE(parse_item(parameters + ";k0")) << "the same one again";
    EXPECT_FALSE(parse_item(parameters + ";one-more"));
}

TEST(Priority, IsReadLeniently) {
    EXPECT_EQ(parse_priority("u=5, i"), (Priority{5, true}));
    EXPECT_EQ(parse_priority("i=?0,u=0"), (Priority{0, false}));
    for (const std::string_view value :
         {"", "u=8", "u=-1", "u=1.0", "u=\"1\"", "i=1", "u=(1)", "u", "u=1, i,", "x=y", "u=1 i"}) {
        EXPECT_EQ(parse_priority(value), Priority{}) << value;
    }
    EXPECT_EQ(parse_priority("u=9, i, x=\"y\""), (Priority{3, true})) << "each by itself";
    EXPECT_EQ(parse_priority("u=1, u=2;x"), (Priority{2, false}));
}

} // namespace
} // namespace hc::http
