#include "core/sys/unix/listening.hpp"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include "core/sys/unix/socket_address.hpp"

namespace hc::sys {

namespace {

/// A socket on its way to be a listener: closed unless it is released, and with it the file that
/// binding it made.
class Draft {
public:
    explicit Draft(int fd) noexcept : fd_(fd) {}
    Draft(const Draft&) = delete;
    Draft& operator=(const Draft&) = delete;
    ~Draft() {
        if (fd_ < 0) return;
        if (file_ != nullptr) ::unlink(file_);
        ::close(fd_);
    }
    int get() const noexcept { return fd_; }
    void made_file(const char* path) noexcept { file_ = path; }
    Socket release() noexcept { return Socket{std::exchange(fd_, -1)}; }

private:
    int fd_;
    const char* file_ = nullptr;
};

bool set_option(int fd, int level, int option, int value) noexcept {
    return ::setsockopt(fd, level, option, &value, sizeof value) == 0;
}

int backlog_of(const ListenOptions& options) noexcept {
    return static_cast<int>(std::min<std::uint32_t>(options.backlog, INT_MAX));
}

Error listen_error(const Address& address) {
    return system_error(errno, "listening on " + address.to_string());
}

/// True when `file` is a socket on which nobody listens, left behind by a process that died. A
/// refused connection is the only proof; everything else counts as in use.
bool is_stale(const SocketAddress& file, socklen_t length) noexcept {
    struct stat before{};
    if (::lstat(file.local.sun_path, &before) != 0 || !S_ISSOCK(before.st_mode)) return false;
    const Draft probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (probe.get() < 0) return false;
    if (::connect(probe.get(), &file.any, length) == 0 || errno != ECONNREFUSED) return false;
    struct stat now{}; // still the same file: nobody else has just replaced it
    return ::lstat(file.local.sun_path, &now) == 0 && now.st_dev == before.st_dev &&
           now.st_ino == before.st_ino;
}

Result<Socket> listen_unix(const Address& address, const ListenOptions& options) {
    SocketAddress at;
    const socklen_t length = to_kernel(address, at);
    Draft draft(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (draft.get() < 0) return fail(listen_error(address));
    int bound = ::bind(draft.get(), &at.any, length);
    if (bound != 0 && errno == EADDRINUSE && address.is_file()) {
        if (is_stale(at, length)) {
            ::unlink(at.local.sun_path);
            bound = ::bind(draft.get(), &at.any, length);
        } else {
            errno = EADDRINUSE;
        }
    }
    if (bound != 0) return fail(listen_error(address));
    if (address.is_file()) {
        draft.made_file(at.local.sun_path);
        // Nobody can connect before listen(), so the mode is in force before it matters.
        if (options.unix_mode != 0 && ::chmod(at.local.sun_path, options.unix_mode) != 0) {
            return fail(listen_error(address));
        }
    }
    if (::listen(draft.get(), backlog_of(options)) != 0) return fail(listen_error(address));
    return draft.release();
}

Result<Socket> listen_tcp(const Address& address, const ListenOptions& options) {
    SocketAddress at;
    const socklen_t length = to_kernel(address, at);
    Draft draft(::socket(at.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (draft.get() < 0) return fail(listen_error(address));
    const bool v6 = address.family == Address::Family::v6;
    // Accepted sockets inherit TCP_NODELAY: one call here instead of one for each of them.
    // A sharing socket may be bound beside another program's by the same user. The first of a group
    // begins to share only once it is bound, so that bind() still reports an address in use.
    const bool shares_at_once = options.reuse_port && !options.first;
    if (!set_option(draft.get(), SOL_SOCKET, SO_REUSEADDR, 1) ||
        (shares_at_once && !set_option(draft.get(), SOL_SOCKET, SO_REUSEPORT, 1)) ||
        (v6 && !set_option(draft.get(), IPPROTO_IPV6, IPV6_V6ONLY, options.only_v6 ? 1 : 0)) ||
        !set_option(draft.get(), IPPROTO_TCP, TCP_NODELAY, 1) ||
        ::bind(draft.get(), &at.any, length) != 0 ||
        (options.reuse_port && !set_option(draft.get(), SOL_SOCKET, SO_REUSEPORT, 1)) ||
        ::listen(draft.get(), backlog_of(options)) != 0) {
        return fail(listen_error(address));
    }
    return draft.release();
}

/// An int socket option, or -1.
int option_of(int fd, int option) noexcept {
    int value = -1;
    socklen_t length = sizeof value;
    return ::getsockopt(fd, SOL_SOCKET, option, &value, &length) == 0 ? value : -1;
}

} // namespace

Result<Socket> listen_on(const Address& address, const ListenOptions& options) {
    switch (address.family) {
    case Address::Family::none:
        return fail(ErrorKind::invalid, "an address of no family to listen on");
    case Address::Family::unix_: return listen_unix(address, options);
    case Address::Family::v4:
    case Address::Family::v6: break;
    }
    return listen_tcp(address, options);
}

Result<Socket> adopt_listening(std::intptr_t descriptor) {
    const int fd = descriptor >= 0 && descriptor <= INT_MAX ? static_cast<int>(descriptor) : -1;
    // Everything is checked before anything is changed.
    const int flags = ::fcntl(fd, F_GETFL);
    const int descriptor_flags = ::fcntl(fd, F_GETFD);
    if (flags < 0 || descriptor_flags < 0) {
        return fail(system_error(errno, "adopting a listening descriptor"));
    }
    const int domain = option_of(fd, SO_DOMAIN);
    if (option_of(fd, SO_ACCEPTCONN) != 1 || option_of(fd, SO_TYPE) != SOCK_STREAM ||
        (domain != AF_INET && domain != AF_INET6 && domain != AF_UNIX)) {
        return fail(ErrorKind::invalid, "the descriptor is not a listening stream socket");
    }
    if (domain != AF_UNIX) set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (::fcntl(fd, F_SETFD, descriptor_flags | FD_CLOEXEC) != 0 ||
        ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
        return fail(system_error(errno, "adopting a listening descriptor"));
    }
    return Socket{fd};
}

} // namespace hc::sys
