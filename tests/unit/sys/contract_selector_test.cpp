// The contract in core/sys/sys.hpp, on every system that keeps it: selectors.
#include <thread>

#include "tests/unit/sys/contract_fixture.hpp"

namespace hc::sys::test {
namespace {

class SelectorContract : public Contract {};

TEST_P(SelectorContract, RegisteringReportsWhatIsReady) {
    const Pair pair = make_pair();
    for (const bool edge : {false, true}) {
        Interest interest = Interest::write();
        interest.edge = edge;
        ASSERT_TRUE(selector().register_(pair.client, 7, interest));
        EXPECT_TRUE(await(7).writable);
        ASSERT_TRUE(selector().deregister(pair.client));
    }
}

TEST_P(SelectorContract, LevelTriggeredRepeatsUntilTaken) {
    const Pair pair = make_pair();
    ASSERT_TRUE(selector().register_(pair.server, 7, Interest::read()));
    EXPECT_TRUE(is_quiet(7));
    send_all(pair.client, "x");
    EXPECT_TRUE(await(7).readable);
    EXPECT_TRUE(await(7).readable);
    EXPECT_EQ(read(pair.server, 1), "x");
    EXPECT_TRUE(is_quiet(7));
}

TEST_P(SelectorContract, EdgeTriggeredReportsOnlyArrivals) {
    const Pair pair = make_pair();
    ASSERT_TRUE(selector().register_(pair.server, 7, Interest::read().edge_triggered()));
    send_all(pair.client, "x");
    EXPECT_TRUE(await(7).readable);
    EXPECT_TRUE(is_quiet(7)) << "nothing new arrived";
    send_all(pair.client, "y");
    EXPECT_TRUE(await(7).readable);
    EXPECT_EQ(read(pair.server, 2), "xy");
    EXPECT_TRUE(is_quiet(7));
}

TEST_P(SelectorContract, EdgeTriggeredReportsNewRoomOnce) {
    const Pair pair = make_pair();
    ASSERT_TRUE(selector().register_(pair.client, 7, Interest::write().edge_triggered()));
    EXPECT_TRUE(await(7).writable);
    std::size_t sent = fill(pair.client);
    EXPECT_GT(sent, 0U);
    // While nobody reads, there may be a little room that was on its way; then there is none.
    while (!is_quiet(7)) sent += fill(pair.client);
    EXPECT_EQ(read(pair.server, sent).size(), sent);
    EXPECT_TRUE(await(7).writable);
    EXPECT_GT(fill(pair.client), 0U);
}

TEST_P(SelectorContract, LevelTriggeredWritableEndsWhenFull) {
    const Pair pair = make_pair();
    ASSERT_TRUE(selector().register_(pair.client, 7, Interest::write()));
    EXPECT_TRUE(await(7).writable);
    EXPECT_TRUE(await(7).writable);
    std::size_t sent = fill(pair.client);
    while (!is_quiet(7)) sent += fill(pair.client);
    EXPECT_EQ(read(pair.server, sent).size(), sent);
    EXPECT_TRUE(await(7).writable);
}

TEST_P(SelectorContract, AShortCountPromisesAWritableEvent) {
    const Pair pair = make_pair();
    ASSERT_TRUE(selector().register_(pair.client, 7, Interest::write().edge_triggered()));
    EXPECT_TRUE(await(7).writable);
    const std::string block(16 * 1024 * 1024, 'x'); // more than any window
    const Io io = send(pair.client, block);
    ASSERT_TRUE(io.ok());
    ASSERT_LT(io.bytes, block.size());
    EXPECT_EQ(read(pair.server, io.bytes).size(), io.bytes);
    EXPECT_TRUE(await(7).writable); // and nobody called send again
}

TEST_P(SelectorContract, WakeEndsTheNextSelect) {
    selector().wake();
    Events<4> events;
    const Instant before = system().clock().now();
    const auto count = selector().select(events, patience);
    ASSERT_TRUE(count);
    EXPECT_EQ(*count, 0U);
    EXPECT_LT(system().clock().now() - before, patience);
}

TEST_P(SelectorContract, WakesMergeAndAreUsedUp) {
    for (int round = 0; round < 3; ++round) {
        for (int i = 0; i < 5; ++i) selector().wake();
        Events<4> events;
        const Instant before = system().clock().now();
        ASSERT_TRUE(selector().select(events, patience));
        ASSERT_LT(system().clock().now() - before, patience);
        const Instant then = system().clock().now();
        ASSERT_TRUE(selector().select(events, moment));
        EXPECT_GE(system().clock().now() - then, moment) << "an old wake came again";
    }
}

TEST_P(SelectorContract, WakeMayComeFromAnyThread) {
    for (int i = 0; i < 200; ++i) {
        std::thread other([this] { selector().wake(); });
        if (system().name() == "sim") other.join(); // the simulation never waits for real
        Events<4> events;
        const Instant before = system().clock().now();
        ASSERT_TRUE(selector().select(events, patience));
        EXPECT_LT(system().clock().now() - before, patience);
        if (other.joinable()) other.join();
    }
}

TEST_P(SelectorContract, SelectTakesItsTime) {
    Events<4> events;
    for (const Duration timeout : {Duration{1}, Duration{1'500'000}, Duration{20'000'000}}) {
        const Instant before = system().clock().now();
        ASSERT_TRUE(selector().select(events, timeout));
        EXPECT_GE(system().clock().now() - before, timeout) << "it woke before its time";
    }
    const Instant before = system().clock().now();
    ASSERT_TRUE(selector().select(events, Duration::zero()));
    ASSERT_TRUE(selector().select(events, Duration{-5}));
    EXPECT_LT(system().clock().now() - before, 1s);
}

TEST_P(SelectorContract, SelectNeedsRoom) {
    const auto count = selector().select(std::span<Event>{}, Duration::zero());
    ASSERT_FALSE(count);
    EXPECT_EQ(count.error().kind, ErrorKind::invalid);
}

TEST_P(SelectorContract, MoreReadyThanRoomLosesNothing) {
    constexpr Token pairs = 20;
    std::array<bool, pairs> seen{};
    for (Token i = 0; i < pairs; ++i) {
        ASSERT_TRUE(
            selector().register_(make_pair().client, i, Interest::write().edge_triggered()));
    }
    for (Token found = 0; found < pairs;) {
        Events<3> events;
        ASSERT_TRUE(selector().select(events, patience));
        ASSERT_FALSE(events.empty());
        for (const Event& event : events) {
            EXPECT_FALSE(seen.at(event.token)) << "edge-triggered, and nothing new";
            seen.at(event.token) = true;
            ++found;
        }
    }
}

TEST_P(SelectorContract, ARegistrationIsReportedOnceASelect) {
    const Pair pair = make_pair();
    ASSERT_TRUE(selector().register_(pair.server, 7, Interest::both().edge_triggered()));
    EXPECT_TRUE(await(7).writable);
    // Several things happen to the socket; another selector tells that the last one is there.
    send_all(pair.client, "x");
    EXPECT_TRUE(is_quiet(8));
    send_all(pair.client, "y");
    sockets().shutdown_write(pair.client);
    auto waiting = make_selector();
    ASSERT_TRUE(waiting->register_(pair.server, 1, Interest::read()));
    await(*waiting, 1, read_closed);
    for (std::size_t count = 1; count > 0;) {
        Events<8> events;
        count = selector().select(events, Duration::zero()).value();
        EXPECT_LE(count, 1U);
    }
}

TEST_P(SelectorContract, WhatWasTakenMeanwhileIsNotReported) {
    constexpr Token pairs = 5;
    std::array<Socket, pairs> servers{};
    for (Token i = 0; i < pairs; ++i) {
        const Pair pair = make_pair();
        servers.at(i) = pair.server;
        send_all(pair.client, "x");
        auto waiting = make_selector();
        ASSERT_TRUE(waiting->register_(pair.server, 1, Interest::read()));
        await(*waiting, 1);
        ASSERT_TRUE(selector().register_(pair.server, i, Interest::read()));
    }
    Events<1> events; // the others have to wait
    ASSERT_EQ(selector().select(events, patience).value(), 1U);
    for (const Socket server : servers) EXPECT_EQ(read(server, 1), "x");
    for (Token i = 0; i < pairs; ++i) EXPECT_TRUE(is_quiet(i)) << i;
}

TEST_P(SelectorContract, WhatIsDeregisteredClosesAtOnce) {
    for (const bool edge : {false, true}) {
        for (const bool ready : {false, true}) {
            const Pair pair = make_pair();
            Interest interest = Interest::read();
            interest.edge = edge;
            ASSERT_TRUE(selector().register_(pair.server, 7, interest));
            EXPECT_TRUE(is_quiet(7));
            if (ready) send_all(pair.client, "x");
            if (ready) EXPECT_EQ(read(pair.server, 1), "x");
            ASSERT_TRUE(selector().reregister(pair.server, 8, interest));
            ASSERT_TRUE(selector().deregister(pair.server));
            close(pair.server);
            EXPECT_EQ(read(pair.client), "") << "without another select";
        }
    }
}

TEST_P(SelectorContract, ASelectorLetsGoWhenItEnds) {
    const Pair pair = make_pair();
    const Socket listener = listen("127.0.0.1:0");
    const Address at = address_of(listener);
    auto other = make_selector();
    ASSERT_TRUE(other->register_(pair.server, 1, Interest::both().edge_triggered()));
    ASSERT_TRUE(other->register_(listener, 2, Interest::read()));
    await(*other, 1);
    other.reset();
    close(pair.server);
    EXPECT_EQ(read(pair.client), "");
    close(listener);
    EXPECT_NE(listen(at.to_string()), Socket::none);
}

TEST_P(SelectorContract, WrongRegistrationsAreRefused) {
    const Socket socket = make_pair().client;
    EXPECT_FALSE(selector().deregister(socket));
    EXPECT_FALSE(selector().reregister(socket, 1, Interest::read()));
    EXPECT_FALSE(selector().register_(socket, UINT64_MAX, Interest::read()));
    EXPECT_FALSE(selector().register_(socket, token_max + 1, Interest::read()));
    EXPECT_FALSE(selector().register_(Socket::none, 1, Interest::read()));
    ASSERT_TRUE(selector().register_(socket, token_max, Interest::read()));
    EXPECT_FALSE(selector().register_(socket, 2, Interest::read())) << "it is watched already";
    EXPECT_FALSE(selector().reregister(socket, UINT64_MAX - 1, Interest::read()));
    ASSERT_TRUE(selector().deregister(socket));
    EXPECT_FALSE(selector().deregister(socket));
}

TEST_P(SelectorContract, ReregisteringReplacesTokenAndInterest) {
    const Pair pair = make_pair();
    send_all(pair.client, "x");
    ASSERT_TRUE(selector().register_(pair.server, 7, Interest::read().edge_triggered()));
    EXPECT_TRUE(await(7).readable);
    ASSERT_TRUE(selector().reregister(pair.server, 8, Interest::read().edge_triggered()));
    EXPECT_TRUE(await(8).readable) << "what is ready is reported again";
    ASSERT_TRUE(selector().reregister(pair.server, 9, Interest::write()));
    const Event event = await(9);
    EXPECT_TRUE(event.writable);
    EXPECT_FALSE(event.readable) << "nobody asked";
    EXPECT_EQ(read(pair.server, 1), "x");
}

TEST_P(SelectorContract, DeregisteredIsQuiet) {
    const Pair pair = make_pair();
    ASSERT_TRUE(selector().register_(pair.server, 7, Interest::both()));
    ASSERT_TRUE(selector().deregister(pair.server));
    send_all(pair.client, "x");
    EXPECT_TRUE(is_quiet(7));
    EXPECT_EQ(read(pair.server, 1), "x");
}

TEST_P(SelectorContract, InterestInNothingIsQuiet) {
    const Pair pair = make_pair();
    ASSERT_TRUE(selector().register_(pair.server, 7, Interest{}));
    send_all(pair.client, "x");
    sockets().shutdown_write(pair.client);
    EXPECT_TRUE(is_quiet(7));
    ASSERT_TRUE(selector().reregister(pair.server, 7, Interest::read()));
    EXPECT_TRUE(await(selector(), 7, read_closed).readable);
}

TEST_P(SelectorContract, ExclusiveWatchersAllWorkTogether) {
    const Socket listener = listen("127.0.0.1:0");
    auto other = make_selector();
    const Interest shared{.readable = true, .exclusive = true};
    ASSERT_TRUE(selector().register_(listener, 7, shared));
    ASSERT_TRUE(other->register_(listener, 7, shared));
    for (int i = 0; i < 10; ++i) {
        connect(address_of(listener));
        // Somebody hears of it; who, is the system's choice.
        bool heard = false;
        const Instant end = system().clock().now() + patience;
        while (!heard && system().clock().now() < end) {
            for (Selector* each : {&selector(), other.get()}) {
                Events<4> events;
                ASSERT_TRUE(each->select(events, milliseconds(1)));
                heard |= !events.empty();
            }
        }
        EXPECT_TRUE(heard);
        Accepted accepted;
        ASSERT_TRUE(sockets().accept(listener, accepted).ok());
        keep(accepted.socket);
    }
    // To and from exclusive.
    ASSERT_TRUE(selector().reregister(listener, 8, Interest::read()));
    ASSERT_TRUE(other->deregister(listener));
    connect(address_of(listener));
    EXPECT_TRUE(await(8).readable);
    ASSERT_TRUE(selector().reregister(listener, 9, shared));
    EXPECT_TRUE(await(9).readable);
}

INSTANTIATE_TEST_SUITE_P(Systems, SelectorContract, testing::ValuesIn(all_envs()), name_of);

} // namespace
} // namespace hc::sys::test
