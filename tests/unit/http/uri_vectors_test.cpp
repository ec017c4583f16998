// The URL cases of web-platform-tests (../shared/vectors/url). They are of another standard,
// WHATWG's, which repairs what it is given; ours is RFC 3986, which repairs nothing. What is asked
// of each case:
//
//   no http or https URL                     nothing: this parser's uses have one
//   http or https without "//"               that it is refused (RFC 9110, section 4.2)
//   characters that RFC 3986 forbids         that it is refused, whatever WHATWG makes of it
//   failure in WHATWG                        that it is refused, unless the failure is one of host
//   rules
//                                            that RFC 3986 does not have (IPv4 numbers, IDNA,
//                                            encoded characters): those are counted by rule
//   success in WHATWG                        that it is accepted, with the same scheme, host, port,
//   path
//                                            and query, after the normalising that WHATWG does in
//                                            parsing and RFC 3986 calls optional (section 6.2)
//
// Every case is counted in one of these.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <iostream>
#include <map>
#include <regex>
#include <string>

#include "core/base/ascii.hpp"
#include "core/http/uri.hpp"
#include "tests/support/vectors.hpp"

namespace hc::http {
namespace {

using json = nlohmann::json;

json read(const std::filesystem::path& file) {
    // Halves of surrogate pairs are no JSON for a strict reader; to us they are as good as any
    // other character that is not ASCII.
    static const std::regex surrogate(R"(\\u[dD][89a-fA-F][0-9a-fA-F]{2})");
    return json::parse(std::regex_replace(hc::test::read_file(file), surrogate, "\\ufffd"));
}

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](char c) { return ascii::lower(c); });
    return text;
}

/// The grammar of RFC 3986 as far as characters go, written down a second time as an expression.
bool has_legal_characters(const std::string& text) {
    static const std::string escaped = "%[0-9a-f]{2}|", name = "-a-z0-9._~!$&'()*+,;=";
    static const auto any = [](const std::string& chars) {
        return "(" + escaped + "[" + chars + "])*";
    };
    static const std::string authority =
        "(" + any(name + ":") + "@)?(\\[[0-9a-fv:.]*\\]|" + any(name) + ")(:[0-9]*)?";
    static const std::regex legal("https?://" + authority + "(/" + any(name + ":@/") + ")?(\\?" +
                                      any(name + ":@/?") + ")?(#" + any(name + ":@/?") + ")?",
                                  std::regex::icase | std::regex::ECMAScript);
    return std::regex_match(text, legal);
}

/// Hosts that WHATWG rewrites or refuses by rules of its own; empty for none of them.
std::string own_rule(const std::string& host) {
    if (host.find('%') != host.npos) return "decodes hosts";
    if (lower(host).find("xn--") != host.npos) return "IDNA";
    if (host.starts_with('[')) return "rewrites IPv6 addresses";
    std::string trimmed = host.ends_with('.') ? host.substr(0, host.size() - 1) : host;
    const std::string last = trimmed.substr(trimmed.rfind('.') + 1);
    const bool number = std::all_of(last.begin(), last.end(), ascii::is_digit);
    if (!last.empty() && (number || last.starts_with("0x") || last.starts_with("0X")))
        return "IPv4 numbers";
    return "";
}

/// WHATWG's path: "." and ".." are resolved, also when they are percent-encoded; empty is "/".
std::string normal_path(std::string path) {
    static const std::regex dot("%2e", std::regex::icase);
    std::string out;
    for (std::size_t at = 0; at < path.size();) { // only a segment of nothing but dots is decoded
        const std::size_t end = std::min(path.find('/', at + 1), path.size());
        const std::string segment = path.substr(at, end - at);
        const std::string plain = std::regex_replace(segment, dot, ".");
        out += plain == "/." || plain == "/.." ? plain : segment;
        at = end;
    }
    out = remove_dot_segments(out);
    return out.empty() ? "/" : out;
}

