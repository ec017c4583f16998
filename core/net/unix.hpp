// Unix-domain stream sockets: the same as TCP, with a path or an abstract name for an address.
#pragma once

#include <utility>

#include "core/net/stream.hpp"
#include "core/sys/process.hpp"

namespace hc::net {

/// See StreamSocket. The peer of an accepted one has no name, as a rule.
class UnixStream final : public StreamSocket {
public:
    static constexpr bool unix_domain = true;

    /// Connects; gives a Result<UnixStream>. At home on the worker that polls the future first.
    static Connect<UnixStream> connect(const Address& address) noexcept {
        return {nullptr, address};
    }
    /// At home on `home`, which must exist until the future was polled.
    static Connect<UnixStream> connect(runtime::Worker& home, const Address& address) noexcept {
        return {&home, address};
    }

private:
    friend class Connect<UnixStream>;
    friend class StreamListener<UnixStream>;
    using StreamSocket::StreamSocket;
};

/// See StreamListener. Dropping it removes the file, in the process that made it.
class UnixListener final : public StreamListener<UnixStream> {
public:
    /// A stale file, on which nobody listens, is replaced. Otherwise as TcpListener::bind.
    static Result<UnixListener> bind(const Address& address,
                                     const sys::ListenOptions& options = {}) {
        return bind_on(nullptr, address, options);
    }
    static Result<UnixListener> bind(runtime::Worker& home, const Address& address,
                                     const sys::ListenOptions& options = {}) {
        return bind_on(&home, address, options);
    }
    UnixListener(UnixListener&&) noexcept = default;
    UnixListener& operator=(UnixListener other) noexcept;
    ~UnixListener();

private:
    UnixListener(runtime::WatchedSocket socket, const Address& file) noexcept;
    static Result<UnixListener> bind_on(runtime::Worker* home, const Address& address,
                                        const sys::ListenOptions& options);

    Address file_;
    sys::ForkToken maker_;
};

} // namespace hc::net
