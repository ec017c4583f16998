// WatchedSocket itself: what a clear takes away and what not, who is woken, what is told.
#include "core/runtime/io/readiness.hpp"

#include "tests/unit/net/streams/house.hpp"

namespace hc::net::test {
namespace {

using runtime::Direction;
using runtime::Ready;
using runtime::WatchedSocket;

class Readiness : public House {
protected:
    void SetUp() override {
        House::SetUp();
        sys::Sockets& sockets = system().sockets();
        listener_ = *sockets.listen(local(), {});
        const sys::Socket client = *sockets.connect(*sockets.local_address(listener_));
        sys::Accepted accepted;
        ASSERT_TRUE(until([&] { return sockets.accept(listener_, accepted).ok(); }));
        peer = must(WatchedSocket::make(worker(1), client));
        socket = must(WatchedSocket::make(worker(0), accepted.socket));
        settle();
    }
    void TearDown() override {
        socket.close();
        peer.close();
        settle();
        system().sockets().close(listener_);
        House::TearDown();
    }
    std::optional<Ready> poll(Direction direction, WakeCount& count) {
        const runtime::Waker waker = count.waker();
        Context context(waker);
        auto polled = socket.poll_ready(direction, context);
        if (!polled.is_ready()) return std::nullopt;
        return must(std::move(polled).value());
    }
    void send(std::string_view text) {
        const sys::ConstBuffer piece{text.data(), text.size()};
        EXPECT_TRUE(until([&] { return peer.sockets().send(peer.socket(), {&piece, 1}).ok(); }));
    }
    /// Takes what is there and the readiness with it, until a poll is pending.
    void exhaust(WakeCount& count) {
        EXPECT_TRUE(until([&] {
            auto ready = poll(Direction::read, count);
            if (!ready) return true;
            char into[64];
            if (!socket.sockets().recv(socket.socket(), into).ok()) socket.clear_read(*ready);
            return false;
        }));
        count.wakes = 0;
    }

    WatchedSocket socket; // at home on the first worker
    WatchedSocket peer;

private:
    sys::Socket listener_ = sys::Socket::none;
};

TEST_P(Readiness, ANewSourceIsWorthATry) {
    WakeCount count;
    WatchedSocket fresh =
        must(WatchedSocket::make(worker(0), *system().sockets().listen(local(), {})));
    const runtime::Waker waker = count.waker();
    Context context(waker);
    EXPECT_TRUE(fresh.poll_read_ready(context).is_ready()) << "before any event";
    EXPECT_TRUE(fresh.poll_write_ready(context).is_ready());
    EXPECT_EQ(count.wakers, 1) << "nothing waits";
}

TEST_P(Readiness, AClearDoesNotTakeANewerEvent) {
    WakeCount count;
    exhaust(count);
    send("x");
    std::optional<Ready> seen;
    ASSERT_TRUE(until([&] { return (seen = poll(Direction::read, count)).has_value(); }));
    const int wakes = count.wakes;
    EXPECT_EQ(wakes, 1);
    send("y"); // after the poll, before the clear
    settle();
    socket.clear_read(*seen);
    EXPECT_TRUE(poll(Direction::read, count)) << "the newer event is still known";
    // A clear of what is known now takes it.
    seen = poll(Direction::read, count);
    socket.clear_read(*seen);
    EXPECT_FALSE(poll(Direction::read, count));
}

TEST_P(Readiness, DirectionsAreClearedByThemselves) {
    WakeCount count;
    exhaust(count);
    EXPECT_TRUE(poll(Direction::write, count));
    const std::optional<Ready> seen = poll(Direction::write, count);
    socket.clear_write(*seen);
    EXPECT_FALSE(poll(Direction::write, count));
    send("x");
    EXPECT_TRUE(until([&] { return poll(Direction::read, count).has_value(); }));
}

TEST_P(Readiness, TheLastWakerCounts) {
    WakeCount first;
    WakeCount second;
    exhaust(first);
    EXPECT_FALSE(poll(Direction::read, first));
    EXPECT_EQ(first.wakers, 1);
    EXPECT_FALSE(poll(Direction::read, second));
    EXPECT_EQ(first.wakers, 0);
    send("x");
    EXPECT_TRUE(until([&] { return second.wakes > 0; }));
    EXPECT_EQ(first.wakes, 0);
    EXPECT_EQ(second.wakes, 1);
    EXPECT_EQ(second.wakers, 0) << "it was used up";
}

TEST_P(Readiness, TheEndAndTheFailureOfThePeerAreTold) {
    WakeCount count;
    exhaust(count);
    EXPECT_FALSE(poll(Direction::read, count));
    peer.sockets().shutdown_write(peer.socket());
    std::optional<Ready> seen;
    EXPECT_TRUE(until([&] { return (seen = poll(Direction::read, count)).has_value(); }));
    EXPECT_TRUE(seen->read_closed());
    EXPECT_FALSE(seen->failed());
    socket.clear_read(*seen);
    peer.reset();
    EXPECT_TRUE(until([&] {
        seen = poll(Direction::read, count);
        return seen && seen->failed();
    }));
}

TEST_P(Readiness, OneThatIsMadeElsewhereThanAtHomeIsRegisteredThere) {
    // Made for the first worker by a message, and dropped before and after that has run.
    WatchedSocket before =
        must(WatchedSocket::make(worker(0), *system().sockets().listen(local(), {})));
    before.close();
    WatchedSocket listener =
        must(WatchedSocket::make(worker(0), *system().sockets().listen(local(), {})));
    settle();
    WakeCount count;
    const runtime::Waker waker = count.waker();
    Context context(waker);
    auto ready = listener.poll_read_ready(context);
    ASSERT_TRUE(ready.is_ready());
    listener.clear_read(must(std::move(ready).value()));
    EXPECT_FALSE(listener.poll_read_ready(context).is_ready());
    const Address at = *system().sockets().local_address(listener.socket());
    const sys::Socket client = *system().sockets().connect(at);
    EXPECT_TRUE(until([&] { return count.wakes > 0; }));
    system().sockets().close(client);
    listener.close();
    settle();
}

INSTANTIATE_TEST_SUITE_P(Systems, Readiness, testing::ValuesIn(all_houses()), name_of);

} // namespace
} // namespace hc::net::test
