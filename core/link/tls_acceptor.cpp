#include "core/link/tls_acceptor.hpp"

#include <utility>

namespace hc::link {

TlsAcceptor::TlsAcceptor(ConnectionContext& context, std::unique_ptr<Transport> lower,
                         Layer::Next next, const void* listener)
    : Timer(&TlsAcceptor::on_timer), context_(context), lower_(std::move(lower)), next_(next),
      listener_(listener) {}

TlsAcceptor& TlsAcceptor::start(ConnectionContext& context, const tls::Context& tls,
                                std::unique_ptr<Transport> lower, Layer::Next next,
                                const void* listener) {
    auto* acceptor = new TlsAcceptor(context, std::move(lower), next, listener);
    acceptor->lower_->set_user(*acceptor);
    context.connections.push_back(*acceptor);
    if (auto engine = tls::Engine::server(tls, *acceptor)) {
        acceptor->engine_.emplace(std::move(*engine));
        acceptor->wait(context.limits.tls_handshake_timeout_ms);
    } else {
        acceptor->end(true); // no memory
    }
    return *acceptor;
}

void TlsAcceptor::on_data(std::string_view slice) {
    if (gone_ || parting_) return; // what still comes is dropped
    engine_->feed(slice);
    switch (engine_->handshake()) {
    case tls::Progress::wants_input: return;
    case tls::Progress::done: return hand_on();
    case tls::Progress::ended:
    case tls::Progress::failed: return part();
    }
}

void TlsAcceptor::hand_on() {
    gone_ = true;
    const std::string_view rest = engine_->unread();
    auto transport =
        std::make_unique<TlsTransport>(context_, std::move(lower_), std::move(*engine_));
    TlsTransport& kept = *transport; // whoever takes it over destroys it in a later pass
    retire();
    next_(context_, std::move(transport), kept.engine().alpn(), listener_);
    kept.take(rest);
}

/// The peer is sent why, and has some time to read it: closing at once could take it back.
void TlsAcceptor::part() {
    parting_ = true;
    context_.counters.protocol_errors.add();
    lower_->shutdown();
    wait(context_.limits.linger_timeout_ms);
}

void TlsAcceptor::wait(std::uint32_t ms) noexcept {
    runtime::Worker& worker = context_.worker;
    if (ms == 0) {
        worker.timers().cancel(*this);
    } else {
        worker.timers().set(*this, worker.now() + milliseconds(ms));
    }
}

void TlsAcceptor::on_timer(runtime::Timer& timer) noexcept {
    auto& self = static_cast<TlsAcceptor&>(timer);
    if (!self.parting_) self.context_.counters.timeouts.add();
    self.end(self.parting_);
}

void TlsAcceptor::end(bool reset) noexcept {
    if (std::exchange(gone_, true)) return;
    const Endpoint peer = lower_->peer();
    if (reset) lower_->abort();
    else lower_->close();
    retire();
    context_.dispatcher.disconnected(peer);
}

void TlsAcceptor::retire() noexcept {
    ConnectionNode::unlink();
    context_.worker.timers().cancel(*this);
    context_.worker.retire(std::unique_ptr<runtime::Retired>(this));
}

} // namespace hc::link
