// The acceptor in a simulated world, on a worker that the test turns.
#include "core/net/acceptor.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/runtime/runtime.hpp"
#include "core/sys/sim/peer.hpp"
#include "core/sys/sim/world.hpp"

namespace hc::net {
namespace {

using namespace std::chrono_literals;
namespace sim = sys::sim;

const Address here = *Address::parse("127.0.0.1:80");

class AcceptorTest : public testing::Test, public AcceptHandler {
protected:
    void SetUp() override {
        runtime::RuntimeOptions options;
        options.workers = 0;
        options.system = &world_;
        runtime_ = std::move(runtime::Runtime::create(options).value());
        ASSERT_TRUE(runtime_->start());
        listener_ = world_.sockets().listen(here, {}).value();
        acceptor_options_.log = {.write = &log, .arg = this, .minimum = LogLevel::debug};
    }
    void TearDown() override {
        acceptor_.reset();
        runtime_.reset();
    }

    void make() {
        acceptor_ = std::make_unique<Acceptor>(worker(), listener_, *this, acceptor_options_);
    }
    void make_started() {
        make();
        ASSERT_TRUE(acceptor_->start());
    }
    runtime::Worker& worker() { return runtime_->worker(0); }
    void turn(Duration timeout = Duration::zero()) {
        ASSERT_TRUE(worker().turn(timeout, true));
        worker().flush();
        ++turns_;
    }
    void turn_for(Duration how_long) {
        const Instant end = world_.now() + how_long;
        while (world_.now() < end) turn(end - world_.now());
    }
    /// So many clients reach the backlog.
    void arrive(int clients) {
        for (int i = 0; i < clients; ++i) {
            peers_.push_back(sim::Peer::connect(world_, here).value());
        }
        world_.advance(10ms);
    }
    void on_accept(sys::Socket socket, const Address& peer) override {
        accepted_.push_back(socket);
        from_.push_back(peer);
        if (during_) during_();
    }
    static void log(void* arg, LogLevel, std::string_view component, std::string_view message) {
        static_cast<AcceptorTest*>(arg)->lines_.push_back(std::string(component) + ": " +
                                                          std::string(message));
    }
    /// No descriptor is left for one more connection.
    void fill_table() {
        world_.options().sockets_max = static_cast<std::uint32_t>(world_.network().open_sockets());
    }
    void empty_table() { world_.options().sockets_max = 1'000'000; }

