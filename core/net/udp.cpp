#include "core/net/udp.hpp"

#include <utility>

#include "core/net/stream.hpp"

namespace hc::net {

using runtime::Context;
using runtime::Direction;
using runtime::pending;
using runtime::Poll;
using Count = Result<std::size_t>;

Result<UdpSocket> UdpSocket::bind_on(runtime::Worker* home, const Address& address,
                                     const UdpOptions& options) {
    auto worker = detail::home_or_here(home);
    if (!worker) return fail(std::move(worker.error()));
    sys::Sockets& sockets = (*worker)->system().sockets();
    auto socket = sockets.bind_udp(address, options);
    if (!socket) return fail(std::move(socket.error()));
    auto local = sockets.local_address(*socket);
    auto watched = runtime::WatchedSocket::make(**worker, *socket);
    if (!watched) return fail(std::move(watched.error()));
    if (!local) return fail(std::move(local.error()));
    return UdpSocket(std::move(*watched), *local);
}

Result<void> UdpSocket::connect(const Address& peer) {
    if (!socket_) return fail(ErrorKind::state, "the socket was moved away or closed");
    return socket_.sockets().connect_udp(socket_.socket(), peer);
}

Poll<Count> UdpSocket::poll_send_many(Context& context, std::span<DatagramsOut> messages) {
    if (messages.empty()) return Count(0);
    auto polled = socket_.poll_io(Direction::write, context, [&] {
        for (;;) { // part of a train is no answer
            const sys::Io io = socket_.sockets().send_udp(socket_.socket(), messages);
            if (!io.ok() || io.bytes > 0) return io;
        }
    });
    if (!polled.is_ready()) return pending;
    if (!polled.value()) return Count(fail(std::move(polled.value().error())));
    const sys::Io io = *polled.value();
    if (!io.ok()) return Count(fail(system_error(io.code, "sending a datagram")));
    return Count(io.bytes);
}

Poll<Count> UdpSocket::poll_recv_many(Context& context, std::span<DatagramsIn> messages) {
    if (messages.empty()) return Count(0);
    auto polled = socket_.poll_io(Direction::read, context, [&] {
        return socket_.sockets().recv_udp(socket_.socket(), messages);
    });
    if (!polled.is_ready()) return pending;
    if (!polled.value()) return Count(fail(std::move(polled.value().error())));
    const sys::Io io = *polled.value();
    if (!io.ok()) return Count(fail(system_error(io.code, "receiving a datagram")));
    for (DatagramsIn& message : messages.first(io.bytes)) {
        if (message.to.family != Address::Family::none) message.to.port = local_.port;
    }
    return Count(io.bytes);
}

Poll<Result<void>> UdpSocket::poll_send(Context& context, std::string_view bytes,
                                        const Address* to) {
    DatagramsOut message{.bytes = bytes, .to = to};
    auto polled = poll_send_many(context, {&message, 1});
    if (!polled.is_ready()) return pending;
    if (!polled.value()) return Result<void>(fail(std::move(polled.value().error())));
    return Result<void>();
}

Poll<Result<DatagramsIn>> UdpSocket::poll_recv(Context& context, std::span<char> into) {
    DatagramsIn message{.into = into};
    auto polled = poll_recv_many(context, {&message, 1});
    if (!polled.is_ready()) return pending;
    if (!polled.value()) return Result<DatagramsIn>(fail(std::move(polled.value().error())));
    return Result<DatagramsIn>(message);
}

} // namespace hc::net
