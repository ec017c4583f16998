// Request smuggling: everything here could be read in two ways by two programs, so it is refused,
// with its status, however the bytes are cut.
#include <gtest/gtest.h>

#include "tests/unit/proto/h1/transcript.hpp"

namespace hc::h1 {
namespace {

using namespace std::string_literals;
using test::feed_every_way;
using test::Transcript;

struct Case {
    const char* name;
    std::string input;
    int status;
};

const std::string get = "GET / HTTP/1.1\r\n";
const std::string post = "POST / HTTP/1.1\r\nHost: h\r\n";
const std::string chunked = post + "Transfer-Encoding: chunked\r\n\r\n";
const std::string old_post = "POST / HTTP/1.0\r\nHost: h\r\n";

const std::vector<Case> cases{
    // Host
    {"no host", get + "\r\n", 400},
    {"two hosts", get + "Host: a\r\nHost: b\r\n\r\n", 400},
    {"two equal hosts", get + "Host: a\r\nhost: a\r\n\r\n", 400},
    {"two hosts in 1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400},
    {"absolute-form without host", "GET http://a/ HTTP/1.1\r\n\r\n", 400},
    {"absolute-form with two hosts", "GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
    {"absolute-form with a bad host", "GET http://a/ HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
    {"host list", get + "Host: a, b\r\n\r\n", 400},
    {"host with path", get + "Host: a/b\r\n\r\n", 400},
    {"host with userinfo", get + "Host: u@a\r\n\r\n", 400},
    {"host with bad port", get + "Host: a:8x\r\n\r\n", 400},
    {"host with large port", get + "Host: a:65536\r\n\r\n", 400},
    {"host with two ports", get + "Host: a:1:2\r\n\r\n", 400},
    {"host with open bracket", get + "Host: [::1\r\n\r\n", 400},
    {"host with scheme", get + "Host: http://a\r\n\r\n", 400},
    {"host not ASCII", get + "Host: \xc3\xa9\r\n\r\n", 400},
    {"host with bad percent", get + "Host: a%4\r\n\r\n", 400},
    // Content-Length
    {"two lengths", post + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
    {"two equal lengths", post + "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400},
    {"length list", post + "Content-Length: 1, 1\r\n\r\n", 400},
    {"length list of others", post + "Content-Length: 1,2\r\n\r\n", 400},
    {"negative length", post + "Content-Length: -1\r\n\r\n", 400},
    {"plus length", post + "Content-Length: +1\r\n\r\n", 400},
    {"hex length", post + "Content-Length: 0x10\r\n\r\n", 400},
    {"letters behind length", post + "Content-Length: 1a\r\n\r\n", 400},
    {"underscore in length", post + "Content-Length: 1_0\r\n\r\n", 400},
    {"fraction", post + "Content-Length: 1.0\r\n\r\n", 400},
    {"exponent", post + "Content-Length: 1e1\r\n\r\n", 400},
    {"empty length", post + "Content-Length:\r\n\r\n", 400},
    {"blank length", post + "Content-Length: \r\n\r\n", 400},
    {"length overflow", post + "Content-Length: 18446744073709551616\r\n\r\n", 400},
    {"long length overflow", post + "Content-Length: 99999999999999999999999999\r\n\r\n", 400},
    {"space within length", post + "Content-Length: 1 2\r\n\r\n", 400},
    {"form feed behind length", post + "Content-Length: 1\f\r\n\r\n", 400},
    {"length in GET twice", get + "Host: h\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n", 400},
    // Transfer-Encoding
    {"coding then length", post + "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 400},
    {"length then coding", post + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"zero length and coding", post + "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
     400},
    {"coding in 1.0", old_post + "Transfer-Encoding: chunked\r\n\r\n", 400},
    {"coding and length in 1.0",
     old_post + "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 400},
    {"chunked twice", post + "Transfer-Encoding: chunked, chunked\r\n\r\n", 400},
    {"chunked in two fields",
     post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"chunked not last", post + "Transfer-Encoding: chunked, gzip\r\n\r\n", 400},
    {"chunked not last, two fields",
     post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n", 400},
    {"chunked then identity", post + "Transfer-Encoding: chunked, identity\r\n\r\n", 400},
    {"gzip, chunked", post + "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
    {"gzip, chunked, two fields",
     post + "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n", 501},
    {"gzip", post + "Transfer-Encoding: gzip\r\n\r\n", 501},
    {"identity", post + "Transfer-Encoding: identity\r\n\r\n", 501},
    {"unknown coding", post + "Transfer-Encoding: xchunked\r\n\r\n", 501},
    {"chunkedx", post + "Transfer-Encoding: chunkedx\r\n\r\n", 501},
    {"empty coding", post + "Transfer-Encoding:\r\n\r\n", 400},
    {"empty elements", post + "Transfer-Encoding: ,\r\n\r\n", 400},
    {"comma chunked", post + "Transfer-Encoding: , chunked\r\n\r\n", 400},
    {"quoted chunked", post + "Transfer-Encoding: \"chunked\"\r\n\r\n", 501},
    {"chunked with parameter", post + "Transfer-Encoding: chunked;q=1\r\n\r\n", 501},
    {"vertical tab before chunked", post + "Transfer-Encoding: \vchunked\r\n\r\n", 400},
    {"CL.TE", post + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG", 400},
    {"TE.TE", post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n", 400},
    // the shape of lines
    {"space before colon", get + "Host : h\r\n\r\n", 400},
    {"tab before colon", get + "Host\t: h\r\n\r\n", 400},
    {"coding with space before colon", post + "Transfer-Encoding : chunked\r\n\r\n", 400},
    {"space before the first field", get + " Host: h\r\n\r\n", 400},
    {"tab before the first field", get + "\tHost: h\r\n\r\n", 400},
    {"obs-fold", get + "Host: h\r\nX: a\r\n b\r\n\r\n", 400},
    {"obs-fold with tab", get + "Host: h\r\nX: a\r\n\tb\r\n\r\n", 400},
    {"obs-fold of an empty value", get + "Host: h\r\nX:\r\n b\r\n\r\n", 400},
    {"folded coding", post + "Transfer-Encoding:\r\n chunked\r\n\r\n", 400},
    {"folded length", post + "Content-Length: 1\r\n 0\r\n\r\n", 400},
    {"bare LF behind the request line", "GET / HTTP/1.1\nHost: h\r\n\r\n", 400},
    {"bare LF behind a field", get + "Host: h\nX: y\r\n\r\n", 400},
    {"bare LF at the end", get + "Host: h\r\n\n", 400},
    {"LF only", "GET / HTTP/1.1\nHost: h\n\n", 400},
    {"bare CR in a value", get + "Host: h\r\nX: a\rb\r\n\r\n", 400},
    {"bare CR as line end", get + "Host: h\rX: y\r\n\r\n", 400},
    {"bare CR at the end", get + "Host: h\r\n\rGET", 400},
    {"CR CR LF", get + "Host: h\r\r\n\r\n", 400},
    {"CR in the request line", "GET / HTTP/1.1\r\r\nHost: h\r\n\r\n", 400},
    {"NUL in a value", get + "Host: h\r\nX: a\0b\r\n\r\n"s, 400},
    {"NUL in a name", get + "Host: h\r\nX\0: a\r\n\r\n"s, 400},
    {"NUL in the target", "GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n"s, 400},
    {"NUL in the method", "G\0T / HTTP/1.1\r\nHost: h\r\n\r\n"s, 400},
    {"DEL in a value", get + "Host: h\r\nX: \x7f\r\n\r\n", 400},
    {"control in a value", get + "Host: h\r\nX: \x01\r\n\r\n", 400},
    {"no colon", get + "Host: h\r\nX\r\n\r\n", 400},
    {"empty name", get + "Host: h\r\n: x\r\n\r\n", 400},
    {"name not a token", get + "Host: h\r\nX(Y): x\r\n\r\n", 400},
    {"name not ASCII", get + "Host: h\r\n\xc3\xa9: x\r\n\r\n", 400},
    {"quoted name", get + "Host: h\r\n\"X\": x\r\n\r\n", 400},
    {"two spaces before the version", "GET /  HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    {"tab before the version", "GET /\tHTTP/1.1\r\nHost: h\r\n\r\n", 400},
    // chunks
    {"0x chunk", chunked + "0x1\r\na\r\n0\r\n\r\n", 400},
    {"underscore chunk", chunked + "1_0\r\na\r\n0\r\n\r\n", 400},
    {"plus chunk", chunked + "+1\r\na\r\n0\r\n\r\n", 400},
    {"minus chunk", chunked + "-1\r\na\r\n0\r\n\r\n", 400},
    {"empty chunk size", chunked + "\r\na\r\n0\r\n\r\n", 400},
    {"extension without size", chunked + ";x\r\na\r\n0\r\n\r\n", 400},
    {"space before the size", chunked + " 1\r\na\r\n0\r\n\r\n", 400},
    {"space behind the size", chunked + "1 \r\na\r\n0\r\n\r\n", 400},
    {"letters in the size", chunked + "g\r\na\r\n0\r\n\r\n", 400},
    {"size overflow", chunked + "10000000000000000\r\na\r\n0\r\n\r\n", 400},
    {"size overflow behind zeros", chunked + "00010000000000000000\r\n", 400},
    {"LF behind the size", chunked + "1\na\r\n0\r\n\r\n", 400},
    {"CR behind the size", chunked + "1\ra\r\n0\r\n\r\n", 400},
    {"LF behind the data", chunked + "1\r\na\n0\r\n\r\n", 400},
    {"nothing behind the data", chunked + "1\r\na0\r\n\r\n", 400},
    {"more data than the size", chunked + "1\r\nab\r\n0\r\n\r\n", 400},
    {"LF in an extension", chunked + "1;a\nb\r\na\r\n0\r\n\r\n", 400},
    {"CR in an extension", chunked + "1;a\rb\r\na\r\n0\r\n\r\n", 400},
    {"LF in a quoted extension", chunked + "1;a=\"\n\"\r\na\r\n0\r\n\r\n", 400},
    {"CRLF in a quoted extension", chunked + "1;a=\"\r\n\"\r\na\r\n0\r\n\r\n", 400},
    {"NUL in an extension", chunked + "1;a\0\r\na\r\n0\r\n\r\n"s, 400},
    {"LF behind the last chunk", chunked + "0\n\r\n", 400},
    {"LF behind the trailers", chunked + "0\r\n\n", 400},
    {"LF within the trailers", chunked + "0\r\nX: y\nZ: z\r\n\r\n", 400},
    {"folded trailer", chunked + "0\r\nX: y\r\n z\r\n\r\n", 400},
    {"space before a trailer", chunked + "0\r\n X: y\r\n\r\n", 400},
    {"space before a trailer's colon", chunked + "0\r\nX : y\r\n\r\n", 400},
    {"length in a trailer", chunked + "0\r\nContent-Length: 5\r\n\r\n", 400},
    // empty lines
    {"two empty lines first", "\r\n\r\n" + get + "Host: h\r\n\r\n", 400},
    {"LF first", "\n" + get + "Host: h\r\n\r\n", 400},
};

TEST(H1Smuggling, EveryCaseIsRefusedInEveryCut) {
    for (const Case& c : cases) {
        const Transcript t = feed_every_way(c.input, {}, 5);
        EXPECT_EQ(t.status, c.status) << c.name << ": " << t.text;
    }
}

TEST(H1Smuggling, ACaseBehindAGoodRequestIsRefusedToo) {
    for (const Case& c : cases) {
        if (c.input.starts_with("\r\n")) continue; // one of the two lines would belong to nobody
        const Transcript t = feed_every_way(get + "Host: h\r\n\r\n" + c.input, {}, 2);
        EXPECT_EQ(t.status, c.status) << c.name;
        EXPECT_GE(t.ends, 1);
    }
}

TEST(H1Smuggling, TheGoodNeighboursOfTheCasesPass) {
    for (const std::string& good : {get + "Host:\r\n\r\n",
                                    get + "Host: \r\n\r\n",
                                    get + "host:h\r\n\r\n",
                                    get + "Host: \t h \t\r\n\r\n",
                                    get + "Host: a%41:80\r\n\r\n",
                                    get + "Host: [::1]:1\r\n\r\n",
                                    get + "Host: a:65535\r\n\r\n",
                                    get + "Host: a:\r\n\r\n",
                                    get + "Host: 0.0.0.0=5000\r\n\r\n",
                                    get + "Host: a_b\r\n\r\n",
                                    get + "Host: h\r\nX: \x80\xff\r\n\r\n",
                                    get + "Host: h\r\nX:\ta \t b\t\r\n\r\n",
                                    "GET / HTTP/1.0\r\n\r\n"s,
                                    "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n"s,
                                    "GET http://a/ HTTP/1.0\r\n\r\n"s,
                                    post + "Content-Length: 18446744073709551615\r\n\r\n",
                                    post + "Content-Length: 000\r\n\r\n",
                                    post + "Transfer-Encoding: \tCHUNKED \r\n\r\n0\r\n\r\n",
                                    chunked + "ffffffffffffffff\r\n",
                                    chunked + "0001;a=b;c=\"d \\\" e\"\r\nx\r\n000\r\n\r\n"}) {
        const Transcript t = feed_every_way(good, {}, 5);
        EXPECT_EQ(t.status, -1) << test::quoted(good) << " " << t.reason;
        EXPECT_EQ(t.heads.size(), 1U) << test::quoted(good);
    }
}

} // namespace
} // namespace hc::h1
