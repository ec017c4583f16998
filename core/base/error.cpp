#include "core/base/error.hpp"

#include <cerrno>
#include <system_error>

namespace hc {

std::string_view name(ErrorKind kind) noexcept {
    switch (kind) {
    case ErrorKind::ok: return "ok";
    case ErrorKind::invalid: return "invalid";
    case ErrorKind::no_memory: return "no_memory";
    case ErrorKind::gone: return "gone";
    case ErrorKind::closed: return "closed";
    case ErrorKind::again: return "again";
    case ErrorKind::state: return "state";
    case ErrorKind::limit: return "limit";
    case ErrorKind::timeout: return "timeout";
    case ErrorKind::cancelled: return "cancelled";
    case ErrorKind::deadlock: return "deadlock";
    case ErrorKind::forked: return "forked";
    case ErrorKind::unsupported: return "unsupported";
    case ErrorKind::io: return "io";
    case ErrorKind::protocol: return "protocol";
    case ErrorKind::address_in_use: return "address_in_use";
    case ErrorKind::not_found: return "not_found";
    case ErrorKind::refused: return "refused";
    case ErrorKind::reset: return "reset";
    case ErrorKind::internal: return "internal";
    case ErrorKind::permission: return "permission";
    }
    return "unknown";
}

Error user_error(ErrorKind kind, std::string message) {
    return {.kind = kind, .origin = Origin::user, .message = std::move(message)};
}

namespace {
ErrorKind kind_of_errno(int value) noexcept {
    switch (value) {
    case EADDRINUSE: return ErrorKind::address_in_use;
    case EACCES:
    case EPERM: return ErrorKind::permission;
    case ENOENT: return ErrorKind::not_found;
    case ECONNREFUSED: return ErrorKind::refused;
    case ECONNRESET:
    case EPIPE: return ErrorKind::reset;
    case ENOMEM: return ErrorKind::no_memory;
    case EMFILE:
    case ENFILE: return ErrorKind::limit;
    case ETIMEDOUT: return ErrorKind::timeout;
    case ENOSYS:
    case EOPNOTSUPP:
    case EAFNOSUPPORT: return ErrorKind::unsupported;
    default: return ErrorKind::io;
    }
}
} // namespace

Error system_error(int errno_value, std::string_view what) {
    std::string message{what};
    message += ": ";
    message += std::generic_category().message(errno_value);
    return {.kind = kind_of_errno(errno_value),
            .origin = Origin::system,
            .connection_survives = false,
            .code = errno_value,
            .message = std::move(message)};
}

Error peer_error(ErrorKind kind, std::string message, std::int64_t code) {
    return {.kind = kind,
            .origin = Origin::peer,
            .connection_survives = false,
            .code = code,
            .message = std::move(message)};
}

} // namespace hc
