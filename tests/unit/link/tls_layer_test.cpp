// What a listener with TLS offers beyond bytes: new certificates, facts, certificates that are
// asked for, and its bounds.
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "tests/unit/link/tls_house.hpp"

namespace hc::link::test {
namespace {

constexpr std::string_view request = "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n";

bool answered(TlsHouse& house, TlsPeer& client) {
    const std::size_t before = client.received.size();
    client.send(request);
    return house.until([&] {
        client.pump();
        return client.received.size() >= before + answer_200("/1|").size() ||
               client.last == Progress::failed;
    }) && client.last != Progress::failed;
}

TEST(TlsLayerOf, NewCertificatesAreForConnectionsToCome) {
    TlsHouse house;
    const tls::Credentials renewed =
        *tls::Credentials::self_signed(std::vector<std::string>{"localhost"});
    TlsPeer before(house, client_context());
    ASSERT_TRUE(answered(house, before));
    TlsPeer shaking(house, client_context());
    shaking.pump();
    ASSERT_TRUE(house.until([&] { return house.connections() == 2; }));

    tls::ServerSettings settings;
    settings.credentials = {renewed};
    house.layer.reload(server_context(settings));
    EXPECT_TRUE(answered(house, before)) << "it goes on as it began";
    EXPECT_TRUE(answered(house, shaking)) << "and so does a handshake";
    TlsPeer after(house, client_context(renewed.certificate()));
    EXPECT_TRUE(answered(house, after));
    TlsPeer outdated(house, client_context());
    EXPECT_FALSE(answered(house, outdated));
}

TEST(TlsLayerOf, FactsAreOnTheExchange) {
    const tls::Credentials client = *tls::Credentials::self_signed(std::vector<std::string>{"me"});
    tls::ServerSettings settings;
    settings.client_certificates = tls::ClientCertificates::required;
    settings.roots = client.certificate();
    TlsHouse house(1, {}, server_context(settings));
    std::shared_ptr<const Security> facts;
    std::string_view scheme;
    house.script.on_head = [&](Exchange& exchange, Record& record) {
        facts = exchange.security();
        scheme = exchange.scheme();
        ASSERT_EQ(exchange.respond(200, {}, "x", {.fin = true}), ErrorKind::ok);
        Script::release(record);
    };
    tls::ClientSettings mine;
    mine.roots = own.certificate();
    mine.credentials = {client};
    mine.alpn = {"http/1.1"};
    TlsPeer peer(house, *tls::Context::client(mine));
    peer.send(request);
    ASSERT_TRUE(house.until([&] {
        peer.pump();
        return facts != nullptr;
    }));
    EXPECT_EQ(scheme, "https");
    EXPECT_EQ(facts->version, "TLSv1.3");
    EXPECT_EQ(facts->cipher, "TLS_AES_128_GCM_SHA256");
    EXPECT_EQ(facts->group, "X25519MLKEM768");
    EXPECT_EQ(facts->server_name, "localhost");
    EXPECT_EQ(facts->protocol, "http/1.1");
    EXPECT_FALSE(facts->resumed);
    ASSERT_EQ(facts->peer_chain.size(), 1U);
    EXPECT_EQ(facts->peer_chain[0].substr(0, 1), "\x30") << "DER";
}

TEST(TlsLayerOf, HandshakesBeyondTheBoundAreClosed) {
    TlsHouse house;
    house.context().handshakes_max = 2;
    TlsPeer served(house, client_context());
    ASSERT_TRUE(answered(house, served)) << "it counts no more once it is through";
    auto first = house.connect();
    auto second = house.connect();
    ASSERT_TRUE(house.until([&] { return house.connections() == 3; }));
    auto third = house.connect();
    ASSERT_TRUE(house.until([&] { return third->over(); }));
    EXPECT_EQ(house.context().handshakes, 2U);
    EXPECT_EQ(house.counters.connections_refused.get(), 1U);
    EXPECT_TRUE(answered(house, served)) << "others go on";
    first->reset();
    ASSERT_TRUE(house.until([&] { return house.context().handshakes == 1; }));
    TlsPeer next(house, client_context());
    EXPECT_TRUE(answered(house, next));
    second->reset();
    ASSERT_TRUE(house.until([&] { return house.context().handshakes == 0; }));
}

// -- certificates that are asked for --------------------------------------------------------------

class Asked final : public CertificateSource {
public:
    std::uint64_t needed(CertificateWaiter& of) override {
        waiter = &of;
        name = of.server_name();
        return ++number;
    }
    void gone(std::uint64_t) noexcept override { waiter = nullptr; }

    CertificateWaiter* waiter = nullptr;
    std::string name;
    std::uint64_t number = 0;
};

class AskingHouse : public testing::Test {
protected:
    static tls::Context context() {
        tls::ServerSettings settings;
        settings.asks = true;
        return server_context(settings);
    }
    /// A client whose handshake waits.
    void wait_with(TlsPeer& client) {
        client.send(request);
        ASSERT_TRUE(house.until([&] {
            client.pump();
            return source->waiter != nullptr;
        }));
    }

    const std::shared_ptr<Asked> source = std::make_shared<Asked>();
    TlsHouse house{1, {}, context(), source};
};

TEST_F(AskingHouse, TheHandshakeWaitsForTheAnswer) {
    TlsPeer client(house, client_context());
    wait_with(client);
    EXPECT_EQ(source->name, "localhost");
    house.turn_for(1s);
    EXPECT_FALSE(client.engine().is_established());
    std::exchange(source->waiter, nullptr)->answer(own);
    ASSERT_TRUE(house.until([&] {
        client.pump();
        return client.received.size() >= answer_200("/1|").size();
    }));
    EXPECT_EQ(client.received, answer_200("/1|"));
    EXPECT_EQ(house.context().handshakes, 0U);
}

TEST_F(AskingHouse, ARefusalEndsIt) {
    TlsPeer client(house, client_context());
    wait_with(client);
    std::exchange(source->waiter, nullptr)->refuse();
    ASSERT_TRUE(house.until([&] { return client.pump(); }));
    EXPECT_EQ(client.last, Progress::failed);
}

TEST_F(AskingHouse, WhoeverLeavesOrIsTooLateIsWithdrawn) {
    {
        TlsPeer client(house, client_context());
        wait_with(client);
        client.peer().reset();
        ASSERT_TRUE(house.until([&] { return source->waiter == nullptr; }));
    }
    TlsPeer client(house, client_context());
    wait_with(client);
    ASSERT_TRUE(house.until([&] { return client.pump(); })) << "its time is limited";
    EXPECT_EQ(source->waiter, nullptr);
    EXPECT_EQ(house.counters.timeouts.get(), 1U);
}

} // namespace
} // namespace hc::link::test
