#include "core/runtime/io/read_ext.hpp"

#include <gtest/gtest.h>

#include <array>
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
using test::Wait;
using test::Yield;

class ReadExt : public testing::Test {
protected:
    CountingWaker waker_;
    ScriptedStream stream_;
    std::array<char, 8> into_{};
    std::string_view text(std::size_t count) const { return {into_.data(), count}; }
};

TEST_F(ReadExt, ReadGivesWhatIsThereThenTheEnd) {
    stream_.reads = {"abc"s, Wait{}, "0123456789"s, End{}};
    EXPECT_EQ(park_on(read(stream_, into_)).value(), 3U);
    EXPECT_EQ(text(3), "abc");
    auto next = read(stream_, into_);
    EXPECT_FALSE(next.poll(waker_.context()).is_ready());
    stream_.reads.go_on();
    EXPECT_EQ(waker_.wakes(), 1);
    EXPECT_EQ(next.poll(waker_.context()).value().value(), 8U);
    EXPECT_EQ(text(8), "01234567");
    EXPECT_EQ(park_on(read(stream_, into_)).value(), 2U);
    EXPECT_EQ(park_on(read(stream_, into_)).value(), 0U);
}

TEST_F(ReadExt, AReadGivenUpLosesNothing) {
    stream_.reads = {Wait{}, "abc"s};
    {
        auto given_up = read(stream_, into_);
        EXPECT_FALSE(given_up.poll(waker_.context()).is_ready());
    }
    stream_.reads.go_on();
    EXPECT_EQ(park_on(read(stream_, into_)).value(), 3U);
    EXPECT_EQ(text(3), "abc");
}

TEST_F(ReadExt, ReadPassesErrorsOn) {
    stream_.reads = {Fails{ErrorKind::timeout}};
    EXPECT_EQ(park_on(read(stream_, into_)).error().kind, ErrorKind::timeout);
}

TEST_F(ReadExt, ExactFillsTheSpanFromPieces) {
    stream_.reads = {"ab"s, Yield{}, "cd"s, "efghij"s};
    EXPECT_TRUE(park_on(read_exact(stream_, into_)).has_value());
    EXPECT_EQ(text(8), "abcdefgh");
    EXPECT_EQ(park_on(read(stream_, into_)).value(), 2U); // took no more than it needed
}

TEST_F(ReadExt, ExactlyNothingAsksNobody) {
    EXPECT_TRUE(park_on(read_exact(stream_, std::span<char>())).has_value());
}

TEST_F(ReadExt, ExactTellsAnEarlyEndAndWhatItHas) {
    stream_.reads = {"abc"s, End{}};
    auto all = read_exact(stream_, into_);
    auto polled = all.poll(waker_.context());
    ASSERT_TRUE(polled.is_ready());
    EXPECT_EQ(polled.value().error().kind, ErrorKind::closed);
    EXPECT_EQ(all.filled(), 3U);
    EXPECT_EQ(text(3), "abc");
}

TEST_F(ReadExt, ExactPassesErrorsOnAndTellsWhatItHas) {
    stream_.reads = {"abc"s, Fails{}};
    auto all = read_exact(stream_, into_);
    EXPECT_EQ(all.poll(waker_.context()).value().error().kind, ErrorKind::reset);
    EXPECT_EQ(all.filled(), 3U);
}

TEST_F(ReadExt, ExactGoesOnWhenItIsKept) {
    stream_.reads = {"abcd"s, Wait{}, "efgh"s};
    auto all = read_exact(stream_, into_);
    EXPECT_FALSE(all.poll(waker_.context()).is_ready());
    EXPECT_EQ(all.filled(), 4U);
    stream_.reads.go_on();
    EXPECT_TRUE(all.poll(waker_.context()).value().has_value());
    EXPECT_EQ(text(8), "abcdefgh");
}

TEST_F(ReadExt, ToEndGathersEverything) {
    const std::string large(10'000, 'x');
    stream_.reads = {"head "s, Yield{}, large, End{}};
    EXPECT_EQ(park_on(read_to_end(stream_, 100'000)).value(), "head " + large);
}

TEST_F(ReadExt, ToEndOfNothingIsEmpty) {
    stream_.reads = {End{}};
    EXPECT_EQ(park_on(read_to_end(stream_, 0)).value(), "");
}

TEST_F(ReadExt, ToEndAllowsExactlyTheLimit) {
    for (const std::size_t limit : {1U, 5U, 1023U, 1024U, 1025U, 5000U}) {
        ScriptedStream exact;
        exact.reads = {std::string(limit, 'x'), End{}};
        EXPECT_EQ(park_on(read_to_end(exact, limit)).value(), std::string(limit, 'x'));
        ScriptedStream above;
        above.reads = {std::string(limit + 1, 'x'), End{}};
        auto all = read_to_end(above, limit);
        auto polled = all.poll(waker_.context());
        ASSERT_TRUE(polled.is_ready());
        EXPECT_EQ(polled.value().error().kind, ErrorKind::limit);
        EXPECT_EQ(all.so_far(), std::string(limit + 1, 'x'));
    }
}

TEST_F(ReadExt, ToEndWithoutALimit) {
    stream_.reads = {std::string(3000, 'y'), End{}};
    EXPECT_EQ(park_on(read_to_end(stream_, SIZE_MAX)).value().size(), 3000U);
}

TEST_F(ReadExt, ToEndShowsWhatItHas) {
    stream_.reads = {"abc"s, Wait{}, Fails{}};
    auto all = read_to_end(stream_, 100);
    EXPECT_FALSE(all.poll(waker_.context()).is_ready());
    EXPECT_EQ(all.so_far(), "abc");
    stream_.reads.go_on();
    EXPECT_EQ(all.poll(waker_.context()).value().error().kind, ErrorKind::reset);
    EXPECT_EQ(all.so_far(), "abc");
}

} // namespace
} // namespace hc::runtime
