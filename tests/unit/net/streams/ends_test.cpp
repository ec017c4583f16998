// How connections end, and what becomes of those who wait: resets, sockets dropped while pending,
// workers other than the home, homes that end.
#include "core/net/tcp.hpp"
#include "tests/unit/net/streams/house.hpp"

namespace hc::net::test {
namespace {

struct Pair {
    std::optional<TcpStream> client;
    std::optional<TcpStream> server;
};

Task<void> connect_to(Address to, std::optional<TcpStream>* out) {
    out->emplace(must(co_await TcpStream::connect(to)));
}
Task<void> accept_from(TcpListener& listener, std::optional<TcpStream>* out) {
    out->emplace(must(co_await listener.accept()).first);
}

class Ends : public House {
protected:
    /// The client is at home on the second worker, the server on the first.
    Pair connect() {
        Pair pair;
        TcpListener listener = must(TcpListener::bind(worker(), local()));
        run_all(accept_from(listener, &pair.server),
                connect_to(must(listener.local_address()), &pair.client));
        return pair;
    }
    /// The outcome of reading, asked by hand until it is not pending.
    Result<std::size_t> settled_read(TcpStream& stream, WakeCount& count) {
        const runtime::Waker waker = count.waker();
        Context context(waker);
        std::optional<Result<std::size_t>> out;
        char into[64];
        EXPECT_TRUE(until([&] {
            auto polled = stream.poll_read(context, into);
            if (polled.is_ready()) out = std::move(polled).value();
            return out.has_value();
        }));
        return out.value_or(fail(ErrorKind::internal, "nothing came"));
    }
    /// One poll that has to be pending and leaves a waker of `count`.
    void wait_to_read(TcpStream& stream, WakeCount& count) {
        const runtime::Waker waker = count.waker();
        Context context(waker);
        char into[64];
        EXPECT_FALSE(stream.poll_read(context, into).is_ready());
        EXPECT_EQ(count.wakers, 2);
    }
};

TEST_P(Ends, AnEndIsReadAgainAndAgain) {
    Pair pair = connect();
    pair.client->shutdown_write();
    WakeCount count;
    for (int i = 0; i < 3; ++i) EXPECT_EQ(must(settled_read(*pair.server, count)), 0U);
}

TEST_P(Ends, AResetIsAnError) {
    Pair pair = connect();
    pair.client->reset();
    WakeCount count;
    auto read = settled_read(*pair.server, count);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().kind, ErrorKind::reset);
    run([](TcpStream* stream) -> Task<void> {
        const auto written = co_await write_all(*stream, "x");
        EXPECT_FALSE(written);
        if (!written) EXPECT_EQ(written.error().kind, ErrorKind::reset);
    }(&*pair.server));
}

TEST_P(Ends, AResetWakesThoseWhoWaitInBothDirections) {
    Pair pair = connect();
    const std::string block(64 * 1024, 'x');
    WakeCount reader;
    WakeCount writer;
    const runtime::Waker wakes_writer = writer.waker();
    Context write_context(wakes_writer);
    const auto is_full = [&] { // and stays so: room may be on its way yet
        while (pair.server->poll_write(write_context, block).is_ready()) {}
        return true;
    };
    for (int i = 0; i < 20; ++i) {
        EXPECT_TRUE(is_full());
        settle();
    }
    is_full();
    writer.wakes = 0;
    wait_to_read(*pair.server, reader);
    pair.client->reset();
    EXPECT_TRUE(until([&] { return reader.wakes > 0 && writer.wakes > 0; }));
    EXPECT_EQ(reader.wakers, 0) << "the waker that was woken is still kept";
}

TEST_P(Ends, DroppingAStreamClosesIt) {
    for (const bool drop_client : {false, true}) { // at home, and elsewhere
        Pair pair = connect();
        (drop_client ? pair.client : pair.server).reset();
        WakeCount count;
        EXPECT_EQ(must(settled_read(drop_client ? *pair.server : *pair.client, count)), 0U);
    }
}

TEST_P(Ends, DroppingAStreamDropsItsWakers) {
    Pair pair = connect();
    WakeCount count;
    wait_to_read(*pair.server, count);
    pair.server.reset();
    EXPECT_EQ(count.wakers, 0);
    EXPECT_EQ(count.wakes, 0);
    wait_to_read(*pair.client, count);
    pair.client->forget(runtime::Direction::read);
    EXPECT_EQ(count.wakers, 0);
}

TEST_P(Ends, APendingAcceptThatIsDroppedTakesNothing) {
    TcpListener listener = must(TcpListener::bind(worker(), local()));
    WakeCount count;
    {
        const runtime::Waker waker = count.waker();
        Context context(waker);
        auto accept = listener.accept();
        EXPECT_FALSE(accept.poll(context).is_ready());
        EXPECT_EQ(count.wakers, 2);
    }
    EXPECT_EQ(count.wakers, 0);
    std::optional<TcpStream> client;
    std::optional<TcpStream> server;
    run(connect_to(must(listener.local_address()), &client));
    settle(); // the connection is there before anybody asks
    run(accept_from(listener, &server));
    EXPECT_TRUE(server);
}

TEST_P(Ends, AConnectThatIsDroppedIsGivenUp) {
    TcpListener listener = must(TcpListener::bind(worker(), local()));
    WakeCount count;
    {
        const runtime::Waker waker = count.waker();
        Context context(waker);
        auto connect = TcpStream::connect(worker(), must(listener.local_address()));
        (void)connect.poll(context); // may be ready at once on the real system
    }
    EXPECT_EQ(count.wakers, 0);
    settle();
    std::optional<TcpStream> server;
    WakeCount reader;
    // Nothing was left behind: whoever is accepted is at its end.
    std::optional<TcpStream> next;
    run_all(accept_from(listener, &server), connect_to(must(listener.local_address()), &next));
    ASSERT_TRUE(server && next);
    next.reset();
    const auto read = settled_read(*server, reader);
    EXPECT_TRUE(!read || *read == 0);
}

TEST_P(Ends, AMovedStreamIsEmpty) {
    Pair pair = connect();
    TcpStream taken = std::move(*pair.client);
    WakeCount count;
    EXPECT_EQ(settled_read(*pair.client, count).error().kind, ErrorKind::state);
    EXPECT_EQ(pair.client->local_address().error().kind, ErrorKind::state);
    pair.client->shutdown_write(); // does nothing
    pair.client->close();
    pair.client->forget(runtime::Direction::write);
    *pair.client = std::move(taken);
    EXPECT_TRUE(pair.client->local_address());
    pair.client->close();
    EXPECT_EQ(must(settled_read(*pair.server, count)), 0U);
}

TEST_P(Ends, AThreadThatIsNoWorkerNeedsOne) {
    for (int i = 0; i < 2; ++i) end_worker(static_cast<std::size_t>(i));
    ASSERT_EQ(Worker::current(), nullptr);
    EXPECT_EQ(TcpListener::bind(local()).error().kind, ErrorKind::state);
    WakeCount count;
    const runtime::Waker waker = count.waker();
    Context context(waker);
    auto connect = TcpStream::connect(local("127.0.0.1:1"));
    auto polled = connect.poll(context);
    ASSERT_TRUE(polled.is_ready());
    EXPECT_EQ(polled.value().error().kind, ErrorKind::state);
}

// -- other workers than the home -----------------------------------------------------------------

Task<void> talk(std::optional<TcpStream>* stream, std::string send, std::string expect) {
    must(co_await write_all(**stream, send));
    EXPECT_EQ(co_await read_all(**stream, expect.size()), expect);
    stream->reset(); // where this task runs
}

TEST_P(Ends, StreamsArePolledAndDroppedElsewhereThanAtHome) {
    for (int round = 0; round < 5; ++round) {
        Pair pair = connect();
        // Homes: server 0, client 1. Here they run the other way round.
        run_all(talk(&pair.client, "from the client", "from the server"),
                talk(&pair.server, "from the server", "from the client"));
    }
}

Task<void> read_error(std::optional<TcpStream>* stream, ErrorKind* out) {
    std::optional<Error> error;
    EXPECT_EQ(co_await read_all(**stream, SIZE_MAX, &error), "");
    if (error) *out = error->kind;
}

TEST_P(Ends, TheEndOfTheHomeEndsTheWaitingOfOthers) {
    Pair pair = connect();
    ErrorKind seen = ErrorKind::ok;
    spawn(1, read_error(&pair.server, &seen));
    settle();
    EXPECT_EQ(seen, ErrorKind::ok);
    end_worker(0);
    EXPECT_TRUE(until([&] { return seen == ErrorKind::closed; }));
    // It is still there until its owner lets go, who then closes it on this thread.
    WakeCount count;
    EXPECT_EQ(settled_read(*pair.server, count).error().kind, ErrorKind::closed);
    wait_to_read(*pair.client, count);
    pair.server.reset();
    EXPECT_EQ(must(settled_read(*pair.client, count)), 0U);
}

TEST_P(Ends, AListenerWhoseHomeHasEnded) {
    std::optional<TcpListener> listener = must(TcpListener::bind(worker(), local()));
    const Address at = must(listener->local_address());
    end_worker(0);
    run(1, [](TcpListener* from) -> Task<void> {
        auto accepted = co_await from->accept();
        EXPECT_FALSE(accepted);
        if (!accepted) EXPECT_EQ(accepted.error().kind, ErrorKind::closed);
    }(&*listener));
    listener.reset();
    run(1, [](Address to) -> Task<void> {
        EXPECT_EQ((co_await TcpStream::connect(to)).error().kind, ErrorKind::refused);
    }(at));
}

/// A task that owns a stream and waits for ever.
Task<void> hold(TcpStream stream) {
    const std::string none = co_await read_all(stream);
    ADD_FAILURE() << "the connection ended before its task: " << none;
}

TEST_P(Ends, TasksThatEndWithTheirWorkerCloseTheirStreams) {
    Pair pair = connect();
    post(0, [&](Worker& at) { at.spawn_local(hold(std::move(*pair.server))); });
    settle();
    end_worker(0);
    WakeCount count;
    EXPECT_EQ(must(settled_read(*pair.client, count)), 0U);
}

TEST_P(Ends, ASocketForAWorkerThatHasEnded) {
    worker(0).stop();
    EXPECT_TRUE(until([&] { return worker(0).ended(); }));
    EXPECT_EQ(TcpListener::bind(worker(0), local()).error().kind, ErrorKind::closed);
}

INSTANTIATE_TEST_SUITE_P(Systems, Ends, testing::ValuesIn(all_houses()), name_of);

} // namespace
} // namespace hc::net::test
