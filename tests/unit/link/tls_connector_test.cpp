// The client's end of a handshake. The house accepts the connection and is the client on it; its
// peer is the server.
#include "core/link/tls_connector.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "tests/unit/link/tls_house.hpp"

namespace hc::link::test {
namespace {

/// A server over what the house has accepted.
class ServingPeer final : private tls::Wire {
public:
    ServingPeer(House& house, const tls::Context& context)
        : peer_(house.connect()), engine_(*tls::Engine::server(context, *this)) {}

    void send(std::string_view plaintext) {
        EXPECT_EQ(engine_.write(plaintext), tls::Progress::done);
    }
    void pump() {
        const std::string bytes = peer_->take_received();
        engine_.feed(bytes);
        if (!engine_.is_established() && last != Progress::failed) last = engine_.handshake();
        char buffer[2000];
        std::size_t got = 0;
        while (engine_.is_established() && last != Progress::ended &&
               (last = engine_.read(buffer, got)) == Progress::done) {
            received.append(buffer, got);
        }
    }
    tls::Engine& engine() { return engine_; }
    sim::Peer& peer() { return *peer_; }

    std::string received;
    Progress last = Progress::wants_input;

private:
    void send_ciphertext(std::string_view bytes) override { peer_->send(bytes); }

    std::unique_ptr<sim::Peer> peer_;
    tls::Engine engine_;
};

class ClientHouse : public House, public TlsConnector::User, private TransportUser {
public:
    explicit ClientHouse(std::uint64_t seed = 1, std::string roots = own.certificate())
        : House(seed) {
        on_transport = [this, roots = std::move(roots)](std::unique_ptr<Transport> lower) {
            const Endpoint peer = lower->peer();
            auto begun = TlsConnector::start(context(), client_context(roots), std::move(lower),
                                             host, {}, *this);
            if (begun) connector = *begun;
            else refusal = begun.error();
            context().dispatcher.disconnected(peer); // as a driver would, in the end
        };
    }
    ~ClientHouse() {
        if (transport != nullptr) transport->close();
        turn_for(5s);
    }

    std::string host = "localhost";
    TlsConnector* connector = nullptr;
    std::unique_ptr<TlsTransport> transport;
    std::optional<Error> refusal;
    std::string received;
    bool ended = false;

private:
    void on_connected(std::unique_ptr<TlsTransport> ready, std::string_view rest) override {
        EXPECT_EQ(ready->engine().alpn(), "http/1.1");
        transport = std::move(ready);
        transport->set_user(*this);
        transport->send("hello");
        transport->take(rest);
    }
    void on_refused(const Error& why) override { refusal = why; }
    void on_data(std::string_view slice) override { received += slice; }
    void on_end() override { ended = true; }
    void on_written() override {}
    void on_closed(ErrorKind) override { ended = true; }
};

class Connector : public testing::TestWithParam<std::uint64_t> {};
INSTANTIATE_TEST_SUITE_P(Seeds, Connector, testing::Range<std::uint64_t>(0, 12));

TEST_P(Connector, HandsOnWhatIsEncrypted) {
    ClientHouse house(GetParam());
    ServingPeer server(house, server_context());
    ASSERT_TRUE(house.until([&] {
        server.pump();
        return server.received == "hello";
    }));
    EXPECT_EQ(server.engine().server_name(), "localhost");
    EXPECT_TRUE(house.transport->secure());
    server.send("back");
    ASSERT_TRUE(house.until([&] { return house.received == "back"; }));
    house.transport->shutdown();
    EXPECT_TRUE(house.until([&] {
        server.pump();
        return server.last == Progress::ended;
    }));
}

TEST_P(Connector, WhoIsNotTrustedIsToldAndRefused) {
    ClientHouse house(GetParam(),
                      tls::Credentials::self_signed(std::vector<std::string>{"x"})->certificate());
    ServingPeer server(house, server_context());
    ASSERT_TRUE(house.until([&] {
        server.pump();
        return house.refusal && server.last == Progress::failed;
    }));
    EXPECT_EQ(house.refusal->kind, ErrorKind::permission);
    EXPECT_EQ(house.transport, nullptr);
}

TEST_P(Connector, WhoIsSomebodyElseIsRefused) {
    ClientHouse house(GetParam());
    house.host = "elsewhere";
    ServingPeer server(house, server_context());
    ASSERT_TRUE(house.until([&] {
        server.pump();
        return house.refusal.has_value();
    }));
    EXPECT_EQ(house.refusal->kind, ErrorKind::permission);
}

TEST_P(Connector, WhatIsNoTlsIsRefused) {
    ClientHouse house(GetParam());
    auto peer = house.connect("HTTP/1.1 400 Bad Request\r\n\r\n");
    ASSERT_TRUE(house.until([&] { return house.refusal.has_value(); }));
    EXPECT_EQ(house.refusal->kind, ErrorKind::protocol);
}

TEST_P(Connector, WhoLeavesOrIsSilentIsRefused) {
    for (const bool leaves : {false, true}) {
        ClientHouse house(GetParam());
        house.limits.tls_handshake_timeout_ms = 3000;
        auto peer = house.connect();
        ASSERT_TRUE(house.until([&] { return house.connector != nullptr; }));
        if (leaves) peer->close();
        ASSERT_TRUE(house.until([&] { return house.refusal.has_value(); }));
        EXPECT_EQ(house.refusal->kind, leaves ? ErrorKind::reset : ErrorKind::timeout);
    }
}

TEST_P(Connector, CancelledItTellsNobody) {
    ClientHouse house(GetParam());
    ServingPeer server(house, server_context());
    ASSERT_TRUE(house.until([&] { return house.connector != nullptr; }));
    house.connector->cancel();
    EXPECT_TRUE(house.until([&] {
        server.pump();
        return server.peer().over();
    }));
    EXPECT_FALSE(house.refusal);
    EXPECT_EQ(house.transport, nullptr);
}

TEST_P(Connector, AHostThatIsNoneIsRefusedAtOnce) {
    ClientHouse house(GetParam());
    house.host = "";
    auto peer = house.connect();
    ASSERT_TRUE(house.until([&] { return house.refusal.has_value(); }));
    EXPECT_EQ(house.refusal->kind, ErrorKind::invalid);
}

} // namespace
} // namespace hc::link::test
