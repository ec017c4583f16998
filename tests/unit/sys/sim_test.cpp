// What the simulation promises beyond the contract: determinism, virtual time, its tools.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <string>
#include <vector>

#include "core/sys/sim/peer.hpp"
#include "core/sys/sim/world.hpp"

namespace hc::sys::sim {
namespace {

using namespace std::chrono_literals;

const Address here = *Address::parse("127.0.0.1:80");

/// An echo server on one selector, edge-triggered, as simple as can be.
class Echo {
public:
    explicit Echo(World& world) : world_(world) {
        selector_ = std::move(world.make_selector().value());
        listener_ = world.sockets().listen(here, {}).value();
        EXPECT_TRUE(selector_->register_(listener_, 0, Interest::read()));
    }
    void turn(std::optional<Duration> timeout = Duration::zero()) {
        Events<16> events;
        ASSERT_TRUE(selector_->select(events, timeout));
        for (const Event& event : events) {
            if (event.token == 0) {
                accept();
            } else {
                serve(event.token);
            }
        }
    }
    std::size_t failures = 0;

private:
    struct Client {
        Socket socket;
        std::string waiting;
    };
    void accept() {
        Accepted accepted;
        while (world_.sockets().accept(listener_, accepted).ok()) {
            clients_.push_back({accepted.socket, {}});
            EXPECT_TRUE(selector_->register_(accepted.socket, clients_.size(),
                                             Interest::both().edge_triggered()));
        }
    }
    void serve(Token token) {
        Client& client = clients_.at(token - 1);
        if (client.socket == Socket::none) return;
        std::array<char, 512> into;
        Io in;
        while ((in = world_.sockets().recv(client.socket, into)).ok()) {
            client.waiting.append(into.data(), in.bytes);
        }
        Io out;
        while (!client.waiting.empty()) {
            const ConstBuffer piece{client.waiting.data(), client.waiting.size()};
            out = world_.sockets().send(client.socket, {&piece, 1});
            if (!out.ok()) break;
            client.waiting.erase(0, out.bytes);
        }
        const bool failed = in.status == Io::Status::failed || out.status == Io::Status::failed;
        failures += failed;
        const bool done = in.status == Io::Status::end && client.waiting.empty();
        if (!failed && !done) return;
        world_.sockets().close(client.socket);
        client.socket = Socket::none;
    }

    World& world_;
    std::unique_ptr<Selector> selector_;
    Socket listener_;
    std::vector<Client> clients_;
};

struct Outcome {
    std::vector<std::string> trace;
    std::vector<std::string> received;
    std::vector<int> errors;
    Instant end;
    std::size_t failures = 0;
};

std::string text_of(std::size_t peer) {
    std::string text;
    for (std::size_t i = 0; i < 300; ++i) text += std::to_string(peer * 1000 + i) + ' ';
    return text;
}

Outcome run(std::uint64_t seed, Options options) {
    Outcome out;
    options.trace = [&out](Instant at, std::string_view line) {
        out.trace.push_back(std::to_string(at.ns) + ' ' + std::string(line));
    };
    World world(seed, std::move(options));
    Echo echo(world);
    std::vector<std::unique_ptr<Peer>> peers;
    for (std::size_t i = 0; i < 5; ++i) {
        peers.push_back(Peer::connect(world, here).value());
        peers.back()->send(text_of(i));
        peers.back()->shutdown_write();
    }
    const auto all_over = [&] {
        echo.turn();
        return std::ranges::all_of(peers, [](const auto& peer) { return peer->over(); });
    };
    EXPECT_TRUE(world.run_until(all_over)) << "seed " << seed;
    for (const auto& peer : peers) {
        out.received.push_back(peer->received());
        out.errors.push_back(peer->error());
    }
    out.end = world.now();
    out.failures = echo.failures;
    return out;
}

TEST(Sim, SameSeedSameTrace) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        Options options = Options::hostile();
        options.resets_per_million = 2'000;
        const Outcome first = run(seed, options);
        const Outcome second = run(seed, options);
        ASSERT_FALSE(first.trace.empty());
        EXPECT_EQ(first.trace, second.trace);
        EXPECT_EQ(first.end, second.end);
    }
}

TEST(Sim, OtherSeedOtherTrace) {
    EXPECT_NE(run(1, Options::hostile()).trace, run(2, Options::hostile()).trace);
}

