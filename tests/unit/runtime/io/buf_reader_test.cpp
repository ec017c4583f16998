#include "core/runtime/io/buf_reader.hpp"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "core/runtime/io/write_ext.hpp"
#include "core/runtime/park.hpp"
#include "tests/unit/runtime/counting_waker.hpp"
#include "tests/unit/runtime/io/scripted_stream.hpp"

namespace hc::runtime {
namespace {

using namespace std::string_literals;
using test::CountingWaker;
using test::End;
using test::Fails;
using test::ScriptedStream;
using test::Wait;
using test::Yield;
using Sizes = std::vector<std::size_t>;

static_assert(AsyncStream<BufReader<ScriptedStream>>);
static_assert(AsyncStream<BufReader<ScriptedStream&>>);
struct OnlyReads {
    Poll<Result<std::size_t>> poll_read(Context&, std::span<char>) { return pending; }
};
static_assert(AsyncRead<BufReader<OnlyReads>>);
static_assert(!AsyncWrite<BufReader<OnlyReads>>);

class BufReaderTest : public testing::Test {
protected:
    BufReader<ScriptedStream&> make(std::size_t capacity = 8) {
        return BufReader<ScriptedStream&>(stream_, capacity);
    }
    CountingWaker waker_;
    ScriptedStream stream_;
    std::array<char, 32> into_{};
    std::span<char> first(std::size_t count) { return std::span(into_).first(count); }
    std::string_view text(std::size_t count) const { return {into_.data(), count}; }
};

TEST_F(BufReaderTest, SmallReadsComeFromTheBuffer) {
    stream_.reads = {"abcdef"s, End{}};
    auto reader = make();
    EXPECT_EQ(park_on(read(reader, first(2))).value(), 2U);
    EXPECT_EQ(text(2), "ab");
    EXPECT_EQ(reader.buffered(), "cdef");
    EXPECT_EQ(park_on(read(reader, first(3))).value(), 3U);
    EXPECT_EQ(text(3), "cde");
    EXPECT_EQ(park_on(read(reader, first(32))).value(), 1U); // what is there, without a wait
    EXPECT_EQ(stream_.read_sizes, Sizes{8});
    EXPECT_EQ(park_on(read(reader, first(2))).value(), 0U);
}

TEST_F(BufReaderTest, LargeReadsGoAroundAnEmptyBuffer) {
    stream_.reads = {"abcdefghijkl"s};
    auto reader = make(4);
    EXPECT_EQ(park_on(read(reader, first(4))).value(), 4U);
    EXPECT_EQ(park_on(read(reader, first(3))).value(), 3U);
    EXPECT_EQ(park_on(read(reader, first(32))).value(), 1U);
    EXPECT_EQ(park_on(read(reader, first(32))).value(), 4U);
    EXPECT_EQ(text(4), "ijkl");
    EXPECT_EQ(stream_.read_sizes, (Sizes{4, 4, 32}));
}

TEST_F(BufReaderTest, AnEmptyReadAsksNobody) {
    auto reader = make();
    EXPECT_EQ(park_on(read(reader, first(0))).value(), 0U);
}

TEST_F(BufReaderTest, FillBufShowsAndConsumeTakes) {
    stream_.reads = {Yield{}, "abcdef"s, End{}};
    auto reader = make();
    EXPECT_EQ(park_on(reader.fill_buf()).value(), "abcdef");
    reader.consume(4);
    EXPECT_EQ(park_on(reader.fill_buf()).value(), "ef");
    reader.consume(2);
    EXPECT_EQ(park_on(reader.fill_buf()).value(), "");
    EXPECT_EQ(park_on(reader.fill_buf()).value(), ""); // the end stays
}

TEST_F(BufReaderTest, LinesOfBothKindsAndTheRest) {
    stream_.reads = {"one\r\ntw"s, Yield{}, "o\n\n\r\nthree\rx\r"s, Yield{}, "\nlast\r"s, End{}};
    auto reader = make();
    for (const char* line : {"one", "two", "", "", "three\rx", "last\r"}) {
        EXPECT_EQ(park_on(reader.read_line(100)).value(), line);
    }
    EXPECT_EQ(park_on(reader.read_line(100)).value(), std::nullopt);
    EXPECT_EQ(park_on(reader.read_line(100)).value(), std::nullopt);
}

TEST_F(BufReaderTest, UntilKeepsTheDelimiterSoThatTheEndCanBeTold) {
    stream_.reads = {"a,b"s, Yield{}, "c,"s, Yield{}, "d"s, End{}};
    auto reader = make();
    EXPECT_EQ(park_on(reader.read_until(',', 100)).value(), "a,");
    EXPECT_EQ(park_on(reader.read_until(',', 100)).value(), "bc,");
    EXPECT_EQ(park_on(reader.read_until(',', 100)).value(), "d");
    EXPECT_EQ(park_on(reader.read_until(',', 100)).value(), "");
}

TEST_F(BufReaderTest, ALineLongerThanTheBufferMakesItGrowUntilItIsEmpty) {
    const std::string line(100, 'x');
    stream_.reads = {line + "\nnext\n", Wait{}};
    auto reader = make();
    EXPECT_EQ(park_on(reader.read_line(1000)).value(), line);
    EXPECT_LT(stream_.read_sizes.back(), 101U); // the buffer is less than twice what was needed
    EXPECT_EQ(park_on(reader.read_line(1000)).value(), "next");
    auto polled = reader.poll_fill_buf(waker_.context());
    EXPECT_FALSE(polled.is_ready());
    stream_.reads = {"y"s};
    EXPECT_EQ(park_on(reader.fill_buf()).value(), "y");
    EXPECT_EQ(stream_.read_sizes.back(), 8U);
}

TEST_F(BufReaderTest, TheLimitCountsTheLineEndAndLosesNothing) {
    stream_.reads = {"12345\nabcdefg"s, Yield{}, "h\nrest"s, End{}};
    auto reader = make(4);
    EXPECT_EQ(park_on(reader.read_line(5)).error().kind, ErrorKind::limit);
    EXPECT_EQ(park_on(reader.read_line(5)).error().kind, ErrorKind::limit);
    EXPECT_EQ(park_on(reader.read_line(6)).value(), "12345");
    EXPECT_EQ(park_on(reader.read_until('\n', 0)).error().kind, ErrorKind::limit);
    EXPECT_EQ(park_on(reader.read_until('\n', 8)).error().kind, ErrorKind::limit);
    EXPECT_EQ(park_on(reader.read_until('\n', 9)).value(), "abcdefgh\n");
    EXPECT_EQ(park_on(reader.read_line(4)).error().kind, ErrorKind::limit);
    EXPECT_EQ(park_on(reader.read_line(5)).value(), "rest");
    EXPECT_EQ(park_on(reader.read_line(5)).value(), std::nullopt);
}

TEST_F(BufReaderTest, TheLimitBoundsWhatIsReadAhead) {
    stream_.reads = {std::string(100'000, 'x')};
    auto reader = make(16);
    EXPECT_EQ(park_on(reader.read_line(1000)).error().kind, ErrorKind::limit);
    EXPECT_GE(reader.buffered().size(), 1000U);
    EXPECT_LT(reader.buffered().size(), 2000U);
}

TEST_F(BufReaderTest, AnErrorLeavesWhatCame) {
    stream_.reads = {"abc"s, Fails{}};
    auto reader = make();
    EXPECT_EQ(park_on(reader.read_line(100)).error().kind, ErrorKind::reset);
    EXPECT_EQ(reader.buffered(), "abc");
    EXPECT_EQ(park_on(read(reader, first(8))).value(), 3U);
}

TEST_F(BufReaderTest, AnErrorReachesEveryKindOfRead) {
    for (int kind = 0; kind < 4; ++kind) {
        stream_ = ScriptedStream();
        stream_.reads = {Fails{}};
        auto reader = make();
        if (kind == 0) {
            EXPECT_EQ(park_on(read(reader, first(2))).error().kind, ErrorKind::reset);
        } else if (kind == 1) {
            EXPECT_EQ(park_on(reader.fill_buf()).error().kind, ErrorKind::reset);
        } else if (kind == 2) {
            EXPECT_EQ(park_on(reader.read_until(',', 9)).error().kind, ErrorKind::reset);
        } else {
            EXPECT_EQ(park_on(reader.read_exact(first(2))).error().kind, ErrorKind::reset);
        }
    }
}

TEST_F(BufReaderTest, ReadsThatAreGivenUpLoseNothing) {
    stream_.reads = {"on"s, Wait{}, "e\ntwo"s, Wait{}, "!x"s};
    auto reader = make(4);
    {
        auto line = reader.read_line(100);
        EXPECT_FALSE(line.poll(waker_.context()).is_ready());
    }
    EXPECT_EQ(reader.buffered(), "on");
    stream_.reads.go_on();
    EXPECT_EQ(park_on(reader.read_line(100)).value(), "one");
    {
        auto until = reader.read_until('!', 100);
        EXPECT_FALSE(until.poll(waker_.context()).is_ready());
        auto exact = reader.read_exact(first(6));
        EXPECT_FALSE(exact.poll(waker_.context()).is_ready());
        auto some = reader.read_until('?', 100);
        EXPECT_FALSE(some.poll(waker_.context()).is_ready());
    }
    EXPECT_EQ(reader.buffered(), "two");
    stream_.reads.go_on();
    EXPECT_EQ(park_on(reader.read_until('!', 100)).value(), "two!");
}

// A future that is kept while something else reads must not skip what it has not seen.
TEST_F(BufReaderTest, AKeptSearchSeesWhatOtherReadsLeave) {
    stream_.reads = {"abcd"s, Wait{}, "e\nf\n"s};
    auto reader = make();
    auto line = reader.read_line(100);
    EXPECT_FALSE(line.poll(waker_.context()).is_ready());
    EXPECT_EQ(park_on(read(reader, first(2))).value(), 2U);
    stream_.reads.go_on();
    EXPECT_EQ(line.poll(waker_.context()).value().value(), "cde");
    EXPECT_EQ(park_on(reader.read_until('f', 100)).value(), "f");
    EXPECT_EQ(park_on(reader.read_line(100)).value(), "");
}

TEST_F(BufReaderTest, ExactTakesAllOrNothing) {
    stream_.reads = {"abc"s, Wait{}, "defgh"s, Yield{}, "ijkl"s, End{}};
    auto reader = make(4);
    auto exact = reader.read_exact(first(10));
    EXPECT_FALSE(exact.poll(waker_.context()).is_ready());
    EXPECT_EQ(reader.buffered(), "abc");
    stream_.reads.go_on();
    EXPECT_FALSE(exact.poll(waker_.context()).is_ready());
    EXPECT_TRUE(exact.poll(waker_.context()).value().has_value());
    EXPECT_EQ(text(10), "abcdefghij");
    EXPECT_EQ(park_on(reader.read_exact(first(3))).error().kind, ErrorKind::closed);
    EXPECT_EQ(reader.buffered(), "kl");
    EXPECT_TRUE(park_on(reader.read_exact(first(2))).has_value());
    EXPECT_TRUE(park_on(reader.read_exact(first(0))).has_value());
}

TEST_F(BufReaderTest, TheFreeFunctionsReadThroughTheBuffer) {
    stream_.reads = {"ab\ncdefghijklmnop"s, End{}};
    auto reader = make(4);
    EXPECT_EQ(park_on(reader.read_line(9)).value(), "ab");
    EXPECT_TRUE(park_on(read_exact(reader, first(10))).has_value());
    EXPECT_EQ(text(10), "cdefghijkl");
    EXPECT_EQ(park_on(read_to_end(reader, 100)).value(), "mnop");
}

TEST_F(BufReaderTest, WritingGoesStraightBelow) {
    auto reader = make();
    EXPECT_TRUE(park_on(write_all(reader, "abc")).has_value());
    EXPECT_TRUE(park_on(flush(reader)).has_value());
    EXPECT_TRUE(park_on(shutdown(reader)).has_value());
    EXPECT_EQ(stream_.written, "abc");
    EXPECT_EQ(stream_.flush_count, 1);
    EXPECT_EQ(stream_.shutdown_count, 1);
}

TEST_F(BufReaderTest, OwnsItsStreamAndMovesWithIt) {
    ScriptedStream stream;
    stream.reads = {"abc\nde"s};
    BufReader reader(std::move(stream));
    EXPECT_EQ(reader.capacity(), reader.default_capacity);
    EXPECT_EQ(park_on(reader.read_line(9)).value(), "abc");
    BufReader moved(std::move(reader));
    EXPECT_EQ(moved.buffered(), "de");
    moved.stream().reads.add("f\n"s);
    EXPECT_EQ(park_on(moved.read_line(9)).value(), "def");
    ScriptedStream back = std::move(moved).into_stream();
    EXPECT_TRUE(back.reads.over());
}

} // namespace
} // namespace hc::runtime
