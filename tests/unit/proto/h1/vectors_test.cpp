// llhttp's own cases (../shared/vectors/h1): Markdown with an input in a fenced block "http" and
// the events in one called "log". Each case is run or accounted for by name; none is left out
// silently.
//
// What we do with a case follows from its log and its mode:
//  - a strict case that llhttp reads to the end must give the same methods, targets, fields,
//  bodies;
//  - a strict case in which llhttp fails must be refused by us;
//  - a lenient case shows what strict mode is for: where llhttp in strict mode fails, so must we.
//  Its
//    log is that of the lenient mode, so strict llhttp is asked here, with no flag set.
// Most of llhttp's requests lack the Host that HTTP/1.1 demands: one is added for them.
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <sstream>
#include <vector>

#include "core/base/ascii.hpp"
#include "tests/support/vectors.hpp"
#include "tests/unit/proto/h1/transcript.hpp"

namespace hc::h1 {
namespace {

using test::feed_every_way;
using test::Scenario;
using test::Transcript;

struct Case {
    std::string name; // file: heading
    std::string type; // of the meta line: request, response, request-lenient-...
    std::string input;
    std::string log;
    bool skip_body = false;
    bool strict() const { return type.find("lenient") == std::string::npos; }
    bool request() const { return type.starts_with("request"); }
};

void replace_all(std::string& text, std::string_view from, std::string_view to) {
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
        text.replace(at, from.size(), to);
    }
}

/// The rules of llhttp's own reader: escaped line ends vanish, line ends become CRLF, then \r, \n,
/// \t, \f and \xHH are what they say. Other backslashes are themselves.
std::string unescape(std::string text) {
    if (text.ends_with('\n')) text.pop_back();
    replace_all(text, "\\\n", "");
    replace_all(text, "\n", "\r\n");
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        constexpr std::string_view letters = "rntf", meaning = "\r\n\t\f";
        const char next = text[i] == '\\' && i + 1 < text.size() ? text[i + 1] : '\0';
        if (const std::size_t at = letters.find(next); next != '\0' && at != letters.npos) {
            out += meaning[at];
            ++i;
        } else if (next == 'x' && i + 3 < text.size()) {
            // A character, not a byte: llhttp's reader writes the input as UTF-8.
            const int code = std::stoi(text.substr(i + 2, 2), nullptr, 16);
            if (code >= 0x80) out += static_cast<char>(0xc0 | code >> 6);
            out += static_cast<char>(code < 0x80 ? code : 0x80 | (code & 0x3f));
            i += 3;
        } else {
            out += text[i];
        }
    }
    return out;
}

std::vector<Case> read_cases(const std::filesystem::path& file) {
    std::vector<Case> cases;
    std::string heading, block, body;
    Case now;
    std::istringstream in(hc::test::read_file(file));
    for (std::string line; std::getline(in, line);) {
        if (!block.empty()) {
            if (line != "```") {
                body += line + "\n";
                continue;
            }
            if (block == "http") now.input = unescape(body);
            if (block == "log") {
                now.log = body;
                now.name = file.parent_path().filename().string() + "/" + file.stem().string() +
                           ": " + heading;
                if (!now.type.empty() && !now.input.empty()) cases.push_back(now);
                else ADD_FAILURE() << "a log without its case in " << now.name;
                now = {};
            }
            block.clear();
        } else if (line.starts_with("```")) {
            block = line.substr(3);
            body.clear();
        } else if (line.starts_with("#")) {
            heading = line.substr(line.find_first_not_of("# "));
        } else if (const std::size_t at = line.find("\"type\":");
                   line.starts_with("<!-- meta=") && at != line.npos) {
            const std::size_t begin = line.find('"', at + 7) + 1;
            now.type = line.substr(begin, line.find('"', begin) - begin);
            now.skip_body = line.find("skipBody") != line.npos;
        }
    }
    return cases;
}

// -- what the log says ----------------------------------------------------------------------------

struct Expected {
    std::vector<std::string> heads; // " method=... target=..." or " status=..." and the fields
    std::vector<std::string> bodies;
    bool error = false;
};

