#include "core/http/field.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <set>
#include <string>

#include "core/base/ascii.hpp"
#include "core/base/random.hpp"

namespace hc::http {
namespace {

TEST(Field, EveryNameMapsToItselfInAnyCase) {
    std::set<std::string_view> seen;
    for (std::uint16_t i = 1; i < static_cast<std::uint16_t>(FieldName::count_); ++i) {
        const auto name = static_cast<FieldName>(i);
        const std::string text(field_text(name));
        ASSERT_TRUE(is_field_name(text)) << i;
        EXPECT_TRUE(seen.insert(field_text(name)).second) << text;
        EXPECT_EQ(lookup_field(text), name) << text;
        std::string upper = text, mixed = text;
        for (std::size_t k = 0; k < text.size(); ++k) {
            if (ascii::is_alpha(text[k])) upper[k] = static_cast<char>(text[k] - 32);
            if (k % 2 == 0) mixed[k] = upper[k];
        }
        EXPECT_EQ(lookup_field(upper), name) << upper;
        EXPECT_EQ(lookup_field(mixed), name) << mixed;
    }
    EXPECT_EQ(field_text(FieldName::other), "");
    EXPECT_EQ(field_text(FieldName::content_length), "content-length");
    EXPECT_EQ(field_text(FieldName::x_request_id), "x-request-id");
    EXPECT_EQ(field_text(FieldName::te), "te");
    EXPECT_EQ(field_text(static_cast<FieldName>(60'000)), "");
}

TEST(Field, NothingElseMaps) {
    for (const char* other :
         {"", "h", "hos", "hosu", "hostt", "x", "content-lengtl", "content_length", "\x08ost",
          "content-length-of-something-longer-than-all", "cookie2", "\xe8ost", "HO\x13T",
          "content\rlength", "if-matcH ", "tf"}) {
        EXPECT_EQ(lookup_field(other), FieldName::other) << other;
    }
}

TEST(Field, OneChangedCharacterIsAnotherName) {
    for (std::uint16_t i = 1; i < static_cast<std::uint16_t>(FieldName::count_); ++i) {
        const std::string text(field_text(static_cast<FieldName>(i)));
        for (std::size_t at = 0; at < text.size(); ++at) {
            for (int c = 0; c < 256; ++c) {
                std::string changed = text;
                changed[at] = static_cast<char>(c);
                const FieldName found = lookup_field(changed);
                const bool same = ascii::equals_ignoring_case(changed, text);
                ASSERT_EQ(found == static_cast<FieldName>(i), same) << changed;
                if (found != FieldName::other) {
                    ASSERT_TRUE(ascii::equals_ignoring_case(changed, field_text(found)));
                }
            }
        }
    }
}

TEST(Field, NamesAreTokens) {
    for (int c = 0; c < 256; ++c) {
        const std::string name = std::string("a") + static_cast<char>(c) + "b";
        const bool token = c < 0x80 && ascii::is_token_char(static_cast<char>(c));
        EXPECT_EQ(is_field_name(name), token) << c;
    }
    EXPECT_FALSE(is_field_name(""));
}

TEST(Field, ValuesHaveNoControls) {
    for (int c = 0; c < 256; ++c) {
        const bool good = c == '\t' || (c >= 0x20 && c != 0x7f);
        for (std::size_t before : {1U, 3U, 7U, 8U, 20U}) {
            for (std::size_t behind : {1U, 6U, 9U}) {
                const std::string value =
                    std::string(before, 'x') + static_cast<char>(c) + std::string(behind, 'y');
                ASSERT_EQ(is_field_value(value), good) << c << " at " << before;
            }
        }
        const std::string alone(1, static_cast<char>(c));
        EXPECT_EQ(is_field_value(alone), good && c != '\t' && c != ' ') << c;
    }
    EXPECT_TRUE(is_field_value(""));
    EXPECT_FALSE(is_field_value(" a"));
    EXPECT_FALSE(is_field_value("a\t"));
}

TEST(Field, FramingNamesAreNoTrailers) {
    for (FieldName name : {FieldName::content_length, FieldName::transfer_encoding, FieldName::host,
                           FieldName::authorization, FieldName::connection, FieldName::trailer,
                           FieldName::set_cookie}) {
        EXPECT_FALSE(may_be_trailer(name)) << field_text(name);
    }
    for (FieldName name : {FieldName::other, FieldName::etag, FieldName::link, FieldName::server}) {
        EXPECT_TRUE(may_be_trailer(name)) << field_text(name);
    }
}

TEST(Field, IsLaidOutLikeTheCHeader) {
    EXPECT_EQ(sizeof(Field), 40U);
    EXPECT_EQ(sizeof(FieldRef), 16U);
    EXPECT_EQ(offsetof(Field, name_size), 8U);
    EXPECT_EQ(offsetof(Field, value_data), 16U);
    EXPECT_EQ(offsetof(Field, token), 32U);
}

} // namespace
} // namespace hc::http
