#include "core/sys/unix/sockets.hpp"

#include <netinet/tcp.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <ctime>

#include "core/sys/unix/calls.hpp"
#include "core/sys/unix/datagrams.hpp"
#include "core/sys/unix/listening.hpp"
#include "core/sys/unix/lookup.hpp"
#include "core/sys/unix/signals.hpp"
#include "core/sys/unix/socket_address.hpp"

namespace hc::sys {

namespace {

int fd_of(Socket socket) noexcept { return static_cast<int>(socket); }

/// The Io of a call that failed with `code`.
Io failure(int code) noexcept {
    if (code == EAGAIN || code == EWOULDBLOCK) return {.status = Io::Status::would_block};
    return {.status = Io::Status::failed, .code = code};
}

/// True for what accept(2) reports about the waiting connection, not about us: that connection is
/// gone and the next may be well.
bool connection_died(int code) noexcept {
    switch (code) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM: // a firewall forbids it
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH: return true;
    default: return false;
    }
}

/// Keeps a SIGPIPE away from the host during a call that cannot be told MSG_NOSIGNAL. Threads of
/// ours block it anyway; in driven mode the thread is the host's, and its mask and what was pending
/// before are left as they were.
class NoSigpipe {
public:
    NoSigpipe() noexcept {
        if (signals_are_blocked()) return;
        sigset_t waiting;
        sigemptyset(&waiting);
        sigpending(&waiting);
        if (sigismember(&waiting, SIGPIPE) == 1) return; // blocked and pending: one more merges
        sigemptyset(&pipe_);
        sigaddset(&pipe_, SIGPIPE);
        active_ = pthread_sigmask(SIG_BLOCK, &pipe_, &old_) == 0;
    }
    ~NoSigpipe() {
        if (active_) pthread_sigmask(SIG_SETMASK, &old_, nullptr);
    }
    NoSigpipe(const NoSigpipe&) = delete;
    NoSigpipe& operator=(const NoSigpipe&) = delete;
    /// After EPIPE: takes the signal that came with it.
    void take() noexcept {
        const timespec now{};
        while (active_ && sigtimedwait(&pipe_, nullptr, &now) < 0 && errno == EINTR) {}
    }

private:
    sigset_t pipe_{};
    sigset_t old_{};
    bool active_ = false;
};

} // namespace

Result<Socket> UnixSockets::listen(const Address& address, const ListenOptions& options) {
    return listen_on(address, options);
}

Result<Socket> UnixSockets::adopt_listener(std::intptr_t descriptor) {
    return adopt_listening(descriptor);
}

Io UnixSockets::accept(Socket listener, Accepted& out) {
    // So many dead connections in a row are passed over before the caller gets its turn again.
    constexpr int tries = 32;
    int code = 0;
    for (int i = 0; i < tries; ++i) {
        SocketAddress peer;
        socklen_t length = sizeof peer;
        const int fd = ::accept4(fd_of(listener), &peer.any, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            out.socket = Socket{fd};
            out.peer = from_kernel(peer, length);
            return {}; // TCP_NODELAY comes with the listener, which has it
        }
        code = errno;
        if (!connection_died(code)) break;
    }
    return failure(code);
}

