// Two engines that talk to each other, in pieces of any size.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/tls/engine.hpp"

namespace hc::tls::test {

/// One end: an engine, what it has sent and what it has read.
class End final : private Wire {
public:
    End() = default;
    End(const End&) = delete; // its engine knows it as the wire
    End& operator=(const End&) = delete;

    std::string sent; // ciphertext on its way to the other end
    std::string read; // plaintext
    Progress last = Progress::wants_input;

    void accept(const Context& context) { engine_.emplace(*Engine::server(context, *this)); }
    void connect(const Context& context, const std::string& host, std::string_view session) {
        engine_.emplace(*Engine::client(context, *this, host, session));
    }
    Engine& engine() { return *engine_; }
    bool failed() const { return last == Progress::failed; }
    bool ended() const { return last == Progress::ended; }

    /// Takes ciphertext and does all that can be done with it.
    void take(std::string_view ciphertext) {
        engine_->feed(ciphertext);
        go_on();
    }
    void take_end() {
        engine_->feed_end();
        go_on();
    }
    void go_on() {
        if (failed() || ended()) return;
        if (!engine_->is_established()) last = engine_->handshake();
        if (!engine_->is_established()) return;
        char buffer[4096];
        std::size_t got = 0;
        while ((last = engine_->read(buffer, got)) == Progress::done) read.append(buffer, got);
    }

private:
    void send_ciphertext(std::string_view bytes) override { sent += bytes; }
    std::optional<Engine> engine_;
};

struct Pair {
    End client;
    End server;

    Pair(const Context& client_context, const Context& server_context,
         const std::string& host = "localhost", std::string_view session = {}) {
        client.connect(client_context, host, session);
        server.accept(server_context);
    }

    /// Carries bytes in pieces of this size until nothing moves any more.
    void carry(std::size_t piece = std::string::npos) {
        client.go_on();
        while (!client.sent.empty() || !server.sent.empty()) {
            carry(client, server, piece);
            carry(server, client, piece);
        }
    }
    bool established() {
        return client.engine().is_established() && server.engine().is_established();
    }

private:
    static void carry(End& from, End& to, std::size_t piece) {
        const std::string bytes = std::exchange(from.sent, {});
        for (std::size_t at = 0; at < bytes.size();) {
            const std::size_t n = std::min(piece, bytes.size() - at);
            to.take(std::string_view(bytes).substr(at, n));
            at += n;
        }
    }
};

inline Credentials credentials(const std::vector<std::string>& names) {
    return *Credentials::self_signed(names);
}
inline Context server_context(ServerSettings settings = {}) {
    if (settings.credentials.empty()) settings.credentials = {credentials({"localhost"})};
    return *Context::server(settings);
}
/// Trusts these.
inline Context client_context(const std::vector<Credentials>& trusted,
                              ClientSettings settings = {}) {
    for (const Credentials& each : trusted) settings.roots += each.certificate();
    return *Context::client(settings);
}

} // namespace hc::tls::test
