#include "core/runtime/io/copy_bidirectional.hpp"

#include <gtest/gtest.h>

#include <string>

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

class CopyBidirectionalTest : public testing::Test {
protected:
    CountingWaker waker_;
    ScriptedStream a_;
    ScriptedStream b_;
};

TEST_F(CopyBidirectionalTest, CopiesBothWaysAndCounts) {
    a_.reads = {"abc"s, Yield{}, "de"s, End{}};
    b_.reads = {Yield{}, "0123456789"s, End{}};
    EXPECT_EQ(park_on(copy_bidirectional(a_, b_)).value(),
              (CopiedBothWays{.a_to_b = 5, .b_to_a = 10}));
    EXPECT_EQ(a_.written, "0123456789");
    EXPECT_EQ(b_.written, "abcde");
    EXPECT_EQ(a_.shutdown_count, 1);
    EXPECT_EQ(b_.shutdown_count, 1);
}

TEST_F(CopyBidirectionalTest, PassesOneEndOnWhileTheOtherWayGoesOn) {
    a_.reads = {"abc"s, End{}};
    b_.reads = {"x"s, Wait{}, "yz"s, End{}};
    b_.shutdowns = {Yield{}};
    auto both = copy_bidirectional(a_, b_);
    EXPECT_FALSE(both.poll(waker_.context()).is_ready());
    EXPECT_EQ(b_.flushed, 3U);
    EXPECT_EQ(b_.shutdown_count, 0);
    EXPECT_FALSE(both.poll(waker_.context()).is_ready());
    EXPECT_EQ(b_.shutdown_count, 1);
    EXPECT_EQ(a_.shutdown_count, 0);
    EXPECT_EQ(both.copied(), (CopiedBothWays{.a_to_b = 3, .b_to_a = 1}));
    b_.reads.go_on();
    EXPECT_EQ(both.poll(waker_.context()).value().value(),
              (CopiedBothWays{.a_to_b = 3, .b_to_a = 3}));
    EXPECT_EQ(a_.written, "xyz");
    EXPECT_EQ(a_.shutdown_count, 1);
    EXPECT_EQ(b_.shutdown_count, 1);
}

TEST_F(CopyBidirectionalTest, AnErrorOfEitherEndsBoth) {
    a_.reads = {"abc"s, Fails{ErrorKind::reset}};
    EXPECT_EQ(park_on(copy_bidirectional(a_, b_)).error().kind, ErrorKind::reset);

    ScriptedStream a;
    ScriptedStream b;
    b.reads = {"abc"s};
    a.writes = {Takes{1}, Fails{ErrorKind::io}};
    auto both = copy_bidirectional(a, b);
    EXPECT_EQ(both.poll(waker_.context()).value().error().kind, ErrorKind::io);
    EXPECT_EQ(both.copied(), (CopiedBothWays{.a_to_b = 0, .b_to_a = 1}));

    ScriptedStream unended;
    ScriptedStream over;
    over.reads = {End{}};
    unended.shutdowns = {Fails{ErrorKind::timeout}};
    EXPECT_EQ(park_on(copy_bidirectional(unended, over)).error().kind, ErrorKind::timeout);
    EXPECT_EQ(over.shutdown_count, 0);
}

/// Gives and takes for ever; each way it counts what it was asked.
struct Busy {
    int reads = 0;
    Poll<Result<std::size_t>> poll_read(Context& context, std::span<char> into) {
        if (!coop::spend(context)) return pending;
        ++reads;
        return Result<std::size_t>(into.size());
    }
    Poll<Result<std::size_t>> poll_write(Context& context, std::string_view bytes) {
        if (!coop::spend(context)) return pending;
        return Result<std::size_t>(bytes.size());
    }
    Poll<Result<void>> poll_flush(Context&) { return Result<void>(); }
    Poll<Result<void>> poll_shutdown(Context&) { return Result<void>(); }
};

TEST_F(CopyBidirectionalTest, OneBusyWayDoesNotKeepTheOtherFromItsTurn) {
    Busy a;
    Busy b;
    auto both = copy_bidirectional(a, b, 4);
    for (int i = 0; i < 100; ++i) {
        const coop::Budget budget(20);
        EXPECT_FALSE(both.poll(waker_.context()).is_ready());
    }
    EXPECT_GT(a.reads, 200);
    EXPECT_GT(b.reads, 200);
}

} // namespace
} // namespace hc::runtime
