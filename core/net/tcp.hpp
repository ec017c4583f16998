// TCP connections and listeners.
//
//     auto listener = net::TcpListener::bind(*net::Address::parse("127.0.0.1:0"));
//     auto accepted = co_await listener->accept();         // Result<pair<TcpStream, Address>>
//     auto stream = co_await net::TcpStream::connect(address);
//
// TCP_NODELAY is set on all of them: what should go out together is written together.
#pragma once

#include <utility>

#include "core/net/stream.hpp"

namespace hc::net {

/// See StreamSocket.
class TcpStream final : public StreamSocket {
public:
    static constexpr bool unix_domain = false;

    /// Connects; gives a Result<TcpStream>. At home on the worker that polls the future first.
    static Connect<TcpStream> connect(const Address& address) noexcept {
        return {nullptr, address};
    }
    /// At home on `home`, which must exist until the future was polled.
    static Connect<TcpStream> connect(runtime::Worker& home, const Address& address) noexcept {
        return {&home, address};
    }

private:
    friend class Connect<TcpStream>;
    friend class StreamListener<TcpStream>;
    using StreamSocket::StreamSocket;
};

/// See StreamListener.
class TcpListener final : public StreamListener<TcpStream> {
public:
    /// Binds and listens, at home on the calling thread's worker (in block_on: on one of that
    /// runtime's; `state` when there is none) or on `home`. `address_in_use`, `permission`;
    /// `invalid` for an address that is not TCP's.
    static Result<TcpListener> bind(const Address& address,
                                    const sys::ListenOptions& options = {}) {
        return bind_on(nullptr, address, options);
    }
    static Result<TcpListener> bind(runtime::Worker& home, const Address& address,
                                    const sys::ListenOptions& options = {}) {
        return bind_on(&home, address, options);
    }

private:
    using StreamListener::StreamListener;
    static Result<TcpListener> bind_on(runtime::Worker* home, const Address& address,
                                       const sys::ListenOptions& options);
};

} // namespace hc::net
