#include "core/net/tcp.hpp"

namespace hc::net {

Result<TcpListener> TcpListener::bind_on(runtime::Worker* home, const Address& address,
                                         const sys::ListenOptions& options) {
    auto socket = detail::listen(home, address, false, options);
    if (!socket) return fail(std::move(socket.error()));
    return TcpListener(std::move(*socket));
}

} // namespace hc::net