TEST(Sim, EveryByteComesBackInOrder) {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        const Outcome out = run(seed, Options::hostile());
        for (std::size_t i = 0; i < out.received.size(); ++i) {
            ASSERT_EQ(out.received[i], text_of(i)) << "seed " << seed;
            ASSERT_EQ(out.errors[i], 0) << "seed " << seed;
        }
    }
}

TEST(Sim, ResetsLeaveAPrefix) {
    std::size_t broken = 0;
    std::size_t whole = 0;
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        Options options = Options::hostile();
        options.resets_per_million = 10'000;
        const Outcome out = run(seed, options);
        for (std::size_t i = 0; i < out.received.size(); ++i) {
            ASSERT_TRUE(text_of(i).starts_with(out.received[i])) << "seed " << seed;
            ++(out.errors[i] != 0 ? broken : whole);
        }
        EXPECT_LE(out.failures, out.errors.size());
    }
    EXPECT_GT(broken, 20U);
    EXPECT_GT(whole, 20U);
}

TEST(Sim, PiecesAndStallsHappen) {
    bool single_byte = false;
    bool stall = false;
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        const Outcome out = run(seed, Options::hostile());
        for (const std::string& line : out.trace) single_byte |= line.ends_with(" gets 1");
        stall |= out.end - Instant{} > 8s;
    }
    EXPECT_TRUE(single_byte);
    EXPECT_TRUE(stall);
}

