#include "core/runtime/io/buf_writer.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "core/runtime/io/read_ext.hpp"
#include "core/runtime/park.hpp"
#include "tests/unit/runtime/counting_waker.hpp"
#include "tests/unit/runtime/io/scripted_stream.hpp"

namespace hc::runtime {
namespace {

using namespace std::string_literals;
using test::CountingWaker;
using test::Fails;
using test::ScriptedStream;
using test::Takes;
using test::Wait;
using test::Yield;
using Sizes = std::vector<std::size_t>;

static_assert(AsyncStream<BufWriter<ScriptedStream>>);
static_assert(AsyncStream<BufStream<ScriptedStream>>);

class BufWriterTest : public testing::Test {
protected:
    BufWriter<ScriptedStream&> make(std::size_t capacity = 8) {
        return BufWriter<ScriptedStream&>(stream_, capacity);
    }
    CountingWaker waker_;
    ScriptedStream stream_;
};

TEST_F(BufWriterTest, SmallWritesWaitForAFlush) {
    auto writer = make();
    EXPECT_TRUE(park_on(write_all(writer, "abc")).has_value());
    EXPECT_TRUE(park_on(write_all(writer, "defgh")).has_value());
    EXPECT_EQ(writer.buffered(), "abcdefgh");
    EXPECT_EQ(stream_.written, "");
    EXPECT_TRUE(park_on(flush(writer)).has_value());
    EXPECT_EQ(stream_.written, "abcdefgh");
    EXPECT_EQ(stream_.flushed, 8U);
    EXPECT_EQ(stream_.write_sizes, Sizes{8});
    EXPECT_EQ(writer.buffered(), "");
}

TEST_F(BufWriterTest, WhatDoesNotFitMakesRoomFirst) {
    auto writer = make();
    EXPECT_TRUE(park_on(write_all(writer, "abcdef")).has_value());
    EXPECT_TRUE(park_on(write_all(writer, "ghi")).has_value());
    EXPECT_EQ(stream_.written, "abcdef");
    EXPECT_EQ(writer.buffered(), "ghi");
    EXPECT_EQ(stream_.flush_count, 0);
}

TEST_F(BufWriterTest, LargeWritesGoAroundBehindWhatWaits) {
    auto writer = make(4);
    EXPECT_TRUE(park_on(write_all(writer, "ab")).has_value());
    EXPECT_TRUE(park_on(write_all(writer, "0123456789")).has_value());
    EXPECT_EQ(stream_.written, "ab0123456789");
    EXPECT_EQ(stream_.write_sizes, (Sizes{2, 10}));
    EXPECT_EQ(park_on(write(writer, "wxyz")).value(), 4U);
    EXPECT_EQ(stream_.written, "ab0123456789wxyz");
}

TEST_F(BufWriterTest, ALargeWriteMayBeTakenInPart) {
    stream_.writes = {Takes{3}};
    auto writer = make(4);
    EXPECT_EQ(park_on(write(writer, "0123456789")).value(), 3U);
    EXPECT_EQ(writer.buffered(), "");
}

TEST_F(BufWriterTest, NothingIsTakenAtOnce) {
    auto writer = make(4);
    EXPECT_TRUE(park_on(write_all(writer, "abc")).has_value());
    EXPECT_TRUE(park_on(write_all(writer, "d")).has_value());
    EXPECT_EQ(park_on(write(writer, "")).value(), 0U);
    EXPECT_EQ(stream_.written, "");
}

TEST_F(BufWriterTest, AWriteThatWaitsHasTakenNothing) {
    stream_.writes = {Takes{2}, Wait{}};
    auto writer = make(4);
    EXPECT_TRUE(park_on(write_all(writer, "abc")).has_value());
    EXPECT_TRUE(park_on(write_all(writer, "d")).has_value());
    {
        auto given_up = write(writer, "ef");
        EXPECT_FALSE(given_up.poll(waker_.context()).is_ready());
    }
    EXPECT_EQ(writer.buffered(), "cd");
    EXPECT_EQ(stream_.written, "ab");
    // Half of the buffer is free now, in front of what waits: it is used, without a wait.
    EXPECT_EQ(park_on(write(writer, "EF")).value(), 2U);
    EXPECT_EQ(writer.buffered(), "cdEF");
    stream_.writes.go_on();
    EXPECT_EQ(waker_.wakes(), 1);
    EXPECT_TRUE(park_on(flush(writer)).has_value());
    EXPECT_EQ(stream_.written, "abcdEF");
}

TEST_F(BufWriterTest, AFlushThatIsGivenUpKeepsTheRest) {
    stream_.writes = {Takes{1}, Wait{}, Takes{1}, Yield{}};
    stream_.flushes = {Yield{}};
    auto writer = make();
    EXPECT_TRUE(park_on(write_all(writer, "abcd")).has_value());
    {
        auto given_up = flush(writer);
        EXPECT_FALSE(given_up.poll(waker_.context()).is_ready());
    }
    EXPECT_EQ(writer.buffered(), "bcd");
    stream_.writes.go_on();
    EXPECT_TRUE(park_on(flush(writer)).has_value());
    EXPECT_EQ(stream_.written, "abcd");
    EXPECT_EQ(stream_.flushed, 4U);
}

TEST_F(BufWriterTest, ShutdownPassesOnWhatWaitsThenEnds) {
    stream_.writes = {Yield{}, Takes{2}};
    stream_.shutdowns = {Yield{}};
    auto writer = make();
    EXPECT_TRUE(park_on(write_all(writer, "abc")).has_value());
    EXPECT_TRUE(park_on(shutdown(writer)).has_value());
    EXPECT_EQ(stream_.written, "abc");
    EXPECT_EQ(stream_.shutdown_count, 1);
}

TEST_F(BufWriterTest, ErrorsComeWithWhateverFindsThem) {
    for (int kind = 0; kind < 3; ++kind) {
        stream_ = ScriptedStream();
        stream_.writes = {Takes{1}, Fails{}};
        auto writer = make(4);
        EXPECT_TRUE(park_on(write_all(writer, "abc")).has_value());
        const ErrorKind found = kind == 0   ? park_on(write(writer, "de")).error().kind
                                : kind == 1 ? park_on(flush(writer)).error().kind
                                            : park_on(shutdown(writer)).error().kind;
        EXPECT_EQ(found, ErrorKind::reset);
        EXPECT_EQ(writer.buffered(), "bc");
        EXPECT_EQ(stream_.shutdown_count, 0);
    }
}

TEST_F(BufWriterTest, AStreamThatTakesNothingIsAnError) {
    stream_.writes = {Takes{0}};
    auto writer = make(4);
    EXPECT_TRUE(park_on(write_all(writer, "abc")).has_value());
    EXPECT_EQ(park_on(flush(writer)).error().kind, ErrorKind::closed);
}

TEST_F(BufWriterTest, ErrorsOfFlushAndShutdownPass) {
    stream_.flushes = {Fails{ErrorKind::io}};
    stream_.shutdowns = {Fails{ErrorKind::timeout}};
    auto writer = make();
    EXPECT_EQ(park_on(flush(writer)).error().kind, ErrorKind::io);
    EXPECT_EQ(park_on(shutdown(writer)).error().kind, ErrorKind::timeout);
}

TEST_F(BufWriterTest, ReadingComesStraightFromBelow) {
    stream_.reads = {"abc"s};
    auto writer = make();
    std::array<char, 8> into{};
    EXPECT_EQ(park_on(read(writer, into)).value(), 3U);
    EXPECT_EQ(stream_.read_sizes, Sizes{8});
}

TEST_F(BufWriterTest, OneStreamWithBothBuffers) {
    ScriptedStream below;
    below.reads = {"line\nrest"s};
    BufStream<ScriptedStream> stream(BufWriter<ScriptedStream>(std::move(below), 16), 16);
    EXPECT_EQ(park_on(stream.read_line(9)).value(), "line");
    EXPECT_TRUE(park_on(write_all(stream, "answer")).has_value());
    EXPECT_EQ(stream.stream().buffered(), "answer");
    EXPECT_TRUE(park_on(flush(stream)).has_value());
    BufStream<ScriptedStream> moved(std::move(stream));
    EXPECT_EQ(moved.buffered(), "rest");
    const ScriptedStream back = std::move(moved).into_stream().into_stream();
    EXPECT_EQ(back.written, "answer");
}

} // namespace
} // namespace hc::runtime
