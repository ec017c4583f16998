#include "core/proto/h1/writer.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "core/http/status.hpp"
#include "tests/unit/proto/h1/transcript.hpp"

namespace hc::h1 {
namespace {

using http::Field;
using http::FieldName;
using http::Method;
using http::Version;

constexpr std::string_view date = "Sun, 06 Nov 1994 08:49:37 GMT";

std::string write_response(const RequestFacts& request, int status,
                           const std::vector<Field>& fields, std::optional<std::uint64_t> size,
                           std::string_view server = "hc") {
    const auto facts = examine(fields);
    if (!facts) return "examine: " + facts.error().message;
    const auto plan = plan_answer(request, status, *facts, size);
    if (!plan) return "plan: " + plan.error().message;
    const std::size_t bound = response_head_bound(status, *facts, server);
    const std::unique_ptr<char[]> out(new char[bound]);
    char* end = write_response_head(out.get(), status, fields, *facts, *plan, date, server);
    EXPECT_LE(end, out.get() + bound);
    return {out.get(), end};
}

TEST(H1Writer, WritesAHead) {
    EXPECT_EQ(write_response({}, 200, {{"Content-Type", "text/plain"}, {"X-Y", "z"}}, 5),
              "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: hc\r\n"
              "Content-Type: text/plain\r\nX-Y: z\r\nContent-Length: 5\r\n\r\n");
    EXPECT_EQ(write_response({}, 299, {}, 0, ""),
              "HTTP/1.1 299 \r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\n\r\n");
}

TEST(H1Writer, TheUsersDateAndServerTakeTheirPlaces) {
    EXPECT_EQ(write_response({}, 200, {{"date", "D"}, {"SERVER", "S"}}, 1),
              "HTTP/1.1 200 OK\r\ndate: D\r\nSERVER: S\r\nContent-Length: 1\r\n\r\n");
}

TEST(H1Writer, WritesNoDateWhenItIsEmpty) {
    char out[256];
    const auto facts = examine({});
    char* end = write_response_head(out, 204, {}, *facts, {}, "", "");
    EXPECT_EQ(std::string_view(out, end), "HTTP/1.1 204 No Content\r\n\r\n");
}

TEST(H1Writer, TheConnectionsFieldsAreTheLibrarys) {
    EXPECT_EQ(write_response({}, 200,
                             {{"Connection", "x, Close"},
                              {"Keep-Alive", "5"},
                              {"Proxy-Connection", "a"},
                              {"Transfer-Encoding", "gzip"},
                              {"TE", "x"},
                              {"Upgrade", "u"},
                              {"date", "D"}},
                             2, ""),
              "HTTP/1.1 200 OK\r\ndate: D\r\nContent-Length: 2\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(write_response({}, 200, {{"Connection", "keep-alive"}, {"date", "D"}}, 0, ""),
              "HTTP/1.1 200 OK\r\ndate: D\r\nContent-Length: 0\r\n\r\n");
}

TEST(H1Writer, RefusesWhatWouldSplitAMessage) {
    const std::string_view nul("a\0b", 3);
    for (const Field& bad :
         {Field("", "x"), Field("a b", "x"), Field("a:", "x"), Field("a\r\nb", "x"),
          Field("\xc3", "x"), Field("x", "a\r\nb: c"), Field("x", "a\nb"), Field("x", "a\rb"),
          Field("x", nul), Field("x", " a"), Field("x", "a "), Field("x", "a\x7f"),
          Field("x", "0123456789012345\n"), Field("x", "\t"), Field("Content-Length", "1x"),
          Field("Content-Length", ""), Field("Content-Length", "-1"),
          Field("x", "y", FieldName::host), Field("Content-Length", "1", FieldName::accept)}) {
        const auto facts = examine({&bad, 1});
        ASSERT_FALSE(facts) << bad.name() << ": " << bad.value();
        EXPECT_EQ(facts.error().kind, ErrorKind::invalid);
        EXPECT_NE(facts.error().message.find("field \""), std::string::npos);
    }
    const std::vector<Field> two{{"Content-Length", "1"}, {"content-length", "1"}};
    EXPECT_FALSE(examine(two));
    for (const Field& good :
         {Field("x", ""), Field("x", "a\tb"), Field("x", "\xff\x80 \xc3\xa9 0123456789"),
          Field("!#$%&'*+-.^_`|~09azAZ", "y"), Field("Host", "h", FieldName::host)}) {
        EXPECT_TRUE(examine({&good, 1})) << good.name();
    }
}

TEST(H1Writer, CountsTheBytesOfTheFields) {
    const std::vector<Field> fields{{"ab", "cde"}, {"connection", "close"}, {"f", ""}};
    const auto facts = examine(fields);
    ASSERT_TRUE(facts);
    EXPECT_EQ(facts->bytes, std::string("ab: cde\r\nf: \r\n").size());
    EXPECT_TRUE(facts->close);
}

// -- plans: how every kind of answer is framed ----------------------------------------------------

std::string framing(const RequestFacts& request, int status, std::optional<std::uint64_t> size,
                    const std::vector<Field>& fields = {}) {
    const auto facts = examine(fields);
    const auto plan = plan_answer(request, status, *facts, size);
    if (!plan) return "invalid";
    std::string text = write_response(request, status, fields, size, "");
    text = text.substr(text.find(" GMT\r\n") + 6);
    for (std::size_t at; (at = text.find("\r\n")) != std::string::npos;) text.replace(at, 2, "|");
    const char* kinds[] = {"none", "length", "chunked", "until_close"};
    return std::string(kinds[static_cast<int>(plan->body)]) +
           (plan->body_suppressed ? " suppressed " : " ") + (plan->close ? "close " : "") + text;
}

TEST(H1Plan, FollowsTheTable) {
    const RequestFacts get, head{.method = Method::head}, closing{.keep_alive = false};
    const RequestFacts old{.version = Version::http_1_0, .keep_alive = false};
    const RequestFacts old_keep{.version = Version::http_1_0};
    const RequestFacts old_head{.version = Version::http_1_0, .method = Method::head};
    const RequestFacts connect{.method = Method::connect};
    const std::vector<Field> three{{"Content-Length", "3"}};

    EXPECT_EQ(framing(get, 200, 3), "length Content-Length: 3||");
    EXPECT_EQ(framing(get, 200, 0), "none Content-Length: 0||");
    EXPECT_EQ(framing(get, 200, std::nullopt), "chunked Transfer-Encoding: chunked||");
    EXPECT_EQ(framing(get, 200, std::nullopt, three), "length Content-Length: 3||");
    EXPECT_EQ(framing(get, 200, 3, three), "length Content-Length: 3||");
    EXPECT_EQ(framing(get, 200, 4, three), "invalid");
    EXPECT_EQ(framing(get, 200, 0, three), "invalid");
    EXPECT_EQ(framing(closing, 200, 3), "length close Content-Length: 3|Connection: close||");

    EXPECT_EQ(framing(head, 200, 3), "length suppressed Content-Length: 3||");
    EXPECT_EQ(framing(head, 200, 0, three), "length suppressed Content-Length: 3||");
    EXPECT_EQ(framing(head, 200, 0), "none suppressed |") << "no length is known, none is claimed";
    EXPECT_EQ(framing(head, 200, std::nullopt), "chunked suppressed Transfer-Encoding: chunked||");
    EXPECT_EQ(framing(head, 200, 4, three), "invalid");

    EXPECT_EQ(framing(old, 200, std::nullopt), "until_close close Connection: close||");
    EXPECT_EQ(framing(old_keep, 200, std::nullopt), "until_close close Connection: close||");
    EXPECT_EQ(framing(old_keep, 200, 3), "length Content-Length: 3|Connection: keep-alive||");
    EXPECT_EQ(framing(old_keep, 200, std::nullopt, three),
              "length Content-Length: 3|Connection: keep-alive||");
    EXPECT_EQ(framing(old_head, 200, std::nullopt),
              "until_close suppressed Connection: keep-alive||");

    EXPECT_EQ(framing(get, 204, std::nullopt), "none suppressed |");
    EXPECT_EQ(framing(get, 204, 0), "none suppressed |");
    EXPECT_EQ(framing(get, 204, 3), "none suppressed |") << "counted, not sent";
    EXPECT_EQ(framing(get, 204, 0, three), "none suppressed |") << "204 has no Content-Length";
    EXPECT_EQ(framing(get, 304, 0, three), "none suppressed Content-Length: 3||");
    EXPECT_EQ(framing(get, 304, 0), "none suppressed |");
    EXPECT_EQ(framing(get, 304, 7), "none suppressed Content-Length: 7||");
    EXPECT_EQ(framing(connect, 200, std::nullopt), "none |");
    EXPECT_EQ(framing(connect, 407, 3), "length Content-Length: 3||");
}

// -- the small pieces -----------------------------------------------------------------------------

TEST(H1Writer, WritesInterimHeads) {
    const std::vector<Field> link{
        {"Link", "</a>"}, {"Connection", "close"}, {"Content-Length", "3"}};
    const auto facts = examine(link);
    std::vector<char> out(interim_head_bound(*facts, "websocket"));
    char* end = write_interim_head(out.data(), 103, link, "");
    EXPECT_EQ(std::string(out.data(), end), "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    end = write_interim_head(out.data(), 101, link, "websocket");
    EXPECT_EQ(std::string(out.data(), end),
              "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
              "Upgrade: websocket\r\nLink: </a>\r\n\r\n");
    end = write_interim_head(out.data(), 100, {}, "");
    EXPECT_EQ(std::string(out.data(), end), "HTTP/1.1 100 Continue\r\n\r\n");
}

TEST(H1Writer, WritesChunks) {
    char out[chunk_head_bound];
    EXPECT_EQ(std::string(out, write_chunk_head(out, 1)), "1\r\n");
    EXPECT_EQ(std::string(out, write_chunk_head(out, 0x1a2b)), "1a2b\r\n");
    EXPECT_EQ(std::string(out, write_chunk_head(out, UINT64_MAX)), "ffffffffffffffff\r\n");
    const std::vector<Field> trailers{
        {"X-Sum", "1"}, {"Content-Length", "4"}, {"Host", "h"}, {"Y", "2"}};
    std::vector<char> last(last_chunk_bound(trailers));
    char* end = write_last_chunk(last.data(), trailers);
    EXPECT_EQ(std::string(last.data(), end), "0\r\nX-Sum: 1\r\nY: 2\r\n\r\n");
    end = write_last_chunk(last.data(), {});
    EXPECT_EQ(std::string(last.data(), end), "0\r\n\r\n");
}

TEST(H1Writer, WritesAnswersOfItsOwn) {
    char out[simple_answer_bound];
    std::size_t size = write_simple_answer(out, 503, date, "hc", false, 7);
    EXPECT_EQ(
        std::string(out, size),
        "HTTP/1.1 503 Service Unavailable\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: hc\r\n"
        "Retry-After: 7\r\nContent-Type: text/plain\r\nContent-Length: 20\r\nConnection: "
        "close\r\n\r\n"
        "Service Unavailable\n");
    size = write_simple_answer(out, 405, date, "", true, 0, "Allow: GET, HEAD");
    EXPECT_EQ(std::string(out, size),
              "HTTP/1.1 405 Method Not Allowed\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nAllow: "
              "GET, HEAD\r\n"
              "Content-Type: text/plain\r\nContent-Length: 19\r\nConnection: close\r\n\r\n");
}

TEST(H1Writer, AnAnswerOfItsOwnStaysInItsBound) {
    const std::string huge(5000, 'x');
    const std::unique_ptr<char[]> out(new char[simple_answer_bound]);
    for (int status = 0; status <= 700; ++status) {
        for (std::size_t length : {0U, 100U, 230U, 240U, 246U, 247U, 5000U}) {
            const std::string text = huge.substr(0, length);
            const std::size_t size =
                write_simple_answer(out.get(), status, date, text, false, UINT32_MAX, "A: " + text);
            ASSERT_LE(size, simple_answer_bound) << status << " " << length;
        }
    }
}

TEST(H1Writer, EveryStatusLineReadsBack) {
    const auto facts = examine({});
    for (int status = 100; status <= 599; ++status) {
        std::vector<char> out(response_head_bound(status, *facts, ""));
        char* end = write_response_head(out.data(), status, {}, *facts, {}, date, "");
        const std::string_view text(out.data(), static_cast<std::size_t>(end - out.data()));
        const std::string reason(http::reason_phrase(status));
        const std::string line = "HTTP/1.1 " + std::to_string(status) + " " + reason + "\r\n";
        ASSERT_TRUE(text.starts_with(line)) << status;
        const auto t = test::feed_whole(text, {.role = Role::client});
        ASSERT_EQ(t.heads.size(), 1U) << status;
    }
}

TEST(H1Writer, WritesRequests) {
    const std::vector<Field> fields{{"Accept", "*/*"},
                                    {"Host", "other"},
                                    {"Connection", "close"},
                                    {"User-Agent", "hc"},
                                    {"Content-Length", "9"}};
    const auto facts = examine(fields);
    std::vector<char> out(request_head_bound("POST", "/x", "h:1", *facts));
    char* end =
        write_request_head(out.data(), "POST", "/x", "h:1", fields, *facts, BodyKind::length, 9);
    EXPECT_EQ(std::string(out.data(), end),
              "POST /x HTTP/1.1\r\nHost: h:1\r\nAccept: */*\r\nUser-Agent: hc\r\n"
              "Content-Length: 9\r\nConnection: close\r\n\r\n");
    const auto none = examine({});
    end = write_request_head(out.data(), "GET", "/", "h", {}, *none, BodyKind::none, 0);
    EXPECT_EQ(std::string(out.data(), end), "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    end = write_request_head(out.data(), "POST", "/", "h", {}, *none, BodyKind::none, 0);
    EXPECT_EQ(std::string(out.data(), end),
              "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
    end = write_request_head(out.data(), "PUT", "/", "h", {}, *none, BodyKind::chunked, 0);
    EXPECT_EQ(std::string(out.data(), end),
              "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
}

} // namespace
} // namespace hc::h1
