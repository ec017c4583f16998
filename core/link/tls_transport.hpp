// TlsTransport: TLS as a layer between a transport and its user, once the handshake is done.
//
// Plaintext waits here, ciphertext below. It is encrypted only as fast as the layer below gets rid
// of it, so that what a slow peer keeps waiting is kept once, and lent memory is given back as soon
// as it is encrypted. Small pieces that wait together share a record.
#pragma once

#include <memory>
#include <string>

#include "core/link/context.hpp"
#include "core/link/transport.hpp"
#include "core/tls/engine.hpp"

namespace hc::link {

class TlsTransport final : public Transport,
                           private TransportUser,
                           private tls::Wire,
                           private runtime::Deferred {
public:
    /// `engine` is established. The context outlives this.
    TlsTransport(ConnectionContext& context, std::unique_ptr<Transport> lower, tls::Engine engine);
    ~TlsTransport() override;

    /// Ciphertext that came together with the end of the handshake.
    void take(std::string_view rest) { on_data(rest); }
    const tls::Engine& engine() const noexcept { return engine_; }

    void set_user(TransportUser& user) noexcept override { user_ = &user; }
    char* reserve(std::size_t n) override { return plain_.reserve(n); }
    void commit(std::size_t n) noexcept override;
    void send(std::string_view bytes) override;
    void send(Chain&& chain) override;
    std::uint64_t queued() const noexcept override { return plain_.size() + lower_->queued(); }
    std::uint64_t queued_memory() const noexcept override {
        return plain_.memory_size() + lower_->queued_memory();
    }
    void pause_reading() noexcept override;
    void resume_reading() noexcept override;
    bool reading_paused() const noexcept override { return paused_; }
    void shutdown() noexcept override;
    void close() noexcept override;
    void abort() noexcept override;
    bool closed() const noexcept override { return lower_->closed(); }
    const Endpoint& peer() const noexcept override { return lower_->peer(); }
    void set_peer(const Endpoint& peer) noexcept override { lower_->set_peer(peer); }
    sys::Address local() const override { return lower_->local(); }
    bool secure() const noexcept override { return true; }
    std::shared_ptr<const Security> security() const override;
    runtime::Worker& worker() const noexcept override { return lower_->worker(); }
    std::uint64_t number() const noexcept override { return lower_->number(); }

private:
    // From below.
    void on_data(std::string_view slice) override;
    void on_end() override;
    void on_written() override;
    void on_closed(ErrorKind why) override;
    // From the engine.
    void send_ciphertext(std::string_view bytes) override { lower_->send(bytes); }

    void run_deferred() override;
    void pump();
    void keep_rest();
    void flush();
    bool encrypt_front();
    std::size_t gather(std::span<char> into) const noexcept;
    void schedule();
    void lose(ErrorKind why);

    ConnectionContext& context_;
    std::unique_ptr<Transport> lower_;
    tls::Engine engine_;
    TransportUser* user_ = nullptr;
    Chain plain_;                                      // output that is not encrypted yet
    mutable std::shared_ptr<const Security> security_; // once asked for
    std::string held_;    // ciphertext that came before reading was paused, while it is paused
    bool corked_ = false; // in a call from below, at the end of which output leaves
    bool paused_ = false;
    bool ended_ = false;   // the user knows that the peer has ended
    bool resumed_ = false; // what is here already is to be read in the next pass
    bool shutdown_wanted_ = false;
    bool shutdown_done_ = false;
};

} // namespace hc::link
