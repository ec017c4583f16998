// The contract in core/sys/sys.hpp, on every system that keeps it: sockets, and the rest.
#include <cerrno>

#include "tests/unit/sys/contract_fixture.hpp"

namespace hc::sys::test {
namespace {

class SocketContract : public Contract {};

// -- ends ---------------------------------------------------------------------------------------

TEST_P(SocketContract, AnEndedSideIsReadClosed) {
    const Pair pair = make_pair();
    for (const bool edge : {false, true}) {
        if (!edge) {
            send_all(pair.client, "last");
            sockets().shutdown_write(pair.client);
        }
        Interest interest = Interest::read();
        interest.edge = edge;
        ASSERT_TRUE(selector().register_(pair.server, 7, interest));
        const Event event = await(selector(), 7, read_closed);
        EXPECT_TRUE(event.readable);
        EXPECT_FALSE(event.failed) << "our side is open yet";
        ASSERT_TRUE(selector().deregister(pair.server));
    }
    EXPECT_EQ(read(pair.server), "last");
    std::array<char, 8> into;
    EXPECT_EQ(sockets().recv(pair.server, into).status, Io::Status::end);
    EXPECT_EQ(sockets().recv(pair.server, into).status, Io::Status::end);
    // The other direction still works.
    send_all(pair.server, "answer");
    EXPECT_EQ(read(pair.client, 6), "answer");
}

TEST_P(SocketContract, ReadClosedGoesWithReadable) {
    const Pair pair = make_pair();
    ASSERT_TRUE(selector().register_(pair.server, 7, Interest::write()));
    sockets().shutdown_write(pair.client);
    EXPECT_EQ(read(pair.server), ""); // the end is here
    const Event event = await(7);
    EXPECT_TRUE(event.writable);
    EXPECT_FALSE(event.readable);
    EXPECT_FALSE(event.read_closed);
}

TEST_P(SocketContract, BothSidesEndedIsAHangUp) {
    const Pair pair = make_pair();
    ASSERT_TRUE(selector().register_(pair.server, 7, Interest::read().edge_triggered()));
    sockets().shutdown_write(pair.client);
    EXPECT_FALSE(await(selector(), 7, read_closed).failed);
    sockets().shutdown_write(pair.server);
    EXPECT_EQ(read(pair.client), "");
    ASSERT_TRUE(selector().reregister(pair.server, 7, Interest::read().edge_triggered()));
    const Event event = await(selector(), 7, has_failed);
    EXPECT_TRUE(event.readable);
    EXPECT_TRUE(event.read_closed);
}

TEST_P(SocketContract, AResetFailsBehindTheBytes) {
    const Pair pair = make_pair();
    ASSERT_TRUE(selector().register_(pair.server, 7, Interest::both().edge_triggered()));
    send_all(pair.client, "bytes");
    await(7);
    while (!is_quiet(7)) {} // until all arrived: a reset may overtake what is on its way
    forget(pair.client);
    sockets().reset(pair.client);
    const Event event = await(selector(), 7, has_failed);
    EXPECT_TRUE(event.readable);
    EXPECT_TRUE(event.writable);
    EXPECT_TRUE(event.read_closed);
    EXPECT_EQ(read(pair.server), "bytes");
}

TEST_P(SocketContract, AResetIsReadAsAnErrorOnce) {
    const Pair pair = make_pair();
    send_all(pair.client, "abc");
    EXPECT_EQ(read(pair.server, 3), "abc");
    forget(pair.client);
    sockets().reset(pair.client);
    std::array<char, 8> into;
    const Io io = settled_recv(pair.server, into);
    EXPECT_EQ(io.status, Io::Status::failed);
    EXPECT_EQ(io.code, ECONNRESET);
    EXPECT_EQ(sockets().recv(pair.server, into).status, Io::Status::end);
    EXPECT_EQ(send(pair.server, "x").code, EPIPE);
}

TEST_P(SocketContract, AFailedConnectionIsReportedToThoseWhoAskNothing) {
    const Pair pair = make_pair();
    ASSERT_TRUE(selector().register_(pair.server, 7, Interest{}));
    forget(pair.client);
    sockets().reset(pair.client);
    const Event event = await(7);
    EXPECT_TRUE(event.failed);
    EXPECT_FALSE(event.readable);
}

TEST_P(SocketContract, ClosingWithUnreadBytesResets) {
    const Pair pair = make_pair();
    send_all(pair.client, "never read");
    auto waiting = make_selector();
    ASSERT_TRUE(waiting->register_(pair.server, 1, Interest::read()));
    await(*waiting, 1);
    ASSERT_TRUE(waiting->deregister(pair.server));
    close(pair.server);
    std::array<char, 8> into;
    EXPECT_EQ(settled_recv(pair.client, into).code, ECONNRESET);
}

TEST_P(SocketContract, SendingToAClosedPeerFailsWithoutASignal) {
    const Pair pair = make_pair();
    close(pair.server);
    EXPECT_EQ(read(pair.client), "");
    ASSERT_TRUE(selector().register_(pair.client, 7, Interest::write().edge_triggered()));
    Io io = send(pair.client, "x"); // taken, and answered by a reset
    EXPECT_TRUE(io.ok());
    await(selector(), 7, has_failed);
    for (int i = 0; i < 3; ++i) {
        io = send(pair.client, "x");
        EXPECT_EQ(io.status, Io::Status::failed);
        EXPECT_EQ(io.code, EPIPE) << "the first time too: the reset came behind an end";
    }
    const std::intptr_t file = env_->make_file("content");
    io = sockets().send_file(pair.client, file, 0, 7);
    EXPECT_EQ(io.status, Io::Status::failed);
    EXPECT_EQ(io.code, EPIPE);
}

TEST_P(SocketContract, SendingAfterOurOwnEndFails) {
    const Pair pair = make_pair();
    sockets().shutdown_write(pair.client);
    EXPECT_EQ(send(pair.client, "x").code, EPIPE);
}

TEST_P(SocketContract, AClosedSocketIsRefused) {
    const Pair pair = make_pair();
    close(pair.client);
    std::array<char, 8> into;
    EXPECT_EQ(sockets().recv(pair.client, into).code, EBADF);
    EXPECT_EQ(send(pair.client, "x").code, EBADF);
    EXPECT_FALSE(sockets().local_address(pair.client));
    EXPECT_FALSE(selector().register_(pair.client, 1, Interest::read()));
}

// -- bytes --------------------------------------------------------------------------------------

TEST_P(SocketContract, NothingThereWouldBlock) {
    const Pair pair = make_pair();
    std::array<char, 8> into;
    EXPECT_EQ(sockets().recv(pair.client, into).status, Io::Status::would_block);
    EXPECT_TRUE(sockets().recv(pair.client, {}).ok());
    EXPECT_TRUE(sockets().send(pair.client, {}).ok());
}

TEST_P(SocketContract, GatheredPiecesArriveInOrder) {
    const Pair pair = make_pair();
    std::vector<std::string> parts;
    std::string whole;
    for (int i = 0; i < 300; ++i) {
        parts.emplace_back(static_cast<std::size_t>(i % 7), static_cast<char>('a' + i % 26));
        whole += parts.back();
    }
    std::vector<ConstBuffer> pieces;
    for (const std::string& part : parts) pieces.push_back({part.data(), part.size()});
    const Io io = sockets().send(pair.client, pieces);
    ASSERT_TRUE(io.ok());
    ASSERT_GT(io.bytes, 0U);
    EXPECT_EQ(read(pair.server, io.bytes), whole.substr(0, io.bytes));
}

TEST_P(SocketContract, ManyBytesBothWays) {
    const Pair pair = make_pair();
    std::string text;
    for (int i = 0; i < 20'000; ++i) text += std::to_string(i);
    std::string_view up = text;
    std::string_view down = text;
    std::string at_server;
    std::string at_client;
    ASSERT_TRUE(selector().register_(pair.client, 1, Interest::both().edge_triggered()));
    ASSERT_TRUE(selector().register_(pair.server, 2, Interest::both().edge_triggered()));
    const auto pump = [&](Socket socket, std::string_view& out, std::string& in) {
        std::array<char, 3000> into;
        for (;;) {
            const Io io = sockets().recv(socket, into);
            if (!io.ok()) break;
            in.append(into.data(), io.bytes);
        }
        while (!out.empty()) {
            const Io io = send(socket, out);
            if (!io.ok()) break;
            out.remove_prefix(io.bytes);
        }
    };
    while (at_server.size() < text.size() || at_client.size() < text.size()) {
        Events<2> events;
        ASSERT_TRUE(selector().select(events, patience));
        ASSERT_FALSE(events.empty()) << "stuck";
        for (const Event& event : events) {
            if (event.token == 1) pump(pair.client, up, at_client);
            if (event.token == 2) pump(pair.server, down, at_server);
        }
    }
    EXPECT_EQ(at_server, text);
    EXPECT_EQ(at_client, text);
}

TEST_P(SocketContract, FilesAreSentByRange) {
    const Pair pair = make_pair();
    const std::intptr_t file = env_->make_file("0123456789");
    std::uint64_t sent = 0;
    std::string got;
    ASSERT_TRUE(selector().register_(pair.client, 7, Interest::write().edge_triggered()));
    while (sent < 5) {
        const Io io = sockets().send_file(pair.client, file, 3 + sent, 5 - sent);
        if (io.status == Io::Status::would_block) {
            got += read(pair.server, sent - got.size());
            await(7);
            continue;
        }
        ASSERT_TRUE(io.ok());
        ASSERT_GT(io.bytes, 0U);
        sent += io.bytes;
    }
    got += read(pair.server, sent - got.size());
    EXPECT_EQ(got, "34567");
    EXPECT_EQ(sockets().send_file(pair.client, file, 10, 5).status, Io::Status::end);
    EXPECT_EQ(sockets().send_file(pair.client, -1, 0, 5).code, EBADF);
    EXPECT_TRUE(sockets().send_file(pair.client, file, 0, 0).ok());
}

TEST_P(SocketContract, FilesAreReadByRange) {
    const std::intptr_t file = env_->make_file("0123456789");
    std::string into(4, '.');
    const auto read_at = [&](std::uint64_t offset) {
        const Io io = sockets().read_file(file, offset, into);
        EXPECT_TRUE(io.ok()) << io.code;
        return into.substr(0, io.bytes);
    };
    EXPECT_EQ(read_at(0), "0123");
    EXPECT_EQ(read_at(3), "3456");
    EXPECT_EQ(read_at(8), "89");
    EXPECT_EQ(sockets().read_file(file, 10, into).status, Io::Status::end);
    EXPECT_EQ(sockets().read_file(-1, 0, into).code, EBADF);
    EXPECT_TRUE(sockets().read_file(file, 0, {}).ok());
}

// -- connecting ---------------------------------------------------------------------------------

TEST_P(SocketContract, ListenAcceptAndAddresses) {
    const Socket listener = listen("127.0.0.1:0");
    const Address at = address_of(listener);
    EXPECT_NE(at.port, 0);
    EXPECT_EQ(at.host(), "127.0.0.1");
    Accepted accepted;
    EXPECT_EQ(sockets().accept(listener, accepted).status, Io::Status::would_block);
    const Socket client = connect(at);
    accepted = accept(listener);
    EXPECT_EQ(accepted.peer, address_of(client));
    EXPECT_EQ(address_of(accepted.socket), at);
    EXPECT_EQ(sockets().accept(listener, accepted).status, Io::Status::would_block);
}

TEST_P(SocketContract, AcceptingFromNoListenerFails) {
    Accepted accepted;
    EXPECT_EQ(sockets().accept(make_pair().client, accepted).code, EINVAL);
    EXPECT_EQ(sockets().accept(Socket::none, accepted).code, EBADF);
}

TEST_P(SocketContract, ConnectingEndsWritable) {
    const Socket listener = listen(has_v6() ? "[::1]:0" : "127.0.0.1:0");
    const Socket client = connect(address_of(listener));
    ASSERT_TRUE(selector().register_(client, 7, Interest::both().edge_triggered()));
    const Event event = await(selector(), 7, is_writable);
    EXPECT_FALSE(event.failed);
    EXPECT_TRUE(sockets().connect_result(client));
}

TEST_P(SocketContract, ARefusedConnectionIsReported) {
    const Socket listener = listen("127.0.0.1:0");
    const Address at = address_of(listener);
    close(listener);
    const auto client = sockets().connect(at);
    if (!client) { // "may be reported by connect itself"
        EXPECT_EQ(client.error().kind, ErrorKind::refused);
        return;
    }
    keep(*client);
    ASSERT_TRUE(selector().register_(*client, 7, Interest::write().edge_triggered()));
    const Event event = await(selector(), 7, has_failed);
    EXPECT_TRUE(event.writable);
    const auto result = sockets().connect_result(*client);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind, ErrorKind::refused);
    EXPECT_EQ(result.error().code, ECONNREFUSED);
}

TEST_P(SocketContract, NoFamilyIsNoAddress) {
    EXPECT_EQ(sockets().connect(Address{}).error().kind, ErrorKind::invalid);
    EXPECT_EQ(sockets().listen(Address{}, {}).error().kind, ErrorKind::invalid);
}

TEST_P(SocketContract, AnAddressIsTakenOnce) {
    const Address at = address_of(listen("127.0.0.1:0"));
    const auto second = sockets().listen(at, {});
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().kind, ErrorKind::address_in_use);
    EXPECT_NE(second.error().message.find(at.to_string()), std::string::npos);
}

TEST_P(SocketContract, AnAddressIsSharedOnRequest) {
    const ListenOptions shared{.reuse_port = true};
    const Socket first = listen("127.0.0.1:0", shared);
    const Address at = address_of(first);
    const Socket second = listen(at.to_string(), shared);
    EXPECT_FALSE(sockets().listen(at, {})) << "not to one who does not ask";
    for (int i = 0; i < 40; ++i) connect(at);
    int at_first = 0;
    int at_second = 0;
    ASSERT_TRUE(selector().register_(first, 1, Interest::read()));
    ASSERT_TRUE(selector().register_(second, 2, Interest::read()));
    while (at_first + at_second < 40) {
        Events<2> events;
        ASSERT_TRUE(selector().select(events, patience));
        ASSERT_FALSE(events.empty());
        for (const Event& event : events) {
            Accepted accepted;
            if (!sockets().accept(event.token == 1 ? first : second, accepted).ok()) continue;
            keep(accepted.socket);
            ++(event.token == 1 ? at_first : at_second);
        }
    }
    EXPECT_GT(at_first, 0) << "all 40 to one of two happens once in 10^12 runs";
    EXPECT_GT(at_second, 0);
}

TEST_P(SocketContract, TheFirstOfAGroupFindsOthers) {
    const ListenOptions first{.reuse_port = true, .first = true};
    const ListenOptions next{.reuse_port = true};
    const Socket one = listen("127.0.0.1:0", first);
    const Address at = address_of(one);
    EXPECT_EQ(sockets().listen(at, first).error().kind, ErrorKind::address_in_use);
    const Socket two = listen(at.to_string(), next);
    EXPECT_EQ(sockets().listen(at, first).error().kind, ErrorKind::address_in_use);
    EXPECT_EQ(sockets().listen(at, {}).error().kind, ErrorKind::address_in_use);
    // Both are in the group: connections are spread over them.
    ASSERT_TRUE(selector().register_(one, 1, Interest::read()));
    ASSERT_TRUE(selector().register_(two, 2, Interest::read()));
    for (int i = 0; i < 40; ++i) connect(at);
    std::array<int, 3> taken{};
    while (taken[1] + taken[2] < 40) {
        Events<2> events;
        ASSERT_TRUE(selector().select(events, patience));
        ASSERT_FALSE(events.empty());
        for (const Event& event : events) {
            Accepted accepted;
            if (!sockets().accept(event.token == 1 ? one : two, accepted).ok()) continue;
            keep(accepted.socket);
            ++taken.at(event.token);
        }
    }
    EXPECT_GT(taken[1], 0);
    EXPECT_GT(taken[2], 0);
    // When the whole group is gone, the address is free again.
    ASSERT_TRUE(selector().deregister(one));
    close(one);
    EXPECT_FALSE(sockets().listen(at, first));
    ASSERT_TRUE(selector().deregister(two));
    close(two);
    EXPECT_NE(listen(at.to_string(), first), Socket::none);
}

TEST_P(SocketContract, DualStackTakesBoth) {
    if (!has_v6()) GTEST_SKIP() << "no IPv6 here";
    const Socket listener = listen("[::]:0");
    Address v4 = *Address::parse("127.0.0.1:0");
    v4.port = address_of(listener).port;
    const Socket client = connect(v4);
    const Accepted accepted = accept(listener);
    EXPECT_TRUE(accepted.peer.is_v4_mapped());
    EXPECT_EQ(accepted.peer.unmapped(), address_of(client));
    Address v6 = *Address::parse("[::1]:0");
    v6.port = v4.port;
    connect(v6);
    EXPECT_EQ(accept(listener).peer.host(), "::1");
}

TEST_P(SocketContract, OnlyV6LeavesV4Free) {
    if (!has_v6()) GTEST_SKIP() << "no IPv6 here";
    const Socket v6 = listen("[::]:0", {.only_v6 = true});
    Address v4 = *Address::parse("0.0.0.0:0");
    v4.port = address_of(v6).port;
    const auto second = sockets().listen(v4, {});
    ASSERT_TRUE(second) << second.error().message;
    keep(*second);
}

TEST_P(SocketContract, AdoptingChecksFirst) {
    const Socket listener = listen("127.0.0.1:0");
    const auto adopted = sockets().adopt_listener(static_cast<std::intptr_t>(listener));
    ASSERT_TRUE(adopted);
    connect(address_of(*adopted));
    EXPECT_EQ(accept(*adopted).peer.host(), "127.0.0.1");
    const auto pair = make_pair();
    EXPECT_FALSE(sockets().adopt_listener(static_cast<std::intptr_t>(pair.client)));
    EXPECT_FALSE(sockets().adopt_listener(-1));
    EXPECT_FALSE(sockets().adopt_listener(INTPTR_MAX));
}

// -- Unix sockets -------------------------------------------------------------------------------

TEST_P(SocketContract, UnixSocketsConnect) {
    for (const std::string& at :
         {"unix:" + env_->socket_path(), "unix:@hc-contract-" + env_->socket_path()}) {
        const Socket listener = listen(at);
        EXPECT_EQ(address_of(listener).to_string(), at);
        const Socket client = connect(*Address::parse(at));
        const Accepted accepted = accept(listener);
        EXPECT_EQ(accepted.peer.to_string(), "unix:");
        send_all(client, "hello");
        EXPECT_EQ(read(accepted.socket, 5), "hello");
        EXPECT_EQ(sockets().listen(*Address::parse(at), {}).error().kind,
                  ErrorKind::address_in_use);
    }
}

TEST_P(SocketContract, AStaleUnixSocketIsReplaced) {
    const std::string path = env_->socket_path();
    close(listen("unix:" + path));
    EXPECT_TRUE(env_->exists(path)) << "closing leaves the file";
    const Address at = *Address::unix_path(path);
    const auto nobody = sockets().connect(at);
    ASSERT_FALSE(nobody);
    EXPECT_EQ(nobody.error().kind, ErrorKind::refused);
    listen("unix:" + path);
    connect(at);
    sockets().remove_file(at);
    EXPECT_FALSE(env_->exists(path));
    EXPECT_EQ(sockets().connect(at).error().kind, ErrorKind::not_found);
}

TEST_P(SocketContract, WhatIsNoSocketIsNeverReplaced) {
    const std::string path = env_->socket_path();
    env_->make_plain_file(path);
    const auto made = sockets().listen(*Address::unix_path(path), {});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().kind, ErrorKind::address_in_use);
    EXPECT_TRUE(env_->exists(path));
}

// -- the rest -----------------------------------------------------------------------------------

TEST_P(SocketContract, ClockEntropyProcessors) {
    const Instant first = system().clock().now();
    EXPECT_GE(system().clock().now(), first);
    EXPECT_GT(system().clock().wall().seconds, 1'600'000'000);
    EXPECT_LT(system().clock().wall().nanos, 1'000'000'000U);
    std::array<std::byte, 64> a{};
    std::array<std::byte, 64> b{};
    ASSERT_TRUE(system().entropy(a));
    ASSERT_TRUE(system().entropy(b));
    EXPECT_NE(a, b);
    EXPECT_TRUE(system().entropy({}));
    EXPECT_GE(system().processors(), 1U);
}

INSTANTIATE_TEST_SUITE_P(Systems, SocketContract, testing::ValuesIn(all_envs()), name_of);

} // namespace
} // namespace hc::sys::test
