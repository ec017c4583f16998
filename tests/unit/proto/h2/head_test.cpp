// Heads as HPACK hands them over, judged.
#include "core/proto/h2/head.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace hc::h2 {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

class HeadTest : public ::testing::Test {
protected:
    Head& head(const Fields& fields, Heads::Kind kind = Heads::Kind::request) {
        heads_.begin(kind, limits_);
        for (const auto& [name, value] : fields) heads_.add(name, value);
        return heads_.at(heads_.finish(true));
    }
    int status(const Fields& fields) { return head(fields).refusal.status; }
    static Fields get(const std::string& path, const std::string& authority = "x") {
        return {
            {":method", "GET"}, {":scheme", "https"}, {":path", path}, {":authority", authority}};
    }
    static Fields with(Fields fields, const Fields& more) {
        fields.insert(fields.end(), more.begin(), more.end());
        return fields;
    }
    ConnectionLimits limits_;
    Heads heads_;
};

TEST_F(HeadTest, IsSplit) {
    const Head& got = head(with(get("/a/b?c=d?e"), {{"x-y", "z"}, {"content-length", "7"}}));
    EXPECT_EQ(got.refusal.status, 0);
    const http::HeadView& view = got.view;
    EXPECT_EQ(view.method, http::Method::get);
    EXPECT_EQ(view.text(view.method_name), "GET");
    EXPECT_EQ(view.text(view.path), "/a/b");
    EXPECT_EQ(view.text(view.query), "c=d?e");
    EXPECT_EQ(view.text(view.target), "/a/b?c=d?e");
    EXPECT_EQ(view.text(view.scheme), "https");
    EXPECT_EQ(view.text(view.authority), "x");
    EXPECT_EQ(view.find("x-y"), "z");
    EXPECT_TRUE(got.has_length);
    EXPECT_EQ(got.content_length, 7U);
}

