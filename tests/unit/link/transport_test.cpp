// TcpTransport by itself: lending, corking, pausing, ends.
#include "core/link/tcp_transport.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "core/runtime/runtime.hpp"
#include "core/sys/sim/peer.hpp"
#include "core/sys/sim/world.hpp"

namespace hc::link {
namespace {

using namespace std::chrono_literals;
namespace sim = sys::sim;

class TransportTest : public testing::Test, public TransportUser {
protected:
    void SetUp() override { make({}); }
    void make(sim::Options options) {
        TearDown();
        world_ = std::make_unique<sim::World>(1, std::move(options));
        runtime::RuntimeOptions runtime_options;
        runtime_options.workers = 0;
        runtime_options.system = world_.get();
        runtime_ = std::move(runtime::Runtime::create(runtime_options).value());
        ASSERT_TRUE(runtime_->start());
        const sys::Address here = *sys::Address::parse("127.0.0.1:80");
        const sys::Socket listener = world_->sockets().listen(here, {}).value();
        peer_ = std::move(sim::Peer::connect(*world_, here).value());
        world_->advance(100ms);
        sys::Accepted accepted;
        ASSERT_TRUE(world_->sockets().accept(listener, accepted).ok());
        world_->sockets().close(listener);
        transport_ = std::move(
            TcpTransport::adopt(worker(), accepted.socket, Endpoint::of(accepted.peer), limits_)
                .value());
        transport_->set_user(*this);
        events_.clear();
        received_.clear();
    }
    void TearDown() override {
        transport_.reset();
        peer_.reset();
        if (world_ != nullptr) EXPECT_EQ(world_->network().open_sockets(), 0U);
        runtime_.reset();
        world_.reset();
    }
    runtime::Worker& worker() { return runtime_->worker(0); }
    void turn(Duration timeout = Duration::zero()) {
        ASSERT_TRUE(worker().turn(timeout, true));
        worker().flush();
    }
    void turn_for(Duration how_long) {
        const Instant end = world_->now() + how_long;
        while (world_->now() < end) turn(end - world_->now());
    }
    /// How often our side has called send on its socket so far.
    std::size_t writes() const { return writes_; }

    void on_data(std::string_view slice) override {
        events_ += 'd';
        received_ += slice;
        if (during_) during_();
    }
    void on_end() override { events_ += 'e'; }
    void on_written() override { events_ += 'w'; }
    void on_closed(ErrorKind why) override {
        events_ += 'c';
        why_ = why;
    }
    sim::Options counting() {
        sim::Options options;
        options.trace = [this](Instant, std::string_view line) {
            if (line.find("server sends") != line.npos) ++writes_;
            lines_ += std::string(line) + '\n';
        };
        return options;
    }

