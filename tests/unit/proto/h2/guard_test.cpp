// What is counted against a peer, how its streams have ended, and the heads of its frames.
#include "core/proto/h2/guard.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/proto/h2/frames.hpp"
#include "core/proto/h2/past.hpp"
#include "tests/support/h2_frames.hpp"

namespace hc::h2 {
namespace {

namespace made = hc::test::h2;

TEST(Guard, TokensComeBackWithTime) {
    Instant now{1'000'000'000};
    Bucket bucket(3, 2, now);
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(bucket.take(1, now));
    EXPECT_FALSE(bucket.take(1, now));
    bucket.give(1);
    now = now + milliseconds(499);
    EXPECT_FALSE(bucket.take(1, now));
    bucket.give(1);
    now = now + milliseconds(2);
    EXPECT_TRUE(bucket.take(1, now)) << "two a second";
    now = now + milliseconds(3'600'000ULL * 24 * 365);
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(bucket.take(1, now)) << "never more than at first";
    EXPECT_FALSE(bucket.take(1, now));
}

TEST(Guard, ResetsAndOtherGlitchesAreCountedApart) {
    ConnectionLimits limits;
    limits.h2_resets_max = 2;
    limits.h2_glitches_max = 3;
    const Instant now;
    Guard guard(limits, now);
    guard.count(Glitch::reset_by_peer, now);
    guard.count(Glitch::reset_by_us, now);
    guard.count(Glitch::ping, now, 3);
    EXPECT_FALSE(guard.spent());
    guard.earn();
    guard.count(Glitch::unknown, now);
    EXPECT_FALSE(guard.spent());
    guard.count(Glitch::empty, now);
    EXPECT_TRUE(guard.spent());
    const auto counts = guard.take_counts();
    EXPECT_EQ(counts[static_cast<std::size_t>(Glitch::ping)], 1U);
    EXPECT_EQ(counts[static_cast<std::size_t>(Glitch::empty)], 1U);
    EXPECT_FALSE(guard.any());
}

TEST(Past, TellsHowAStreamHasEnded) {
    Past past;
    for (std::int32_t id : {1, 3, 5, 15}) past.begin(id);
    past.cut(3);
    EXPECT_EQ(past.end_of(1), Past::End::by_peer);
    EXPECT_EQ(past.end_of(3), Past::End::by_us);
    EXPECT_EQ(past.end_of(7), Past::End::never_begun);
    EXPECT_EQ(past.end_of(13), Past::End::never_begun);
    EXPECT_EQ(past.end_of(15), Past::End::by_peer);
    EXPECT_EQ(past.last(), 15);
    for (std::int32_t id = 101; id < 1'101; id += 2) {
        past.begin(id);
        past.cut(id);
    }
    EXPECT_EQ(past.end_of(1), Past::End::by_us) << "older than what is remembered";
    EXPECT_EQ(past.end_of(1'099), Past::End::by_us);
}

TEST(FrameScan, SeesEveryHeadHoweverItIsCut) {
    std::string bytes = made::hello + made::request(1, made::get("/")) +
                        made::frame(made::ping, made::ack, 0, "12345678") +
                        made::frame(made::data, made::none, 0x7fffffff, std::string(300, 'x')) +
                        made::frame(0xfe, 0xff, 2);
    const auto scan = [&](std::size_t step) {
        FrameScan frames(made::preface.size());
        std::vector<std::string> seen;
        for (std::size_t at = 0; at < bytes.size(); at += step) {
            EXPECT_TRUE(
                frames.walk(std::string_view(bytes).substr(at, step), [&](const FrameHead& head) {
                    seen.push_back(std::to_string(head.type) + ":" + std::to_string(head.flags) +
                                   ":" + std::to_string(head.stream) + ":" +
                                   std::to_string(head.size));
                    return true;
                }));
        }
        return seen;
    };
    const auto whole = scan(bytes.size());
    ASSERT_EQ(whole.size(), 5U);
    EXPECT_EQ(whole[0], "4:0:0:0");
    EXPECT_EQ(whole[3], "0:0:2147483647:300");
    EXPECT_EQ(whole[4], "254:255:2:0");
    for (std::size_t step = 1; step < 60; ++step) EXPECT_TRUE(scan(step) == whole) << step;
}

} // namespace
} // namespace hc::h2
