// Every bound of the parser with its answer: exactly at the bound it passes, one more is refused,
// however the bytes are cut.
#include <malloc.h>
#include <gtest/gtest.h>

#include <chrono>

#include "tests/unit/proto/h1/transcript.hpp"

namespace hc::h1 {
namespace {

using test::feed_bytes;
using test::feed_every_way;
using test::feed_whole;
using test::Scenario;
using test::Transcript;

Scenario small() {
    Scenario s;
    s.limits.header_bytes_max = 200;
    s.limits.header_count_max = 4;
    s.limits.target_bytes_max = 50;
    s.limits.body_bytes_max = 10;
    s.limits.trailer_bytes_max = 40;
    s.limits.chunk_extension_bytes_max = 20;
    return s;
}

std::string head_of(std::size_t size) {
    const std::string begin = "GET / HTTP/1.1\r\nHost: h\r\nX: ";
    return begin + std::string(size - begin.size() - 4, 'x') + "\r\n\r\n";
}
const std::string chunked = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";

TEST(H1Limits, HeaderBytes) {
    EXPECT_EQ(feed_every_way(head_of(200), small()).ends, 1);
    EXPECT_EQ(feed_every_way(head_of(201), small()).status, 431);
    EXPECT_EQ(feed_every_way(head_of(2000), small()).status, 431);
    // The bound comes before whatever is wrong behind it.
    EXPECT_EQ(feed_every_way(head_of(400).substr(0, 300) + "\nbad", small()).status, 431);
    EXPECT_EQ(feed_every_way(head_of(200) + head_of(201), small()).ends, 1);
}

TEST(H1Limits, HeaderCount) {
    std::string head = "GET / HTTP/1.1\r\nHost: h\r\na:\r\nb:\r\nc: \r\n";
    EXPECT_EQ(feed_every_way(head + "\r\n", small()).ends, 1);
    EXPECT_EQ(feed_every_way(head + "d:\r\n\r\n", small()).status, 431);
    EXPECT_EQ(feed_every_way(head + "d d:\r\n\r\n", small()).status, 400)
        << "no field, so not one too many";
}

TEST(H1Limits, Target) {
    const auto get = [](std::size_t size, const char* behind = "") {
        return "GET /" + std::string(size - 1, 'a') + behind + " HTTP/1.1\r\nHost: h\r\n\r\n";
    };
    EXPECT_EQ(feed_every_way(get(50), small()).ends, 1);
    EXPECT_EQ(feed_every_way(get(51), small()).status, 414);
    EXPECT_EQ(feed_every_way(get(190), small()).status, 414);
    EXPECT_EQ(feed_every_way(get(1000), small()).status, 414);
    EXPECT_EQ(feed_every_way(get(51, "\x01"), small()).status, 414);
    EXPECT_EQ(feed_every_way(get(50, "\x01"), small()).status, 400)
        << "50 good bytes and a bad one";
}

TEST(H1Limits, UnknownMethodsEndSoon) {
    EXPECT_EQ(feed_every_way(std::string(32, 'X'), small()).status, 501);
    EXPECT_EQ(feed_every_way(std::string(31, 'X'), small()).status, -1);
    EXPECT_EQ(feed_every_way(std::string(1000, 'X'), small()).status, 501);
}

TEST(H1Limits, Body) {
    const auto post = [](const std::string& length) {
        return "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + length + "\r\n\r\n";
    };
    EXPECT_EQ(feed_every_way(post("10") + "0123456789", small()).ends, 1);
    const Transcript refused = feed_every_way(post("11"), small());
    EXPECT_EQ(refused.status, 413);
    EXPECT_TRUE(refused.heads.empty()) << "refused at the head";
    EXPECT_EQ(feed_every_way(chunked + "5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n", small()).ends, 1);
    const Transcript late =
        feed_every_way(chunked + "5\r\n01234\r\n6\r\n567890\r\n0\r\n\r\n", small());
    EXPECT_EQ(late.status, 413);
    EXPECT_EQ(late.bodies[0], "01234") << "refused in the middle";
    EXPECT_EQ(feed_every_way(chunked + "ffffffffffffffff\r\n", small()).status, 413);
    EXPECT_EQ(feed_every_way(chunked + "1\r\na\r\nffffffffffffffff\r\n", small()).status, 413);
}

TEST(H1Limits, ChunkExtensions) {
    const auto body = [](std::size_t size) {
        return "1;" + std::string(size - 1, 'x') + "\r\na\r\n0\r\n\r\n";
    };
    // A size line may have 18 bytes for nothing, and 2 belong to the chunk before.
    EXPECT_EQ(feed_every_way(chunked + body(30), small()).ends, 1);
    EXPECT_EQ(feed_every_way(chunked + body(60), small()).status, 400);
    EXPECT_EQ(feed_every_way(chunked + "1;" + std::string(10000, 'x'), small()).status, 400)
        << "never ends";
    EXPECT_EQ(feed_every_way(chunked + std::string(10000, '0'), small()).status, 400)
        << "zeros never end";
    std::string many = chunked;
    for (int i = 0; i < 10; ++i) many += "1;" + std::string(22, 'x') + "\r\na\r\n";
    EXPECT_EQ(feed_every_way(many, small()).status, 400) << "all extensions of a body together";
}

TEST(H1Limits, Trailers) {
    const auto body = [](std::size_t size) { // a trailer section of this many bytes
        return chunked + "0\r\nX: " + std::string(size - 7, 'x') + "\r\n\r\n";
    };
    EXPECT_EQ(feed_every_way(body(40), small()).ends, 1);
    EXPECT_EQ(feed_every_way(body(41), small()).status, 431);
    EXPECT_EQ(feed_every_way(body(5000), small()).status, 431);
    EXPECT_EQ(feed_every_way(chunked + "0\r\nX:" + std::string(5000, ' '), small()).status, 431);
    EXPECT_EQ(feed_every_way(chunked + "0\r\na:1\r\nb:2\r\nc:3\r\nd:4\r\n\r\n", small()).ends, 1);
    EXPECT_EQ(
        feed_every_way(chunked + "0\r\na:1\r\nb:2\r\nc:3\r\nd:4\r\ne:5\r\n\r\n", small()).status,
        431);
}

TEST(H1Limits, APartialHeadCostsLittle) {
    ConnectionLimits limits;
    HeadScratch scratch;
    { // the shared table is made once and stays
        Parser first(Role::server, limits, scratch);
        std::string_view bytes = "GET / HTTP/1.1\r\n\r\n";
        first.next(bytes);
    }
    const std::size_t before = mallinfo2().uordblks;
    constexpr std::size_t connections = 1000;
    std::vector<std::unique_ptr<Parser>> parsers;
    parsers.reserve(connections);
    const std::size_t vector = mallinfo2().uordblks - before;
    for (std::size_t i = 0; i < connections; ++i) {
        parsers.push_back(std::make_unique<Parser>(Role::server, limits, scratch));
        std::string_view bytes =
            "GET /slow HTTP/1.1\r\nHost: example.org\r\nUser-Agent: slow\r\nX-a: b\r\n";
        ASSERT_EQ(parsers.back()->next(bytes), Event::need_input);
    }
    const std::size_t each = (mallinfo2().uordblks - before - vector) / connections;
    RecordProperty("bytes_each", static_cast<int>(each));
#if !defined(__SANITIZE_ADDRESS__)
    EXPECT_GT(each, sizeof(Parser)) << "the measurement works";
    EXPECT_LT(each, 600U);
#endif
}

TEST(H1Limits, ADripIsLinear) {
    Scenario s;
    s.limits.header_bytes_max = 4 << 20;
    const auto time = [&](std::size_t size) {
        const std::string head = head_of(size);
        auto best = std::chrono::nanoseconds::max();
        for (int i = 0; i < 3; ++i) {
            ConnectionLimits limits = s.limits;
            HeadScratch scratch;
            Parser parser(Role::server, limits, scratch);
            const auto begin = std::chrono::steady_clock::now();
            Event event = Event::need_input;
            for (std::size_t at = 0; at < head.size() && event == Event::need_input; ++at) {
                std::string_view byte(head.data() + at, 1);
                event = parser.next(byte);
            }
            EXPECT_EQ(event, Event::head);
            best =
                std::min(best, std::chrono::nanoseconds(std::chrono::steady_clock::now() - begin));
        }
        return static_cast<double>(best.count());
    };
    // Sixteen times the bytes: 16 times the work when linear, 256 times when quadratic.
    EXPECT_LT(time(1 << 20), 80 * time(1 << 16));
}

} // namespace
} // namespace hc::h1
