#include "core/http/uri.hpp"

#include <gtest/gtest.h>

#include <string>

namespace hc::http {
namespace {

std::string split(std::string_view text) {
    const auto uri = split_uri(text);
    if (!uri) return "bad";
    std::string out = std::string(uri->scheme) + "|";
    if (uri->has_authority) {
        if (uri->authority.has_userinfo) out += std::string(uri->authority.userinfo) + "@";
        out += uri->authority.host;
        if (uri->authority.has_port) out += ":" + std::string(uri->authority.port);
    } else {
        out += "-";
    }
    out += "|" + std::string(uri->path) + "|";
    out += uri->has_query ? "?" + std::string(uri->query) : "-";
    return out + "|" + (uri->has_fragment ? "#" + std::string(uri->fragment) : "-");
}

TEST(Uri, SplitsTheExamplesOfTheRfc) { // RFC 3986, section 1.1.2
    EXPECT_EQ(split("ftp://ftp.is.co.za/rfc/rfc1808.txt"), "ftp|ftp.is.co.za|/rfc/rfc1808.txt|-|-");
    EXPECT_EQ(split("http://www.ietf.org/rfc/rfc2396.txt"),
              "http|www.ietf.org|/rfc/rfc2396.txt|-|-");
    EXPECT_EQ(split("ldap://[2001:db8::7]/c=GB?objectClass?one"),
              "ldap|[2001:db8::7]|/c=GB|?objectClass?one|-");
    EXPECT_EQ(split("mailto:John.Doe@example.com"), "mailto|-|John.Doe@example.com|-|-");
    EXPECT_EQ(split("news:comp.infosystems.www.servers.unix"),
              "news|-|comp.infosystems.www.servers.unix|-|-");
    EXPECT_EQ(split("tel:+1-816-555-1212"), "tel|-|+1-816-555-1212|-|-");
    EXPECT_EQ(split("telnet://192.0.2.16:80/"), "telnet|192.0.2.16:80|/|-|-");
    EXPECT_EQ(split("foo://example.com:8042/over/there?name=ferret#nose"),
              "foo|example.com:8042|/over/there|?name=ferret|#nose");
}

TEST(Uri, SplitsReferences) {
    EXPECT_EQ(split(""), "|-||-|-");
    EXPECT_EQ(split("/a/b?c"), "|-|/a/b|?c|-");
    EXPECT_EQ(split("//h/p"), "|h|/p|-|-");
    EXPECT_EQ(split("?q"), "|-||?q|-");
    EXPECT_EQ(split("#f"), "|-||-|#f");
    EXPECT_EQ(split("a/b:c"), "|-|a/b:c|-|-");
    EXPECT_EQ(split("./a:b"), "|-|./a:b|-|-");
    EXPECT_EQ(split("http://u:p@h:8/x?#"), "http|u:p@h:8|/x|?|#");
    EXPECT_EQ(split("HTTP://H?"), "HTTP|H||?|-");
    EXPECT_EQ(split("http://h:/"), "http|h:|/|-|-");
    EXPECT_EQ(split("http://[v1.a:b]/"), "http|[v1.a:b]|/|-|-");
}

TEST(Uri, RefusesWhatIsNone) {
    for (const char* bad : {"http://",
                            "http:///p",
                            "http:/p",
                            "http:p",
                            "http://:80/",
                            "http://u@/",
                            "1a:b",
                            ":a",
                            "a b",
                            "/a b",
                            "/a\tb",
                            "/\xc3\xa9",
                            "/a%",
                            "/a%2",
                            "/a%2g",
                            "/a[b]",
                            "/a<b",
                            "/a\"b",
                            "/a\\b",
                            "/a^b",
                            "/a`b",
                            "/a{b}",
                            "/a|b",
                            "/?a[",
                            "#a#",
                            "http://h:a/",
                            "http://h:65536/",
                            "http://h:-1/",
                            "http://h:1:2/",
                            "http://a b/",
                            "http://a\\b/",
                            "http://a<b/",
                            "http://[::1/",
                            "http://::1/",
                            "http://[::1]x/",
                            "http://[]/",
                            "http://[:]/",
                            "http://[1]/",
                            "http://[1:2:3:4:5:6:7:8:9]/",
                            "http://[1:2:3:4:5:6:7]/",
                            "http://[::1::]/",
                            "http://[12345::]/",
                            "http://[::1.2.3]/",
                            "http://[::1.2.3.256]/",
                            "http://[::01.2.3.4]/",
                            "http://[1:]/",
                            "http://[:1]/",
                            "http://[:::]/",
                            "http://[v.a]/",
                            "http://[vg.a]/",
                            "http://[v1.]/",
                            "http://[fe80::1%eth0]/",
                            "http://a@b@c/",
                            "http://h%zz/"}) {
        EXPECT_EQ(split(bad), "bad") << bad;
    }
}

TEST(Uri, KnowsAddresses) {
    for (const char* good :
         {"[::]", "[::1]", "[1::]", "[1:2:3:4:5:6:7:8]", "[1::8]", "[::2:3:4:5:6:7:8]",
          "[1:2:3:4:5:6:1.2.3.4]", "[::1.2.3.4]", "[::ffff:1.2.3.4]", "[ABCD:ef01::]"}) {
        EXPECT_TRUE(split_authority(good)) << good;
    }
    EXPECT_FALSE(split_authority("[1:2:3:4:5:6:7::8]")) << "the gap must stand for something";
}

TEST(Uri, TellsPorts) {
    EXPECT_EQ(split_authority("h:0")->port_number(), 0);
    EXPECT_EQ(split_authority("h:65535")->port_number(), 65535);
    EXPECT_EQ(split_authority("h:00080")->port_number(), 80);
    EXPECT_EQ(split_authority("h:")->port_number(), std::nullopt);
    EXPECT_EQ(split_authority("h")->port_number(), std::nullopt);
    EXPECT_TRUE(split_authority(""));
    EXPECT_EQ(default_port("HTTP"), 80);
    EXPECT_EQ(default_port("https"), 443);
    EXPECT_EQ(default_port("ftp"), std::nullopt);
}

TEST(Uri, DecodesPercents) {
    EXPECT_EQ(percent_decode("a%20b%2F%2f+%00").value(), std::string("a b//+\0", 7));
    EXPECT_EQ(percent_decode("%C3%A9").value(), "\xc3\xa9");
    EXPECT_EQ(percent_decode("%2541").value(), "%41") << "once only";
    EXPECT_EQ(percent_decode("").value(), "");
    for (const char* bad : {"%", "%4", "a%4", "%g0", "%0g", "%%41", "% 41", "%-1"}) {
        EXPECT_FALSE(percent_decode(bad)) << bad;
    }
}

TEST(Uri, RemovesDotSegments) { // RFC 3986, section 5.2.4 and 5.4
    const std::pair<const char*, const char*> cases[] = {{"/a/b/c/./../../g", "/a/g"},
                                                         {"/", "/"},
                                                         {"", ""},
                                                         {"/.", "/"},
                                                         {"/..", "/"},
                                                         {"/../..", "/"},
                                                         {"/../g", "/g"},
                                                         {"/b/c/.", "/b/c/"},
                                                         {"/b/c/..", "/b/"},
                                                         {"/b/c/../", "/b/"},
                                                         {"/b/c/../..", "/"},
                                                         {"/b/c/../../../g", "/g"},
                                                         {"/b/c/g.", "/b/c/g."},
                                                         {"/b/c/.g", "/b/c/.g"},
                                                         {"/b/c/..g", "/b/c/..g"},
                                                         {"/a//../b", "/a/b"},
                                                         {"//..", "/"},
                                                         {"/a/...", "/a/..."},
                                                         {"/%2e%2e/a", "/%2e%2e/a"}};
    for (const auto& [path, clean] : cases) EXPECT_EQ(remove_dot_segments(path), clean) << path;
}

} // namespace
} // namespace hc::http
