// Streams and listeners: connecting, both directions, many at once, names.
#include <cerrno>
#include <filesystem>

#include "core/net/tcp.hpp"
#include "core/net/unix.hpp"
#include "tests/unit/net/streams/house.hpp"

namespace hc::net::test {
namespace {

static_assert(runtime::AsyncStream<TcpStream>);
static_assert(runtime::AsyncStream<UnixStream>);
static_assert(runtime::AsyncRead<ReadHalf<TcpStream>>);
static_assert(runtime::AsyncWrite<WriteHalf<TcpStream>>);
static_assert(runtime::Future<Connect<TcpStream>>);

class Streams : public House {
protected:
    /// A listener at home on the first worker.
    TcpListener listen() { return must(TcpListener::bind(worker(), local())); }
};

template <class Stream>
Task<void> echo(Stream stream) {
    const std::string got = co_await read_all(stream);
    must(co_await write_all(stream, got));
    must(co_await PollFn{[&](Context& context) { return stream.poll_shutdown(context); }});
}

template <class Listener>
Task<void> serve(Listener& listener, int connections) {
    for (int i = 0; i < connections; ++i) {
        auto accepted = must(co_await listener.accept());
        Worker::current()->spawn_local(echo(std::move(accepted.first)));
    }
}

template <class Stream>
Task<void> ask(Address to, std::string text) {
    auto stream = must(co_await Stream::connect(to));
    EXPECT_EQ(stream.peer_address(), to);
    must(co_await write_all(stream, text));
    stream.shutdown_write();
    EXPECT_EQ(co_await read_all(stream), text);
}

std::string pattern(std::size_t size) {
    std::string out(size, '\0');
    for (std::size_t i = 0; i < size; ++i)
        out[i] = static_cast<char>('a' + i * 7 % 26 + i / 4096 % 3);
    return out;
}

TEST_P(Streams, AnEchoOverAHalfClosedConnection) {
    TcpListener listener = listen();
    const Address at = must(listener.local_address());
    EXPECT_NE(at.port, 0);
    run_all(serve(listener, 1), ask<TcpStream>(at, "hello"));
}

TEST_P(Streams, V6) {
    auto listener = TcpListener::bind(worker(), local("[::1]:0"));
    // The kernel's own words for that, and nothing else that may go wrong.
    if (!listener &&
        (listener.error().code == EADDRNOTAVAIL || listener.error().code == EAFNOSUPPORT)) {
        GTEST_SKIP() << "no IPv6 on this machine";
    }
    ASSERT_TRUE(listener) << listener.error().message;
    run_all(serve(*listener, 1), ask<TcpStream>(must(listener->local_address()), "hello"));
}

TEST_P(Streams, MoreThanAnyBufferHolds) {
    TcpListener listener = listen();
    const std::size_t size = simulated() ? 100'000 : 8'000'000;
    run_all(serve(listener, 1), ask<TcpStream>(must(listener.local_address()), pattern(size)));
}

TEST_P(Streams, ManyConnections) {
    constexpr int count = 100;
    TcpListener listener = listen();
    std::vector<Task<void>> tasks;
    tasks.push_back(serve(listener, count));
    for (int i = 0; i < count; ++i) {
        tasks.push_back(ask<TcpStream>(must(listener.local_address()), std::to_string(i)));
    }
    run_all(std::move(tasks));
}

Task<void> read_half(ReadHalf<TcpStream> half, std::string expected) {
    EXPECT_EQ(co_await read_all(half, expected.size()), expected);
}
Task<void> write_half(WriteHalf<TcpStream> half, std::string text) {
    must(co_await write_all(half, text));
}

TEST_P(Streams, HalvesInDifferentTasksOfDifferentWorkers) {
    TcpListener listener = listen();
    const std::string text = pattern(300'000);
    std::optional<TcpStream> client;
    std::optional<TcpStream> server;
    run_all(
        [](Address to, std::optional<TcpStream>* out) -> Task<void> {
            out->emplace(must(co_await TcpStream::connect(to)));
        }(must(listener.local_address()), &client),
        [](TcpListener* from, std::optional<TcpStream>* out) -> Task<void> {
            out->emplace(must(co_await from->accept()).first);
        }(&listener, &server));
    ASSERT_TRUE(client && server);
    auto [client_read, client_write] = split(std::move(*client));
    auto [server_read, server_write] = split(std::move(*server));
    run_all(read_half(std::move(client_read), text), write_half(std::move(client_write), text),
            write_half(std::move(server_write), text), read_half(std::move(server_read), text));
}

Task<void> write_pieces(TcpListener& listener) {
    auto stream = must(co_await listener.accept()).first;
    const std::vector<sys::ConstBuffer> pieces{{"one ", 4}, {"", 0}, {"two ", 4}, {"three", 5}};
    std::string text = "one two three";
    const std::size_t taken = must(co_await PollFn{
        [&](Context& context) { return stream.poll_write_vectored(context, pieces); }});
    EXPECT_GT(taken, 0U);
    must(co_await write_all(stream, text.substr(taken)));
    must(co_await PollFn{[&](Context& context) { return stream.poll_flush(context); }});
    EXPECT_EQ(must(co_await write_some(stream, "")), 0U);
    EXPECT_EQ(must(co_await read_some(stream, {})), 0U);
}
Task<void> read_text(Address from, std::string expected) {
    auto stream = must(co_await TcpStream::connect(from));
    EXPECT_EQ(co_await read_all(stream), expected);
}

TEST_P(Streams, PiecesGoOutAsOne) {
    TcpListener listener = listen();
    run_all(write_pieces(listener), read_text(must(listener.local_address()), "one two three"));
}

TEST_P(Streams, AddressesOfBothSides) {
    TcpListener listener = listen();
    run_all(
        [](TcpListener* from) -> Task<void> {
            auto [stream, peer] = must(co_await from->accept());
            EXPECT_EQ(peer, stream.peer_address());
            must(co_await write_all(stream, peer.to_string()));
        }(&listener),
        [](Address to) -> Task<void> {
            auto stream = must(co_await TcpStream::connect(to));
            const Address own = must(stream.local_address());
            EXPECT_EQ(co_await read_all(stream), own.to_string());
        }(must(listener.local_address())));
}

TEST_P(Streams, UnixSocketsAreTheSame) {
    const std::filesystem::path folder =
        std::filesystem::temp_directory_path() /
        ("hc-streams-" + std::to_string(reinterpret_cast<std::uintptr_t>(this)) + "-" +
         GetParam().name);
    std::filesystem::create_directory(folder);
    const Address at = *Address::unix_path((folder / "socket").string());
    {
        auto listener = must(UnixListener::bind(worker(), at));
        run_all(serve(listener, 1), ask<UnixStream>(at, "hello"));
        UnixListener moved = std::move(listener);
        run_all(serve(moved, 1), ask<UnixStream>(at, "hello again"));
    }
    run([](Address gone) -> Task<void> {
        auto stream = co_await UnixStream::connect(gone);
        EXPECT_FALSE(stream);
        if (!stream) EXPECT_EQ(stream.error().kind, ErrorKind::not_found) << "the file is there";
    }(at));
    std::filesystem::remove_all(folder);
}

Task<void> expect_refused(Address at) {
    auto stream = co_await TcpStream::connect(at);
    EXPECT_FALSE(stream);
    if (!stream) EXPECT_EQ(stream.error().kind, ErrorKind::refused) << stream.error().message;
}

TEST_P(Streams, NobodyListens) {
    std::optional<TcpListener> listener = listen();
    const Address at = must(listener->local_address());
    listener.reset();
    settle(); // it may be closed at home only
    run(expect_refused(at));
}

TEST_P(Streams, AddressesThatDoNotFit) {
    const Address path = *Address::unix_path("/nowhere/at/all");
    EXPECT_EQ(TcpListener::bind(worker(), path).error().kind, ErrorKind::invalid);
    EXPECT_EQ(UnixListener::bind(worker(), local()).error().kind, ErrorKind::invalid);
    run([](Address unix_path) -> Task<void> {
        EXPECT_EQ((co_await TcpStream::connect(unix_path)).error().kind, ErrorKind::invalid);
        EXPECT_EQ((co_await UnixStream::connect(local())).error().kind, ErrorKind::invalid);
        EXPECT_EQ((co_await TcpStream::connect(Address())).error().kind, ErrorKind::invalid);
    }(path));
    TcpListener first = listen();
    EXPECT_EQ(TcpListener::bind(worker(), must(first.local_address())).error().kind,
              ErrorKind::address_in_use);
}

TEST_P(Streams, ATaskThatAlwaysHasSomethingToReadGivesWay) {
    TcpListener listener = listen();
    std::optional<TcpStream> client;
    std::optional<TcpStream> server;
    run_all(
        [](Address to, std::optional<TcpStream>* out) -> Task<void> {
            out->emplace(must(co_await TcpStream::connect(to)));
            must(co_await write_all(**out, std::string(400, 'x')));
        }(must(listener.local_address()), &client),
        [](TcpListener* from, std::optional<TcpStream>* out) -> Task<void> {
            out->emplace(must(co_await from->accept()).first);
            char first = 0;
            EXPECT_EQ(must(co_await read_some(**out, {&first, 1})), 1U);
        }(&listener, &server));
    ASSERT_TRUE(client && server);
    settle();
    WakeCount count;
    const runtime::Waker waker = count.waker();
    Context context(waker);
    const runtime::coop::Budget budget(10);
    int read = 0;
    char into = 0;
    while (server->poll_read(context, {&into, 1}).is_ready()) ++read;
    EXPECT_LE(read, 10);
    EXPECT_EQ(count.wakes, 1) << "it is to be polled again";
}

INSTANTIATE_TEST_SUITE_P(Systems, Streams, testing::ValuesIn(all_houses()), name_of);

} // namespace
} // namespace hc::net::test
