// A house whose connections are encrypted, and a client of it.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/link/h1_driver.hpp"
#include "core/link/tls_acceptor.hpp"
#include "tests/unit/link/house.hpp"

namespace hc::link::test {

using tls::Progress;

inline const tls::Credentials own =
    *tls::Credentials::self_signed(std::vector<std::string>{"localhost"});

inline tls::Context server_context(tls::ServerSettings settings = {}) {
    if (settings.credentials.empty() && !settings.asks) settings.credentials = {own};
    settings.alpn = {"http/1.1"};
    return *tls::Context::server(settings);
}
inline tls::Context client_context(std::string roots = own.certificate()) {
    tls::ClientSettings settings;
    settings.roots = std::move(roots);
    settings.alpn = {"http/1.1"};
    return *tls::Context::client(settings);
}

/// A house whose connections are encrypted.
class TlsHouse : public House {
public:
    explicit TlsHouse(std::uint64_t seed = 1, sim::Options options = {},
                      tls::Context tls = server_context(),
                      std::shared_ptr<CertificateSource> source = nullptr)
        : House(seed, std::move(options)), layer(std::move(tls), std::move(source)) {
        on_transport = [this](std::unique_ptr<Transport> transport) {
            layer.start(
                context(), std::move(transport), {},
                [](ConnectionContext& context, std::unique_ptr<Transport> ready,
                   std::string_view protocol, const void* listener) {
                    EXPECT_EQ(protocol, "http/1.1");
                    EXPECT_EQ(listener, &context.limits);
                    EXPECT_TRUE(ready->secure());
                    H1Driver::start(context, std::move(ready));
                },
                &limits);
        };
    }

    TlsLayer layer;
};

/// A client of it, which moves when it is asked to.
class TlsPeer final : private tls::Wire {
public:
    TlsPeer(TlsHouse& house, const tls::Context& context, const std::string& host = "localhost")
        : peer_(house.connect()), engine_(*tls::Engine::client(context, *this, host)) {}

    void send(std::string_view plaintext) {
        if (engine_.is_established()) {
            EXPECT_EQ(engine_.write(plaintext), Progress::done);
        } else {
            waiting_ += plaintext;
        }
    }
    /// Takes in what has come. True once the server has ended its side, in whatever way.
    bool pump() {
        const std::string bytes = peer_->take_received();
        engine_.feed(bytes);
        if (!engine_.is_established() && last != Progress::failed) {
            last = engine_.handshake();
            if (last == Progress::done) send(std::exchange(waiting_, {}));
        }
        if (engine_.is_established()) read();
        if (peer_->over() && last == Progress::wants_input) {
            engine_.feed_end();
            read();
        }
        return peer_->over();
    }
    tls::Engine& engine() { return engine_; }
    sim::Peer& peer() { return *peer_; }

    std::string received;
    Progress last = Progress::wants_input;

private:
    void read() {
        char buffer[2000];
        std::size_t got = 0;
        while (last != Progress::ended && last != Progress::failed &&
               (last = engine_.read(buffer, got)) == Progress::done) {
            received.append(buffer, got);
        }
    }
    void send_ciphertext(std::string_view bytes) override { peer_->send(bytes); }

    std::unique_ptr<sim::Peer> peer_;
    tls::Engine engine_;
    std::string waiting_;
};

} // namespace hc::link::test
