// The stub refuses everything, with the same answer.
#include "core/sys/stub/stub.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cerrno>

namespace hc::sys {
namespace {

template <class T>
void expect_unsupported(const Result<T>& result) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind, ErrorKind::unsupported);
    EXPECT_FALSE(result.error().message.empty());
}

void expect_unsupported(const Io& io) {
    EXPECT_EQ(io.status, Io::Status::failed);
    EXPECT_EQ(io.code, ENOSYS);
    EXPECT_EQ(io.bytes, 0U);
}

TEST(Stub, RefusesEverything) {
    StubSystem stub;
    System& system = stub;
    Sockets& sockets = system.sockets();
    const Address at = *Address::parse("127.0.0.1:0");
    std::array<char, 4> bytes{};
    const ConstBuffer piece{bytes.data(), bytes.size()};
    Accepted accepted;

    EXPECT_EQ(system.name(), "stub");
    EXPECT_EQ(system.processors(), 1U);
    EXPECT_EQ(system.clock().now(), system.clock().now());
    EXPECT_EQ(system.clock().wall().seconds, 0);
    expect_unsupported(system.make_selector());
    expect_unsupported(system.entropy(std::as_writable_bytes(std::span(bytes))));
    expect_unsupported(sockets.listen(at, {}));
    expect_unsupported(sockets.adopt_listener(3));
    expect_unsupported(sockets.accept(Socket{3}, accepted));
    EXPECT_EQ(accepted.socket, Socket::none);
    expect_unsupported(sockets.connect(at));
    expect_unsupported(sockets.connect_result(Socket{3}));
    expect_unsupported(sockets.recv(Socket{3}, bytes));
    expect_unsupported(sockets.send(Socket{3}, {&piece, 1}));
    expect_unsupported(sockets.send_file(Socket{3}, 4, 0, 1));
    expect_unsupported(sockets.read_file(4, 0, bytes));
    expect_unsupported(sockets.local_address(Socket{3}));
    DatagramsOut out{.bytes = "x", .to = &at};
    DatagramsIn in{.into = bytes};
    expect_unsupported(sockets.bind_udp(at, {}));
    expect_unsupported(sockets.connect_udp(Socket{3}, at));
    expect_unsupported(sockets.send_udp(Socket{3}, {&out, 1}));
    expect_unsupported(sockets.recv_udp(Socket{3}, {&in, 1}));
    expect_unsupported(sockets.lookup("localhost", 80));
    EXPECT_FALSE(sockets.lookup_waits());
    sockets.shutdown_write(Socket{3});
    sockets.reset(Socket{3});
    sockets.close(Socket{3});
    sockets.remove_file(at);
}

TEST(Stub, SelectorRefusesEverything) {
    StubSelector stub;
    Selector& selector = stub;
    Events<2> events;
    expect_unsupported(selector.register_(Socket{3}, 1, Interest::read()));
    expect_unsupported(selector.reregister(Socket{3}, 1, Interest::read()));
    expect_unsupported(selector.deregister(Socket{3}));
    expect_unsupported(selector.select(events, Duration::zero()));
    EXPECT_TRUE(events.empty());
    EXPECT_EQ(selector.native_handle(), -1);
    selector.wake();
    selector.set_deadline(Instant::never());
}

} // namespace
} // namespace hc::sys
