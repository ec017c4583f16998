// TlsAcceptor: a connection during its TLS handshake, as a server. It then hands the connection on,
// as a transport that is encrypted.
//
//   shaking --done--> handed on
//      |  |--needs a certificate--> waiting --answer--> shaking
//      |  `--has to sign, which takes long--> away on another thread --> shaking
//      |----failed--> parting (the peer is told, and its end is waited for) --> gone
//      `----peer's end, time, drain--> gone
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "core/link/certificate_source.hpp"
#include "core/link/context.hpp"
#include "core/link/layer.hpp"
#include "core/link/remote_handshake.hpp"
#include "core/link/tls_transport.hpp"
#include "core/runtime/timer_wheel.hpp"
#include "core/tls/engine.hpp"

namespace hc::link {

class TlsAcceptor final : public Connection,
                          private TransportUser,
                          private CertificateWaiter,
                          private RemoteHandshake::User,
                          private tls::Wire,
                          private runtime::Timer {
public:
    /// A handshake that is one too many, that fails, or that takes longer than
    /// `tls_handshake_timeout_ms` ends the connection and nothing else.
    /// `source` may be nullptr when the TLS context never asks.
    static TlsAcceptor& start(ConnectionContext& context, const tls::Context& tls,
                              std::unique_ptr<Transport> lower, Layer::Next next,
                              const void* listener,
                              std::shared_ptr<CertificateSource> source = nullptr);

    void drain() noexcept override { end(false); }
    void hurry() noexcept override { end(false); }
    void kill() noexcept override { end(true); }
    bool busy() const noexcept override { return false; }
    /// Bytes that came before (behind a PROXY header).
    void feed(std::string_view slice) { on_data(slice); }

private:
    TlsAcceptor(ConnectionContext& context, std::unique_ptr<Transport> lower, Layer::Next next,
                const void* listener, std::shared_ptr<CertificateSource> source);
    // TransportUser
    void on_data(std::string_view slice) override;
    void on_end() override { end(false); }
    void on_written() override {}
    void on_closed(ErrorKind) override { end(false); }
    // CertificateWaiter
    std::string_view server_name() const noexcept override { return engine_->server_name(); }
    bool offers_acme() const noexcept override { return engine_->offers_acme(); }
    runtime::Worker& worker() const noexcept override { return context_.worker; }
    void answer(tls::Credentials credentials) override;
    void refuse() override;
    // RemoteHandshake::User
    void computed(RemoteHandshake& step) override;
    // tls::Wire
    void send_ciphertext(std::string_view bytes) override { lower_->send(bytes); }
    static void on_timer(runtime::Timer& timer) noexcept;
    void go_on();
    bool go_away();
    void act_on(tls::Progress progress);
    void ask();
    void resume();
    void hand_on();
    void part();
    void wait(std::uint32_t ms) noexcept;
    void end(bool reset) noexcept;
    void retire() noexcept;
    void shaken() noexcept;

    ConnectionContext& context_;
    std::unique_ptr<Transport> lower_;
    std::optional<tls::Engine> engine_;
    const Layer::Next next_;
    const void* const listener_;
    const std::shared_ptr<CertificateSource> source_;
    std::uint64_t inquiry_ = 0; // while it waits for an answer
    std::string held_;          // came before the answer, or while the engine was away
    std::shared_ptr<RemoteHandshake> away_;
    bool costly_ = false;  // what comes next is better done on another thread
    bool shaking_ = false; // counted as a handshake under way
    bool parting_ = false;
    bool gone_ = false;
};

/// TLS as a layer of a server's listener.
class TlsLayer final : public Layer {
public:
    /// `source`: asked for certificates when the context asks.
    explicit TlsLayer(tls::Context context,
                      std::shared_ptr<CertificateSource> source = nullptr) noexcept
        : source_(std::move(source)), current_(std::move(context)) {}
    void start(ConnectionContext& context, std::unique_ptr<Transport> transport,
               std::string_view rest, Next next, const void* listener) const override;
    /// For the connections to come; those there are keep what they began with. Any thread.
    void reload(tls::Context context);

private:
    const std::shared_ptr<CertificateSource> source_;
    mutable std::mutex mutex_;
    tls::Context current_;
};

} // namespace hc::link