Result<Socket> UnixSockets::connect(const Address& address) {
    SocketAddress to;
    const socklen_t length = to_kernel(address, to);
    if (length == 0) return fail(ErrorKind::invalid, "an address of no family to connect to");
    const int fd = ::socket(to.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return fail(system_error(errno, "making a socket"));
    if (address.family != Address::Family::unix_) {
        const int on = 1;
        ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    // A connect that a signal interrupts goes on by itself, like one in progress.
    if (::connect(fd, &to.any, length) == 0 || errno == EINPROGRESS || errno == EINTR) {
        return Socket{fd};
    }
    Error error = system_error(errno, "connecting to " + address.to_string());
    if (error.code == EAGAIN) error.kind = ErrorKind::refused; // a Unix listener's full backlog
    ::close(fd);
    return fail(std::move(error));
}

Result<void> UnixSockets::connect_result(Socket socket) {
    int code = 0;
    socklen_t length = sizeof code;
    if (::getsockopt(fd_of(socket), SOL_SOCKET, SO_ERROR, &code, &length) != 0) code = errno;
    if (code != 0) return fail(system_error(code, "connecting"));
    SocketAddress peer;
    length = sizeof peer;
    if (::getpeername(fd_of(socket), &peer.any, &length) != 0) {
        if (errno != ENOTCONN) return fail(system_error(errno, "connecting"));
        // Either it has not ended, or it failed and somebody took the error before us.
        pollfd ended{.fd = fd_of(socket), .events = POLLOUT, .revents = 0};
        if (::poll(&ended, 1, 0) != 0) return fail(system_error(ENOTCONN, "connecting"));
        return fail(ErrorKind::again, "the connection is not there yet");
    }
    return {};
}

Io UnixSockets::recv(Socket socket, std::span<char> into) {
    if (into.empty()) return {};
    for (;;) {
        const ssize_t count = receive(fd_of(socket), into.data(), into.size());
        if (count > 0) return {.bytes = static_cast<std::size_t>(count)};
        if (count == 0) return {.status = Io::Status::end};
        if (errno != EINTR) return failure(errno);
    }
}

namespace {

/// At most so many go into one sendmsg.
constexpr std::size_t pieces_max = 64;

ssize_t send_one(int fd, const ConstBuffer& piece) noexcept {
    for (;;) {
        const ssize_t count = transmit(fd, piece.data, piece.size, MSG_NOSIGNAL);
        if (count >= 0 || errno != EINTR) return count;
    }
}

ssize_t send_some(int fd, std::span<const ConstBuffer> pieces) noexcept {
    std::array<iovec, pieces_max> vector;
    std::ranges::transform(pieces, vector.begin(), [](const ConstBuffer& piece) {
        return iovec{const_cast<char*>(piece.data), piece.size};
    });
    msghdr message{};
    message.msg_iov = vector.data();
    message.msg_iovlen = pieces.size();
    for (;;) {
        const ssize_t count = ::sendmsg(fd, &message, MSG_NOSIGNAL);
        if (count >= 0 || errno != EINTR) return count;
    }
}

std::size_t total(std::span<const ConstBuffer> pieces) noexcept {
    std::size_t sum = 0;
    for (const ConstBuffer& piece : pieces) sum += piece.size;
    return sum;
}

[[gnu::noinline]] Io send_pieces(int fd, std::span<const ConstBuffer> pieces) noexcept {
    Io out;
    while (!pieces.empty()) {
        const auto batch = pieces.first(std::min(pieces.size(), pieces_max));
        const ssize_t count = send_some(fd, batch);
        // What was taken before counts; the error shows itself in the next call.
        if (count < 0) return out.bytes > 0 ? out : failure(errno);
        out.bytes += static_cast<std::size_t>(count);
        if (pieces.size() == batch.size() || static_cast<std::size_t>(count) < total(batch)) break;
        pieces = pieces.subspan(batch.size());
    }
    return out;
}

} // namespace

Io UnixSockets::send(Socket socket, std::span<const ConstBuffer> pieces) {
    if (pieces.size() != 1) [[unlikely]]
        return send_pieces(fd_of(socket), pieces);
    const ssize_t count = send_one(fd_of(socket), pieces[0]);
    if (count < 0) return failure(errno);
    return {.bytes = static_cast<std::size_t>(count)};
}

Io UnixSockets::send_file(Socket socket, std::intptr_t file, std::uint64_t offset,
                          std::uint64_t bytes) {
    if (bytes == 0) return {};
    NoSigpipe no_sigpipe; // sendfile(2) takes no flags
    for (;;) {
        off_t from = static_cast<off_t>(offset);
        const std::size_t want = std::min<std::uint64_t>(bytes, SSIZE_MAX);
        const ssize_t count = ::sendfile(fd_of(socket), static_cast<int>(file), &from, want);
        if (count > 0) return {.bytes = static_cast<std::size_t>(count)};
        if (count == 0) return {.status = Io::Status::end};
        const int code = errno;
        if (code == EPIPE) no_sigpipe.take();
        if (code != EINTR) return failure(code);
    }
}

Io UnixSockets::read_file(std::intptr_t file, std::uint64_t offset, std::span<char> into) {
    if (into.empty()) return {};
    for (;;) {
        const ssize_t count =
            ::pread(static_cast<int>(file), into.data(), into.size(), static_cast<off_t>(offset));
        if (count > 0) return {.bytes = static_cast<std::size_t>(count)};
        if (count == 0) return {.status = Io::Status::end};
        if (errno != EINTR) return failure(errno);
    }
}

void UnixSockets::shutdown_write(Socket socket) noexcept { ::shutdown(fd_of(socket), SHUT_WR); }

void UnixSockets::reset(Socket socket) noexcept {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd_of(socket), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    ::close(fd_of(socket));
}

// Linux closes the descriptor even when it answers EINTR: trying again could close another's.
void UnixSockets::close(Socket socket) noexcept { ::close(fd_of(socket)); }

void UnixSockets::remove_file(const Address& address) noexcept {
    if (address.is_file()) ::unlink(address.path.data());
}

Result<Address> UnixSockets::local_address(Socket socket) {
    SocketAddress name;
    socklen_t length = sizeof name;
    if (::getsockname(fd_of(socket), &name.any, &length) != 0) {
        return fail(system_error(errno, "asking for a socket's address"));
    }
    return from_kernel(name, length);
}

Result<Socket> UnixSockets::bind_udp(const Address& address, const UdpOptions& options) {
    return bind_datagrams(address, options);
}

Result<void> UnixSockets::connect_udp(Socket socket, const Address& peer) {
    return connect_datagrams(fd_of(socket), peer);
}

Io UnixSockets::send_udp(Socket socket, std::span<DatagramsOut> messages) {
    return send_datagrams(fd_of(socket), messages);
}

Io UnixSockets::recv_udp(Socket socket, std::span<DatagramsIn> messages) {
    return receive_datagrams(fd_of(socket), messages);
}

Result<std::vector<Address>> UnixSockets::lookup(std::string_view host, std::uint16_t port) {
    return lookup_host(host, port);
}

} // namespace hc::sys
