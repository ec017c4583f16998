// TlsConnector: a connection during its TLS handshake, as a client. It then hands the connection
// on, as a transport that is encrypted.
//
//   shaking --done--> handed on
//      |----failed, peer's end, time--> parting (the user knows) --peer's end or time--> gone
//      `----cancel()--> gone
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/link/context.hpp"
#include "core/link/tls_transport.hpp"
#include "core/runtime/timer_wheel.hpp"
#include "core/tls/engine.hpp"

namespace hc::link {

class TlsConnector final : public runtime::Retired,
                           private TransportUser,
                           private tls::Wire,
                           private runtime::Timer {
public:
    /// Gets one of the two calls, once, unless cancel() comes first.
    class User {
    public:
        /// To be taken over within the call: set_user(), and then take(rest), which may be empty.
        /// What was agreed upon by ALPN is engine().alpn().
        virtual void on_connected(std::unique_ptr<TlsTransport> transport,
                                  std::string_view rest) = 0;
        /// `permission`: the peer's certificate will not do. `protocol`: TLS failed otherwise.
        /// `timeout`; `reset`: the peer left. The message says more.
        virtual void on_refused(const Error& why) = 0;

    protected:
        ~User() = default;
    };

    /// On the context's worker. Says hello over `lower`, which is connected and has to be ready
    /// within `tls_handshake_timeout_ms`. `host` and `session` as Engine::client has them. The user
    /// is called later. `invalid` when the host can be no name; the connection is closed then.
    static Result<TlsConnector*> start(ConnectionContext& context, const tls::Context& tls,
                                       std::unique_ptr<Transport> lower, const std::string& host,
                                       std::string_view session, User& user);
    /// The user is not interested any more. It is the last call, and not for inside of the user's.
    void cancel() noexcept;

private:
    TlsConnector(ConnectionContext& context, std::unique_ptr<Transport> lower, User& user) noexcept;
    // TransportUser
    void on_data(std::string_view slice) override;
    void on_end() override;
    void on_written() override {}
    void on_closed(ErrorKind why) override;
    // tls::Wire
    void send_ciphertext(std::string_view bytes) override { lower_->send(bytes); }
    static void on_timer(runtime::Timer& timer) noexcept;
    void hand_on();
    void refuse(const Error& why);
    void wait(std::uint32_t ms) noexcept;
    void end() noexcept;
    void retire() noexcept;

    ConnectionContext& context_;
    std::unique_ptr<Transport> lower_;
    std::unique_ptr<tls::Engine> engine_;
    User* user_; // nullptr once it was told
    bool gone_ = false;
};

} // namespace hc::link
