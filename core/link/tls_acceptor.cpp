#include "core/link/tls_acceptor.hpp"

#include <utility>

namespace hc::link {

TlsAcceptor::TlsAcceptor(ConnectionContext& context, std::unique_ptr<Transport> lower,
                         Layer::Next next, const void* listener,
                         std::shared_ptr<CertificateSource> source)
    : Timer(&TlsAcceptor::on_timer), context_(context), lower_(std::move(lower)), next_(next),
      listener_(listener), source_(std::move(source)) {}

TlsAcceptor& TlsAcceptor::start(ConnectionContext& context, const tls::Context& tls,
                                std::unique_ptr<Transport> lower, Layer::Next next,
                                const void* listener, std::shared_ptr<CertificateSource> source) {
    auto* acceptor = new TlsAcceptor(context, std::move(lower), next, listener, std::move(source));
    acceptor->lower_->set_user(*acceptor);
    context.connections.push_back(*acceptor);
    if (context.handshakes >= context.handshakes_max) {
        context.counters.connections_refused.add();
        acceptor->end(true);
    } else if (auto engine = tls::Engine::server(tls, *acceptor)) {
        acceptor->engine_.emplace(std::move(*engine));
        acceptor->costly_ = tls.is_costly();
        acceptor->shaking_ = true;
        ++context.handshakes;
        acceptor->wait(context.limits.tls_handshake_timeout_ms);
    } else {
        acceptor->end(true); // no memory
    }
    return *acceptor;
}

/// The handshake is over, well or not.
void TlsAcceptor::shaken() noexcept {
    if (std::exchange(shaking_, false)) --context_.handshakes;
    if (inquiry_ != 0) source_->gone(std::exchange(inquiry_, 0));
    if (away_ != nullptr) std::exchange(away_, nullptr)->forget();
}

void TlsAcceptor::on_data(std::string_view slice) {
    if (gone_ || parting_) return; // what still comes is dropped
    if (inquiry_ != 0 || away_ != nullptr) {
        held_ += slice; // on its way when reading was paused
        return;
    }
    engine_->feed(slice);
    go_on();
}

void TlsAcceptor::go_on() {
    if (!costly_ || !go_away()) act_on(engine_->handshake());
}

/// False: it is done here, since nobody else does it.
bool TlsAcceptor::go_away() {
    if (context_.handshakers == nullptr) return false;
    away_ = RemoteHandshake::start(*context_.handshakers, context_.worker, *this, *engine_);
    if (away_ == nullptr) {
        engine_->set_wire(*this);
        return false;
    }
    held_.clear();
    lower_->pause_reading();
    return true;
}

/// What was signed is in the first that is sent; all that comes behind it is done here.
void TlsAcceptor::computed(RemoteHandshake& step) {
    away_ = nullptr;
    *engine_ = std::move(*step.engine);
    engine_->set_wire(*this);
    held_.insert(0, engine_->unread());
    engine_->feed(held_);
    if (!step.output.empty()) {
        costly_ = false;
        lower_->send(step.output);
    }
    lower_->resume_reading();
    if (!gone_) act_on(step.progress);
}

void TlsAcceptor::act_on(tls::Progress progress) {
    switch (progress) {
    case tls::Progress::wants_input: return;
    case tls::Progress::wants_certificate: return ask();
    case tls::Progress::done: return hand_on();
    case tls::Progress::ended:
    case tls::Progress::failed: return part();
    }
}

void TlsAcceptor::ask() {
    inquiry_ = source_ == nullptr ? 0 : source_->needed(*this);
    if (inquiry_ == 0) {
        engine_->refuse();
        return go_on();
    }
    held_ = engine_->unread();
    lower_->pause_reading();
}

void TlsAcceptor::answer(tls::Credentials credentials) {
    costly_ = credentials.is_costly();
    engine_->answer(std::move(credentials));
    resume();
}

void TlsAcceptor::refuse() {
    engine_->refuse();
    resume();
}

void TlsAcceptor::resume() {
    inquiry_ = 0;
    lower_->resume_reading();
    engine_->feed(held_);
    go_on();
}

void TlsAcceptor::hand_on() {
    if (engine_->offers_acme()) return end(false); // nothing is said in it
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
    shaken();
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
    shaken();
    ConnectionNode::unlink();
    context_.worker.timers().cancel(*this);
    context_.worker.retire(std::unique_ptr<runtime::Retired>(this));
}

// -- the layer ------------------------------------------------------------------------------------

void TlsLayer::start(ConnectionContext& context, std::unique_ptr<Transport> transport,
                     std::string_view rest, Next next, const void* listener) const {
    std::optional<tls::Context> tls;
    {
        const std::lock_guard lock(mutex_);
        tls = current_;
    }
    auto& acceptor =
        TlsAcceptor::start(context, *tls, std::move(transport), next, listener, source_);
    if (!rest.empty()) acceptor.feed(rest);
}

void TlsLayer::reload(tls::Context context) {
    const std::lock_guard lock(mutex_);
    std::swap(current_, context); // the old one ends outside of the lock: it is the argument
}

} // namespace hc::link
