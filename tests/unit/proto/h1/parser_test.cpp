#include "core/proto/h1/parser.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "tests/unit/proto/h1/transcript.hpp"

namespace hc::h1 {
namespace {

using test::feed_every_way;
using test::feed_whole;
using test::Scenario;
using test::Transcript;

constexpr Scenario client{.role = Role::client, .finish = true};

TEST(H1Parser, ReadsARequestWithoutBody) {
    const Transcript t =
        feed_every_way("GET /a/b?c=d HTTP/1.1\r\nHost: h:80\r\nX-Y: z \t\r\nE:\r\n\r\n");
    EXPECT_EQ(t.text,
              "head HTTP/1.1 method=GET target=/a/b?c=d scheme= authority=h:80 path=/a/b query=c=d "
              "protocol= body=0:0 keep\n"
              "  [Host]=[h:80] 36\n  [X-Y]=[z] 0\n  [E]=[] 0\nend\n");
}

TEST(H1Parser, TellsAnEmptyQueryFromNone) {
    EXPECT_NE(feed_every_way("GET /? HTTP/1.1\r\nHost:\r\n\r\n").text.find(" query= "),
              std::string::npos);
    EXPECT_EQ(feed_every_way("GET / HTTP/1.1\r\nHost:\r\n\r\n").text.find(" query="),
              std::string::npos);
}

TEST(H1Parser, ReadsBodiesOfAKnownLength) {
    const Transcript t =
        feed_every_way("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
                       "PUT /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"
                       "POST /3 HTTP/1.1\r\nHost: h\r\nContent-Length: 003\r\n\r\nabc");
    ASSERT_EQ(t.ends, 3);
    EXPECT_EQ(t.bodies, (std::vector<std::string>{"hello", "", "abc"}));
    EXPECT_EQ(t.status, -1);
}

TEST(H1Parser, ReadsChunksAndTrailers) {
    const Transcript t = feed_every_way(
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: ChunKed\r\n\r\n"
        "5\r\nhello\r\n1;ext=\"a\\\"b\";e2\r\n \r\n005\r\nworld\r\n000;x\r\n"
        "X-Sum: 1 \r\nContent-Length-X: 2\r\nEmpty:\r\n\r\nGET /n HTTP/1.1\r\nHost: h\r\n\r\n");
    ASSERT_EQ(t.ends, 2) << t.text;
    EXPECT_EQ(t.bodies[0], "hello world");
    EXPECT_NE(
        t.text.find("end\nt [X-Sum]=[1] 0\nt [Content-Length-X]=[2] 0\nt [Empty]=[] 0\nhead "),
        std::string::npos)
        << t.text;
}

TEST(H1Parser, LeavesOutWhatMayNotBeATrailer) {
    const Transcript t =
        feed_every_way("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
                       "Host: evil\r\nX: 1\r\nAuthorization: a\r\nTrailer: b\r\nCookie: c\r\n"
                       "Content-Type: d\r\nConnection: close\r\nY: 2\r\n\r\n"
                       "GET / HTTP/1.1\r\nHost: good\r\n\r\n");
    EXPECT_NE(t.text.find("end\nt [X]=[1] 0\nt [Y]=[2] 0\nhead"), std::string::npos) << t.text;
    EXPECT_EQ(t.ends, 2) << "Connection in a trailer does not close";
}

TEST(H1Parser, ReadsPipelinedRequestsInAnyCut) {
    std::string input;
    for (int i = 0; i < 10; ++i) {
        input += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\n\r\n";
        input += "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n" + std::to_string(i);
        input +=
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n";
    }
    EXPECT_EQ(feed_every_way(input).ends, 30);
}

TEST(H1Parser, SkipsOneEmptyLineBeforeARequest) {
    EXPECT_EQ(
        feed_every_way("\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n")
            .ends,
        2);
    EXPECT_EQ(feed_every_way("\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n").status, 400);
    EXPECT_EQ(feed_every_way("\nGET / HTTP/1.1\r\nHost: h\r\n\r\n").status, 400);
    EXPECT_EQ(feed_every_way("\rGET / HTTP/1.1\r\nHost: h\r\n\r\n").status, 400);
}

TEST(H1Parser, AnEmptyLineLeavesItIdle) {
    ConnectionLimits limits;
    HeadScratch scratch;
    Parser parser(Role::server, limits, scratch);
    EXPECT_TRUE(parser.idle());
    for (std::string_view bytes : {"\r", "\n"}) {
        EXPECT_EQ(parser.next(bytes), Event::need_input);
        EXPECT_TRUE(parser.idle());
        EXPECT_FALSE(parser.in_head());
    }
    std::string_view more = "G";
    EXPECT_EQ(parser.next(more), Event::need_input);
    EXPECT_TRUE(parser.in_head());
    EXPECT_FALSE(parser.idle());
}

TEST(H1Parser, KeepAliveFollowsVersionAndConnection) {
    struct Case {
        const char* version;
        const char* field;
        bool keep;
    };
    for (const Case& c : {Case{"1.1", "", true},
                          {"1.1", "Connection: close\r\n", false},
                          {"1.1", "Connection: CLOSE\r\n", false},
                          {"1.1", "Connection: x, close\r\n", false},
                          {"1.1", "Connection: x\r\nConnection: ,close,\r\n", false},
                          {"1.1", "Connection: closed\r\n", true},
                          {"1.0", "", false},
                          {"1.0", "Connection: keep-alive\r\n", true},
                          {"1.0", "Connection: Keep-Alive, x\r\n", true},
                          {"1.0", "Connection: keep-alive, close\r\n", false},
                          {"1.1", "Proxy-Connection: close\r\n", true}}) {
        const std::string input =
            std::string("GET / HTTP/") + c.version + "\r\nHost: h\r\n" + c.field + "\r\n";
        const Transcript t = feed_every_way(input);
        EXPECT_EQ(t.text.find(" keep\n") != std::string::npos, c.keep) << input;
        EXPECT_EQ(t.ends, 1);
        // Bytes behind the last message are no request, and there is nothing to answer.
        const Transcript more = feed_every_way(input + "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        EXPECT_EQ(more.ends, c.keep ? 2 : 1);
        EXPECT_EQ(more.status, c.keep ? -1 : 0);
    }
}

TEST(H1Parser, KnowsTheFormsOfATarget) {
    const auto target = [](std::string_view line) {
        const Transcript t =
            feed_every_way(std::string(line) + " HTTP/1.1\r\nHost: host.example\r\n\r\n", {}, 2);
        if (t.status >= 0) return std::to_string(t.status);
        const std::size_t begin = t.text.find("scheme=");
        return t.text.substr(begin, t.text.find(" protocol=") - begin);
    };
    EXPECT_EQ(target("GET /x"), "scheme= authority=host.example path=/x");
    EXPECT_EQ(target("GET http://o.example:81/p?q"),
              "scheme=http authority=o.example:81 path=/p query=q");
    EXPECT_EQ(target("GET https://o.example?q"), "scheme=https authority=o.example path=/ query=q");
    EXPECT_EQ(target("GET http://[::1]:8080"), "scheme=http authority=[::1]:8080 path=/");
    EXPECT_EQ(target("OPTIONS *"), "scheme= authority=host.example path=*");
    EXPECT_EQ(target("OPTIONS /x"), "scheme= authority=host.example path=/x");
    EXPECT_EQ(target("CONNECT a.example:443"), "scheme= authority=a.example:443 path=");
    EXPECT_EQ(target("GET //x//y"), "scheme= authority=host.example path=//x//y");
    EXPECT_EQ(target("GET /a%00\"<>\\^`{|}'"),
              "scheme= authority=host.example path=/a%00\"<>\\^`{|}'");
    for (const char* bad : {"GET *",
                            "GET **",
                            "OPTIONS **",
                            "GET x",
                            "GET http:/x",
                            "GET http:x",
                            "GET http://",
                            "GET http:///x",
                            "GET http://u@h/",
                            "GET http://u:p@h/",
                            "GET http://h:x/",
                            "GET http://h:65536/",
                            "GET http://[::1/",
                            "GET http://[::g]/",
                            "GET http://h%zz/",
                            "CONNECT /",
                            "CONNECT h",
                            "CONNECT h:",
                            "CONNECT :443",
                            "CONNECT h:443/",
                            "CONNECT u@h:443",
                            "CONNECT http://h:443",
                            "CONNECT h:99999",
                            "GET /a#b",
                            "GET /#",
                            "GET /?#",
                            "GET /?a#b",
                            "GET http://h/#f",
                            "GET /\xc3\xa9",
                            "GET /\x7f",
                            "GET /\x01",
                            "GET /?\x80",
                            "GET /a\tb",
                            "GET  /",
                            "GET /a b",
                            "GET / ",
                            "GET ",
                            "GET"}) {
        EXPECT_EQ(target(bad), "400") << bad;
    }
}

TEST(H1Parser, KnowsMethodsAndVersions) {
    const auto status = [](std::string_view line) {
        return feed_every_way(std::string(line) + "\r\nHost: h\r\n\r\n").status;
    };
    for (const char* good :
         {"GET /", "HEAD /", "POST /", "PUT /", "DELETE /", "PATCH /", "OPTIONS /", "TRACE /",
          "PROPFIND /", "M-SEARCH /", "PURGE /", "QUERY /", "LINK /"}) {
        EXPECT_EQ(status(std::string(good) + " HTTP/1.1"), -1) << good;
    }
    for (const char* unknown :
         {"FOO /", "GETX /", "GE /", "get /", "X!#$%&'*+-.^_`|~9 /", "ANNOUNCE /", "PRI /", "PRI *",
          "AVERYLONGMETHODNAMEAVERYLONGMETHODNAME("}) {
        EXPECT_EQ(status(std::string(unknown) + " HTTP/1.1"), 501) << unknown;
    }
    for (const char* bad :
         {"G(T /", "(GET /", "GET\t/", "\x16\x03\x01", "@ /", " GET /", "GET\r\n", "FOO\t/"}) {
        EXPECT_EQ(status(std::string(bad) + " HTTP/1.1"), 400) << bad;
    }
    for (const char* version :
         {"HTTP/0.9", "HTTP/1.2", "HTTP/2.0", "HTTP/3.0", "HTTP/9.9", "HTTP/0.0"}) {
        EXPECT_EQ(status(std::string("GET / ") + version), 505) << version;
    }
    for (const char* version :
         {"HTTP/1", "HTTP/1.", "HTTP/.1", "HTTP/1.1.1", "HTTP/1.10", "HTTP/11.1", "http/1.1",
          "HTTP 1.1", "HTTP/1,1", "HTTP/+1.1", "HTTPS/1.1", "RTSP/1.0", "ICE/1.0", "HTTP/1.1 ",
          "HTTP/1.1x", "HTTP/1.1\t", " HTTP/1.1", "", "X"}) {
        EXPECT_EQ(status(std::string("GET / ") + version), 400) << version;
    }
    EXPECT_EQ(feed_every_way("GET /\r\n\r\n").status, 400) << "HTTP/0.9";
    EXPECT_EQ(feed_every_way("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").status, 505);
    EXPECT_EQ(feed_every_way("PRI * HTTP/2.0\r\n\r\n").status, 505);
}

TEST(H1Parser, ReportsExpectations) {
    const auto head = [](std::string_view version, std::string_view fields) {
        return feed_every_way("POST / HTTP/" + std::string(version) + "\r\nHost: h\r\n" +
                              std::string(fields) + "\r\n");
    };
    EXPECT_NE(head("1.1", "Content-Length: 1\r\nExpect: 100-Continue\r\n").text.find(" expect"),
              std::string::npos);
    EXPECT_NE(
        head("1.1", "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n").text.find(" expect"),
        std::string::npos);
    EXPECT_EQ(head("1.1", "Expect: 100-continue\r\n").text.find(" expect"), std::string::npos)
        << "no body";
    EXPECT_EQ(head("1.0", "Content-Length: 1\r\nExpect: 100-continue\r\n").text.find(" expect"),
              std::string::npos);
    EXPECT_EQ(head("1.1", "Expect: 200-ok\r\n").status, 417);
    EXPECT_EQ(head("1.1", "Expect: 100-continue\r\nExpect: x\r\n").status, 417);
    EXPECT_EQ(head("1.0", "Expect: x\r\n").status, -1);
}

TEST(H1Parser, ReportsUpgradesAndConnect) {
    const Transcript ws =
        feed_every_way("GET /ws HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\n"
                       "Upgrade: websocket\r\n\r\n");
    EXPECT_NE(ws.text.find(" protocol=websocket body=0:0 keep upgrade\n"), std::string::npos)
        << ws.text;
    for (const char* not_listed :
         {"HTTP/1.1\r\nHost: h\r\nUpgrade: x\r\n\r\n",
          "HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\n\r\n",
          "HTTP/1.0\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"}) {
        EXPECT_EQ(feed_every_way(std::string("GET / ") + not_listed).text.find(" upgrade"),
                  std::string::npos);
    }
    // Refused by the application, the connection goes on with the next request.
    EXPECT_EQ(
        feed_every_way("GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
                       "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            .ends,
        2);
    const Transcript body =
        feed_every_way("POST / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: h2c\r\n"
                       "Content-Length: 3\r\n\r\nabc");
    EXPECT_EQ(body.bodies[0], "abc");
    const Transcript connect = feed_every_way("CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n");
    EXPECT_NE(connect.text.find(" upgrade connect\n"), std::string::npos) << connect.text;
    EXPECT_EQ(
        feed_every_way("CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\nContent-Length: 3\r\n\r\nabc").status,
        400);
}

TEST(H1Parser, FinishIsCleanOnlyBetweenMessages) {
    const Scenario setup{.finish = true};
    EXPECT_EQ(feed_every_way("GET / HTTP/1.1\r\nHost: h\r\n\r\n", setup).text.substr(0, 4), "head");
    const std::string whole = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
                              "chunked\r\n\r\n1\r\na\r\n0\r\nX: y\r\n\r\n";
    for (std::size_t size = 1; size < whole.size(); ++size) {
        EXPECT_EQ(feed_whole(whole.substr(0, size), setup).status, 400) << size;
    }
    EXPECT_NE(feed_whole(whole, setup).text.find("clean"), std::string::npos);
    EXPECT_EQ(feed_whole("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nab", setup).status,
              400);
}

// -- memory ---------------------------------------------------------------------------------------

TEST(H1Parser, AHeadInOnePieceIsNotCopied) {
    ConnectionLimits limits;
    HeadScratch scratch;
    Parser parser(Role::server, limits, scratch);
    const std::string input =
        "GET /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";
    std::string_view rest = input;
    ASSERT_EQ(parser.next(rest), Event::head);
    EXPECT_EQ(parser.head().base, input.data());
    EXPECT_EQ(parser.head().size, input.find("\r\n\r\n") + 4);
    ASSERT_EQ(parser.next(rest), Event::body);
    EXPECT_EQ(parser.body().data(), input.data() + input.find("a\r\n0"));
}

TEST(H1Parser, ParsersTakeTurnsWithinAHead) {
    ConnectionLimits limits;
    HeadScratch scratch;
    Parser a(Role::server, limits, scratch);
    Parser b(Role::server, limits, scratch);
    std::string_view a1 = "GET /a HTTP/1.1\r\nHost: aaa\r\nX-O", b1 = "GET /b HTTP/1.1\r\nHo";
    EXPECT_EQ(a.next(a1), Event::need_input);
    EXPECT_EQ(b.next(b1), Event::need_input);
    std::string_view a2 = "ne: 1\r\n\r\n", b2 = "st: bbb\r\nX-Two: 2\r\n\r\n";
    ASSERT_EQ(b.next(b2), Event::head);
    EXPECT_EQ(b.head().find("x-two"), "2");
    EXPECT_EQ(b.head().text(b.head().authority), "bbb");
    ASSERT_EQ(a.next(a2), Event::head);
    EXPECT_EQ(a.head().find("x-one"), "1");
    EXPECT_EQ(a.head().text(a.head().path), "/a");
}

TEST(H1Parser, FieldsThatComeAgainLieInTheirOwnHead) {
    ConnectionLimits limits;
    for (const std::string fields :
         {"Connection: keep-alive\r\n\r\n", "Host:\r\nConnection: keep-alive\r\n\r\n"}) {
        HeadScratch scratch;
        Parser parser(Role::server, limits, scratch);
        for (const std::string line : {"GET /a/long/path HTTP/1.0\r\n", "GET / HTTP/1.0\r\n"}) {
            const std::string input = line + fields;
            std::string_view rest = input;
            ASSERT_EQ(parser.next(rest), Event::head);
            EXPECT_LE(parser.head().authority.offset, parser.head().size);
            EXPECT_EQ(parser.head().text(parser.head().authority), "");
            ASSERT_EQ(parser.next(rest), Event::end);
        }
    }
}

// -- responses ------------------------------------------------------------------------------------

TEST(H1Client, ReadsResponses) {
    const Transcript t = feed_every_way(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
        "HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n"
        "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        "HTTP/1.1 200 Very Fine\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
        "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"
        "HTTP/1.1 200 OK\r\nX: y\r\n\r\nuntil the end",
        client);
    ASSERT_EQ(t.ends, 7) << t.text;
    EXPECT_EQ(t.bodies, (std::vector<std::string>{"hi", "", "", "ab", "", "", "until the end"}));
    EXPECT_NE(t.text.find("status=304 reason=Not Modified body=0:9"), std::string::npos) << t.text;
    EXPECT_NE(t.text.find("status=200 reason=Very Fine body=2:0 keep"), std::string::npos);
}

TEST(H1Client, TheRequestDecidesAboutTheBody) {
    Scenario head = client;
    head.response_to = http::Method::head;
    const Transcript t = feed_every_way("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"
                                        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                                        head);
    EXPECT_EQ(t.ends, 2) << t.text;
    Scenario connect = client;
    connect.finish = false;
    connect.response_to = http::Method::connect;
    const Transcript c = feed_every_way("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", connect);
    EXPECT_NE(c.text.find(" upgrade connect\n"), std::string::npos) << c.text;
    EXPECT_EQ(c.ends, 1);
    EXPECT_EQ(feed_every_way("HTTP/1.1 407 No\r\nContent-Length: 1\r\n\r\nx", connect).bodies[0],
              "x");
    const Transcript up =
        feed_every_way("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
                       "Upgrade: websocket\r\n\r\n",
                       client);
    EXPECT_NE(up.text.find(" upgrade\n"), std::string::npos) << up.text;
    EXPECT_EQ(
        feed_every_way(
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
            client)
            .text.find(" upgrade"),
        std::string::npos)
        << "an offer is no switch";
}

TEST(H1Client, RefusesAmbiguousResponses) {
    for (const char* bad :
         {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
          "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/2.0 200 OK\r\n\r\n",
          "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 200 OK\nX: y\r\n\r\n",
          "HTTP/1.1 200 OK\r\nX : y\r\n\r\n", "\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
          "HTTX/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\n x\r\n\r\n"}) {
        EXPECT_EQ(feed_every_way(bad, client).status, 0) << bad;
    }
    EXPECT_EQ(feed_every_way("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", client).status, 0)
        << "cut short";
}

} // namespace
} // namespace hc::h1
