#include "core/net/stream.hpp"

#include <utility>

namespace hc::net {

using runtime::Context;
using runtime::Direction;
using runtime::pending;
using runtime::Poll;
using runtime::WatchedSocket;
using runtime::Worker;
using Count = Result<std::size_t>;

// -- streams -------------------------------------------------------------------------------------

Poll<Count> StreamSocket::poll_read(Context& context, std::span<char> into) {
    if (into.empty()) return Count(0);
    auto polled = socket_.poll_io(Direction::read, context,
                                  [&] { return socket_.sockets().recv(socket_.socket(), into); });
    if (!polled.is_ready()) return pending;
    if (!polled.value()) return Count(fail(std::move(polled.value().error())));
    const sys::Io io = *polled.value();
    if (io.status == sys::Io::Status::end) return Count(0);
    if (!io.ok()) return Count(fail(system_error(io.code, "reading from a connection")));
    return Count(io.bytes);
}

Poll<Count> StreamSocket::poll_write(Context& context, std::string_view bytes) {
    const sys::ConstBuffer piece{bytes.data(), bytes.size()};
    return poll_write_vectored(context, {&piece, 1});
}

Poll<Count> StreamSocket::poll_write_vectored(Context& context,
                                              std::span<const sys::ConstBuffer> pieces) {
    std::size_t total = 0;
    for (const sys::ConstBuffer& piece : pieces) total += piece.size;
    if (total == 0) return Count(0);
    auto polled = socket_.poll_io(Direction::write, context,
                                  [&] { return socket_.sockets().send(socket_.socket(), pieces); });
    if (!polled.is_ready()) return pending;
    if (!polled.value()) return Count(fail(std::move(polled.value().error())));
    const sys::Io io = *polled.value();
    if (!io.ok()) return Count(fail(system_error(io.code, "writing to a connection")));
    return Count(io.bytes);
}

Poll<Result<void>> StreamSocket::poll_flush(Context&) { return Result<void>(); }

Poll<Result<void>> StreamSocket::poll_shutdown(Context&) {
    shutdown_write();
    return Result<void>();
}

void StreamSocket::shutdown_write() noexcept {
    if (socket_) socket_.sockets().shutdown_write(socket_.socket());
}

Result<Address> StreamSocket::local_address() const { return detail::local_address(socket_); }

// -- connecting and accepting --------------------------------------------------------------------

namespace detail {

namespace {

/// `invalid` for an address of the other kind.
Result<void> check_kind(const Address& address, bool unix_domain) {
    if ((address.family == Address::Family::unix_) == unix_domain) return {};
    return fail(ErrorKind::invalid,
                address.to_string() + (unix_domain ? " is not the address of a Unix-domain socket"
                                                   : " is not a TCP address"));
}

} // namespace

Result<Worker*> home_or_here(Worker* home) {
    if (home != nullptr) return home;
    return WatchedSocket::home_here();
}

Result<void> Connecting::begin() {
    if (auto fits = check_kind(to_, unix_domain_); !fits) return fits;
    auto home = home_or_here(home_);
    if (!home) return fail(std::move(home.error()));
    auto socket = (*home)->system().sockets().connect(to_);
    if (!socket) return fail(std::move(socket.error()));
    auto watched = WatchedSocket::make(**home, *socket);
    if (!watched) return fail(std::move(watched.error()));
    socket_ = std::move(*watched);
    return {};
}

Poll<Result<void>> Connecting::poll(Context& context) {
    if (!socket_) {
        if (auto begun = begin(); !begun) return begun;
    }
    for (;;) {
        auto ready = socket_.poll_write_ready(context);
        if (!ready.is_ready()) return pending;
        if (!ready.value()) return Result<void>(fail(std::move(ready.value().error())));
        if (!runtime::coop::proceed(context)) return pending;
        auto connected = socket_.sockets().connect_result(socket_.socket());
        if (connected || connected.error().kind != ErrorKind::again) {
            runtime::coop::took();
            return connected;
        }
        socket_.clear_write(*ready.value());
    }
}

Poll<Result<AcceptedSocket>> poll_accept(WatchedSocket& listener, Context& context) {
    using Answer = Result<AcceptedSocket>;
    sys::Accepted accepted;
    auto polled = listener.poll_io(Direction::read, context, [&] {
        return listener.sockets().accept(listener.socket(), accepted);
    });
    if (!polled.is_ready()) return pending;
    if (!polled.value()) return Answer(fail(std::move(polled.value().error())));
    const sys::Io io = *polled.value();
    if (!io.ok()) return Answer(fail(system_error(io.code, "accepting a connection")));
    auto watched = WatchedSocket::make_beside(listener, accepted.socket);
    if (!watched) return Answer(fail(std::move(watched.error())));
    return Answer(AcceptedSocket{std::move(*watched), accepted.peer});
}

Result<WatchedSocket> listen(Worker* home, const Address& at, bool unix_domain,
                             const sys::ListenOptions& options) {
    if (auto fits = check_kind(at, unix_domain); !fits) return fail(std::move(fits.error()));
    auto worker = home_or_here(home);
    if (!worker) return fail(std::move(worker.error()));
    auto socket = (*worker)->system().sockets().listen(at, options);
    if (!socket) return fail(std::move(socket.error()));
    return WatchedSocket::make(**worker, *socket);
}

Result<Address> local_address(const WatchedSocket& socket) {
    if (!socket) return fail(ErrorKind::state, "the socket was moved away or closed");
    return socket.sockets().local_address(socket.socket());
}

} // namespace detail

} // namespace hc::net