TEST_F(HeadTest, HostStandsInForTheAuthority) {
    const Fields fields{{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {"host", "h:1"}};
    const Head& got = head(fields);
    EXPECT_EQ(got.refusal.status, 0);
    EXPECT_EQ(got.view.text(got.view.authority), "h:1");
    EXPECT_EQ(status(with(get("/"), {{"host", "X"}})), 0) << "the same, in another case";
    EXPECT_EQ(status(with(get("/"), {{"host", "y"}})), 400);
    EXPECT_EQ(status(with(get("/"), {{"host", "x"}, {"host", "x"}})), 400);
}

TEST_F(HeadTest, WhatIsMalformedIsRefused) {
    EXPECT_EQ(status(get("/a#b")), 400);
    EXPECT_EQ(status(get("/a\x7f")), 400);
    EXPECT_EQ(status(get("a")), 400);
    EXPECT_EQ(status(get("")), 400);
    EXPECT_EQ(status(get("*")), 400) << "OPTIONS alone may ask for that";
    EXPECT_EQ(status(get("/", "")), 400);
    EXPECT_EQ(status(get("/", "me@x")), 400);
    EXPECT_EQ(status(get("/", "x:99999")), 400);
    EXPECT_EQ(
        status({{":method", "OPTIONS"}, {":scheme", "http"}, {":path", "*"}, {":authority", "x"}}),
        0);
    EXPECT_EQ(status(with(get("/"), {{"expect", "more"}})), 417);
    limits_.body_bytes_max = 10;
    EXPECT_EQ(status(with(get("/"), {{"content-length", "11"}})), 413);
}

TEST_F(HeadTest, Connect) {
    const Head& plain = head({{":method", "CONNECT"}, {":authority", "x:1"}});
    EXPECT_EQ(plain.refusal.status, 0);
    EXPECT_EQ(plain.view.text(plain.view.target), "x:1");
    EXPECT_EQ(plain.view.path.size, 0U);
    EXPECT_EQ(status({{":method", "CONNECT"}, {":authority", "x"}}), 400);
    EXPECT_EQ(status({{":method", "CONNECT"}, {":authority", ":1"}}), 400);
    Fields extended = get("/ws");
    extended[0].second = "CONNECT";
    extended.emplace_back(":protocol", "websocket");
    const Head& got = head(extended);
    EXPECT_EQ(got.refusal.status, 0);
    EXPECT_EQ(got.view.text(got.view.protocol), "websocket");
    EXPECT_EQ(got.view.text(got.view.path), "/ws");
}

TEST_F(HeadTest, LimitsHold) {
    limits_.header_bytes_max = 300;
    limits_.header_count_max = 3;
    limits_.target_bytes_max = 20;
    // 32 bytes a field beside its own.
    EXPECT_EQ(status(with(get("/"), {{"n", std::string(99, 'v')}})), 0);
    EXPECT_EQ(status(with(get("/"), {{"n", std::string(200, 'v')}})), 431);
    limits_.header_bytes_max = 3'000;
    EXPECT_EQ(status(with(get("/"), {{"a", ""}, {"b", ""}, {"c", ""}})), 0);
    EXPECT_EQ(status(with(get("/"), {{"a", ""}, {"b", ""}, {"c", ""}, {"d", ""}})), 431);
    EXPECT_EQ(status(get("/" + std::string(19, 'p'))), 0);
    EXPECT_EQ(status(get("/" + std::string(20, 'p'))), 414);
    EXPECT_EQ(status(with(get("/"), {{std::string(70'000, 'n'), ""}})), 431);
}

TEST_F(HeadTest, CookiesAreJoinedWhereTheFirstStood) {
    const Head& got = head(with(get("/"), {{"a", "1"},
                                           {"cookie", "c=1"},
                                           {"b", "2"},
                                           {"cookie", ""},
                                           {"host", "x"},
                                           {"cookie", "d=2"}}));
    EXPECT_EQ(got.refusal.status, 0);
    ASSERT_EQ(got.view.field_count, 4U);
    EXPECT_EQ(got.view.name(got.view.fields[1]), "cookie");
    EXPECT_EQ(got.view.value(got.view.fields[1]), "c=1; ; d=2");
    EXPECT_EQ(got.view.value(got.view.fields[2]), "2");
    EXPECT_EQ(got.view.value(got.view.fields[3]), "x");
}

TEST_F(HeadTest, TrailersAreSifted) {
    const Head& got = head({{"x-sum", "1"}, {"content-length", "9"}, {"host", "y"}, {"x-b", "2"}},
                           Heads::Kind::trailers);
    EXPECT_EQ(got.refusal.status, 0);
    ASSERT_EQ(got.view.field_count, 2U);
    EXPECT_EQ(got.view.value(got.view.fields[1]), "2");
}

TEST_F(HeadTest, SeveralOfASliceStayWhileOneIsKeptForTheNext) {
    head(get("/first"));
    head(with(get("/second"), {{"cookie", "a"}, {"cookie", "b"}}));
    heads_.begin(Heads::Kind::request, limits_);
    heads_.add(":method", "GET");
    heads_.add("x-kept", "1");
    heads_.add("host", "h");
    const auto kept = heads_.keep();
    EXPECT_EQ(heads_.at(0).view.text(heads_.at(0).view.path), "/first");
    EXPECT_EQ(heads_.at(1).view.find("cookie"), "a; b");
    heads_.drop();
    heads_.clear();
    head(get("/of another session"));
    heads_.restore(*kept);
    heads_.add(":scheme", "http");
    heads_.add(":path", "/third");
    const Head& got = heads_.at(heads_.finish(false));
    EXPECT_EQ(got.refusal.status, 0) << got.refusal.reason;
    EXPECT_EQ(got.view.find("x-kept"), "1");
    EXPECT_EQ(got.view.text(got.view.authority), "h");
    EXPECT_EQ(got.view.text(got.view.path), "/third");
}

} // namespace
} // namespace hc::h2
