// Handshakes that go on on a thread of their own, in a simulated network and on real threads.
#include "core/link/remote_handshake.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "tests/support/rsa_credentials.hpp"
#include "tests/unit/link/tls_house.hpp"

namespace hc::link::test {
namespace {

constexpr std::string_view request = "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n";
const tls::Credentials& rsa() {
    static const tls::Credentials made = hc::test::rsa_credentials();
    return made;
}

tls::ServerSettings with_rsa() {
    tls::ServerSettings settings;
    settings.credentials = {rsa()};
    return settings;
}

RuntimeLimits one_thread() {
    RuntimeLimits limits;
    limits.blocking_threads_max = 1;
    return limits;
}

/// The pool's only thread does nothing else meanwhile.
class Occupied {
public:
    explicit Occupied(runtime::BlockingPool& pool) {
        EXPECT_TRUE(pool.submit([going = going_] {
            while (going->load()) std::this_thread::yield();
        }));
    }
    ~Occupied() { end(); }
    Occupied(const Occupied&) = delete;
    Occupied& operator=(const Occupied&) = delete;
    void end() { going_->store(false); }

private:
    std::shared_ptr<std::atomic<bool>> going_ = std::make_shared<std::atomic<bool>>(true);
};

class RemoteHandshakes : public testing::TestWithParam<std::uint64_t> {
protected:
    explicit RemoteHandshakes()
        : pool_(one_thread(), "test"), house_(GetParam(), {}, server_context(with_rsa())) {
        house_.limits.tls_handshake_timeout_ms = 0; // the simulated clock knows nothing of threads
        house_.context().handshakers = &pool_;
    }

    /// Turns until it is true, within a minute of real time.
    bool until(const std::function<bool()>& done) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
        while (!done()) {
            if (std::chrono::steady_clock::now() > end) return false;
            house_.turn(milliseconds(1));
            std::this_thread::yield();
        }
        return true;
    }
    bool is_answered(TlsPeer& client) {
        client.send(request);
        return until([&] {
                   client.pump();
                   return client.received == answer_200("/1|") || client.last == Progress::failed;
               }) &&
               client.last != Progress::failed;
    }
    runtime::BlockingPool pool_;
    TlsHouse house_;
};
INSTANTIATE_TEST_SUITE_P(Seeds, RemoteHandshakes, testing::Range<std::uint64_t>(0, 8));

TEST_P(RemoteHandshakes, AnRsaKeySignsThere) {
    TlsPeer client(house_, client_context(rsa().certificate()));
    EXPECT_TRUE(is_answered(client));
    EXPECT_EQ(pool_.threads(), 1U);
}

TEST_P(RemoteHandshakes, OtherKeysSignOnTheWorker) {
    house_.layer.reload(server_context());
    TlsPeer client(house_, client_context());
    EXPECT_TRUE(is_answered(client));
    EXPECT_EQ(pool_.threads(), 0U);
}

TEST_P(RemoteHandshakes, OthersAreAnsweredMeanwhile) {
    TlsPeer before(house_, client_context(rsa().certificate()));
    ASSERT_TRUE(is_answered(before));
    Occupied occupied(pool_);
    TlsPeer waiting(house_, client_context(rsa().certificate()));
    waiting.send(request);
    ASSERT_TRUE(until([&] {
        waiting.pump();
        return pool_.queued() == 1;
    }));
    before.received.clear();
    EXPECT_TRUE(is_answered(before));
    EXPECT_FALSE(waiting.engine().is_established());
    occupied.end();
    EXPECT_TRUE(until([&] {
        waiting.pump();
        return waiting.received == answer_200("/1|");
    }));
}

TEST_P(RemoteHandshakes, WhoLeavesMeanwhileLeavesNothing) {
    Occupied occupied(pool_);
    {
        TlsPeer client(house_, client_context(rsa().certificate()));
        ASSERT_TRUE(until([&] {
            client.pump();
            return pool_.queued() == 1;
        }));
        client.peer().reset();
        // Reading is paused meanwhile, so that the end may be seen only behind the step.
        for (int i = 0; i < 10; ++i) house_.turn(milliseconds(1));
    }
    occupied.end();
    EXPECT_TRUE(until([&] { return house_.connections() == 0; }));
}

TEST_P(RemoteHandshakes, AKilledConnectionIsForgotten) {
    Occupied occupied(pool_);
    TlsPeer client(house_, client_context(rsa().certificate()));
    ASSERT_TRUE(until([&] {
        client.pump();
        return pool_.queued() == 1;
    }));
    house_.connection().kill();
    EXPECT_EQ(house_.connections(), 0U);
    EXPECT_EQ(house_.context().handshakes, 0U);
    occupied.end();
    EXPECT_TRUE(until([&] { return pool_.queued() == 0; }));
}

TEST_P(RemoteHandshakes, TheWorkerDoesWhatThePoolRefuses) {
    pool_.stop();
    TlsPeer client(house_, client_context(rsa().certificate()));
    EXPECT_TRUE(is_answered(client));
}

TEST_P(RemoteHandshakes, AFailureIsTold) {
    TlsPeer client(house_, client_context()); // trusts somebody else
    EXPECT_FALSE(is_answered(client));
    EXPECT_TRUE(until([&] {
        client.pump();
        return house_.connections() == 0;
    }));
}

} // namespace
} // namespace hc::link::test