    sim::World world_{1};
    std::unique_ptr<runtime::Runtime> runtime_;
    sys::Socket listener_ = sys::Socket::none;
    AcceptorOptions acceptor_options_;
    std::unique_ptr<Acceptor> acceptor_;
    std::vector<std::unique_ptr<sim::Peer>> peers_;
    std::vector<sys::Socket> accepted_;
    std::vector<Address> from_;
    std::vector<std::string> lines_;
    std::function<void()> during_;
    int turns_ = 0;
};

TEST_F(AcceptorTest, TakesConnectionsAndSaysWhoTheyAre) {
    make_started();
    arrive(3);
    turn();
    ASSERT_EQ(accepted_.size(), 3U);
    for (const Address& from : from_) EXPECT_EQ(from.host(), "127.0.0.1");
    EXPECT_NE(from_[0].port, from_[1].port);
    arrive(1);
    turn();
    EXPECT_EQ(accepted_.size(), 4U);
    EXPECT_TRUE(lines_.empty());
}

TEST_F(AcceptorTest, DoesNothingBeforeItIsStartedAndStartsOnce) {
    make();
    arrive(1);
    turn();
    EXPECT_TRUE(accepted_.empty());
    acceptor_->pause();
    acceptor_->resume();
    turn();
    EXPECT_TRUE(accepted_.empty()) << "resume() goes on after pause(), it does not start";
    ASSERT_TRUE(acceptor_->start());
    EXPECT_EQ(acceptor_->start().error().kind, ErrorKind::state);
    turn();
    EXPECT_EQ(accepted_.size(), 1U);
}

TEST_F(AcceptorTest, TakesSoManyATurn) {
    acceptor_options_.accepts_per_turn = 3;
    make_started();
    arrive(8);
    for (const std::size_t expected : {3U, 6U, 8U, 8U}) {
        turn();
        EXPECT_EQ(accepted_.size(), expected);
    }
}

TEST_F(AcceptorTest, PausesAndResumes) {
    make_started();
    acceptor_->pause();
    arrive(2);
    turn();
    EXPECT_TRUE(accepted_.empty());
    EXPECT_FALSE(acceptor_->watching());
    acceptor_->resume();
    turn();
    EXPECT_EQ(accepted_.size(), 2U) << "what arrived meanwhile waited";
    acceptor_->resume(); // again: nothing
    arrive(1);
    turn();
    EXPECT_EQ(accepted_.size(), 3U);
}

TEST_F(AcceptorTest, TheHandlerMayPause) {
    make_started();
    arrive(5);
    during_ = [this] { acceptor_->pause(); };
    turn();
    EXPECT_EQ(accepted_.size(), 1U);
    acceptor_->resume();
    turn();
    EXPECT_EQ(accepted_.size(), 2U);
}

TEST_F(AcceptorTest, AFullDescriptorTableDoesNotSpin) {
    make_started();
    arrive(2);
    fill_table();
    turn_for(5s);
    EXPECT_TRUE(accepted_.empty());
    EXPECT_TRUE(acceptor_->starved());
    EXPECT_LE(turns_, 250) << "a retry each 100 ms; a loop that spins makes millions of turns";
    EXPECT_GE(turns_, 40);
    EXPECT_GE(lines_.size(), 4U);
    EXPECT_LE(lines_.size(), 6U) << "a line a second";
    EXPECT_NE(lines_.at(0).find("net: accepting a connection: "), std::string::npos);
    empty_table();
    turn_for(150ms);
    EXPECT_EQ(accepted_.size(), 2U);
    EXPECT_TRUE(acceptor_->watching());
}

TEST_F(AcceptorTest, PauseEndsStarving) {
    make_started();
    arrive(1);
    fill_table();
    turn();
    ASSERT_TRUE(acceptor_->starved());
    acceptor_->resume(); // only the timer or the owner's pause end it
    EXPECT_TRUE(acceptor_->starved());
    acceptor_->pause();
    empty_table();
    turn_for(1s);
    EXPECT_TRUE(accepted_.empty()) << "paused: the timer must not go on";
    acceptor_->resume();
    turn();
    EXPECT_EQ(accepted_.size(), 1U);
}

TEST_F(AcceptorTest, WhatIsNoListenerDoesNotSpinEither) {
    arrive(1);
    sys::Accepted accepted;
    ASSERT_TRUE(world_.sockets().accept(listener_, accepted).ok());
    peers_[0]->send("x"); // it is readable, and accept fails for ever
    listener_ = accepted.socket;
    make_started();
    turn_for(2s);
    EXPECT_LE(turns_, 100);
    EXPECT_FALSE(lines_.empty());
}

TEST_F(AcceptorTest, DrainTakesTheBacklogThenNoMore) {
    acceptor_options_.accepts_per_turn = 2;
    make_started();
    arrive(7);
    EXPECT_EQ(acceptor_->drain(), 7U) << "whatever fits a turn";
    EXPECT_EQ(accepted_.size(), 7U);
    EXPECT_TRUE(acceptor_->drained());
    arrive(1);
    turn();
    acceptor_->resume();
    turn();
    EXPECT_EQ(accepted_.size(), 7U);
    EXPECT_EQ(acceptor_->drain(), 0U);
    EXPECT_EQ(acceptor_->start().error().kind, ErrorKind::state);
    EXPECT_FALSE(peers_.back()->over()) << "it waits; nobody reset it";
}

TEST_F(AcceptorTest, DrainIsBounded) {
    acceptor_options_.drain_accepts_max = 4;
    make_started();
    arrive(6);
    EXPECT_EQ(acceptor_->drain(), 4U);
}

TEST_F(AcceptorTest, DrainWorksFromEveryState) {
    make();
    arrive(1);
    EXPECT_EQ(acceptor_->drain(), 1U) << "idle";

    make_started();
    acceptor_->pause();
    arrive(1);
    EXPECT_EQ(acceptor_->drain(), 1U) << "paused";

    make_started();
    arrive(1);
    fill_table();
    turn();
    ASSERT_TRUE(acceptor_->starved());
    EXPECT_EQ(acceptor_->drain(), 0U) << "starved, and there is no room yet";
    empty_table();
    turn_for(1s);
    EXPECT_EQ(accepted_.size(), 2U) << "and no timer goes on";
}

TEST_F(AcceptorTest, TheHandlerMayDrain) {
    make_started();
    arrive(5);
    std::uint32_t drained = 0;
    during_ = [&] {
        during_ = nullptr;
        drained = acceptor_->drain();
    };
    turn();
    EXPECT_EQ(drained, 4U);
    EXPECT_EQ(accepted_.size(), 5U);
}

TEST_F(AcceptorTest, EndsInEveryState) {
    make_started();
    arrive(1);
    acceptor_.reset();
    turn();
    EXPECT_TRUE(accepted_.empty());

    make_started();
    fill_table();
    turn();
    ASSERT_TRUE(acceptor_->starved());
    acceptor_.reset();
    empty_table();
    turn_for(1s); // its timer is gone
    EXPECT_TRUE(accepted_.empty());
}

} // namespace
} // namespace hc::net
