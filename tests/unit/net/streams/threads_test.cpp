// Streams on the threads of a runtime, and on threads that belong to none.
#include <atomic>
#include <latch>
#include <thread>

#include "core/net/tcp.hpp"
#include "core/runtime/park.hpp"
#include "core/runtime/spawn.hpp"
#include "tests/unit/net/streams/house.hpp"

namespace hc::net::test {
namespace {

using runtime::park_on;
using runtime::Runtime;

class Call final : public runtime::Message {
public:
    explicit Call(std::function<void(Worker&)> call) : call_(std::move(call)) {}
    void run(Worker& worker) override { call_(worker); }

private:
    std::function<void(Worker&)> call_;
};

std::unique_ptr<Runtime> start(std::uint32_t workers) {
    runtime::RuntimeOptions options;
    options.workers = workers;
    options.io = hc::test::backend();
    auto runtime = std::move(*Runtime::create(options));
    EXPECT_TRUE(runtime->start());
    return runtime;
}

Task<void> echo(TcpStream stream) {
    const std::string got = co_await read_all(stream);
    must(co_await write_all(stream, got));
}
/// Ends with the listener's home.
Task<void> serve(TcpListener* listener) {
    for (;;) {
        auto accepted = co_await listener->accept();
        if (!accepted) co_return;
        Worker::current()->spawn_local(echo(std::move(accepted->first)));
    }
}
Task<void> ask(Address to, std::string text, Worker* home) {
    auto stream = must(co_await TcpStream::connect(*home, to));
    must(co_await write_all(stream, text));
    stream.shutdown_write();
    EXPECT_EQ(co_await read_all(stream), text);
}

TEST(StreamThreads, ThreadsThatAreNoWorkersSpeakToOneAnother) {
    auto runtime = start(2);
    TcpListener listener = must(TcpListener::bind(runtime->worker(0), local()));
    const Address at = must(listener.local_address());
    std::thread server([&] {
        for (int i = 0; i < 20; ++i) park_on(echo(must(park_on(listener.accept())).first));
    });
    for (int i = 0; i < 20; ++i) park_on(ask(at, std::string(50'000, 'x'), &runtime->worker(1)));
    server.join();
}

TEST(StreamThreads, ManyThreadsAskOneWorker) {
    auto runtime = start(2);
    TcpListener listener = must(TcpListener::bind(runtime->worker(0), local()));
    const Address at = must(listener.local_address());
    runtime->worker(1).post(std::make_unique<Call>( // not at the listener's home
        [&](Worker& worker) { worker.spawn_local(serve(&listener)); }));
    std::vector<std::thread> threads;
    for (std::uint32_t i = 0; i < 4; ++i) {
        threads.emplace_back([&, i] {
            for (int n = 0; n < 25; ++n) {
                park_on(ask(at, std::string(1 + 997U * static_cast<unsigned>(n), 'y'),
                            &runtime->worker(i % 2)));
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    runtime.reset(); // `serve` has a reference to the listener
}

Task<void> serve_anywhere(std::shared_ptr<TcpListener> listener, int connections) {
    for (int i = 0; i < connections; ++i) {
        (void)runtime::spawn(echo(must(co_await listener->accept()).first));
    }
}
Task<void> ask_anywhere(Address to, std::string text) {
    auto stream = must(co_await TcpStream::connect(to));
    auto [reader, writer] = split(std::move(stream));
    auto sends = runtime::spawn([](WriteHalf<TcpStream> half, std::string out) -> Task<void> {
        must(co_await write_all(half, out));
    }(std::move(writer), text));
    EXPECT_EQ(co_await read_all(reader), text);
    must(co_await sends);
}
Task<void> ask_many(int connections) {
    auto listener = std::make_shared<TcpListener>(must(TcpListener::bind(local())));
    const Address at = must(listener->local_address());
    (void)runtime::spawn(serve_anywhere(listener, connections));
    std::vector<runtime::JoinHandle<void>> asking;
    for (int i = 0; i < connections; ++i) {
        asking.push_back(
            runtime::spawn(ask_anywhere(at, std::string(static_cast<std::size_t>(i * 1000), 'z'))));
    }
    for (auto& each : asking) must(co_await each);
}

TEST(StreamThreads, TasksThatMoveBetweenWorkers) {
    auto runtime = start(3);
    must(runtime->block_on(ask_many(60)));
}

TEST(StreamThreads, ABlockedThreadIsAtHomeOnAWorkerOfItsRuntime) {
    auto runtime = start(2);
    must(runtime->block_on([]() -> Task<void> {
        auto listener = must(TcpListener::bind(local()));
        auto client = must(co_await TcpStream::connect(must(listener.local_address())));
        auto server = must(co_await listener.accept()).first;
        must(co_await write_all(client, "x"));
        EXPECT_EQ(co_await read_all(server, 1), "x");
    }()));
}

Task<Result<std::size_t>> read_one(TcpStream* stream) {
    char into = 0;
    co_return co_await read_some(*stream, {&into, 1});
}

TEST(StreamThreads, AHomeThatEndsWhileAThreadWaits) {
    for (int round = 0; round < 20; ++round) {
        auto runtime = start(1);
        auto other = start(1);
        TcpListener listener = must(TcpListener::bind(other->worker(0), local()));
        std::optional<TcpStream> stream =
            must(park_on(TcpStream::connect(runtime->worker(0), must(listener.local_address()))));
        TcpStream server = must(park_on(listener.accept())).first;
        std::latch begun(1);
        ErrorKind seen = ErrorKind::ok;
        std::thread waits([&] {
            begun.count_down();
            const auto read = park_on(read_one(&*stream));
            seen = read ? ErrorKind::ok : read.error().kind;
            stream.reset();
        });
        begun.wait();
        if (round % 2 == 0) {
            runtime.reset();
        } else {
            Runtime::release(std::move(runtime));
        }
        waits.join();
        EXPECT_EQ(seen, ErrorKind::closed);
        EXPECT_EQ(must(park_on(read_one(&server))), 0U) << "it is closed";
    }
}

TEST(StreamThreads, SocketsAreDroppedWhileTheirHomeEnds) {
    for (int round = 0; round < 30; ++round) {
        auto runtime = start(1);
        auto other = start(1);
        TcpListener listener = must(TcpListener::bind(other->worker(0), local()));
        const Address at = must(listener.local_address());
        std::vector<TcpStream> streams;
        std::vector<TcpStream> servers;
        for (int i = 0; i < 16; ++i) {
            streams.push_back(must(park_on(TcpStream::connect(runtime->worker(0), at))));
            servers.push_back(must(park_on(listener.accept())).first);
        }
        std::latch begun(2);
        std::thread drops([&] {
            begun.arrive_and_wait();
            while (!streams.empty()) streams.pop_back();
        });
        std::thread writes([&] { // events come meanwhile
            begun.arrive_and_wait();
            for (TcpStream& server : servers) (void)park_on(write_all(server, "x"));
        });
        if (round % 3 != 0) runtime.reset();
        drops.join();
        writes.join();
        for (TcpStream& server : servers) { // all of them were closed
            const auto read = park_on(read_one(&server));
            EXPECT_TRUE(!read || *read == 0);
        }
    }
}

TEST(StreamThreads, SocketsAreMadeAndDroppedBeforeTheirHomeKnowsThem) {
    auto other = start(1);
    TcpListener listener = must(TcpListener::bind(other->worker(0), local()));
    for (int round = 0; round < 50; ++round) {
        auto runtime = start(1);
        for (int i = 0; i < 4; ++i) {
            TcpListener quick = must(TcpListener::bind(runtime->worker(0), local()));
            const Address at = must(quick.local_address());
            if (i == 3) runtime->worker(0).stop();
            { TcpListener moved = std::move(quick); }
            (void)at;
        }
    }
    // One that nobody had time to register before the worker ended is told so.
    auto runtime = start(1);
    TcpListener late = must(TcpListener::bind(runtime->worker(0), local()));
    runtime.reset();
    const auto accepted = park_on(late.accept());
    ASSERT_FALSE(accepted);
    EXPECT_EQ(accepted.error().kind, ErrorKind::closed);
}

TEST(StreamThreads, AWaitingThreadIsWokenByWhatAnotherDoes) {
    auto runtime = start(2);
    TcpListener listener = must(TcpListener::bind(runtime->worker(0), local()));
    const Address at = must(listener.local_address());
    TcpStream client = must(park_on(TcpStream::connect(runtime->worker(1), at)));
    TcpStream server = must(park_on(listener.accept())).first;
    std::atomic<int> turn{0};
    std::thread pong([&] {
        for (;;) {
            const auto got = park_on(read_one(&server));
            if (!got || *got == 0) return;
            ++turn;
            must(park_on(write_all(server, "b")));
        }
    });
    for (int i = 0; i < 500; ++i) {
        must(park_on(write_all(client, "a")));
        EXPECT_EQ(must(park_on(read_one(&client))), 1U);
    }
    client.shutdown_write();
    pong.join();
    EXPECT_EQ(turn, 500);
}

} // namespace
} // namespace hc::net::test