TEST(Sim, AShortSendTakesNothingMoreForAWhile) {
    Options options;
    options.short_sends_per_million = 1'000'000;
    World world(1, options);
    Echo echo(world);
    const Socket client = world.sockets().connect(here).value();
    auto selector = std::move(world.make_selector().value());
    ASSERT_TRUE(selector->register_(client, 1, Interest::write().edge_triggered()));
    const std::string block(1'000, 'x');
    const ConstBuffer piece{block.data(), block.size()};
    std::size_t short_sends = 0;
    for (int i = 0; i < 20; ++i) {
        Events<1> events;
        ASSERT_EQ(selector->select(events, 1min).value(), 1U); // also after a short send
        const Io io = world.sockets().send(client, {&piece, 1});
        ASSERT_TRUE(io.ok());
        short_sends += io.bytes < block.size();
        EXPECT_EQ(world.sockets().send(client, {&piece, 1}).status, Io::Status::would_block);
    }
    EXPECT_GT(short_sends, 15U);
}

TEST(Sim, MinutesTakeMicroseconds) {
    World world(1);
    auto selector = std::move(world.make_selector().value());
    Events<1> events;
    const auto before = std::chrono::steady_clock::now();
    for (int i = 0; i < 1'000; ++i) ASSERT_TRUE(selector->select(events, 10min));
    EXPECT_EQ(world.now() - Instant{1'000'000'000}, 10'000min);
    EXPECT_LT(std::chrono::steady_clock::now() - before, 10s);
    EXPECT_EQ(world.clock().wall().seconds - 1'704'067'200, 1 + 600'000);
}

TEST(Sim, AZeroTimeoutStandsStill) {
    World world(1);
    auto selector = std::move(world.make_selector().value());
    const Socket listener = world.sockets().listen(here, {}).value();
    ASSERT_TRUE(selector->register_(listener, 1, Interest::read()));
    auto peer = Peer::connect(world, here).value();
    Events<1> events;
    const Instant before = world.now();
    for (int i = 0; i < 100; ++i) ASSERT_EQ(selector->select(events, Duration::zero()).value(), 0U);
    EXPECT_EQ(world.now(), before);
    EXPECT_EQ(selector->select(events, 1h).value(), 1U);
    EXPECT_GT(world.now(), before);
    EXPECT_LT(world.now(), before + 1s) << "it stopped at the event";
}

TEST(Sim, ABusySelectSeesTimePass) {
    World world(1);
    auto selector = std::move(world.make_selector().value());
    Echo echo(world);
    auto peer = Peer::connect(world, here).value();
    ASSERT_TRUE(world.run_until([&] { return peer->connected(); }));
    ASSERT_TRUE(selector->register_(peer->socket(), 1, Interest::write())); // always ready
    bool happened = false;
    world.at(world.now() + 1ms, [&] { happened = true; });
    Events<1> events;
    for (int i = 0; i < 10'000 && !happened; ++i) ASSERT_TRUE(selector->select(events, 1s));
    EXPECT_TRUE(happened);
}

TEST(Sim, WaitingForNothingIsADeadlock) {
    World world(1);
    auto selector = std::move(world.make_selector().value());
    Events<1> events;
    const auto count = selector->select(events, std::nullopt);
    ASSERT_FALSE(count);
    EXPECT_EQ(count.error().kind, ErrorKind::deadlock);
    bool done = false;
    EXPECT_FALSE(world.run_until([&] { return done; }));
    world.at(world.now() + 5s, [&] {
        done = true;
        selector->wake();
    });
    EXPECT_TRUE(selector->select(events, std::nullopt));
    EXPECT_TRUE(done);
}

TEST(Sim, RunUntilHasALimit) {
    World world(1);
    world.at(world.now() + 2h, [] {});
    const Instant before = world.now();
    EXPECT_FALSE(world.run_until([] { return false; }, 1h));
    EXPECT_LE(world.now() - before, 1h);
    EXPECT_TRUE(world.step());
    EXPECT_FALSE(world.step());
    world.advance(5s);
    EXPECT_EQ(world.now() - before, 2h + 5s);
}

TEST(Sim, EventsOfOneInstantKeepTheirOrder) {
    World world(1);
    std::string order;
    world.at(world.now() + 2ms, [&] { order += 'c'; });
    world.at(world.now() + 1ms, [&] {
        order += 'a';
        world.at(Instant{0}, [&] { order += 'b'; }); // the past is now
    });
    world.at(world.now() + 2ms, [&] { order += 'd'; });
    world.advance(2ms);
    EXPECT_EQ(order, "abcd");
}

TEST(Sim, ConnectingTakesTimeAndSaysAgain) {
    World world(1);
    Echo echo(world);
    const Socket client = world.sockets().connect(here).value();
    EXPECT_EQ(world.sockets().connect_result(client).error().kind, ErrorKind::again);
    std::array<char, 4> into;
    EXPECT_EQ(world.sockets().recv(client, into).status, Io::Status::would_block);
    const ConstBuffer piece{"x", 1};
    EXPECT_EQ(world.sockets().send(client, {&piece, 1}).status, Io::Status::would_block);
    EXPECT_TRUE(world.run_until([&] { return !!world.sockets().connect_result(client); }));
    EXPECT_TRUE(world.sockets().send(client, {&piece, 1}).ok());
}

TEST(Sim, AFullBacklogTimesOut) {
    World world(1);
    const Socket listener = world.sockets().listen(here, {.backlog = 2}).value();
    std::vector<std::unique_ptr<Peer>> peers;
    for (int i = 0; i < 3; ++i) peers.push_back(Peer::connect(world, here).value());
    const auto one_is_over = [&] {
        return std::ranges::any_of(peers, [](const auto& peer) { return peer->over(); });
    };
    ASSERT_TRUE(world.run_until(one_is_over));
    int timed_out = 0;
    for (const auto& peer : peers) timed_out += peer->error() == ETIMEDOUT;
    EXPECT_EQ(timed_out, 1);
    // One that comes while there is room again is taken.
    auto late = Peer::connect(world, here).value();
    world.advance(500ms);
    Accepted accepted;
    ASSERT_TRUE(world.sockets().accept(listener, accepted).ok());
    EXPECT_TRUE(world.run_until([&] { return late->connected(); }));
}

TEST(Sim, ClosingAListenerResetsItsBacklog) {
    World world(1);
    const Socket listener = world.sockets().listen(here, {}).value();
    auto waiting = Peer::connect(world, here).value();
    world.advance(1s);
    auto arriving = Peer::connect(world, here).value();
    world.sockets().close(listener);
    ASSERT_TRUE(world.run_until([&] { return waiting->over() && arriving->over(); }));
    EXPECT_EQ(waiting->error(), ECONNRESET);
    EXPECT_EQ(arriving->error(), ECONNREFUSED);
}

TEST(Sim, OneWhoLeavesWhileConnectingIsNoticed) {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        World world(seed);
        const Socket listener = world.sockets().listen(here, {}).value();
        const Socket client = world.sockets().connect(here).value();
        world.advance(Duration{static_cast<std::int64_t>(seed) * 50'000}); // 0.05 to 2.5 ms
        world.sockets().close(client);
        world.advance(1s);
        Accepted accepted;
        if (!world.sockets().accept(listener, accepted).ok()) continue; // it had not begun
        Peer server(world, accepted.socket);
        EXPECT_TRUE(world.run_until([&] { return server.over(); })) << "seed " << seed;
    }
}

TEST(Sim, DescriptorsRunOut) {
    Options options;
    options.sockets_max = 3; // the listener and two clients
    World world(1, options);
    const Socket listener = world.sockets().listen(here, {}).value();
    auto first = Peer::connect(world, here).value();
    auto second = Peer::connect(world, here).value();
    EXPECT_EQ(world.sockets().connect(here).error().code, EMFILE);
    EXPECT_EQ(world.sockets().listen(*Address::parse("127.0.0.1:81"), {}).error().code, EMFILE);
    world.advance(1s);
    Accepted accepted;
    EXPECT_EQ(world.sockets().accept(listener, accepted).code, EMFILE);
    world.options().sockets_max = 10;
    EXPECT_TRUE(world.sockets().accept(listener, accepted).ok());
}

TEST(Sim, PeersComeFromAnywhere) {
    World world(1);
    const Socket listener = world.sockets().listen(*Address::parse("[::]:80"), {}).value();
    const Address from = *Address::parse("203.0.113.9:0");
    auto peer = Peer::connect(world, *Address::parse("198.51.100.1:80"), from).value();
    world.advance(1s);
    Accepted accepted;
    ASSERT_TRUE(world.sockets().accept(listener, accepted).ok());
    EXPECT_EQ(accepted.peer.host(), "::ffff:203.0.113.9");
    EXPECT_NE(accepted.peer.port, 0);
    EXPECT_EQ(world.sockets().local_address(accepted.socket)->host(), "::ffff:198.51.100.1");
}

TEST(Sim, APausedPeerFillsTheWindow) {
    Options options;
    options.window_bytes_min = options.window_bytes_max = 1'000;
    World world(1, options);
    const Socket listener = world.sockets().listen(here, {}).value();
    auto client = Peer::connect(world, here).value();
    client->pause_reading();
    world.advance(1s);
    Accepted accepted;
    ASSERT_TRUE(world.sockets().accept(listener, accepted).ok());
    Peer server(world, accepted.socket);
    server.send(std::string(5'000, 'x'));
    world.advance(1min);
    EXPECT_EQ(server.unsent(), 4'000U);
    EXPECT_TRUE(client->received().empty());
    client->resume_reading();
    EXPECT_TRUE(world.run_until([&] { return client->received().size() == 5'000; }));
    EXPECT_EQ(server.unsent(), 0U);
}

TEST(Sim, AHalfClosedPeerStillReads) {
    World world(1);
    const Socket listener = world.sockets().listen(here, {}).value();
    auto client = Peer::connect(world, here).value();
    client->send("question");
    client->shutdown_write();
    world.advance(1s);
    Accepted accepted;
    ASSERT_TRUE(world.sockets().accept(listener, accepted).ok());
    Peer server(world, accepted.socket);
    ASSERT_TRUE(world.run_until([&] { return server.ended(); }));
    EXPECT_EQ(server.received(), "question");
    server.send("answer");
    ASSERT_TRUE(world.run_until([&] { return client->received() == "answer"; }));
    server.close();
    ASSERT_TRUE(world.run_until([&] { return client->ended(); }));
    EXPECT_EQ(client->error(), 0);
}

TEST(Sim, EntropyFollowsTheSeed) {
    const auto draw = [](std::uint64_t seed) {
        World world(seed);
        std::array<std::byte, 16> out;
        EXPECT_TRUE(world.entropy(out));
        return out;
    };
    EXPECT_EQ(draw(1), draw(1));
    EXPECT_NE(draw(1), draw(2));
}

TEST(Sim, NothingIsLeftOpen) {
    World world(3, Options::hostile());
    {
        Echo echo(world);
        std::vector<std::unique_ptr<Peer>> peers;
        for (int i = 0; i < 20; ++i) {
            peers.push_back(Peer::connect(world, here).value());
            peers.back()->send("hello");
            if (i % 3 == 0) peers.back()->shutdown_write();
        }
        world.run_until([&] {
            echo.turn();
            return std::ranges::all_of(
                peers, [](const auto& peer) { return peer->received() == "hello"; });
        });
        for (std::size_t i = 0; i < peers.size(); ++i) {
            if (i % 2 == 0) peers[i]->reset();
        }
        peers.clear();
        world.run_until([&] {
            echo.turn();
            return false;
        });
    }
    EXPECT_EQ(world.network().open_sockets(), 1U) << "the listener";
}

} // namespace
} // namespace hc::sys::sim