    ConnectionLimits limits_;
    std::unique_ptr<sim::World> world_;
    std::unique_ptr<runtime::Runtime> runtime_;
    std::unique_ptr<sim::Peer> peer_;
    std::unique_ptr<TcpTransport> transport_;
    std::string events_; // d data, e end, w written, c closed
    std::string received_;
    std::string lines_;
    std::size_t writes_ = 0;
    ErrorKind why_ = ErrorKind::ok;
    std::function<void()> during_;
};

TEST_F(TransportTest, LendsWhatArrives) {
    peer_->send("hello");
    turn_for(1s);
    EXPECT_EQ(events_, "d");
    EXPECT_EQ(received_, "hello");
    turn_for(1h);
    EXPECT_EQ(events_, "d");
}

TEST_F(TransportTest, KnowsBothEnds) {
    EXPECT_EQ(transport_->peer().address().host(), "127.0.0.1");
    EXPECT_EQ(transport_->local().to_string(), "127.0.0.1:80");
    EXPECT_EQ(transport_->local().to_string(), "127.0.0.1:80") << "and remembers";
    Endpoint other = transport_->peer();
    other.port = 7;
    transport_->set_peer(other);
    EXPECT_EQ(transport_->peer().address().to_string(), "127.0.0.1:7");
}

TEST_F(TransportTest, WhatIsSentDuringOnDataLeavesInOneWrite) {
    make(counting());
    during_ = [this] {
        for (int i = 0; i < 10; ++i) {
            transport_->send("abc");
            char* out = transport_->reserve(100);
            std::fill_n(out, 3, 'd');
            transport_->commit(3);
        }
        EXPECT_EQ(transport_->queued(), 60U);
        EXPECT_EQ(writes(), 0U) << "nothing is written inside a call";
    };
    peer_->send("x");
    turn_for(1s);
    EXPECT_EQ(peer_->received().size(), 60U);
    EXPECT_EQ(peer_->received().substr(0, 9), "abcdddabc");
    EXPECT_EQ(writes(), 1U) << lines_;
    EXPECT_EQ(events_, "dw");
    EXPECT_EQ(transport_->queued(), 0U);
}

TEST_F(TransportTest, WhatIsSentAtOtherTimesLeavesAtTheEndOfThePass) {
    make(counting());
    transport_->send("abc");
    Chain chain;
    chain.append("def");
    transport_->send(std::move(chain));
    transport_->send("ghi");
    EXPECT_EQ(writes(), 0U);
    turn();
    EXPECT_EQ(writes(), 1U) << lines_;
    turn_for(1s);
    EXPECT_EQ(peer_->received(), "abcdefghi");
}

TEST_F(TransportTest, MoreThanTheCorkHoldsKeepsItsOrder) {
    std::string expected;
    during_ = [&] {
        for (int i = 0; expected.size() < 200'000; ++i) {
            const std::string piece(static_cast<std::size_t>(1 + i * 37 % 9'000), 'a' + i % 26);
            expected += piece;
            if (i % 3 == 0) {
                char* out = transport_->reserve(piece.size());
                std::copy(piece.begin(), piece.end(), out);
                transport_->commit(piece.size());
            } else if (i % 3 == 1) {
                transport_->send(piece);
            } else {
                Chain chain;
                chain.append(piece);
                transport_->send(std::move(chain));
            }
        }
    };
    peer_->send("x");
    turn_for(1s);
    EXPECT_TRUE(peer_->received() == expected);
}

TEST_F(TransportTest, WhatThePeerDoesNotTakeWaits) {
    sim::Options options;
    options.window_bytes_min = options.window_bytes_max = 1'000;
    make(options);
    peer_->pause_reading();
    transport_->send(std::string(10'000, 'x'));
    turn_for(1s);
    EXPECT_EQ(transport_->queued(), 9'000U);
    EXPECT_EQ(events_, "w");
    turn_for(1s);
    EXPECT_EQ(events_, "w") << "nothing more was taken";
    peer_->resume_reading();
    turn_for(1s);
    EXPECT_EQ(transport_->queued(), 0U);
    EXPECT_EQ(peer_->received().size(), 10'000U);
}

TEST_F(TransportTest, ShortWritesLoseNothing) {
    sim::Options options = sim::Options::hostile();
    make(options);
    std::string expected;
    during_ = [&] {
        const std::string piece = "<" + std::to_string(expected.size()) + ">";
        expected += piece + piece;
        transport_->send(piece);
        Chain chain;
        chain.append(piece);
        transport_->send(std::move(chain));
    };
    for (int i = 0; i < 500; ++i) {
        peer_->send("x");
        turn_for(3ms);
    }
    turn_for(10min);
    EXPECT_EQ(peer_->received(), expected);
}

TEST_F(TransportTest, APausedReaderGetsNothingAndLosesNothing) {
    during_ = [this] { transport_->pause_reading(); };
    peer_->send("one");
    turn_for(1s);
    peer_->send("two");
    peer_->shutdown_write();
    turn_for(1s);
    EXPECT_EQ(events_, "d");
    EXPECT_TRUE(transport_->reading_paused());
    during_ = nullptr;
    transport_->resume_reading();
    EXPECT_EQ(events_, "d") << "never inside a call";
    turn_for(1s);
    EXPECT_EQ(events_, "dde");
    EXPECT_EQ(received_, "onetwo");
}

TEST_F(TransportTest, ATurnReadsABoundedShare) {
    limits_.read_turn_bytes_max = 1'000;
    make({});
    peer_->send(std::string(150'000, 'x'));
    world_->advance(1s);
    ASSERT_TRUE(worker().turn(Duration::zero(), true));
    EXPECT_EQ(received_.size(), runtime::Worker::receive_bytes);
    worker().flush();
    turn_for(1s);
    EXPECT_EQ(received_.size(), 150'000U) << "the rest follows although no event tells of it";
}

TEST_F(TransportTest, AnEndBehindBytesIsFound) {
    peer_->send("bye");
    peer_->shutdown_write();
    world_->advance(1s);
    turn();
    turn();
    EXPECT_EQ(events_, "de");
    transport_->send("answer");
    turn_for(1s);
    EXPECT_EQ(peer_->received(), "answer") << "it may still read";
}

TEST_F(TransportTest, ShutdownComesBehindWhatIsQueued) {
    sim::Options options;
    options.window_bytes_min = options.window_bytes_max = 1'000;
    make(options);
    transport_->send(std::string(5'000, 'x'));
    transport_->shutdown();
    transport_->shutdown();
    turn_for(1s);
    EXPECT_TRUE(peer_->ended());
    EXPECT_EQ(peer_->received().size(), 5'000U);
    peer_->send("still heard");
    turn_for(1s);
    EXPECT_EQ(received_, "still heard");
}

TEST_F(TransportTest, CloseAndAbortActAtOnceAndOnce) {
    for (const bool abort : {false, true}) {
        make({});
        transport_->send("never written");
        for (int i = 0; i < 2; ++i) {
            if (abort) transport_->abort();
            if (!abort) transport_->close();
        }
        EXPECT_TRUE(transport_->closed());
        EXPECT_EQ(transport_->queued(), 0U);
        transport_->send("nor this");
        transport_->shutdown();
        transport_->resume_reading();
        EXPECT_EQ(transport_->local(), sys::Address{});
        turn_for(1s);
        EXPECT_EQ(events_, "") << "no call behind it";
        EXPECT_EQ(peer_->received(), "");
        EXPECT_EQ(peer_->error() != 0, abort);
        EXPECT_EQ(peer_->ended(), !abort);
    }
}

TEST_F(TransportTest, AbortInsideOnData) {
    during_ = [this] {
        transport_->send("x");
        transport_->abort();
    };
    peer_->send("x");
    peer_->shutdown_write();
    turn_for(1s);
    EXPECT_EQ(events_, "d");
    EXPECT_NE(peer_->error(), 0);
}

TEST_F(TransportTest, AResetIsToldOnce) {
    for (const bool paused : {false, true}) {
        make({});
        if (paused) transport_->pause_reading();
        peer_->reset();
        turn_for(1s);
        EXPECT_EQ(events_, "c");
        EXPECT_EQ(why_, ErrorKind::reset);
        EXPECT_TRUE(transport_->closed());
        transport_->close();
        transport_->abort();
        turn_for(1s);
        EXPECT_EQ(events_, "c");
    }
}

TEST_F(TransportTest, BytesBeforeAResetAreLent) {
    peer_->send("last");
    world_->advance(1s);
    peer_->reset();
    world_->advance(1s);
    turn_for(1s);
    EXPECT_EQ(events_, "dc");
    EXPECT_EQ(received_, "last");
}

TEST_F(TransportTest, AResetBehindTheEndIsTold) {
    peer_->shutdown_write();
    turn_for(1s);
    EXPECT_EQ(events_, "e");
    peer_->reset();
    turn_for(1s);
    EXPECT_EQ(events_, "ec");
}

} // namespace
} // namespace hc::link
