#include "core/runtime/io/copy.hpp"

#include <gtest/gtest.h>

#include <string>

#include "core/runtime/io/buf_writer.hpp"
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
using test::Takes;
using test::Wait;
using test::Yield;
using Sizes = std::vector<std::size_t>;

class CopyTest : public testing::Test {
protected:
    CountingWaker waker_;
    ScriptedStream from_;
    ScriptedStream to_;
};

TEST_F(CopyTest, CopiesToTheEndAndFlushes) {
    from_.reads = {"abc"s, Yield{}, "defg"s, End{}};
    to_.writes = {Takes{2}, Yield{}};
    EXPECT_EQ(park_on(copy(from_, to_)).value(), 7U);
    EXPECT_EQ(to_.written, "abcdefg");
    EXPECT_EQ(to_.flushed, 7U);
    EXPECT_EQ(to_.shutdown_count, 0);
}

TEST_F(CopyTest, NothingToCopyIsZeroBytes) {
    from_.reads = {End{}};
    EXPECT_EQ(park_on(copy(from_, to_)).value(), 0U);
    EXPECT_EQ(to_.flush_count, 0);
}

TEST_F(CopyTest, FlushesWheneverTheReaderHasNothing) {
    from_.reads = {"abc"s, "def"s, Wait{}, "g"s, Wait{}, End{}};
    BufWriter<ScriptedStream&> writer(to_);
    auto all = copy(from_, writer);
    EXPECT_FALSE(all.poll(waker_.context()).is_ready());
    EXPECT_EQ(to_.written, "abcdef");
    EXPECT_EQ(to_.flushed, 6U);
    EXPECT_EQ(to_.flush_count, 1); // not after every piece
    EXPECT_FALSE(all.poll(waker_.context()).is_ready());
    EXPECT_EQ(to_.flush_count, 1); // nor when there is nothing new
    from_.reads.go_on();
    EXPECT_FALSE(all.poll(waker_.context()).is_ready());
    EXPECT_EQ(to_.flushed, 7U);
    EXPECT_EQ(to_.flush_count, 2);
    from_.reads.go_on();
    EXPECT_EQ(waker_.wakes(), 2);
    EXPECT_EQ(all.poll(waker_.context()).value().value(), 7U);
    EXPECT_EQ(to_.flush_count, 2);
}

TEST_F(CopyTest, GoesOnReadingWhileAFlushWaits) {
    from_.reads = {"abc"s, Wait{}, "def"s, End{}};
    to_.flushes = {Wait{}};
    auto all = copy(from_, to_);
    EXPECT_FALSE(all.poll(waker_.context()).is_ready());
    EXPECT_TRUE(from_.reads.is_waited_for());
    EXPECT_TRUE(to_.flushes.is_waited_for());
    from_.reads.go_on();
    EXPECT_FALSE(all.poll(waker_.context()).is_ready());
    EXPECT_EQ(to_.written, "abcdef");
    to_.flushes.go_on();
    EXPECT_EQ(all.poll(waker_.context()).value().value(), 6U);
    EXPECT_EQ(to_.flushed, 6U);
}

TEST_F(CopyTest, ReadsAheadOfASlowWriterNoFurtherThanItsBuffer) {
    from_.reads = {"abc"s, "defghijklmn"s, End{}};
    to_.writes = {Wait{}, Takes{4}, Wait{}};
    auto all = copy(from_, to_, 8);
    EXPECT_FALSE(all.poll(waker_.context()).is_ready());
    EXPECT_EQ(from_.read_sizes, (Sizes{8, 5}));
    EXPECT_FALSE(from_.reads.is_waited_for());
    EXPECT_TRUE(to_.writes.is_waited_for());
    to_.writes.go_on();
    EXPECT_FALSE(all.poll(waker_.context()).is_ready());
    EXPECT_EQ(to_.written, "abcd");
    EXPECT_EQ(all.copied(), 4U);
    to_.writes.go_on();
    EXPECT_EQ(all.poll(waker_.context()).value().value(), 14U);
    EXPECT_EQ(to_.written, "abcdefghijklmn");
    EXPECT_EQ(to_.flush_count, 1);
}

