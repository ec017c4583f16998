#include "core/runtime/io/write_ext.hpp"

#include <gtest/gtest.h>

#include <string>

#include "core/runtime/park.hpp"
#include "tests/unit/runtime/counting_waker.hpp"
#include "tests/unit/runtime/io/scripted_stream.hpp"

namespace hc::runtime {
namespace {

using test::CountingWaker;
using test::Fails;
using test::ScriptedStream;
using test::Takes;
using test::Wait;
using test::Yield;

class WriteExt : public testing::Test {
protected:
    CountingWaker waker_;
    ScriptedStream stream_;
};

TEST_F(WriteExt, WriteTellsHowMuchWasTaken) {
    stream_.writes = {Takes{2}, Yield{}, Takes{9}};
    EXPECT_EQ(park_on(write(stream_, "abc")).value(), 2U);
    EXPECT_EQ(park_on(write(stream_, "c")).value(), 1U);
    EXPECT_EQ(stream_.written, "abc");
}

TEST_F(WriteExt, AllWritesPieceAfterPiece) {
    stream_.writes = {Takes{1}, Yield{}, Takes{3}, Yield{}};
    EXPECT_TRUE(park_on(write_all(stream_, "abcdefgh")).has_value());
    EXPECT_EQ(stream_.written, "abcdefgh");
    EXPECT_EQ(stream_.flush_count, 0);
}

TEST_F(WriteExt, AllOfNothingAsksNobody) {
    stream_.writes = {Fails{}};
    EXPECT_TRUE(park_on(write_all(stream_, "")).has_value());
}

TEST_F(WriteExt, AllTellsWhatWasWrittenBeforeAnError) {
    stream_.writes = {Takes{3}, Fails{}};
    auto all = write_all(stream_, "abcdef");
    EXPECT_EQ(all.poll(waker_.context()).value().error().kind, ErrorKind::reset);
    EXPECT_EQ(all.written(), 3U);
}

TEST_F(WriteExt, AllDoesNotSpinOnAStreamThatTakesNothing) {
    stream_.writes = {Takes{2}, Takes{0}};
    auto all = write_all(stream_, "abcdef");
    EXPECT_EQ(all.poll(waker_.context()).value().error().kind, ErrorKind::closed);
    EXPECT_EQ(all.written(), 2U);
}

TEST_F(WriteExt, AllGoesOnWhenItIsKept) {
    stream_.writes = {Takes{3}, Wait{}};
    auto all = write_all(stream_, "abcdef");
    EXPECT_FALSE(all.poll(waker_.context()).is_ready());
    EXPECT_EQ(all.written(), 3U);
    stream_.writes.go_on();
    EXPECT_EQ(waker_.wakes(), 1);
    EXPECT_TRUE(all.poll(waker_.context()).value().has_value());
    EXPECT_EQ(stream_.written, "abcdef");
}

TEST_F(WriteExt, FlushAndShutdownWaitForTheirs) {
    stream_.flushes = {Yield{}};
    stream_.shutdowns = {Yield{}};
    EXPECT_TRUE(park_on(write_all(stream_, "abc")).has_value());
    EXPECT_TRUE(park_on(flush(stream_)).has_value());
    EXPECT_EQ(stream_.flushed, 3U);
    EXPECT_TRUE(park_on(shutdown(stream_)).has_value());
    EXPECT_EQ(stream_.shutdown_count, 1);
}

TEST_F(WriteExt, FlushAndShutdownPassErrorsOn) {
    stream_.flushes = {Fails{ErrorKind::io}};
    stream_.shutdowns = {Fails{ErrorKind::timeout}};
    EXPECT_EQ(park_on(flush(stream_)).error().kind, ErrorKind::io);
    EXPECT_EQ(park_on(shutdown(stream_)).error().kind, ErrorKind::timeout);
}

} // namespace
} // namespace hc::runtime