/// "off=1 len=2 span[name]="..."": the span's bytes, taken from the input by their place. Spans may
/// come in pieces, so places that follow each other belong together.
Expected read_log(const Case& c) {
    Expected out;
    std::string method, target, name, value, fields, body;
    bool trailing = false;
    const auto end_field = [&] {
        while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.pop_back();
        if (!name.empty() && !trailing) fields += "[" + name + "]=[" + value + "]";
        name.clear();
        value.clear();
    };
    std::istringstream in(c.log);
    for (std::string line; std::getline(in, line);) {
        const auto has = [&line](std::string_view text) { return line.find(text) != line.npos; };
        std::string bytes;
        if (has(" span[")) {
            const auto number = [&](const char* key) {
                return std::stoul(line.substr(line.find(key) + 4));
            };
            bytes = c.input.substr(number("off="), number("len="));
        }
        if (has("message begin")) {
            method = target = fields = "";
            trailing = false;
        } else if (has("span[method]")) method += bytes;
        else if (has("span[url]")) target += bytes;
        else if (has("span[header_field]")) name += bytes;
        else if (has("span[header_value]")) value += bytes;
        else if (has("header_value complete")) end_field();
        else if (has("span[body]")) out.bodies.back() += bytes;
        else if (has("headers complete")) {
            end_field();
            const std::size_t at = line.find("status=");
            out.heads.push_back(at == line.npos ? method + " " + target + " " + fields
                                                : line.substr(at + 7, 3) + " " + fields);
            out.bodies.emplace_back();
            trailing = true;
        } else if (has("error code=") && !has("code=22") && !has("code=21")) out.error = true;
    }
    return out;
}

/// Our transcript's heads in the same words, without the Host that was added.
std::string in_words(const std::string& head, bool request) {
    const auto between = [&head](std::string_view from, std::string_view to) {
        const std::size_t begin = head.find(from) + from.size();
        return head.substr(begin, head.find(to, begin) - begin);
    };
    std::string out = request
                          ? between(" method=", " target=") + " " + between(" target=", " scheme=")
                          : between(" status=", " reason=");
    out += " ";
    for (std::size_t at = head.find('\n') + 1; at < head.size();) {
        const std::size_t end = head.find('\n', at);
        const std::string field = head.substr(at + 2, head.rfind(' ', end) - at - 2);
        if (field != "[Host]=[added.test]") out += field;
        at = end + 1;
    }
    return out;
}

/// llhttp pauses where an upgrade or CONNECT makes the rest another protocol's ("code=22"). Our
/// parser leaves it to its driver to stop there, so the rest is not fed.
void cut_tunnel(Case& c) {
    const std::size_t code = c.log.find(" error code=22");
    if (code == c.log.npos) return;
    const std::size_t off = c.log.rfind("off=", code);
    c.input.resize(std::stoul(c.log.substr(off + 4)));
}

/// Adds a Host behind every request line of HTTP/1.1 whose head has none.
std::string with_hosts(std::string input) {
    constexpr std::string_view line_end = " HTTP/1.1\r\n";
    for (std::size_t at = 0; (at = input.find(line_end, at)) != input.npos;) {
        at += line_end.size();
        const std::size_t end = std::min(input.find("\r\n\r\n", at - 2), input.size());
        std::string head = "\r\n" + input.substr(at, end - std::min(end, at));
        std::transform(head.begin(), head.end(), head.begin(),
                       [](char ch) { return ascii::lower(ch); });
        if (head.find("\r\nhost:") == head.npos) input.insert(at, "Host: added.test\r\n");
    }
    return input;
}

/// Whether llhttp refuses the input with no lenient flag set.
bool strict_llhttp_refuses(const Case& c) {
    llhttp_settings_t settings{};
    llhttp_t machine;
    llhttp_init(&machine, c.request() ? HTTP_REQUEST : HTTP_RESPONSE, &settings);
    const llhttp_errno_t error = llhttp_execute(&machine, c.input.data(), c.input.size());
    return error != HPE_OK && error != HPE_PAUSED_UPGRADE;
}

// -- where we are stricter on purpose -------------------------------------------------------------

constexpr const char* old_version = "HTTP/0.9 is not spoken";
constexpr const char* other_protocol = "not HTTP";
constexpr const char* other_coding = "no transfer coding but chunked is implemented";
constexpr const char* fragment = "a target has no fragment (RFC 9112, section 3.2)";