// A full buffer that was written whole must not look like a reader that waits.
TEST_F(CopyTest, AFullBufferThatCouldBeWrittenGoesOn) {
    from_.reads = {"abcd"s, "efgh"s, End{}};
    to_.writes = {Wait{}};
    auto all = copy(from_, to_, 4);
    EXPECT_FALSE(all.poll(waker_.context()).is_ready());
    to_.writes.go_on();
    EXPECT_EQ(all.poll(waker_.context()).value().value(), 8U);
    EXPECT_EQ(to_.flush_count, 1);
}

TEST_F(CopyTest, WaitsForTheWriterAfterTheEnd) {
    from_.reads = {"abc"s, End{}};
    to_.writes = {Wait{}};
    auto all = copy(from_, to_);
    EXPECT_FALSE(all.poll(waker_.context()).is_ready());
    EXPECT_FALSE(all.poll(waker_.context()).is_ready());
    to_.writes.go_on();
    EXPECT_EQ(all.poll(waker_.context()).value().value(), 3U);
}

TEST_F(CopyTest, ErrorsOfBothSidesPass) {
    from_.reads = {"abc"s, Fails{ErrorKind::reset}};
    auto broken_reader = copy(from_, to_);
    EXPECT_EQ(broken_reader.poll(waker_.context()).value().error().kind, ErrorKind::reset);
    EXPECT_EQ(broken_reader.copied(), 3U);

    ScriptedStream from;
    from.reads = {"abc"s, End{}};
    to_.writes = {Takes{1}, Fails{ErrorKind::io}};
    auto broken_writer = copy(from, to_);
    EXPECT_EQ(broken_writer.poll(waker_.context()).value().error().kind, ErrorKind::io);
    EXPECT_EQ(broken_writer.copied(), 1U);

    ScriptedStream again;
    again.reads = {"abc"s, End{}};
    ScriptedStream unflushed;
    unflushed.flushes = {Fails{ErrorKind::timeout}};
    EXPECT_EQ(park_on(copy(again, unflushed)).error().kind, ErrorKind::timeout);

    ScriptedStream once_more;
    once_more.reads = {"abc"s, End{}};
    ScriptedStream stubborn;
    stubborn.writes = {Takes{0}};
    EXPECT_EQ(park_on(copy(once_more, stubborn)).error().kind, ErrorKind::closed);
}

TEST_F(CopyTest, GivenUpWhileTheReaderHasNothingLosesNothing) {
    from_.reads = {"abc"s, Wait{}, "def"s, End{}};
    {
        auto given_up = copy(from_, to_);
        EXPECT_FALSE(given_up.poll(waker_.context()).is_ready());
        EXPECT_EQ(given_up.copied(), 3U);
    }
    from_.reads.go_on();
    EXPECT_EQ(park_on(copy(from_, to_)).value(), 3U);
    EXPECT_EQ(to_.written, "abcdef");
}

// Streams that never wait and spend no budget themselves.
struct Zeros {
    Poll<Result<std::size_t>> poll_read(Context&, std::span<char> into) {
        std::fill(into.begin(), into.end(), '\0');
        return Result<std::size_t>(into.size());
    }
};
struct Nowhere {
    std::size_t taken = 0;
    Poll<Result<std::size_t>> poll_write(Context&, std::string_view bytes) {
        taken += bytes.size();
        return Result<std::size_t>(bytes.size());
    }
    Poll<Result<void>> poll_flush(Context&) { return Result<void>(); }
    Poll<Result<void>> poll_shutdown(Context&) { return Result<void>(); }
};

TEST_F(CopyTest, GivesWayWhenItNeverHasToWait) {
    Zeros zeros;
    Nowhere nowhere;
    auto endless = copy(zeros, nowhere, 16);
    for (int i = 1; i <= 3; ++i) {
        const coop::Budget budget(10);
        EXPECT_FALSE(endless.poll(waker_.context()).is_ready());
        EXPECT_EQ(waker_.wakes(), i);
        EXPECT_EQ(nowhere.taken, static_cast<std::size_t>(i) * 11 * 16);
    }
}

} // namespace
} // namespace hc::runtime
