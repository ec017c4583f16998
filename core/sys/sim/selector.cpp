#include "core/sys/sim/selector.hpp"

#include <algorithm>
#include <cerrno>
#include <vector>

namespace hc::sys::sim {

namespace {

std::unexpected<Error> refused(int code) { return fail(system_error(code, "watching a socket")); }

std::unexpected<Error> refused_token() {
    return fail(ErrorKind::invalid, "the token is reserved for the selector");
}

/// What an interest lets through of all that is true.
Event filtered(Event event, Interest interest) noexcept {
    event.readable &= interest.readable;
    event.read_closed &= interest.readable;
    event.writable &= interest.writable;
    return event;
}

bool says_something(const Event& event) noexcept {
    return event.readable || event.writable || event.read_closed || event.failed;
}

} // namespace

SimSelector::SimSelector(Timeline& timeline, Network& network, const Options& options,
                         std::uint64_t seed)
    : timeline_(timeline), network_(network), options_(options), random_(seed) {
    network_.add_watcher(*this);
}

SimSelector::~SimSelector() { network_.remove_watcher(*this); }

Result<void> SimSelector::register_(Socket socket, Token token, Interest interest) {
    if (token > token_max) return refused_token();
    if (!network_.exists(socket)) return refused(EBADF);
    if (!watches_.emplace(socket, Watch{token, interest}).second) return refused(EEXIST);
    pending_.insert(socket);
    return {};
}

Result<void> SimSelector::reregister(Socket socket, Token token, Interest interest) {
    if (token > token_max) return refused_token();
    if (!network_.exists(socket)) return refused(EBADF);
    const auto watch = watches_.find(socket);
    if (watch == watches_.end()) return refused(ENOENT);
    watch->second = {token, interest};
    pending_.insert(socket);
    return {};
}

Result<void> SimSelector::deregister(Socket socket) {
    if (watches_.erase(socket) == 0) return refused(network_.exists(socket) ? ENOENT : EBADF);
    pending_.erase(socket);
    return {};
}

void SimSelector::on_change(Socket socket) {
    if (watches_.contains(socket)) pending_.insert(socket);
}

bool SimSelector::watches_exclusively(Socket socket) const {
    const auto watch = watches_.find(socket);
    return watch != watches_.end() && watch->second.interest.exclusive;
}

void SimSelector::on_close(Socket socket) {
    watches_.erase(socket);
    pending_.erase(socket);
}

std::size_t SimSelector::collect(std::span<Event> events) {
    std::vector<std::pair<Socket, Event>> ready;
    std::erase_if(pending_, [&](Socket socket) {
        const Watch& watch = watches_.at(socket);
        Event event = filtered(network_.readiness(socket), watch.interest);
        event.token = watch.token;
        if (says_something(event)) ready.emplace_back(socket, event);
        return !says_something(event);
    });
    const std::size_t count = std::min(events.size(), ready.size());
    for (std::size_t i = 0; i < count; ++i) {
        std::swap(ready[i], ready[i + random_.below(ready.size() - i)]);
        const auto& [socket, event] = ready[i];
        events[i] = event;
        if (watches_.at(socket).interest.edge) pending_.erase(socket);
    }
    return count;
}

Result<std::size_t> SimSelector::select(std::span<Event> events, std::optional<Duration> timeout) {
    if (events.empty()) return fail(ErrorKind::invalid, "select needs room for an event");
    const Instant start = timeline_.now();
    const Instant end = timeout ? start + std::max(*timeout, Duration::zero()) : Instant::never();
    timeline_.advance_to(std::min(start + options_.turn_cost, end));
    for (;;) {
        const std::size_t count = collect(events);
        const bool woken = woken_.exchange(false, std::memory_order_acq_rel);
        if (count > 0 || woken || timeline_.now() >= end) return count;
        const Instant next = timeline_.next();
        if (next.is_never() && end.is_never()) {
            return fail(ErrorKind::deadlock, "nothing will ever happen in this simulated world");
        }
        timeline_.advance_to(std::min(next, end));
    }
}

} // namespace hc::sys::sim
