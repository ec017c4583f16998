#include "core/runtime/io/flat_buffer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace hc::runtime {
namespace {

void fill(FlatBuffer& buffer, std::string_view bytes) {
    std::copy(bytes.begin(), bytes.end(), buffer.room().begin());
    buffer.add(bytes.size());
}

TEST(FlatBuffer, IsFilledBehindAndConsumedInFront) {
    FlatBuffer buffer(8);
    EXPECT_TRUE(buffer.empty());
    EXPECT_FALSE(buffer.full());
    EXPECT_EQ(buffer.filled(), "");
    EXPECT_EQ(buffer.room().size(), 8U);
    fill(buffer, "abcdef");
    buffer.consume(2);
    EXPECT_EQ(buffer.filled(), "cdef");
    EXPECT_EQ(buffer.room().size(), 2U);
    fill(buffer, "gh");
    EXPECT_TRUE(buffer.full());
    EXPECT_EQ(buffer.room().size(), 0U);
    buffer.consume(6);
    EXPECT_TRUE(buffer.empty());
    EXPECT_EQ(buffer.room().size(), 8U); // begins anew
}

TEST(FlatBuffer, MakesMoreRoomByMovingThenByGrowingAndShrinksWhenEmpty) {
    FlatBuffer buffer(4);
    EXPECT_EQ(buffer.more_room().size(), 4U);
    fill(buffer, "abcd");
    buffer.consume(1);
    EXPECT_EQ(buffer.more_room().size(), 1U);
    EXPECT_EQ(buffer.filled(), "bcd");
    fill(buffer, "e");
    EXPECT_EQ(buffer.more_room().size(), 4U);
    EXPECT_EQ(buffer.filled(), "bcde");
    fill(buffer, "fghi");
    EXPECT_TRUE(buffer.full());
    EXPECT_EQ(buffer.capacity(), 4U);
    buffer.consume(7);
    EXPECT_EQ(buffer.filled(), "i");
    buffer.consume(1);
    EXPECT_EQ(buffer.room().size(), 4U);
}

TEST(FlatBuffer, AppendsWhatFitsWherever) {
    FlatBuffer buffer(4);
    EXPECT_EQ(buffer.append(""), 0U);
    EXPECT_EQ(buffer.append("abc"), 3U);
    buffer.consume(2);
    EXPECT_EQ(buffer.append("defgh"), 3U); // behind the "c", which moved
    EXPECT_EQ(buffer.filled(), "cdef");
    EXPECT_EQ(buffer.append("x"), 0U);
}

TEST(FlatBuffer, NoCapacityIsOne) {
    FlatBuffer buffer(0);
    EXPECT_EQ(buffer.capacity(), 1U);
    EXPECT_EQ(buffer.room().size(), 1U);
}

TEST(FlatBuffer, MovesAndLeavesAnEmptyOne) {
    FlatBuffer from(4);
    from.append("abc");
    FlatBuffer to(std::move(from));
    EXPECT_EQ(to.filled(), "abc");
    EXPECT_TRUE(from.empty()); // NOLINT(bugprone-use-after-move): what is left is what is tested
    EXPECT_EQ(from.append("x"), 1U);
    to = std::move(from);
    EXPECT_EQ(to.filled(), "x");
}

} // namespace
} // namespace hc::runtime
