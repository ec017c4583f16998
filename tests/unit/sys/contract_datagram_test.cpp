// The contract in core/sys/sys.hpp, on every system that keeps it: datagrams, and names of hosts.
#include <algorithm>
#include <cerrno>
#include <map>

#include "tests/unit/sys/contract_fixture.hpp"

namespace hc::sys::test {
namespace {

struct Got {
    std::string bytes;
    Address from;
    Address to;
    Ecn ecn;
    bool truncated;
};

class DatagramContract : public Contract {
protected:
    Socket bind(const std::string& at, const UdpOptions& options = {}) {
        auto made = sockets().bind_udp(*Address::parse(at), options);
        EXPECT_TRUE(made) << made.error().message;
        return made ? keep(*made) : Socket::none;
    }
    Io send(Socket socket, DatagramsOut message) {
        return sockets().send_udp(socket, {&message, 1});
    }
    Io send(Socket socket, std::string_view text, const Address& to) {
        return send(socket, {.bytes = text, .to = &to});
    }
    /// Receives until so many datagrams are there, each of a train counted.
    std::vector<Got> receive(Socket socket, std::size_t count, std::size_t room = 64 * 1024) {
        auto waiting = make_selector();
        EXPECT_TRUE(waiting->register_(socket, 1, Interest::read()));
        std::vector<std::string> memory(4, std::string(room, '\0'));
        std::vector<Got> out;
        while (out.size() < count) {
            std::vector<DatagramsIn> messages;
            for (std::string& each : memory) messages.push_back({.into = each});
            const Io io = sockets().recv_udp(socket, messages);
            if (io.status == Io::Status::would_block) {
                await(*waiting, 1);
                if (HasFailure()) break;
                continue;
            }
            EXPECT_TRUE(io.ok()) << io.code;
            if (!io.ok()) break;
            for (std::size_t i = 0; i < io.bytes; ++i) unpack(messages[i], out);
        }
        return out;
    }
    static void unpack(const DatagramsIn& message, std::vector<Got>& out) {
        std::string_view left(message.into.data(), message.bytes);
        do {
            const std::string_view one = left.substr(0, message.segment_bytes);
            out.push_back(
                {std::string(one), message.from, message.to, message.ecn, message.truncated});
            left.remove_prefix(one.size());
        } while (!left.empty());
    }
    bool nothing_is_there(Socket socket) {
        auto waiting = make_selector();
        EXPECT_TRUE(waiting->register_(socket, 1, Interest::read()));
        return is_quiet(*waiting, 1);
    }
};

TEST_P(DatagramContract, ADatagramArrivesWithWhatGoesWithIt) {
    const Socket one = bind("127.0.0.1:0");
    const Socket two = bind("127.0.0.1:0");
    EXPECT_NE(address_of(one).port, 0);
    for (const Ecn ecn : {Ecn::none, Ecn::ect0, Ecn::ect1, Ecn::ce}) {
        const Address to = address_of(two);
        const Io io = send(one, {.bytes = "hello", .to = &to, .ecn = ecn});
        ASSERT_TRUE(io.ok()) << io.code;
        EXPECT_EQ(io.bytes, 1U);
        const std::vector<Got> got = receive(two, 1);
        ASSERT_EQ(got.size(), 1U);
        EXPECT_EQ(got[0].bytes, "hello");
        EXPECT_EQ(got[0].from, address_of(one));
        EXPECT_EQ(got[0].to, *Address::parse("127.0.0.1:0"));
        EXPECT_EQ(got[0].ecn, ecn);
        EXPECT_FALSE(got[0].truncated);
    }
}

TEST_P(DatagramContract, V6) {
    if (!has_v6()) GTEST_SKIP() << "no IPv6 on this machine";
    const Socket one = bind("[::1]:0");
    const Socket two = bind("[::1]:0");
    const Address to = address_of(two);
    ASSERT_TRUE(send(one, {.bytes = "hello", .to = &to, .ecn = Ecn::ect0}).ok());
    const std::vector<Got> got = receive(two, 1);
    ASSERT_EQ(got.size(), 1U);
    EXPECT_EQ(got[0].from, address_of(one));
    EXPECT_EQ(got[0].to, *Address::parse("[::1]:0"));
    EXPECT_EQ(got[0].ecn, Ecn::ect0);
}

TEST_P(DatagramContract, ADualStackSocketSpeaksToBoth) {
    if (!has_v6()) GTEST_SKIP() << "no IPv6 on this machine";
    const Socket both = bind("[::]:0");
    const Socket v4 = bind("127.0.0.1:0");
    Address to = *Address::parse("127.0.0.1:0");
    to.port = address_of(both).port;
    ASSERT_TRUE(send(v4, {.bytes = "four", .to = &to, .ecn = Ecn::ce}).ok());
    const std::vector<Got> got = receive(both, 1);
    ASSERT_EQ(got.size(), 1U);
    EXPECT_TRUE(got[0].from.is_v4_mapped());
    EXPECT_EQ(got[0].from.unmapped(), address_of(v4));
    EXPECT_EQ(got[0].to.unmapped(), *Address::parse("127.0.0.1:0"));
    EXPECT_EQ(got[0].ecn, Ecn::ce);
    // The answer goes to where the question came from, from where it went to.
    ASSERT_TRUE(
        send(both, {.bytes = "answer", .to = &got[0].from, .from = &got[0].to, .ecn = Ecn::ect1})
            .ok());
    const std::vector<Got> answer = receive(v4, 1);
    ASSERT_EQ(answer.size(), 1U);
    EXPECT_EQ(answer[0].from, to);
    EXPECT_EQ(answer[0].ecn, Ecn::ect1);
}

TEST_P(DatagramContract, ItLeavesFromTheAddressThatIsAskedFor) {
    const Socket wild = bind("0.0.0.0:0");
    const Socket peer = bind("127.0.0.1:0");
    const Address to = address_of(peer);
    Address from = *Address::parse("127.0.0.2:0");
    ASSERT_TRUE(send(wild, {.bytes = "x", .to = &to, .from = &from}).ok());
    const std::vector<Got> got = receive(peer, 1);
    ASSERT_EQ(got.size(), 1U);
    from.port = address_of(wild).port;
    EXPECT_EQ(got[0].from, from);
    ASSERT_TRUE(send(peer, "back", from).ok());
    const std::vector<Got> back = receive(wild, 1);
    ASSERT_EQ(back.size(), 1U);
    EXPECT_EQ(back[0].to, *Address::parse("127.0.0.2:0")) << "which of our addresses it was";
}

TEST_P(DatagramContract, BoundariesAreKept) {
    const Socket one = bind("127.0.0.1:0");
    const Socket two = bind("127.0.0.1:0");
    const Address to = address_of(two);
    const std::vector<std::string> texts{"a", "", "three", std::string(9000, 'x'), ""};
    std::vector<DatagramsOut> messages;
    for (const std::string& text : texts) messages.push_back({.bytes = text, .to = &to});
    const Io io = sockets().send_udp(one, messages);
    ASSERT_TRUE(io.ok()) << io.code;
    EXPECT_EQ(io.bytes, texts.size());
    const std::vector<Got> got = receive(two, texts.size());
    ASSERT_EQ(got.size(), texts.size());
    for (std::size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(got[i].bytes, texts[i]);
}

TEST_P(DatagramContract, ManyInOneCall) {
    const Socket one = bind("127.0.0.1:0");
    const Socket two = bind("127.0.0.1:0");
    const Address to = address_of(two);
    std::vector<std::string> texts;
    for (int i = 0; i < 100; ++i) texts.push_back(std::to_string(i));
    std::vector<DatagramsOut> messages;
    for (const std::string& text : texts) messages.push_back({.bytes = text, .to = &to});
    EXPECT_EQ(sockets().send_udp(one, messages).bytes, 100U);
    const std::vector<Got> got = receive(two, 100);
    ASSERT_EQ(got.size(), 100U);
    for (std::size_t i = 0; i < 100; ++i) EXPECT_EQ(got[i].bytes, texts[i]);
    EXPECT_EQ(sockets().send_udp(one, {}).bytes, 0U);
    EXPECT_TRUE(sockets().recv_udp(two, {}).ok());
    std::array<char, 8> memory;
    DatagramsIn room{.into = memory};
    EXPECT_EQ(sockets().recv_udp(two, {&room, 1}).status, Io::Status::would_block);
}

/// The bytes of a train of distinguishable datagrams.
std::string train_of(std::size_t bytes, std::size_t segment) {
    std::string out(bytes, '\0');
    for (std::size_t i = 0; i < bytes; ++i) out[i] = static_cast<char>('a' + i / segment % 26);
    return out;
}

void expect_train(const std::vector<Got>& got, std::string_view train, std::size_t segment) {
    std::string_view left = train;
    for (const Got& each : got) {
        ASSERT_EQ(each.bytes, left.substr(0, segment));
        left.remove_prefix(each.bytes.size());
    }
    EXPECT_TRUE(left.empty());
}

TEST_P(DatagramContract, ATrainArrivesAsItsDatagrams) {
    struct Case {
        std::size_t bytes;
        std::uint32_t segment;
    };
    for (const Case& each : {Case{12'300, 1200},
                             {12'000, 1200},
                             {1200, 1200},
                             {500, 1200},
                             {15'000, 100},
                             {90'000, 1400},
                             {3, 1}}) {
        for (const bool coalesce : {false, true}) {
            const Socket one = bind("127.0.0.1:0");
            const Socket two = bind("127.0.0.1:0", {.coalesce = coalesce});
            const Address to = address_of(two);
            const std::string train = train_of(each.bytes, each.segment);
            const Io io = send(
                one, {.bytes = train, .to = &to, .segment_bytes = each.segment, .ecn = Ecn::ect0});
            ASSERT_TRUE(io.ok()) << io.code;
            EXPECT_EQ(io.bytes, 1U);
            const std::size_t count = (each.bytes + each.segment - 1) / each.segment;
            const std::vector<Got> got = receive(two, count);
            EXPECT_EQ(got.size(), count);
            expect_train(got, train, each.segment);
            for (const Got& datagram : got) EXPECT_EQ(datagram.ecn, Ecn::ect0);
            close(one);
            close(two);
        }
    }
}

TEST_P(DatagramContract, TrainsAndDatagramsInOneCall) {
    const Socket one = bind("127.0.0.1:0");
    const Socket two = bind("127.0.0.1:0");
    const Address to = address_of(two);
    const std::string train = train_of(2500, 1000);
    std::vector<DatagramsOut> messages{
        {.bytes = "first", .to = &to},
        {.bytes = train, .to = &to, .segment_bytes = 1000},
        {.bytes = "last", .to = &to, .segment_bytes = 1000},
    };
    EXPECT_EQ(sockets().send_udp(one, messages).bytes, 3U);
    const std::vector<Got> got = receive(two, 5);
    ASSERT_EQ(got.size(), 5U);
    EXPECT_EQ(got[0].bytes, "first");
    EXPECT_EQ(got[3].bytes, train.substr(2000));
    EXPECT_EQ(got[4].bytes, "last");
}

TEST_P(DatagramContract, WhatIsLongerThanItsRoomIsCutOff) {
    const Socket one = bind("127.0.0.1:0");
    const Socket two = bind("127.0.0.1:0");
    ASSERT_TRUE(send(one, "too long", address_of(two)).ok());
    ASSERT_TRUE(send(one, "fits", address_of(two)).ok());
    const std::vector<Got> got = receive(two, 2, 4);
    ASSERT_EQ(got.size(), 2U);
    EXPECT_EQ(got[0].bytes, "too ");
    EXPECT_TRUE(got[0].truncated);
    EXPECT_EQ(got[1].bytes, "fits");
    EXPECT_FALSE(got[1].truncated);
}

TEST_P(DatagramContract, ArrivalsAreEdges) {
    const Socket one = bind("127.0.0.1:0");
    const Socket two = bind("127.0.0.1:0");
    ASSERT_TRUE(selector().register_(two, 7, Interest::both().edge_triggered()));
    EXPECT_TRUE(await(selector(), 7, is_writable).writable);
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(is_quiet(7));
        ASSERT_TRUE(send(one, "x", address_of(two)).ok());
        EXPECT_TRUE(await(7).readable); // though nobody took the one before
    }
    EXPECT_EQ(receive(two, 3).size(), 3U);
}

TEST_P(DatagramContract, AConnectedSocketHearsItsPeerOnly) {
    const Socket one = bind("127.0.0.1:0");
    const Socket two = bind("127.0.0.1:0");
    const Socket other = bind("127.0.0.1:0");
    ASSERT_TRUE(sockets().connect_udp(one, address_of(two)));
    ASSERT_TRUE(send(one, {.bytes = "hello", .ecn = Ecn::ect1}).ok());
    const std::vector<Got> got = receive(two, 1);
    ASSERT_EQ(got.size(), 1U);
    EXPECT_EQ(got[0].from, address_of(one));
    EXPECT_EQ(got[0].ecn, Ecn::ect1);
    ASSERT_TRUE(send(other, "not for you", address_of(one)).ok());
    EXPECT_TRUE(nothing_is_there(one));
    ASSERT_TRUE(send(two, "answer", address_of(one)).ok());
    EXPECT_EQ(receive(one, 1).at(0).bytes, "answer");
}

TEST_P(DatagramContract, AConnectedSocketLearnsThatNobodyIsThere) {
    const Socket one = bind("127.0.0.1:0");
    const Socket two = bind("127.0.0.1:0");
    const Address nobody = address_of(two);
    close(two);
    ASSERT_TRUE(sockets().connect_udp(one, nobody));
    ASSERT_TRUE(selector().register_(one, 7, Interest::both().edge_triggered()));
    ASSERT_TRUE(send(one, {.bytes = "anybody?"}).ok());
    await(selector(), 7, has_failed);
    std::array<char, 8> memory;
    DatagramsIn room{.into = memory};
    const Io io = sockets().recv_udp(one, {&room, 1});
    EXPECT_EQ(io.status, Io::Status::failed);
    EXPECT_EQ(io.code, ECONNREFUSED);
    EXPECT_EQ(sockets().recv_udp(one, {&room, 1}).status, Io::Status::would_block) << "once";
    EXPECT_TRUE(send(one, {.bytes = "still?"}).ok());
}

TEST_P(DatagramContract, WhatCannotBeSentIsReportedInItsTurn) {
    const Socket one = bind("127.0.0.1:0");
    const Socket two = bind("127.0.0.1:0");
    const Address to = address_of(two);
    EXPECT_EQ(send(one, {.bytes = "where to?"}).code, EDESTADDRREQ);
    const std::string long_one(datagram_bytes_max + 1, 'x');
    EXPECT_EQ(send(one, long_one, to).code, EMSGSIZE);
    EXPECT_EQ(send(one, std::string_view(long_one).substr(1), to).bytes, 1U);
    EXPECT_EQ(receive(two, 1).at(0).bytes.size(), datagram_bytes_max);
    std::vector<DatagramsOut> messages{{.bytes = "a", .to = &to},
                                       {.bytes = "b", .to = &to},
                                       {.bytes = long_one, .to = &to},
                                       {.bytes = "c", .to = &to}};
    const Io io = sockets().send_udp(one, messages);
    ASSERT_TRUE(io.ok()) << "what was taken before counts";
    EXPECT_EQ(io.bytes, 2U);
    const std::span<DatagramsOut> rest = std::span(messages).subspan(2);
    EXPECT_EQ(sockets().send_udp(one, rest).code, EMSGSIZE);
    EXPECT_EQ(sockets().send_udp(one, rest.subspan(1)).bytes, 1U);
    const std::vector<Got> got = receive(two, 3);
    ASSERT_EQ(got.size(), 3U);
    EXPECT_EQ(got[2].bytes, "c");
}

TEST_P(DatagramContract, AddressesThatCannotBeBound) {
    const Socket one = bind("127.0.0.1:0");
    const auto again = sockets().bind_udp(address_of(one), {});
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().kind, ErrorKind::address_in_use);
    for (const Address& wrong : {Address(), *Address::unix_path("/run/udp")}) {
        const auto refused = sockets().bind_udp(wrong, {});
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().kind, ErrorKind::invalid);
    }
    EXPECT_EQ(sockets().connect_udp(one, Address()).error().kind, ErrorKind::invalid);
    close(one);
    std::array<char, 8> memory;
    DatagramsIn room{.into = memory};
    EXPECT_EQ(sockets().recv_udp(one, {&room, 1}).code, EBADF);
    EXPECT_EQ(send(one, {.bytes = "x"}).code, EBADF);
}

TEST_P(DatagramContract, SocketsShareAnAddressWhenAllWantTo) {
    const UdpOptions shared{.reuse_port = true};
    const Socket one = bind("127.0.0.1:0", shared);
    const Socket two = bind(address_of(one).to_string(), shared);
    EXPECT_FALSE(sockets().bind_udp(address_of(one), {}));
    // One sender's datagrams all go to the same one on Linux, in the simulation to either.
    const Socket sender = bind("127.0.0.1:0");
    constexpr std::size_t count = 8;
    ASSERT_TRUE(selector().register_(one, 1, Interest::read()));
    ASSERT_TRUE(selector().register_(two, 2, Interest::read()));
    std::size_t seen = 0;
    for (std::size_t i = 0; i < count; ++i) {
        ASSERT_TRUE(send(sender, "x", address_of(one)).ok());
        Events<2> events;
        ASSERT_TRUE(selector().select(events, patience));
        ASSERT_EQ(events.size(), 1U) << "it went to one of them";
        seen += receive(events[0].token == 1 ? one : two, 1).size();
    }
    EXPECT_EQ(seen, count);
}

// -- names --------------------------------------------------------------------------------------

TEST_P(DatagramContract, LiteralAddressesAreTheirOwnAnswer) {
    for (const std::string text : {"127.0.0.1", "::1", "[::1]", "192.0.2.7", "2001:db8::1"}) {
        const auto found = sockets().lookup(text, 443);
        ASSERT_TRUE(found) << found.error().message;
        ASSERT_EQ(found->size(), 1U);
        EXPECT_EQ(found->front(), *Address::ip_port(text, 443));
    }
}

TEST_P(DatagramContract, LocalhostIsThisMachine) {
    const auto found = sockets().lookup("localhost", 8080);
    ASSERT_TRUE(found) << found.error().message;
    ASSERT_FALSE(found->empty());
    for (const Address& each : *found) {
        EXPECT_TRUE(each.host() == "127.0.0.1" || each.host() == "::1") << each.to_string();
        EXPECT_EQ(each.port, 8080);
        EXPECT_EQ(std::ranges::count(*found, each), 1);
    }
}

TEST_P(DatagramContract, WhatCanBeNoName) { // so that nobody is asked
    using namespace std::string_literals;
    for (const std::string& text : {""s, "a\0b"s, std::string(70, 'x'), "no..dots"s}) {
        const auto found = sockets().lookup(text, 80);
        ASSERT_FALSE(found) << text;
        EXPECT_EQ(found.error().kind, ErrorKind::not_found) << found.error().message;
        EXPECT_FALSE(found.error().message.empty());
    }
}

INSTANTIATE_TEST_SUITE_P(Systems, DatagramContract, testing::ValuesIn(all_envs()), name_of);

} // namespace
} // namespace hc::sys::test
