// The small value types of base: ascii, time, random, errors, results, log.
#include <gtest/gtest.h>

#include <cerrno>
#include <climits>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/base/ascii.hpp"
#include "core/base/error.hpp"
#include "core/base/limits.hpp"
#include "core/base/log.hpp"
#include "core/base/random.hpp"
#include "core/base/result.hpp"
#include "core/base/time.hpp"

namespace hc {
namespace {

TEST(Ascii, LowersLettersAndNothingElse) {
    for (int i = 0; i < 256; ++i) {
        const char c = static_cast<char>(i);
        const bool upper = i >= 'A' && i <= 'Z';
        EXPECT_EQ(ascii::lower(c), upper ? static_cast<char>(i + 32) : c) << i;
        EXPECT_EQ(ascii::is_alpha(c), upper || (i >= 'a' && i <= 'z')) << i;
        EXPECT_EQ(ascii::is_digit(c), i >= '0' && i <= '9') << i;
    }
}

TEST(Ascii, TokenCharactersAreThoseOfTheRfc) {
    const std::string_view separators = "\"(),/:;<=>?@[\\]{} \t";
    for (int i = 0; i < 256; ++i) {
        const char c = static_cast<char>(i);
        const bool visible = i > 0x20 && i < 0x7F;
        EXPECT_EQ(ascii::is_token_char(c), visible && !separators.contains(c)) << i;
    }
}

TEST(Ascii, ComparesIgnoringCase) {
    EXPECT_TRUE(ascii::equals_ignoring_case("Content-Length", "cONTENT-lENGTH"));
    EXPECT_TRUE(ascii::equals_ignoring_case("", ""));
    EXPECT_FALSE(ascii::equals_ignoring_case("a", "ab"));
    EXPECT_FALSE(ascii::equals_ignoring_case("[", "{")); // 0x20 apart, not letters
    EXPECT_FALSE(ascii::equals_ignoring_case("\xC0", "\xE0"));
}

TEST(Ascii, TrimsSpacesAndTabs) {
    EXPECT_EQ(ascii::trim(" \t a b\t "), "a b");
    EXPECT_EQ(ascii::trim(" \t"), "");
    EXPECT_EQ(ascii::trim(""), "");
    EXPECT_EQ(ascii::trim("\ra\n"), "\ra\n");
}

TEST(Ascii, ParsesDecimalsExactly) {
    EXPECT_EQ(ascii::parse_decimal("0"), 0U);
    EXPECT_EQ(ascii::parse_decimal("000123"), 123U);
    EXPECT_EQ(ascii::parse_decimal("18446744073709551615"), UINT64_MAX);
    for (const char* wrong : {"", "+1", "-1", " 1", "1 ", "0x1", "1_0", "18446744073709551616",
                              "99999999999999999999", "1.0", "\xB2"}) {
        EXPECT_EQ(ascii::parse_decimal(wrong), std::nullopt) << wrong;
    }
}

TEST(Time, InstantsSaturate) {
    constexpr Instant at{1000};
    EXPECT_EQ(at + Duration(5), Instant{1005});
    EXPECT_EQ(at + Duration(-2000), Instant{-1000});
    EXPECT_EQ(Instant{1005} - at, Duration(5));
    EXPECT_TRUE((at + Duration(INT64_MAX)).is_never());
    EXPECT_TRUE((Instant::never() + Duration(-5)).is_never());
    EXPECT_EQ((Instant{INT64_MIN} + Duration(-5)), Instant{INT64_MIN});
    EXPECT_EQ(Instant::never() - Instant{-1}, Duration(INT64_MAX));
    EXPECT_EQ(Instant{INT64_MIN} - at, Duration(INT64_MIN));
    EXPECT_EQ(Instant{-5} + Duration(INT64_MAX), Instant{INT64_MAX - 5});
    EXPECT_LT(at, Instant::never());
}

TEST(Time, MillisecondsSaturate) {
    EXPECT_EQ(milliseconds(3), Duration(3'000'000));
    EXPECT_EQ(milliseconds(UINT64_MAX), Duration(INT64_MAX));
    EXPECT_EQ(milliseconds(INT64_MAX / 1'000'000), Duration(INT64_MAX / 1'000'000 * 1'000'000));
}

TEST(Random, IsSplitMix64) {
    Random random(1234567); // the generator's published test vector
    EXPECT_EQ(random.next(), 6457827717110365317ULL);
    EXPECT_EQ(random.next(), 3203168211198807973ULL);
    EXPECT_EQ(random.next(), 9817491932198370423ULL);
    for (int i = 0; i < 1000; ++i) EXPECT_LT(random.below(7), 7U);
}

TEST(Error, EveryKindHasItsOwnName) {
    std::set<std::string_view> names;
    for (int kind = 0; kind >= static_cast<int>(ErrorKind::permission); --kind) {
        const std::string_view text = name(static_cast<ErrorKind>(kind));
        EXPECT_NE(text, "unknown") << kind;
        EXPECT_TRUE(names.insert(text).second) << text;
    }
    EXPECT_EQ(name(static_cast<ErrorKind>(-999)), "unknown");
}

TEST(Error, SystemErrorsKeepErrnoAndSayWhat) {
    const std::vector<std::pair<int, ErrorKind>> kinds = {{EADDRINUSE, ErrorKind::address_in_use},
                                                          {EACCES, ErrorKind::permission},
                                                          {ENOENT, ErrorKind::not_found},
                                                          {ECONNREFUSED, ErrorKind::refused},
                                                          {ECONNRESET, ErrorKind::reset},
                                                          {EPIPE, ErrorKind::reset},
                                                          {ENOMEM, ErrorKind::no_memory},
                                                          {EMFILE, ErrorKind::limit},
                                                          {ETIMEDOUT, ErrorKind::timeout},
                                                          {EAFNOSUPPORT, ErrorKind::unsupported},
                                                          {EIO, ErrorKind::io}};
    for (const auto& [number, kind] : kinds) {
        const Error error = system_error(number, "opening a thing");
        EXPECT_EQ(error.kind, kind);
        EXPECT_EQ(error.code, number);
        EXPECT_EQ(error.origin, Origin::system);
        EXPECT_TRUE(error.message.starts_with("opening a thing: ")) << error.message;
        EXPECT_GT(error.message.size(), 17U);
    }
}

TEST(Error, SaysWhoFailedAndWhatDies) {
    EXPECT_EQ(user_error(ErrorKind::state, "x").origin, Origin::user);
    EXPECT_TRUE(user_error(ErrorKind::state, "x").connection_survives);
    const Error peer = peer_error(ErrorKind::protocol, "x", 42);
    EXPECT_EQ(peer.origin, Origin::peer);
    EXPECT_FALSE(peer.connection_survives);
    EXPECT_EQ(peer.code, 42);
    const Result<int> failed = fail(ErrorKind::limit, "too many");
    EXPECT_EQ(failed.error().kind, ErrorKind::limit);
    EXPECT_EQ(failed.error().message, "too many");
}

TEST(Log, PassesOnFromItsMinimum) {
    std::vector<std::string> lines;
    LogSink sink{.write =
                     [](void* arg, LogLevel, std::string_view component, std::string_view message) {
                         static_cast<std::vector<std::string>*>(arg)->push_back(
                             std::string(component) + "|" + std::string(message));
                     },
                 .arg = &lines,
                 .minimum = LogLevel::warning};
    sink(LogLevel::info, "server", "quiet");
    sink(LogLevel::error, "server", "loud");
    EXPECT_EQ(lines, (std::vector<std::string>{"server|loud"}));
    sink.minimum = LogLevel::off;
    EXPECT_FALSE(sink.wants(LogLevel::error));
    EXPECT_FALSE(LogSink{}.wants(LogLevel::error));
    LogSink{}(LogLevel::error, "server", "nowhere");
}

// A bound of 0 means "no limit" only where the comment says so: all others have a value.
TEST(Limits, EveryDefaultThatMustBeSetIs) {
    constexpr ConnectionLimits connection;
    EXPECT_GE(connection.header_bytes_max, connection.target_bytes_max);
    EXPECT_LE(connection.write_low_watermark_bytes, connection.write_high_watermark_bytes);
    constexpr RuntimeLimits runtime;
    EXPECT_GT(runtime.blocking_threads_max, 0U);
    EXPECT_EQ(RuntimeLimits::slots_max, 1U << 20);
}

} // namespace
} // namespace hc
