// What a Context is inside. Only the files of core/tls include this.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/tls/context.hpp"
#include "core/tls/ossl.hpp"

namespace hc::tls {

/// Of one handshake, when its server may ask for a certificate: the SSL's application data.
struct Inquiry {
    enum class Stage : std::uint8_t {
        none,    // one of ours will do
        wanted,  // none of ours is for that name
        asked,   // the handshake waits
        answered // with `answer`, or refused when there is none
    };
    Stage stage = Stage::none;
    bool offers_acme = false; // the client offers "acme-tls/1" (RFC 8737)
    std::optional<Credentials> answer;
};

struct Context::State {
    bool server = false;
    bool asks = false;
    bool costly = false;
    std::vector<ContextPtr> contexts; // at least one
    std::string alpn;                 // as it is sent: each behind a byte that is its length
    // An SSL_CTX holds one certificate (of each kind of key), so there is one for each.
    std::unordered_map<std::string, ssl_ctx_st*> by_name;
    std::shared_ptr<Tickets> tickets;
    KeyLog key_log;

    ssl_ctx_st* find(std::string_view host) const;
    /// Of any context that was made for a State.
    static const State& of(const SSL* ssl) noexcept {
        return *static_cast<const State*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
    }
    /// Of a server's connection; nullptr when its context never asks.
    static Inquiry* inquiry_of(const SSL* ssl) noexcept {
        return static_cast<Inquiry*>(SSL_get_app_data(ssl));
    }
    /// Of a client's: where the session goes that may be taken up later.
    static SessionPtr& session_of(const SSL* ssl) noexcept {
        return *static_cast<SessionPtr*>(SSL_get_app_data(ssl));
    }
};

/// `invalid`, behind which is what OpenSSL has noted.
Error unusable(std::string_view what);
/// What both ends have in common. The application data are to be set to the State.
Result<ContextPtr> make_context(const SSL_METHOD* method, const CommonSettings& settings,
                                const Context::State& state);
Result<void> use(SSL_CTX& context, const Credentials& credentials);
/// For ALPN.
Result<std::string> wire_form(const std::vector<std::string>& protocols);

} // namespace hc::tls
