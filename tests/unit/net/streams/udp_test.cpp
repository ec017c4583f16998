// UDP sockets: one datagram, batches, trains, and those who wait.
#include "core/net/udp.hpp"

#include "tests/unit/net/streams/house.hpp"

namespace hc::net::test {
namespace {

class Udp : public House {
protected:
    UdpSocket bind(std::size_t home, const UdpOptions& options = {}) {
        return must(UdpSocket::bind(worker(home), local(), options));
    }
};

Task<void> echo(UdpSocket& socket, int datagrams) {
    std::vector<char> memory(2048);
    for (int i = 0; i < datagrams; ++i) {
        const DatagramsIn got = must(co_await socket.recv_from(memory));
        EXPECT_EQ(got.to, socket.local_address());
        must(co_await socket.send_to({memory.data(), got.bytes}, got.from));
    }
}
Task<void> ask(UdpSocket& socket, Address to, int datagrams) {
    std::vector<char> memory(2048);
    for (int i = 0; i < datagrams; ++i) {
        const std::string text(static_cast<std::size_t>(i * 10), 'x');
        must(co_await socket.send_to(text, to));
        const DatagramsIn got = must(co_await socket.recv_from(memory));
        EXPECT_EQ(std::string_view(memory.data(), got.bytes), text);
        EXPECT_EQ(got.from, to);
    }
}

TEST_P(Udp, QuestionsAndAnswers) {
    UdpSocket server = bind(0);
    UdpSocket client = bind(1);
    EXPECT_NE(server.local_address().port, 0);
    run_all(echo(server, 20), ask(client, server.local_address(), 20));
}

TEST_P(Udp, AskedElsewhereThanAtHome) {
    UdpSocket server = bind(1); // its task runs on the other worker
    UdpSocket client = bind(0);
    run_all(echo(server, 20), ask(client, server.local_address(), 20));
}

Task<void> send_all(UdpSocket& socket, std::vector<DatagramsOut> messages) {
    std::span<DatagramsOut> left = messages;
    while (!left.empty()) {
        const std::size_t sent = must(co_await socket.send_many(left));
        EXPECT_GT(sent, 0U);
        left = left.subspan(sent);
    }
}

/// Receives until so many bytes are there, in batches; gives how many datagrams they were.
Task<void> receive_all(UdpSocket& socket, std::size_t bytes, std::string* out, std::size_t* count) {
    std::vector<std::string> memory(8, std::string(64 * 1024, '\0'));
    while (out->size() < bytes) {
        std::vector<DatagramsIn> messages;
        for (std::string& each : memory) messages.push_back({.into = each});
        const std::size_t filled = must(co_await socket.recv_many(messages));
        EXPECT_GT(filled, 0U);
        for (const DatagramsIn& message : std::span(messages).first(filled)) {
            out->append(message.into.data(), message.bytes);
            EXPECT_GT(message.segment_bytes, 0U);
            EXPECT_EQ(message.ecn, Ecn::ect0);
            *count += (message.bytes + message.segment_bytes - 1) / message.segment_bytes;
        }
    }
}

TEST_P(Udp, BatchesOfTrains) {
    for (const bool coalesce : {false, true}) {
        UdpSocket from = bind(0);
        UdpSocket to = bind(1, {.coalesce = coalesce, .receive_buffer_bytes = 1024 * 1024});
        std::string sent;
        for (int i = 0; i < 30'000; ++i) sent += static_cast<char>('a' + i % 26);
        std::vector<DatagramsOut> messages;
        for (std::size_t i = 0; i < 3; ++i) { // 9 datagrams each, the last one short
            messages.push_back({.bytes = std::string_view(sent).substr(i * 10'000, 10'000),
                                .to = &to.local_address(),
                                .segment_bytes = 1200,
                                .ecn = Ecn::ect0});
        }
        std::string got;
        std::size_t count = 0;
        run_all(send_all(from, messages), receive_all(to, sent.size(), &got, &count));
        EXPECT_EQ(got, sent);
        EXPECT_EQ(count, 27U);
    }
}

// The real loopback drops in place of making anybody wait.
class SimulatedUdp : public Udp {};

TEST_P(SimulatedUdp, ASenderWaitsForRoom) {
    world().options().datagram_flight_bytes_max = 2000;
    UdpSocket from = bind(0);
    UdpSocket to = bind(1);
    const std::string sent(30'000, 'x');
    const DatagramsOut train{
        .bytes = sent, .to = &to.local_address(), .segment_bytes = 1000, .ecn = Ecn::ect0};
    std::string got;
    std::size_t count = 0;
    run_all(send_all(from, {train, train}), receive_all(to, 60'000, &got, &count));
    EXPECT_EQ(count, 60U);
}

TEST_P(Udp, AConnectedSocketLearnsThatNobodyIsThere) {
    Address nobody;
    {
        UdpSocket gone = bind(0);
        nobody = gone.local_address();
    }
    settle();
    UdpSocket socket = bind(0);
    run([](UdpSocket* from, Address to) -> Task<void> {
        must(from->connect(to));
        must(co_await from->send("anybody?"));
        std::vector<char> memory(16);
        const auto got = co_await from->recv_from(memory);
        EXPECT_FALSE(got);
        if (!got) EXPECT_EQ(got.error().kind, ErrorKind::refused);
    }(&socket, nobody));
    // Once: it waits again, and does not spin.
    WakeCount wakes;
    const runtime::Waker waker = wakes.waker();
    Context context(waker);
    std::vector<char> memory(16);
    DatagramsIn room{.into = memory};
    EXPECT_FALSE(socket.poll_recv_many(context, {&room, 1}).is_ready());
    EXPECT_EQ(wakes.wakes, 0);
}

TEST_P(Udp, GivingUpLeavesNothingBehind) {
    UdpSocket from = bind(0);
    UdpSocket to = bind(1);
    WakeCount wakes;
    std::vector<char> memory(16);
    {
        const runtime::Waker waker = wakes.waker();
        Context context(waker);
        auto receive = to.recv_from(memory);
        EXPECT_FALSE(receive.poll(context).is_ready());
        EXPECT_EQ(wakes.wakers, 2);
    }
    EXPECT_EQ(wakes.wakers, 0);
    run([](UdpSocket* sender, Address at) -> Task<void> {
        must(co_await sender->send_to("x", at));
    }(&from, to.local_address()));
    run([](UdpSocket* receiver, std::vector<char>* into) -> Task<void> {
        EXPECT_EQ(must(co_await receiver->recv_from(*into)).bytes, 1U);
    }(&to, &memory));
}

TEST_P(Udp, ErrorsOfOneDatagramDoNotEndTheSocket) {
    UdpSocket from = bind(0);
    UdpSocket to = bind(1);
    run([](UdpSocket* sender, Address at) -> Task<void> {
        EXPECT_FALSE(co_await sender->send("where to?"));
        const std::string too_long(70'000, 'x');
        const auto sent = co_await sender->send_to(too_long, at);
        EXPECT_FALSE(sent);
        EXPECT_EQ(must(co_await sender->send_many({})), 0U);
        must(co_await sender->send_to("fits", at));
    }(&from, to.local_address()));
    EXPECT_EQ(UdpSocket::bind(worker(), to.local_address()).error().kind,
              ErrorKind::address_in_use);
    EXPECT_EQ(UdpSocket::bind(worker(), Address()).error().kind, ErrorKind::invalid);
    to.close();
    EXPECT_EQ(to.connect(from.local_address()).error().kind, ErrorKind::state);
}

TEST_P(Udp, TheEndOfTheHome) {
    UdpSocket socket = bind(0);
    end_worker(0);
    run(1, [](UdpSocket* at) -> Task<void> {
        std::vector<char> memory(16);
        EXPECT_EQ((co_await at->recv_from(memory)).error().kind, ErrorKind::closed);
    }(&socket));
}

INSTANTIATE_TEST_SUITE_P(Systems, Udp, testing::ValuesIn(all_houses()), name_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SimulatedUdp);
INSTANTIATE_TEST_SUITE_P(Systems, SimulatedUdp, testing::ValuesIn(simulated_houses()), name_of);

} // namespace
} // namespace hc::net::test
