// Random runs against a simple model: streams that cut, wait and wake themselves at random, with
// buffers, copies and pipes between them, carry exactly what went in. The seed is in the failure.
#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <string>
#include <utility>

#include "core/base/random.hpp"
#include "core/runtime/coop.hpp"
#include "core/runtime/future/join.hpp"
#include "core/runtime/io/buf_reader.hpp"
#include "core/runtime/io/buf_writer.hpp"
#include "core/runtime/io/copy_bidirectional.hpp"
#include "core/runtime/io/duplex.hpp"
#include "core/runtime/io/read_ext.hpp"
#include "core/runtime/io/write_ext.hpp"
#include "tests/unit/runtime/counting_waker.hpp"

namespace hc::runtime {
namespace {

using test::CountingWaker;

/// Gives a text in random pieces, takes in random pieces, and often waits first.
class Erratic {
public:
    Erratic(std::string text, std::uint64_t seed) : text_(std::move(text)), random_(seed) {}

    std::string taken;
    std::size_t flushed = 0;
    bool ended = false;

    Poll<Result<std::size_t>> poll_read(Context& context, std::span<char> into) {
        if (waits(context)) return pending;
        const std::size_t count =
            std::min({into.size(), text_.size() - given_, 1 + random_.below(20)});
        text_.copy(into.data(), count, given_);
        given_ += count;
        return Result<std::size_t>(count);
    }
    Poll<Result<std::size_t>> poll_write(Context& context, std::string_view bytes) {
        EXPECT_FALSE(ended);
        if (waits(context)) return pending;
        const std::size_t count = std::min(bytes.size(), 1 + random_.below(20));
        taken += bytes.substr(0, count);
        return Result<std::size_t>(count);
    }
    Poll<Result<void>> poll_flush(Context& context) {
        if (waits(context)) return pending;
        flushed = taken.size();
        return Result<void>();
    }
    Poll<Result<void>> poll_shutdown(Context& context) {
        if (waits(context)) return pending;
        flushed = taken.size();
        ended = true;
        return Result<void>();
    }

private:
    bool waits(Context& context) {
        if (random_.below(3) != 0) return false;
        context.waker().wake();
        return true;
    }

    std::string text_;
    std::size_t given_ = 0;
    Random random_;
};

/// Lines of random lengths, most short, some empty, some longer than any buffer here; a few "\r".
std::string random_text(Random& random) {
    std::string text;
    for (std::uint64_t lines = random.below(30); lines > 0; --lines) {
        const std::uint64_t length = random.below(8) == 0 ? random.below(200) : random.below(12);
        for (std::uint64_t i = 0; i < length; ++i) {
            text += random.below(10) == 0 ? '\r' : static_cast<char>('a' + random.below(26));
        }
        if (lines > 1 || random.below(2) == 0) text += random.below(3) == 0 ? "\r\n" : "\n";
    }
    return text;
}

/// Polls until it is ready, as long as every pending answer has woken; nullopt otherwise, and now
/// and then for no reason at all when `gives_up`.
template <Future F>
std::optional<FutureValue<F>> drive(F future, CountingWaker& waker, Random* gives_up = nullptr) {
    for (;;) {
        const coop::Budget budget(4);
        auto polled = future.poll(waker.context());
        if (polled.is_ready()) return std::move(polled).value();
        if (waker.new_wakes() == 0) {
            ADD_FAILURE() << "pending, and nobody will wake it";
            return std::nullopt;
        }
        if (gives_up != nullptr && gives_up->below(4) == 0) return std::nullopt;
    }
}

class StreamProperty : public testing::TestWithParam<std::uint64_t> {
protected:
    static constexpr std::uint64_t runs = 200;
    CountingWaker waker_;
};

// -- BufReader ------------------------------------------------------------------------------------

/// The text that is left to be read, and what each kind of read must give.
class ReaderModel {
public:
    explicit ReaderModel(std::string text) : rest_(std::move(text)) {}
    bool is_empty() const { return rest_.empty(); }

