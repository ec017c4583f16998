#include "core/http/range.hpp"

#include <gtest/gtest.h>

#include <string>

namespace hc::http {
namespace {

std::string parse(std::string_view value, std::uint64_t size = 1000) {
    const RangeRequest r = parse_range(value, size);
    if (r.outcome == RangeOutcome::none) return "none";
    if (r.outcome == RangeOutcome::unsatisfiable) return "416";
    std::string out;
    for (const ByteRange& range : r.list()) {
        if (!out.empty()) out += ",";
        out += std::to_string(range.first) + "-" + std::to_string(range.last);
        EXPECT_LT(range.last, size);
        EXPECT_LE(range.first, range.last);
    }
    return out;
}

TEST(Range, ReadsRanges) {
    EXPECT_EQ(parse("bytes=0-499"), "0-499");
    EXPECT_EQ(parse("bytes=500-999"), "500-999");
    EXPECT_EQ(parse("bytes=-500"), "500-999");
    EXPECT_EQ(parse("bytes=-5000"), "0-999");
    EXPECT_EQ(parse("bytes=900-"), "900-999");
    EXPECT_EQ(parse("bytes=0-0,-1"), "0-0,999-999");
    EXPECT_EQ(parse("Bytes=0-0"), "0-0") << "units are case-insensitive";
    EXPECT_EQ(parse("bytes=999-5000"), "999-999");
    EXPECT_EQ(parse("bytes= 1-2 ,\t3-4 , ,"), "1-2,3-4");
    EXPECT_EQ(parse("bytes=0-99999999999999999999999"), "0-999");
    EXPECT_EQ(parse("bytes=-99999999999999999999999"), "0-999");
}

TEST(Range, WhatBeginsBehindTheEndIsLeftOut) {
    EXPECT_EQ(parse("bytes=1000-"), "416");
    EXPECT_EQ(parse("bytes=1000-1001,2-3"), "2-3");
    EXPECT_EQ(parse("bytes=-0"), "416");
    EXPECT_EQ(parse("bytes=99999999999999999999-"), "416");
    EXPECT_EQ(parse("bytes=0-", 0), "416");
    EXPECT_EQ(parse("bytes=-1", 0), "416");
}

TEST(Range, MalformedIsIgnored) {
    for (const char* bad :
         {"", "bytes", "bytes=", "bytes=,", "bytes=x", "bytes=-", "bytes=1", "bytes=2-1",
          "bytes=1-x", "bytes=+1-2", "bytes=1--2", "bytes=1-2-3", "bytes=0x1-2", "bytes =1-2",
          "items=0-1", "bytes:0-1", "bytes=1 -2", "bytes=0-1;2-3", "bytes=0-1,x"}) {
        EXPECT_EQ(parse(bad), "none") << bad;
    }
}

TEST(Range, AsksForABoundedAmount) {
    std::string many = "bytes=";
    for (std::size_t i = 0; i < RangeRequest::ranges_max; ++i)
        many += std::to_string(i) + "-" + std::to_string(i) + ",";
    EXPECT_NE(parse(many), "none");
    EXPECT_EQ(parse(many + "99-99"), "none");
    EXPECT_EQ(parse("bytes=0-999,0-0"), "none") << "more in total than there is";
    EXPECT_EQ(parse("bytes=0-,0-,0-,0-"), "none");
    EXPECT_EQ(parse("bytes=0-499,250-749"), "0-499,250-749");
    EXPECT_EQ(parse("bytes=0-18446744073709551615,0-1", UINT64_MAX), "none");
}

TEST(Range, WritesContentRange) {
    char out[content_range_bound];
    const ByteRange range{0, 99};
    EXPECT_EQ(std::string(out, write_content_range(out, &range, 1234)), "bytes 0-99/1234");
    EXPECT_EQ(std::string(out, write_content_range(out, nullptr, 1234)), "bytes */1234");
    const ByteRange large{UINT64_MAX - 1, UINT64_MAX};
    EXPECT_EQ(write_content_range(out, &large, UINT64_MAX), out + content_range_bound - 0);
}

} // namespace
} // namespace hc::http
