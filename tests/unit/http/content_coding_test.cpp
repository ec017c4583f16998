#include "core/http/content_coding.hpp"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

namespace hc::http {
namespace {

using enum ContentCoding;
constexpr ContentCoding preferred[] = {zstd, brotli, gzip};

AcceptedCodings accepted(std::initializer_list<std::string_view> values) {
    AcceptedCodings codings;
    for (const std::string_view value : values) codings.add(value);
    return codings;
}
std::string_view choice(std::string_view value) {
    return coding_text(accepted({value}).choose(preferred));
}

TEST(AcceptEncoding, TheServersPreferenceDecidesAmongEquals) {
    EXPECT_EQ(choice("gzip, deflate, br, zstd"), "zstd");
    EXPECT_EQ(choice("gzip, deflate, br"), "br");
    EXPECT_EQ(choice("gzip"), "gzip");
    EXPECT_EQ(choice("x-gzip"), "gzip");
    EXPECT_EQ(choice("GZIP"), "gzip");
    EXPECT_EQ(choice("deflate"), "identity");
    EXPECT_EQ(choice("*"), "zstd");
    constexpr ContentCoding only[] = {gzip};
    EXPECT_EQ(accepted({"gzip, br, zstd"}).choose(only), gzip);
    EXPECT_EQ(accepted({"br, zstd"}).choose(only), identity);
    EXPECT_EQ(accepted({"gzip"}).choose({}), identity);
}

TEST(AcceptEncoding, TheClientsQualitiesComeFirst) {
    EXPECT_EQ(choice("zstd;q=0.1, br;q=0.2, gzip;q=0.3"), "gzip");
    EXPECT_EQ(choice("zstd;q=0, *;q=0.5"), "br");
    EXPECT_EQ(choice("zstd;q=0, br;q=0, gzip;q=0"), "identity");
    EXPECT_EQ(choice("gzip;q=0.001"), "gzip");
    EXPECT_EQ(choice("gzip ; Q=0.5 , br ; q=0.6"), "br");
    EXPECT_EQ(choice("gzip;q=1.000, br;q=0.999"), "gzip");
    EXPECT_EQ(choice("gzip;q=0.5, identity"), "identity");
    EXPECT_EQ(choice("gzip;q=0.5, identity;q=0.5"), "gzip");
    EXPECT_EQ(choice("gzip;q=0.2, *;q=0.8"), "zstd");
    EXPECT_EQ(choice("zstd;q=0, br;q=0, gzip;q=0.2, *;q=0.8"), "identity");
}

TEST(AcceptEncoding, NothingIsCodedForThoseWhoDoNotAsk) {
    EXPECT_EQ(accepted({}).choose(preferred), identity);
    EXPECT_EQ(choice(""), "identity");
    EXPECT_EQ(choice(" , ,"), "identity");
    EXPECT_EQ(choice("identity"), "identity");
}

TEST(AcceptEncoding, SeveralFieldsAreOneList) {
    EXPECT_EQ(accepted({"deflate", "gzip;q=0.5", "br;q=0.6"}).choose(preferred), brotli);
}

TEST(AcceptEncoding, WhatIsRefusedOnceStaysRefused) {
    EXPECT_EQ(choice("gzip;q=0, gzip"), "identity");
    EXPECT_EQ(choice("gzip, x-gzip;q=0"), "identity");
    EXPECT_EQ(choice("*, *;q=0"), "identity");
}

TEST(AcceptEncoding, IdentityIsWelcomeUnlessItIsRefused) {
    for (const std::string_view value : {"", "gzip", "identity", "identity;q=0.1", "*;q=0.1",
                                         "*;q=0, identity;q=0.1", "gzip;q=0", "identity;q=x"}) {
        EXPECT_TRUE(accepted({value}).identity_is_welcome()) << value;
    }
    for (const std::string_view value : {"identity;q=0", "*;q=0", "gzip, identity;q=0.000"}) {
        EXPECT_FALSE(accepted({value}).identity_is_welcome()) << value;
    }
}

TEST(AcceptEncoding, MalformedElementsSayNothing) {
    for (const std::string_view element :
         {"gzip;q=2", "gzip;q=-1", "gzip;q=0.1234", "gzip;q=", "gzip;q", "gzip;q=1.001",
          "gzip;q=0,1", "gzip;level=9", "gzip;q=.5", "gzip;q=1e0", "gzip/1.0", "g zip", "\"gzip\"",
          ";", "=", "gzip;q=0.5;q=x"}) {
        EXPECT_EQ(choice(element), "identity") << element;
        EXPECT_EQ(choice(std::string(element) + ", br"), "br") << element;
    }
    EXPECT_EQ(choice("gzip;"), "gzip");
    EXPECT_EQ(choice("gzip;;q=0.5"), "gzip");
}

TEST(AcceptEncoding, AListWithoutEndIsNotReadToItsEnd) {
    std::string many;
    for (std::uint32_t i = 1; i < AcceptedCodings::elements_max; ++i) many += "x, ";
    EXPECT_EQ(choice(many + "gzip, br"), "gzip");
    EXPECT_EQ(choice(std::string(100'000, ',') + "gzip"), "gzip");
}

TEST(ContentEncoding, IsReadInItsOrder) {
    AppliedCodings codings;
    EXPECT_EQ(codings.add("gzip, identity"), AppliedCodings::Outcome::known);
    EXPECT_EQ(codings.add(" Br "), AppliedCodings::Outcome::known);
    ASSERT_EQ(codings.list().size(), 2U);
    EXPECT_EQ(codings.list()[0], gzip);
    EXPECT_EQ(codings.list()[1], brotli);
}

TEST(ContentEncoding, WhatIsNotKnownStaysSo) {
    AppliedCodings unknown;
    EXPECT_EQ(unknown.add("deflate"), AppliedCodings::Outcome::unknown);
    EXPECT_EQ(unknown.add("gzip"), AppliedCodings::Outcome::unknown);
    AppliedCodings many;
    EXPECT_EQ(many.add("gzip, gzip, gzip"), AppliedCodings::Outcome::too_many);
    EXPECT_EQ(many.add("gzip"), AppliedCodings::Outcome::too_many);
    AppliedCodings none;
    EXPECT_EQ(none.add("identity, ,identity"), AppliedCodings::Outcome::known);
    EXPECT_TRUE(none.list().empty());
}

TEST(MediaTypes, MatchByNameTypeAndSyntax) {
    MediaTypes types;
    for (const std::string_view pattern : {"text/*", "application/JSON", "+xml"}) {
        EXPECT_TRUE(types.add(pattern)) << pattern;
    }
    for (const std::string_view type :
         {"text/html", "TEXT/plain; charset=utf-8", "application/json", "Application/Json ;a=b",
          "image/svg+xml", "application/atom+XML; x"}) {
        EXPECT_TRUE(types.contains(type)) << type;
    }
    for (const std::string_view type :
         {"", "text", "textual/html", "application/json2", "application/xjson", "image/png", "xml",
          "a/xml", "image/png; a=text/html", ";text/html"}) {
        EXPECT_FALSE(types.contains(type)) << type;
    }
    EXPECT_TRUE(types.add("*/*"));
    EXPECT_TRUE(types.contains("image/png"));
    EXPECT_FALSE(types.contains(""));
}

TEST(MediaTypes, OtherPatternsAreRefused) {
    for (const std::string_view pattern : {"", "text", "*/html", "text/", "/html", "+", "+a/b",
                                           "text/html;q=1", "text /html", "a/b/c", "*"}) {
        EXPECT_FALSE(MediaTypes().add(pattern)) << pattern;
    }
}

TEST(ListsToken, WholeElementsInAnyCase) {
    EXPECT_TRUE(lists_token("Accept, accept-ENCODING", "accept-encoding"));
    EXPECT_TRUE(lists_token("max-age=3, no-transform", "no-transform"));
    EXPECT_TRUE(lists_token("no-transform=1", "no-transform"));
    EXPECT_FALSE(lists_token("accept-encodings", "accept-encoding"));
    EXPECT_FALSE(lists_token("", "accept-encoding"));
}

} // namespace
} // namespace hc::http
