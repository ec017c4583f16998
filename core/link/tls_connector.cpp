#include "core/link/tls_connector.hpp"

#include <algorithm>
#include <utility>

namespace hc::link {

TlsConnector::TlsConnector(ConnectionContext& context, std::unique_ptr<Transport> lower,
                           User& user) noexcept
    : Timer(&TlsConnector::on_timer), context_(context), lower_(std::move(lower)), user_(&user) {}

Result<TlsConnector*> TlsConnector::start(ConnectionContext& context, const tls::Context& tls,
                                          std::unique_ptr<Transport> lower, const std::string& host,
                                          std::string_view session, User& user) {
    std::unique_ptr<TlsConnector> made(new TlsConnector(context, std::move(lower), user));
    auto engine = tls::Engine::client(tls, *made, host, session);
    if (!engine) {
        made->lower_->abort();
        context.worker.retire(std::move(made));
        return fail(std::move(engine.error()));
    }
    made->engine_ = std::make_unique<tls::Engine>(std::move(*engine));
    made->lower_->set_user(*made);
    made->wait(context.limits.tls_handshake_timeout_ms);
    made->engine_->handshake(); // says hello, and needs an answer
    return made.release();
}

void TlsConnector::cancel() noexcept {
    user_ = nullptr;
    end();
}

void TlsConnector::on_data(std::string_view slice) {
    if (gone_ || user_ == nullptr) return; // nobody waits for it any more
    engine_->feed(slice);
    switch (engine_->handshake()) {
    case tls::Progress::wants_input:
    case tls::Progress::wants_certificate: return; // the latter is a server's
    case tls::Progress::done: return hand_on();
    case tls::Progress::ended:
    case tls::Progress::failed: return refuse(engine_->error());
    }
}

void TlsConnector::on_end() {
    if (gone_) return;
    if (user_ == nullptr) return end(); // it was told why, and has left
    engine_->feed_end();
    refuse(engine_->handshake() == tls::Progress::failed
               ? engine_->error()
               : peer_error(ErrorKind::reset, "the peer ended the handshake"));
}

void TlsConnector::on_closed(ErrorKind why) {
    if (gone_) return;
    User* user = std::exchange(user_, nullptr);
    end();
    if (user != nullptr) user->on_refused(peer_error(why, "the connection was lost"));
}

void TlsConnector::hand_on() {
    gone_ = true;
    const std::string_view rest = engine_->unread();
    auto transport =
        std::make_unique<TlsTransport>(context_, std::move(lower_), std::move(*engine_));
    retire();
    std::exchange(user_, nullptr)->on_connected(std::move(transport), rest);
}

/// The peer is sent why, and has some time to read it: closing at once could take it back.
void TlsConnector::refuse(const Error& why) {
    lower_->shutdown();
    wait(std::max(1U, context_.limits.linger_timeout_ms));
    std::exchange(user_, nullptr)->on_refused(why);
}

void TlsConnector::wait(std::uint32_t ms) noexcept {
    runtime::Worker& worker = context_.worker;
    if (ms == 0) {
        worker.timers().cancel(*this);
    } else {
        worker.timers().set(*this, worker.now() + milliseconds(ms));
    }
}

void TlsConnector::on_timer(runtime::Timer& timer) noexcept {
    auto& self = static_cast<TlsConnector&>(timer);
    User* user = std::exchange(self.user_, nullptr);
    self.end();
    if (user != nullptr) {
        user->on_refused(peer_error(ErrorKind::timeout, "the handshake took too long"));
    }
}

void TlsConnector::end() noexcept {
    if (std::exchange(gone_, true)) return;
    lower_->close();
    retire();
}

void TlsConnector::retire() noexcept {
    context_.worker.timers().cancel(*this);
    context_.worker.retire(std::unique_ptr<runtime::Retired>(this));
}

} // namespace hc::link
