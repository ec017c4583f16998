#include <gtest/gtest.h>

#include "core/runtime/coop.hpp"
#include "tests/unit/runtime/counting_waker.hpp"

namespace hc::runtime {
namespace {

int spend_all(Context& context) {
    int spent = 0;
    while (spent < 1000 && coop::spend(context)) ++spent;
    return spent;
}

TEST(CoopShare, GivesEachAPartAndTheLastTheRest) {
    test::CountingWaker waker;
    const coop::Budget budget(10);
    std::uint32_t those = 3;
    for (const int part : {3, 3, 4}) {
        const coop::Share share(those--);
        EXPECT_EQ(spend_all(waker.context()), part);
    }
    EXPECT_TRUE(coop::is_exhausted());
}

TEST(CoopShare, WhatIsLeftGoesToThoseBehind) {
    test::CountingWaker waker;
    const coop::Budget budget(10);
    {
        const coop::Share share(2);
        EXPECT_TRUE(coop::spend(waker.context()));
    }
    EXPECT_FALSE(coop::is_exhausted());
    EXPECT_EQ(spend_all(waker.context()), 9);
}

TEST(CoopShare, NoneIsLeftWithNothingWhileThereIsSomething) {
    test::CountingWaker waker;
    const coop::Budget budget(2);
    int got = 0;
    for (std::uint32_t those = 5; those > 0; --those) {
        const coop::Share share(those);
        got += spend_all(waker.context());
    }
    EXPECT_EQ(got, 2);
}

TEST(CoopShare, SharesOfShares) {
    test::CountingWaker waker;
    const coop::Budget budget(8);
    {
        const coop::Share half(2);
        {
            const coop::Share quarter(2);
            EXPECT_EQ(spend_all(waker.context()), 2);
        }
        EXPECT_EQ(spend_all(waker.context()), 2);
    }
    EXPECT_EQ(spend_all(waker.context()), 4);
}

TEST(CoopShare, WithoutABudgetThereIsNothingToShare) {
    test::CountingWaker waker;
    {
        const coop::Share share(4);
        EXPECT_EQ(spend_all(waker.context()), 1000);
    }
    EXPECT_EQ(spend_all(waker.context()), 1000);
}

} // namespace
} // namespace hc::runtime
