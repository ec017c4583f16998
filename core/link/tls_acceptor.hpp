// TlsAcceptor: a connection during its TLS handshake, as a server. It then hands the connection on,
// as a transport that is encrypted.
//
//   shaking --done--> handed on
//      |----failed--> parting (the peer is told, and its end is waited for) --> gone
//      `----peer's end, time, drain--> gone
#pragma once

#include <memory>
#include <optional>

#include "core/link/context.hpp"
#include "core/link/layer.hpp"
#include "core/link/tls_transport.hpp"
#include "core/runtime/timer_wheel.hpp"
#include "core/tls/engine.hpp"

namespace hc::link {

class TlsAcceptor final : public Connection,
                          private TransportUser,
                          private tls::Wire,
                          private runtime::Timer {
public:
    /// A handshake that fails, or takes longer than `tls_handshake_timeout_ms`, ends the connection
    /// and nothing else.
    static TlsAcceptor& start(ConnectionContext& context, const tls::Context& tls,
                              std::unique_ptr<Transport> lower, Layer::Next next,
                              const void* listener);

    void drain() noexcept override { end(false); }
    void hurry() noexcept override { end(false); }
    void kill() noexcept override { end(true); }
    bool busy() const noexcept override { return false; }
    /// Bytes that came before (behind a PROXY header).
    void feed(std::string_view slice) { on_data(slice); }

private:
    TlsAcceptor(ConnectionContext& context, std::unique_ptr<Transport> lower, Layer::Next next,
                const void* listener);
    void on_data(std::string_view slice) override;
    void on_end() override { end(false); }
    void on_written() override {}
    void on_closed(ErrorKind) override { end(false); }
    void send_ciphertext(std::string_view bytes) override { lower_->send(bytes); }
    static void on_timer(runtime::Timer& timer) noexcept;
    void hand_on();
    void part();
    void wait(std::uint32_t ms) noexcept;
    void end(bool reset) noexcept;
    void retire() noexcept;

    ConnectionContext& context_;
    std::unique_ptr<Transport> lower_;
    std::optional<tls::Engine> engine_;
    const Layer::Next next_;
    const void* const listener_;
    bool parting_ = false;
    bool gone_ = false;
};

/// TLS as a layer of a server's listener.
class TlsLayer final : public Layer {
public:
    explicit TlsLayer(tls::Context context) noexcept : context_(std::move(context)) {}
    void start(ConnectionContext& context, std::unique_ptr<Transport> transport,
               std::string_view rest, Next next, const void* listener) const override {
        auto& acceptor =
            TlsAcceptor::start(context, context_, std::move(transport), next, listener);
        if (!rest.empty()) acceptor.feed(rest);
    }

private:
    const tls::Context context_;
};

} // namespace hc::link
