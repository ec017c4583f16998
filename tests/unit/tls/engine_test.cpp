#include "core/tls/engine.hpp"

#include <random>

#include "tests/unit/tls/pair.hpp"

namespace hc::tls {
namespace {

using test::client_context;
using test::credentials;
using test::End;
using test::Pair;

std::string some_bytes(std::size_t n) {
    std::string bytes(n, '\0');
    std::minstd_rand random(static_cast<unsigned>(n));
    for (char& each : bytes) each = static_cast<char>(random());
    return bytes;
}

/// A server for localhost, and a client that trusts it.
class EngineTest : public testing::Test {
protected:
    Credentials own_ = credentials({"localhost", "127.0.0.1"});

    Pair pair(ServerSettings server = {}, ClientSettings client = {},
              const std::string& host = "localhost") {
        server.credentials = {own_};
        return {client_context({own_}, std::move(client)), *Context::server(server), host};
    }
};

class InPieces : public EngineTest, public testing::WithParamInterface<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(Sizes, InPieces, testing::Values(1, 5, 100, 5000, std::string::npos));

TEST_P(InPieces, BothWays) {
    Pair pair = this->pair();
    pair.carry(GetParam());
    ASSERT_TRUE(pair.established());
    const std::string question = some_bytes(40'000);
    const std::string answer = some_bytes(70'000);
    EXPECT_EQ(pair.client.engine().write(question), Progress::done);
    EXPECT_EQ(pair.server.engine().write(answer), Progress::done);
    pair.carry(GetParam());
    EXPECT_EQ(pair.server.read, question);
    EXPECT_EQ(pair.client.read, answer);
}

TEST_P(InPieces, TheEndIsTold) {
    Pair pair = this->pair();
    pair.carry(GetParam());
    EXPECT_EQ(pair.client.engine().write("last"), Progress::done);
    pair.client.engine().close();
    pair.carry(GetParam());
    EXPECT_EQ(pair.server.read, "last");
    EXPECT_TRUE(pair.server.ended());
    EXPECT_EQ(pair.server.engine().write("still"), Progress::done) << "its own side goes on";
    pair.carry(GetParam());
    EXPECT_EQ(pair.client.read, "still");
}

TEST_F(EngineTest, Facts) {
    Pair pair = this->pair();
    pair.carry();
    for (End* end : {&pair.client, &pair.server}) {
        EXPECT_EQ(end->engine().version(), "TLSv1.3");
        EXPECT_EQ(end->engine().cipher(), "TLS_AES_128_GCM_SHA256");
        EXPECT_EQ(end->engine().group(), "X25519MLKEM768");
        EXPECT_EQ(end->engine().alpn(), "");
    }
    EXPECT_EQ(pair.server.engine().server_name(), "localhost");
    EXPECT_EQ(pair.client.engine().peer_chain().size(), 1U);
    EXPECT_EQ(pair.server.engine().peer_chain().size(), 0U);
}

TEST_F(EngineTest, AnOlderVersionIsSpokenWhereItIsAllowed) {
    ClientSettings old;
    old.newest = Version::tls1_2;
    Pair pair = this->pair({}, old);
    pair.carry(7);
    ASSERT_TRUE(pair.established());
    EXPECT_EQ(pair.server.engine().version(), "TLSv1.2");
    EXPECT_EQ(pair.client.engine().write("hello"), Progress::done);
    pair.carry(7);
    EXPECT_EQ(pair.server.read, "hello");

    ServerSettings strict;
    strict.oldest = Version::tls1_3;
    Pair refused = this->pair(strict, old);
    refused.carry();
    EXPECT_TRUE(refused.server.failed());
    EXPECT_TRUE(refused.client.failed()) << "told by an alert";
    EXPECT_EQ(refused.client.engine().error().kind, ErrorKind::protocol);
}

TEST_F(EngineTest, AnEndWithoutNoticeIsAnError) {
    for (const bool established : {false, true}) {
        Pair pair = this->pair();
        if (established) pair.carry();
        else pair.client.go_on();
        pair.server.take_end();
        EXPECT_TRUE(pair.server.failed());
        EXPECT_EQ(pair.server.engine().error().kind, ErrorKind::reset);
        EXPECT_FALSE(pair.server.engine().error().connection_survives);
    }
}

TEST_F(EngineTest, AFailureIsForEver) {
    Pair pair = this->pair();
    pair.carry();
    pair.server.take(std::string("\x17\x03\x03\x00\x20", 5) + some_bytes(32));
    ASSERT_TRUE(pair.server.failed());
    EXPECT_EQ(pair.server.engine().error().kind, ErrorKind::protocol);
    EXPECT_EQ(pair.server.engine().unread(), "");
    EXPECT_EQ(pair.server.engine().write("x"), Progress::failed);
    EXPECT_EQ(pair.server.engine().handshake(), Progress::failed);
    pair.server.engine().close();
    EXPECT_FALSE(pair.server.engine().is_established());
}

TEST_F(EngineTest, ClearTextIsRecognised) {
    Pair pair = this->pair();
    pair.server.take("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    ASSERT_TRUE(pair.server.failed());
    EXPECT_NE(pair.server.engine().error().message.find("http request"), std::string::npos)
        << pair.server.engine().error().message;
}

// Whatever bit is changed on the way, nobody takes what was not sent.
TEST_F(EngineTest, ChangedBytesAreFound) {
    for (std::size_t at = 0; at < 60; ++at) {
        Pair pair = this->pair();
        pair.carry();
        ASSERT_EQ(pair.client.engine().write(std::string(38, 'x')), Progress::done);
        std::string record = std::exchange(pair.client.sent, {});
        ASSERT_EQ(record.size(), 60U);
        record[at] = static_cast<char>(record[at] ^ (1 << (at % 8)));
        pair.server.take(record);
        pair.server.take_end();
        EXPECT_TRUE(pair.server.failed()) << at;
        EXPECT_EQ(pair.server.read, "") << at;
    }
}

TEST_F(EngineTest, NonsenseEndsAHandshakeAndNothingElse) {
    for (unsigned seed = 0; seed < 300; ++seed) {
        Pair pair = this->pair();
        pair.client.go_on();
        std::string hello = std::exchange(pair.client.sent, {});
        std::minstd_rand random(seed);
        for (int i = 0; i < 3; ++i) {
            hello[random() % hello.size()] = static_cast<char>(random());
        }
        pair.server.take(hello);
        pair.server.take(some_bytes(seed));
        pair.server.take_end();
        EXPECT_TRUE(pair.server.failed());
        EXPECT_FALSE(pair.server.engine().error().message.empty());
    }
}

TEST_F(EngineTest, EndsAtAnyPoint) {
    std::size_t whole = 0;
    {
        Pair pair = this->pair();
        pair.client.go_on();
        whole = pair.client.sent.size();
    }
    for (std::size_t at = 0; at <= whole; at += 97) {
        Pair pair = this->pair();
        pair.client.go_on();
        pair.server.take(std::string_view(pair.client.sent).substr(0, at));
    }
}

TEST_F(EngineTest, EmptyWritesSendNothing) {
    Pair pair = this->pair();
    pair.carry();
    EXPECT_EQ(pair.client.engine().write(""), Progress::done);
    EXPECT_EQ(pair.client.sent, "");
}

} // namespace
} // namespace hc::tls
