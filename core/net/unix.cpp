#include "core/net/unix.hpp"

namespace hc::net {

UnixListener::UnixListener(runtime::WatchedSocket socket, const Address& file) noexcept
    : StreamListener(std::move(socket)), file_(file), maker_(sys::fork_token()) {}

UnixListener& UnixListener::operator=(UnixListener other) noexcept {
    std::swap(socket(), other.socket());
    std::swap(file_, other.file_);
    std::swap(maker_, other.maker_);
    return *this;
}

UnixListener::~UnixListener() {
    // The file goes first: once the socket is closed, somebody else may listen in its place.
    if (socket() && !sys::forked_since(maker_)) socket().sockets().remove_file(file_);
}

Result<UnixListener> UnixListener::bind_on(runtime::Worker* home, const Address& address,
                                           const sys::ListenOptions& options) {
    auto socket = detail::listen(home, address, true, options);
    if (!socket) return fail(std::move(socket.error()));
    return UnixListener(std::move(*socket), address);
}

} // namespace hc::net
