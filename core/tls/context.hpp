// Context: everything about TLS that connections share.
#pragma once

#include <memory>
#include <string_view>

#include "core/base/result.hpp"
#include "core/tls/settings.hpp"

struct ssl_ctx_st;

namespace hc::tls {

/// Immutable once made; copies share. Any thread. A connection keeps the context it began with, so
/// new certificates come by a new context for the connections to come.
class Context {
public:
    /// `invalid` for whatever of the settings cannot be used, a certificate too weak included.
    static Result<Context> server(const ServerSettings& settings);
    static Result<Context> client(const ClientSettings& settings);

    bool is_server() const noexcept;
    /// Whether handshakes may wait for a certificate (Progress::wants_certificate).
    bool asks() const noexcept;
    /// Whether one of its keys takes long to sign with, see Credentials::is_costly.
    bool is_costly() const noexcept;
    /// The default certificate's; for Engine.
    ssl_ctx_st* native() const noexcept;

    struct State; // for the files of core/tls
    const State& state() const noexcept { return *state_; }

private:
    explicit Context(std::shared_ptr<const State> state) noexcept : state_(std::move(state)) {}
    std::shared_ptr<const State> state_;
};

/// "3.5.7", say.
std::string_view library_version() noexcept;

} // namespace hc::tls
