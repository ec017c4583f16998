#include "core/runtime/io/duplex.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/base/random.hpp"
#include "core/runtime/coop.hpp"
#include "core/runtime/io/buf_reader.hpp"
#include "core/runtime/io/copy_bidirectional.hpp"
#include "core/runtime/io/read_ext.hpp"
#include "core/runtime/io/write_ext.hpp"
#include "core/runtime/park.hpp"
#include "tests/unit/runtime/counting_waker.hpp"

namespace hc::runtime {
namespace {

using test::CountingWaker;

static_assert(AsyncStream<DuplexStream>);
static_assert(!std::is_copy_constructible_v<DuplexStream>);

class Duplex : public testing::Test {
protected:
    void make(std::size_t capacity) {
        auto [a, b] = duplex(capacity);
        a_.emplace(std::move(a));
        b_.emplace(std::move(b));
    }
    /// Reads once, without a wait.
    std::string take(DuplexStream& stream) {
        auto polled = stream.poll_read(waker_.context(), into_);
        if (!polled.is_ready()) return "pending";
        const Result<std::size_t>& count = polled.value();
        if (!count) return std::string(name(count.error().kind));
        return {into_.data(), *count};
    }
    CountingWaker waker_;
    CountingWaker other_;
    std::optional<DuplexStream> a_;
    std::optional<DuplexStream> b_;
    std::array<char, 32> into_{};
};

TEST_F(Duplex, WhatOneWritesTheOtherReads) {
    make(8);
    EXPECT_EQ(park_on(write(*a_, "abc")).value(), 3U);
    EXPECT_EQ(park_on(write(*b_, "xy")).value(), 2U);
    EXPECT_TRUE(park_on(flush(*a_)).has_value());
    EXPECT_EQ(take(*b_), "abc");
    EXPECT_EQ(take(*a_), "xy");
    EXPECT_EQ(take(*a_), "pending");
}

TEST_F(Duplex, GoesRoundInItsRing) {
    make(5);
    Random random(7);
    std::string written;
    std::string taken;
    for (char next = 'a'; taken.size() < 500;) {
        std::string piece;
        for (std::uint64_t i = random.below(6); i > 0; --i) {
            piece += next;
            next = next == 'z' ? 'a' : static_cast<char>(next + 1);
        }
        if (!piece.empty() && written.size() - taken.size() < 5) {
            const std::size_t count = park_on(write(*a_, piece)).value();
            EXPECT_EQ(count, std::min(piece.size(), 5 - (written.size() - taken.size())));
            written += piece.substr(0, count);
        }
        const std::size_t want = 1 + random.below(6);
        if (written.size() > taken.size()) {
            const auto count = park_on(read(*b_, std::span(into_).first(want))).value();
            taken.append(into_.data(), count);
        }
    }
    EXPECT_EQ(written.substr(0, taken.size()), taken);
}

TEST_F(Duplex, AFullPipeHoldsTheWriterUntilSomethingIsRead) {
    make(4);
    EXPECT_EQ(park_on(write(*a_, "abcdef")).value(), 4U);
    EXPECT_FALSE(a_->poll_write(other_.context(), "ef").is_ready());
    EXPECT_EQ(other_.wakes(), 0);
    EXPECT_EQ(park_on(read(*b_, std::span(into_).first(1))).value(), 1U);
    EXPECT_EQ(other_.wakes(), 1);
    EXPECT_EQ(a_->poll_write(other_.context(), "ef").value().value(), 1U);
    EXPECT_EQ(take(*b_), "bcde");
    EXPECT_EQ(park_on(write(*b_, "free")).value(), 4U); // the other way has its own room
}

TEST_F(Duplex, AReaderIsWokenOnceByWhatIsWritten) {
    make(4);
    EXPECT_FALSE(b_->poll_read(other_.context(), into_).is_ready());
    EXPECT_FALSE(b_->poll_read(other_.context(), into_).is_ready());
    EXPECT_EQ(other_.references(), 1); // the same waker is not kept twice
    EXPECT_EQ(park_on(write(*a_, "a")).value(), 1U);
    EXPECT_EQ(park_on(write(*a_, "b")).value(), 1U);
    EXPECT_EQ(other_.wakes(), 1);
    EXPECT_EQ(other_.references(), 0);
    EXPECT_EQ(take(*b_), "ab");
}

TEST_F(Duplex, TheLastWakerCounts) {
    make(4);
    EXPECT_FALSE(b_->poll_read(other_.context(), into_).is_ready());
    EXPECT_FALSE(b_->poll_read(waker_.context(), into_).is_ready());
    EXPECT_EQ(other_.references(), 0);
    EXPECT_EQ(park_on(write(*a_, "a")).value(), 1U);
    EXPECT_EQ(other_.wakes(), 0);
    EXPECT_EQ(waker_.wakes(), 1);
}

TEST_F(Duplex, AnAnswerLeavesNoWakerBehind) {
    make(4);
    EXPECT_FALSE(b_->poll_read(other_.context(), into_).is_ready());
    EXPECT_EQ(park_on(write(*a_, "abcd")).value(), 4U);
    EXPECT_FALSE(a_->poll_write(other_.context(), "e").is_ready());
    EXPECT_EQ(take(*b_), "abcd");
    EXPECT_FALSE(b_->poll_read(other_.context(), into_).is_ready());
    EXPECT_TRUE(park_on(shutdown(*a_)).has_value());
    EXPECT_EQ(take(*b_), "");
    EXPECT_EQ(other_.references(), 0);
    EXPECT_EQ(other_.wakes(), 3);
}

TEST_F(Duplex, NoBytesNeedNoWait) {
    make(1);
    EXPECT_EQ(b_->poll_read(waker_.context(), std::span<char>()).value().value(), 0U);
    EXPECT_EQ(park_on(write(*a_, "a")).value(), 1U);
    EXPECT_EQ(a_->poll_write(waker_.context(), "").value().value(), 0U);
}

TEST_F(Duplex, NoCapacityIsOne) {
    make(0);
    EXPECT_EQ(park_on(write(*a_, "abc")).value(), 1U);
    EXPECT_EQ(take(*b_), "a");
}

TEST_F(Duplex, ShutdownEndsOneWayOnly) {
    make(8);
    EXPECT_EQ(park_on(write(*a_, "abc")).value(), 3U);
    EXPECT_TRUE(park_on(shutdown(*a_)).has_value());
    EXPECT_TRUE(park_on(shutdown(*a_)).has_value());
    const auto late = park_on(write(*a_, "d"));
    EXPECT_EQ(late.error().kind, ErrorKind::closed);
    EXPECT_EQ(late.error().origin, Origin::user);
    EXPECT_EQ(take(*b_), "abc");
    EXPECT_EQ(take(*b_), "");
    EXPECT_EQ(take(*b_), "");
    EXPECT_EQ(park_on(write(*b_, "xy")).value(), 2U);
    EXPECT_EQ(take(*a_), "xy");
}

TEST_F(Duplex, ShutdownWakesTheReader) {
    make(8);
    EXPECT_FALSE(b_->poll_read(other_.context(), into_).is_ready());
    EXPECT_TRUE(park_on(shutdown(*a_)).has_value());
    EXPECT_EQ(other_.wakes(), 1);
    EXPECT_EQ(take(*b_), "");
}

TEST_F(Duplex, AnEndThatIsDestroyedIsRead) {
    make(8);
    EXPECT_EQ(park_on(write(*a_, "abc")).value(), 3U);
    EXPECT_FALSE(a_->poll_read(waker_.context(), into_).is_ready());
    a_.reset();
    EXPECT_EQ(waker_.references(), 0); // it took its wakers with it
    EXPECT_EQ(take(*b_), "abc");
    EXPECT_EQ(take(*b_), "");
}

TEST_F(Duplex, WritesFailOnceTheOtherEndIsGone) {
    make(4);
    EXPECT_EQ(park_on(write(*a_, "abcd")).value(), 4U);
    EXPECT_FALSE(a_->poll_write(other_.context(), "e").is_ready());
    b_.reset();
    EXPECT_EQ(other_.wakes(), 1);
    const auto broken = park_on(write(*a_, "e"));
    EXPECT_EQ(broken.error().kind, ErrorKind::closed);
    EXPECT_EQ(broken.error().origin, Origin::peer);
    EXPECT_TRUE(park_on(flush(*a_)).has_value());
    EXPECT_TRUE(park_on(shutdown(*a_)).has_value());
    EXPECT_EQ(take(*a_), "");
}

TEST_F(Duplex, AReaderIsWokenWhenTheOtherEndIsDestroyed) {
    make(4);
    EXPECT_FALSE(a_->poll_read(other_.context(), into_).is_ready());
    b_.reset();
    EXPECT_EQ(other_.wakes(), 1);
    EXPECT_EQ(take(*a_), "");
}

TEST_F(Duplex, BothEndsLeaveNothing) {
    make(4);
    EXPECT_EQ(park_on(write(*a_, "abcd")).value(), 4U);
    EXPECT_FALSE(a_->poll_write(other_.context(), "e").is_ready());
    EXPECT_FALSE(a_->poll_read(other_.context(), into_).is_ready());
    a_.reset();
    b_.reset();
    EXPECT_EQ(other_.references(), 0);
    EXPECT_EQ(waker_.references(), 0);
}

TEST_F(Duplex, AnEndMayBeMovedAndAssigned) {
    make(4);
    DuplexStream moved(*std::move(a_));
    a_.reset(); // what is left ends nothing
    EXPECT_EQ(park_on(write(moved, "ab")).value(), 2U);
    EXPECT_EQ(take(*b_), "ab");
    auto [c, d] = duplex(4);
    moved = std::move(c);
    EXPECT_EQ(take(*b_), ""); // the one that was there has ended
    EXPECT_EQ(park_on(write(moved, "cd")).value(), 2U);
    EXPECT_EQ(take(d), "cd");
}

TEST_F(Duplex, SpendsTheBudgetWhereItDoesNotWait) {
    make(1);
    const coop::Budget budget(2);
    EXPECT_FALSE(b_->poll_read(waker_.context(), into_).is_ready()); // a wait costs nothing
    EXPECT_TRUE(a_->poll_write(other_.context(), "a").is_ready());
    EXPECT_EQ(waker_.new_wakes(), 1);
    EXPECT_TRUE(b_->poll_read(waker_.context(), into_).is_ready());
    EXPECT_FALSE(a_->poll_write(other_.context(), "b").is_ready());
    EXPECT_EQ(other_.wakes(), 1);
    EXPECT_TRUE(park_on(shutdown(*a_)).has_value());
    EXPECT_FALSE(b_->poll_read(waker_.context(), into_).is_ready());
    EXPECT_EQ(waker_.new_wakes(), 1); // for another turn, since the end is an answer, too
    const coop::Budget more(1);
    EXPECT_EQ(take(*b_), "");
}

// -- threads --------------------------------------------------------------------------------------

char nth(std::size_t number) { return static_cast<char>('!' + number % 89); }

Task<void> send_numbers(DuplexStream* to, std::size_t count, std::uint64_t seed) {
    Random random(seed);
    for (std::size_t sent = 0; sent < count;) {
        std::string piece;
        for (std::size_t i = 1 + random.below(50); i > 0 && sent < count; --i) piece += nth(sent++);
        if (const auto taken = co_await write_all(*to, piece); !taken) co_return;
    }
    (void)co_await shutdown(*to);
}

Task<std::size_t> receive_numbers(DuplexStream* from, std::uint64_t seed) {
    Random random(seed);
    std::array<char, 64> into{};
    for (std::size_t received = 0;;) {
        const std::size_t want = 1 + random.below(into.size());
        const auto count = co_await read(*from, std::span(into).first(want));
        if (!count || *count == 0) co_return received;
        for (std::size_t i = 0; i < *count; ++i) {
            if (into[i] != nth(received++)) co_return 0;
        }
    }
}

TEST_F(Duplex, CarriesEverythingBetweenFourThreads) {
    constexpr std::size_t bytes = 20'000;
    for (const std::size_t capacity : {1U, 7U, 64U}) {
        make(capacity);
        const std::size_t count = capacity == 1 ? bytes / 40 : bytes;
        std::array<std::size_t, 2> received{};
        std::vector<std::thread> threads;
        threads.emplace_back([&] { park_on(send_numbers(&*a_, count, 1)); });
        threads.emplace_back([&] { park_on(send_numbers(&*b_, count, 2)); });
        threads.emplace_back([&] { received[0] = park_on(receive_numbers(&*a_, 3)); });
        threads.emplace_back([&] { received[1] = park_on(receive_numbers(&*b_, 4)); });
        for (auto& thread : threads) thread.join();
        EXPECT_EQ(received[0], count);
        EXPECT_EQ(received[1], count);
    }
}

TEST_F(Duplex, EndsThatGoAtTheSameTimeFreeWhoWaits) {
    for (int round = 0; round < 60; ++round) {
        make(4);
        std::atomic<int> ready{0};
        std::thread one([&] {
            ++ready;
            while (ready != 2) std::this_thread::yield();
            park_on(send_numbers(&*a_, 4 + static_cast<std::size_t>(round) % 9, 1));
            std::array<char, 4> into{};
            while (park_on(read(*a_, into)).value_or(0) > 0) {}
            a_.reset();
        });
        std::thread two([&] {
            ++ready;
            while (ready != 2) std::this_thread::yield();
            std::array<char, 4> into{};
            for (int i = 0; i < round % 3; ++i) (void)park_on(read(*b_, into));
            b_.reset(); // what the other one writes now fails, and what it reads ends
        });
        one.join();
        two.join();
    }
}

// A proxy on a thread of its own between a client and a server that each have theirs.
TEST_F(Duplex, ATunnelOfThreads) {
    auto [client, proxy_in] = duplex(16);
    auto [proxy_out, server] = duplex(16);
    std::thread tunnel([in = std::move(proxy_in), out = std::move(proxy_out)]() mutable {
        const auto both = park_on(copy_bidirectional(in, out, 8));
        EXPECT_EQ(both.value(), (CopiedBothWays{.a_to_b = 5000, .b_to_a = 3000}));
    });
    std::thread answers([end = std::move(server)]() mutable {
        EXPECT_EQ(park_on(receive_numbers(&end, 1)), 5000U);
        park_on(send_numbers(&end, 3000, 2)); // after the end of the request
    });
    park_on(send_numbers(&client, 5000, 3));
    EXPECT_EQ(park_on(receive_numbers(&client, 4)), 3000U);
    tunnel.join();
    answers.join();
}

} // namespace
} // namespace hc::runtime
