#include "core/net/acceptor.hpp"

#include <string>

namespace hc::net {

Acceptor::Acceptor(runtime::Worker& worker, sys::Socket listener, AcceptHandler& handler,
                   const AcceptorOptions& options)
    : worker_(worker), listener_(listener), handler_(handler), options_(options) {}

Acceptor::~Acceptor() { leave(State::drained); }

Result<void> Acceptor::watch() {
    auto watched =
        worker_.watch(listener_, *this, {.readable = true, .exclusive = options_.shared});
    if (watched) state_ = State::watching;
    return watched;
}

/// Leaves any state for one in which nothing is watched and no timer runs.
void Acceptor::leave(State next) noexcept {
    if (state_ == State::watching) worker_.unwatch(listener_, *this);
    if (retry_.armed()) worker_.timers().cancel(retry_);
    state_ = next;
}

Result<void> Acceptor::start() {
    if (state_ != State::idle) return fail(ErrorKind::state, "the acceptor was started before");
    return watch();
}

void Acceptor::pause() noexcept {
    if (state_ == State::watching || state_ == State::starved) leave(State::paused);
}

void Acceptor::resume() noexcept {
    if (state_ == State::paused) watch_or_starve();
}

void Acceptor::watch_or_starve() noexcept {
    if (const auto watched = watch(); !watched) {
        log_failure(watched.error().message);
        starve();
    }
}

void Acceptor::starve() noexcept {
    leave(State::starved);
    worker_.timers().set(retry_, worker_.now() + options_.retry);
}

std::uint32_t Acceptor::drain() {
    if (state_ == State::drained) return 0;
    leave(State::drained);
    return take(options_.drain_accepts_max);
}

void Acceptor::on_ready(const sys::Event&) { take(options_.accepts_per_turn); }

/// Accepts until nothing waits, the limit is reached, something fails, or the handler changes the
/// state.
std::uint32_t Acceptor::take(std::uint32_t limit) {
    const State begun = state_;
    std::uint32_t taken = 0;
    while (taken < limit && state_ == begun) {
        sys::Accepted accepted;
        const sys::Io io = worker_.sockets().accept(listener_, accepted);
        if (io.status == sys::Io::Status::would_block) break;
        if (!io.ok()) {
            log_failure(system_error(io.code, "accepting a connection").message);
            if (state_ == State::watching) starve();
            break;
        }
        ++taken;
        handler_.on_accept(accepted.socket, accepted.peer);
    }
    return taken;
}

void Acceptor::log_failure(std::string_view why) noexcept {
    if (worker_.now() < silent_until_ || !options_.log.wants(LogLevel::warning)) return;
    silent_until_ = worker_.now() + std::chrono::seconds(1);
    options_.log(LogLevel::warning, "net", why);
}

} // namespace hc::net