    /// nullopt: more than `max`.
    std::optional<std::string> until(char delimiter, std::size_t max) {
        const std::size_t place = rest_.find(delimiter);
        const std::size_t length = place == std::string::npos ? rest_.size() : place + 1;
        // At the end a rest of exactly `max` bytes is not known to be the rest.
        if (length > max || (place == std::string::npos && length == max)) return std::nullopt;
        return take(length);
    }
    std::string take(std::size_t count) {
        std::string front = rest_.substr(0, count);
        rest_.erase(0, count);
        return front;
    }
    std::size_t size() const { return rest_.size(); }

private:
    std::string rest_;
};

using Reader = BufReader<Erratic>;

void read_some(Reader& reader, ReaderModel& model, CountingWaker& waker, Random& random) {
    std::array<char, 64> into{};
    const auto room = std::span(into).first(1 + random.below(into.size()));
    const auto count = drive(read(reader, room), waker, &random);
    if (!count) return;
    EXPECT_EQ(count->value() == 0, model.is_empty());
    EXPECT_EQ(std::string(into.data(), count->value()), model.take(count->value()));
}

void read_line(Reader& reader, ReaderModel& model, CountingWaker& waker, Random& random) {
    const std::size_t max = random.below(4) == 0 ? random.below(20) : 1000;
    const auto line = drive(reader.read_line(max), waker, &random);
    if (!line) return;
    auto expected = model.until('\n', max);
    if (!expected) {
        EXPECT_EQ(line->error().kind, ErrorKind::limit);
        return;
    }
    ASSERT_TRUE(line->has_value());
    EXPECT_EQ(line->value().has_value(), !expected->empty());
    if (expected->ends_with("\r\n")) {
        expected->resize(expected->size() - 2);
    } else if (expected->ends_with('\n')) {
        expected->pop_back();
    }
    EXPECT_EQ(line->value().value_or(""), *expected);
}

void read_until(Reader& reader, ReaderModel& model, CountingWaker& waker, Random& random) {
    const char delimiter = static_cast<char>('a' + random.below(26));
    const std::size_t max = random.below(2) == 0 ? random.below(40) : 10'000;
    const auto piece = drive(reader.read_until(delimiter, max), waker, &random);
    if (!piece) return;
    const auto expected = model.until(delimiter, max);
    ASSERT_EQ(piece->has_value(), expected.has_value());
    if (expected) EXPECT_EQ(piece->value(), *expected);
}

void read_all_of(Reader& reader, ReaderModel& model, CountingWaker& waker, Random& random) {
    std::array<char, 100> into{};
    const std::size_t want = random.below(into.size());
    const auto done = drive(reader.read_exact(std::span(into).first(want)), waker, &random);
    if (!done) return;
    EXPECT_EQ(done->has_value(), model.size() >= want);
    if (done->has_value()) EXPECT_EQ(std::string(into.data(), want), model.take(want));
}

// Any mix of reads, many of them given up half way, loses nothing and gives nothing twice.
TEST_P(StreamProperty, AReaderGivesWhatTheModelGives) {
    for (std::uint64_t run = 0; run < runs && !HasFailure(); ++run) {
        Random random(GetParam() * 1000 + run);
        SCOPED_TRACE(GetParam() * 1000 + run);
        const std::string text = random_text(random);
        ReaderModel model(text);
        Reader reader(Erratic(text, random.next()), 1 + random.below(40));
        for (int step = 0; step < 1000 && !(model.is_empty() && step > 20); ++step) {
            switch (random.below(5)) {
            case 0: read_some(reader, model, waker_, random); break;
            case 1: read_line(reader, model, waker_, random); break;
            case 2: read_until(reader, model, waker_, random); break;
            case 3: read_all_of(reader, model, waker_, random); break;
            default:
                if (const auto seen = drive(reader.fill_buf(), waker_, &random)) {
                    const std::size_t count = random.below(seen->value().size() + 1);
                    EXPECT_EQ(std::string(seen->value().substr(0, count)), model.take(count));
                    reader.consume(count);
                }
            }
            ASSERT_FALSE(HasFailure());
        }
        EXPECT_TRUE(model.is_empty());
    }
}

// -- BufWriter ------------------------------------------------------------------------------------

TEST_P(StreamProperty, AWriterPassesOnWhatItTook) {
    for (std::uint64_t run = 0; run < runs && !HasFailure(); ++run) {
        Random random(GetParam() * 1000 + run);
        SCOPED_TRACE(GetParam() * 1000 + run);
        BufWriter<Erratic> writer(Erratic("", random.next()), 1 + random.below(40));
        std::string sent;
        for (int step = 0; step < 50; ++step) {
            const std::string piece(random.below(60), static_cast<char>('a' + random.below(26)));
            if (random.below(5) == 0) {
                if (drive(flush(writer), waker_, &random)) {
                    EXPECT_EQ(writer.stream().flushed, sent.size());
                }
            } else if (const auto count = drive(write(writer, piece), waker_, &random)) {
                EXPECT_EQ(count->value() == 0, piece.empty());
                sent += piece.substr(0, count->value());
            }
            EXPECT_EQ(writer.stream().taken + std::string(writer.buffered()), sent);
            ASSERT_LE(writer.buffered().size(), writer.capacity());
        }
        EXPECT_TRUE(drive(shutdown(writer), waker_).has_value());
        EXPECT_TRUE(writer.stream().ended);
        EXPECT_EQ(writer.stream().taken, sent);
    }
}

// -- copy, duplex ---------------------------------------------------------------------------------

TEST_P(StreamProperty, CopiesCarryEverythingThroughAPipe) {
    for (std::uint64_t run = 0; run < runs && !HasFailure(); ++run) {
        Random random(GetParam() * 1000 + run);
        SCOPED_TRACE(GetParam() * 1000 + run);
        const std::string text = random_text(random);
        Erratic source(text, random.next());
        BufWriter<Erratic> sink(Erratic("", random.next()), 1 + random.below(40));
        auto [in, out] = duplex(1 + random.below(30));
        const auto send = [](Erratic* from, DuplexStream* to, std::size_t room) -> Task<int> {
            const auto count = co_await copy(*from, *to, room);
            (void)co_await shutdown(*to);
            co_return static_cast<int>(count.value());
        };
        auto both = drive(join_all(send(&source, &in, 1 + random.below(40)),
                                   copy(out, sink, 1 + random.below(40))),
                          waker_);
        ASSERT_TRUE(both.has_value());
        EXPECT_EQ(std::get<0>(*both), static_cast<int>(text.size()));
        EXPECT_EQ(std::get<1>(*both).value(), text.size());
        EXPECT_EQ(sink.stream().taken, text);
        EXPECT_EQ(sink.stream().flushed, text.size());
        EXPECT_FALSE(sink.stream().ended);
    }
}

TEST_P(StreamProperty, ATunnelCarriesBothWays) {
    for (std::uint64_t run = 0; run < runs && !HasFailure(); ++run) {
        Random random(GetParam() * 1000 + run);
        SCOPED_TRACE(GetParam() * 1000 + run);
        const std::string there = random_text(random);
        const std::string back = random_text(random);
        Erratic client(there, random.next());
        Erratic server(back, random.next());
        auto [near_end, far_end] = duplex(1 + random.below(30));
        auto both = drive(join_all(copy_bidirectional(client, near_end, 1 + random.below(40)),
                                   copy_bidirectional(far_end, server, 1 + random.below(40))),
                          waker_);
        ASSERT_TRUE(both.has_value());
        const CopiedBothWays counts{.a_to_b = there.size(), .b_to_a = back.size()};
        EXPECT_EQ(std::get<0>(*both).value(), counts);
        EXPECT_EQ(std::get<1>(*both).value(), counts);
        EXPECT_EQ(server.taken, there);
        EXPECT_EQ(client.taken, back);
        EXPECT_TRUE(client.ended);
        EXPECT_TRUE(server.ended);
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, StreamProperty, testing::Range<std::uint64_t>(1, 6));

} // namespace
} // namespace hc::runtime
