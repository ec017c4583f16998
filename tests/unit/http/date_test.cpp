#include "core/http/date.hpp"

#include <gtest/gtest.h>

#include <ctime>
#include <string>

#include "core/base/random.hpp"

namespace hc::http {
namespace {

std::string text_of(std::int64_t seconds) {
    char out[date_size];
    return {out, write_date(out, seconds)};
}

constexpr std::int64_t example = 784'111'777; // of RFC 9110, section 5.6.7
constexpr std::int64_t now = 1'700'000'000;   // 2023-11-14

TEST(Date, WritesThePreferredForm) {
    EXPECT_EQ(text_of(example), "Sun, 06 Nov 1994 08:49:37 GMT");
    EXPECT_EQ(text_of(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    EXPECT_EQ(text_of(-1), "Wed, 31 Dec 1969 23:59:59 GMT");
    EXPECT_EQ(text_of(951'782'400), "Tue, 29 Feb 2000 00:00:00 GMT");
    EXPECT_EQ(text_of(INT64_MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
    EXPECT_EQ(text_of(INT64_MIN), "Sat, 01 Jan 0000 00:00:00 GMT");
}

TEST(Date, ReadsAllThreeForms) {
    EXPECT_EQ(parse_date("Sun, 06 Nov 1994 08:49:37 GMT", now), example);
    EXPECT_EQ(parse_date("Sunday, 06-Nov-94 08:49:37 GMT", now), example);
    EXPECT_EQ(parse_date("Sun Nov  6 08:49:37 1994", now), example);
    EXPECT_EQ(parse_date("Sun Nov 16 08:49:37 1994", now), example + 10 * 86'400);
    EXPECT_EQ(parse_date("Wednesday, 09-Nov-94 08:49:37 GMT", now), example + 3 * 86'400);
    EXPECT_EQ(parse_date("Tue, 29 Feb 2000 00:00:00 GMT", now), 951'782'400);
    EXPECT_EQ(parse_date("Sat, 31 Dec 2016 23:59:60 GMT", now), 1'483'228'800) << "a leap second";
}

TEST(Date, ATwoDigitYearIsAtMostFiftyYearsAhead) {
    const auto year = [](const char* two) {
        const auto at = parse_date(std::string("Monday, 01-Jan-") + two + " 00:00:00 GMT", now);
        return at ? text_of(*at).substr(12, 4) : "none";
    };
    EXPECT_EQ(year("23"), "2023");
    EXPECT_EQ(year("24"), "2024");
    EXPECT_EQ(year("73"), "2073");
    EXPECT_EQ(year("74"), "1974");
    EXPECT_EQ(year("99"), "1999");
    EXPECT_EQ(year("00"), "2000");
    // On the day itself the hour decides.
    EXPECT_EQ(text_of(*parse_date("Tuesday, 14-Nov-73 22:13:20 GMT", now)).substr(12, 4), "2073");
    EXPECT_EQ(text_of(*parse_date("Tuesday, 14-Nov-73 22:13:21 GMT", now)).substr(12, 4), "1973");
}

TEST(Date, RefusesAllElse) {
    for (const char* bad : {"",
                            "x",
                            "Sun, 06 Nov 1994 08:49:37",
                            "Sun, 06 Nov 1994 08:49:37 UTC",
                            "Sun, 06 Nov 1994 08:49:37 GMT ",
                            " Sun, 06 Nov 1994 08:49:37 GMT",
                            "sun, 06 Nov 1994 08:49:37 GMT",
                            "Sun, 06 nov 1994 08:49:37 GMT",
                            "Sun, 6 Nov 1994 08:49:37 GMT",
                            "Sun, 31 Nov 1994 08:49:37 GMT",
                            "Sun, 00 Nov 1994 08:49:37 GMT",
                            "Tue, 29 Feb 1900 00:00:00 GMT",
                            "Tue, 29 Feb 2001 00:00:00 GMT",
                            "Sun, 06 Nov 1994 24:00:00 GMT",
                            "Sun, 06 Nov 1994 08:60:37 GMT",
                            "Sun, 06 Nov 1994 08:49:61 GMT",
                            "Sun, 06 Nov 1994 8:49:37 GMT",
                            "Sun, 06 Nov 94 08:49:37 GMT",
                            "Sunday, 06-Nov-1994 08:49:37 GMT",
                            "Sun, 06-Nov-94 08:49:37 GMT",
                            "Sun Nov 6 08:49:37 1994",
                            "Sun Nov 06 08:49:37 1994 GMT",
                            "Sun, 06 Nov 19x4 08:49:37 GMT",
                            "Sun, +6 Nov 1994 08:49:37 GMT",
                            "784111777"}) {
        EXPECT_EQ(parse_date(bad, now), std::nullopt) << bad;
    }
}

TEST(Date, ReadsBackWhatItWrites) {
    Random random(1);
    for (int i = 0; i < 20'000; ++i) {
        const auto at = static_cast<std::int64_t>(random.below(315'569'520'000)) - 62'167'219'200;
        const std::string text = text_of(at);
        ASSERT_EQ(parse_date(text, now), at) << text;
        const std::time_t time = at;
        std::tm parts{};
        char expected[64];
        ASSERT_NE(gmtime_r(&time, &parts), nullptr);
        std::strftime(expected, sizeof expected, "%a, %d %b %Y %H:%M:%S GMT", &parts);
        if (parts.tm_year + 1900 >= 1000) { // strftime does not pad years
            ASSERT_EQ(text, expected);
        }
        std::strftime(expected, sizeof expected, "%a %b %e %H:%M:%S %Y", &parts);
        if (parts.tm_year + 1900 >= 1000) {
            ASSERT_EQ(parse_date(expected, now), at) << expected;
        }
    }
}

} // namespace
} // namespace hc::http