const std::map<std::string, std::string> stricter{
    {"request/sample: No HTTP version", old_version},
    {"response/sample: HTTP version 0.9", old_version},
    {"request/method: SOURCE request with ICE", other_protocol},
    {"request/method: OPTIONS request with RTSP", other_protocol},
    {"request/method: ANNOUNCE request with RTSP", other_protocol},
    {"response/sample: RTSP response", other_protocol},
    {"response/sample: ICE response", other_protocol},
    {"request/method: CONNECT with body", "CONNECT has no content (RFC 9110, section 9.3.6)"},
    {"request/method: M-SEARCH request", "\"*\" is for OPTIONS (RFC 9112, section 3.2.4)"},
    {"request/transfer-encoding: POST with `chunked` as last transfer-encoding", other_coding},
    {"request/transfer-encoding: POST with `chunked` as last transfer-encoding (multiple headers)",
     other_coding},
    {"response/transfer-encoding: `chunked` before other transfer-encoding", other_coding},
    {"response/transfer-encoding: multiple transfer-encoding where chunked is not the last one",
     other_coding},
    {"response/transfer-encoding: `chunkedchunked` transfer-encoding does not enable chunked "
     "enconding",
     other_coding},
    {"request/connection: CRLF between requests, implicit `keep-alive`",
     "two empty lines between requests: one is skipped (RFC 9112, section 2.2)"},
    {"request/uri: Fragment in URI", fragment},
    {"request/uri: `host:port` and basic auth", "userinfo in a target (RFC 9110, section 4.2.4)"},
};

/// llhttp is told by its user that there is no body, against the head. Our parser has no such call:
/// it takes the bytes for the body that the head announces.
const std::map<std::string, std::string> not_ours{
    {"request/content-length: Content-Length reset when no body is received",
     "skips a request's body"},
};

TEST(H1Vectors, OfLlhttp) {
    const auto folder = hc::test::find_vectors("h1");
    if (!folder) {
        std::cout << "vectors not present: 251 cases not run\n";
        GTEST_SKIP() << "vectors not present: 251 cases not run";
    }
    std::vector<Case> cases;
    for (const char* side : {"request", "response"}) {
        for (const auto& entry : std::filesystem::directory_iterator(*folder / side)) {
            const auto found = read_cases(entry.path());
            cases.insert(cases.end(), found.begin(), found.end());
        }
    }
    std::map<std::string, int> count;
    auto unused = stricter;
    for (Case& c : cases) {
        cut_tunnel(c);
        SCOPED_TRACE(c.name + " (" + c.type + ")\n" + test::quoted(c.input));
        const bool refused_by_llhttp = c.strict() ? read_log(c).error : strict_llhttp_refuses(c);
        Scenario s;
        if (!c.request()) s.role = Role::client;
        if (const auto reason = not_ours.find(c.name); reason != not_ours.end()) {
            ++count["not for us: " + reason->second];
            continue;
        }
        const bool cut_short = c.log.find("finish=2") != c.log.npos;
        s.finish = c.type.ends_with("-finish");
        if (c.skip_body) s.response_to = http::Method::head;
        const Transcript t = feed_every_way(c.request() ? with_hosts(c.input) : c.input, s, 3);
        if (refused_by_llhttp || cut_short) {
            ++count["refused by both"];
            EXPECT_NE(t.status, -1) << t.text;
            continue;
        }
        if (const auto reason = stricter.find(c.name); reason != stricter.end()) {
            ++count["refused by us alone: " + reason->second];
            unused.erase(c.name);
            EXPECT_NE(t.status, -1) << "listed as refused, but it is not\n" << t.text;
            continue;
        }
        EXPECT_EQ(t.status, -1) << t.reason << "\n" << t.text;
        if (!c.strict()) {
            ++count["lenient, but strict enough for both"];
            continue;
        }
        ++count["read alike"];
        const Expected expected = read_log(c);
        std::vector<std::string> heads;
        for (const std::string& head : t.heads) heads.push_back(in_words(head, c.request()));
        EXPECT_EQ(heads, expected.heads);
        EXPECT_EQ(t.bodies, expected.bodies);
    }
    std::cout << cases.size() << " cases\n";
    for (const auto& [what, n] : count) std::cout << "  " << n << " " << what << "\n";
    for (const auto& [name, reason] : unused)
        ADD_FAILURE() << "no such case: " << name << " " << reason;
    EXPECT_GE(cases.size(), 200U);
    EXPECT_GE(count["read alike"], 80);
}

} // namespace
} // namespace hc::h1