std::string encode_apostrophes(std::string query) {
    for (std::size_t at = 0; (at = query.find('\'', at)) != query.npos;)
        query.replace(at, 1, "%27");
    return query;
}

void expect_same(const Uri& uri, const json& wanted) {
    EXPECT_EQ(lower(std::string(uri.scheme)) + ":", wanted["protocol"]);
    const std::string host(uri.authority.host);
    if (own_rule(host).empty()) {
        EXPECT_EQ(lower(host), wanted["hostname"]);
    }
    const auto port = uri.authority.port_number();
    const bool written = port && port != default_port(uri.scheme);
    EXPECT_EQ(written ? std::to_string(*port) : "", wanted["port"]);
    EXPECT_EQ(normal_path(std::string(uri.path)), wanted["pathname"]);
    const std::string query = encode_apostrophes(std::string(uri.query));
    EXPECT_EQ(query.empty() ? "" : "?" + query, wanted["search"]);
    EXPECT_EQ(uri.fragment.empty() ? "" : "#" + std::string(uri.fragment), wanted["hash"]);
}

TEST(UriVectors, OfWebPlatformTests) {
    const auto folder = hc::test::find_vectors("url");
    if (!folder) {
        std::cout << "vectors not present: 878 cases not run\n";
        GTEST_SKIP() << "vectors not present: 878 cases not run";
    }
    std::map<std::string, int> count;
    int cases = 0;
    for (const json& c : read(*folder / "urltestdata.json")) {
        if (!c.is_object()) continue;
        ++cases;
        const std::string input = c["input"];
        SCOPED_TRACE(input);
        const std::string start = lower(input.substr(0, 8));
        if (!start.starts_with("http://") && !start.starts_with("https://")) {
            const bool http = start.starts_with("http:") || start.starts_with("https:");
            ++count[http ? "refused: http or https without \"//\""
                         : "not for us: no http or https URL"];
            EXPECT_TRUE(!http || !split_uri(input));
            continue;
        }
        const auto uri = split_uri(input);
        if (!has_legal_characters(input)) {
            ++count["refused: characters that RFC 3986 forbids"];
            EXPECT_FALSE(uri);
        } else if (c.contains("failure")) {
            const std::string rule = uri ? own_rule(std::string(uri->authority.host)) : "";
            ++count[uri ? "accepted, refused there by its own rule: " + rule : "refused by both"];
            EXPECT_TRUE(!uri || !rule.empty());
        } else {
            ++count["accepted, the same parts"];
            EXPECT_TRUE(uri);
            if (uri) expect_same(*uri, c);
        }
    }
    std::cout << cases << " cases\n";
    for (const auto& [what, n] : count) std::cout << "  " << n << " " << what << "\n";
    EXPECT_GE(cases, 800);
    EXPECT_GE(count["accepted, the same parts"], 50);
    EXPECT_GE(count["refused by both"], 5);
}

// What was encoded from UTF-8 must decode to it. The other encodings, and the files
// setters_tests.json (changing a URL) and toascii.json (IDNA), are about things that this library
// does not do.
TEST(UriVectors, PercentEncoding) {
    const auto folder = hc::test::find_vectors("url");
    if (!folder) {
        std::cout << "vectors not present: 7 cases not run\n";
        GTEST_SKIP() << "vectors not present: 7 cases not run";
    }
    int cases = 0;
    for (const json& c : read(*folder / "percent-encoding.json")) {
        if (!c.is_object()) continue;
        ++cases;
        const auto decoded = percent_decode(c["output"]["utf-8"].get<std::string>());
        ASSERT_TRUE(decoded);
        if (c["input"].get<std::string>().find("\xef\xbf\xbd") == std::string::npos) {
            EXPECT_EQ(*decoded, c["input"].get<std::string>());
        }
    }
    std::cout << cases << " cases; not for us: " << read(*folder / "setters_tests.json").size() - 1
              << " groups of setters_tests.json, " << read(*folder / "toascii.json").size()
              << " cases of toascii.json\n";
    EXPECT_EQ(cases, 7);
}

} // namespace
} // namespace hc::http
