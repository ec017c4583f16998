#include "core/sys/unix/socket_address.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace hc::sys {

namespace {
static_assert(sizeof(sockaddr_un::sun_path) == std::tuple_size_v<decltype(Address::path)>);
constexpr socklen_t path_offset = offsetof(sockaddr_un, sun_path);
} // namespace

socklen_t to_kernel(const Address& address, SocketAddress& out) noexcept {
    std::memset(&out, 0, sizeof out);
    switch (address.family) {
    case Address::Family::none: return 0;
    case Address::Family::v4:
        out.v4.sin_family = AF_INET;
        out.v4.sin_port = htons(address.port);
        std::memcpy(&out.v4.sin_addr, address.ip.data(), sizeof out.v4.sin_addr);
        return sizeof out.v4;
    case Address::Family::v6:
        out.v6.sin6_family = AF_INET6;
        out.v6.sin6_port = htons(address.port);
        out.v6.sin6_scope_id = address.scope;
        std::memcpy(&out.v6.sin6_addr, address.ip.data(), sizeof out.v6.sin6_addr);
        return sizeof out.v6;
    case Address::Family::unix_: break;
    }
    out.local.sun_family = AF_UNIX;
    std::memcpy(out.local.sun_path, address.path.data(), address.path.size());
    // An abstract name is as long as the length says; a path ends with its NUL.
    const auto first = address.path.begin();
    const bool abstract = *first == '\0';
    const auto end = std::find(first + 1, address.path.end(), '\0');
    return path_offset + static_cast<socklen_t>(end - first) + (abstract ? 0 : 1);
}

Address from_kernel(const SocketAddress& from, socklen_t length) noexcept {
    Address out;
    if (length < sizeof(sa_family_t)) return out;
    switch (from.any.sa_family) {
    case AF_INET:
        out.family = Address::Family::v4;
        out.port = ntohs(from.v4.sin_port);
        std::memcpy(out.ip.data(), &from.v4.sin_addr, sizeof from.v4.sin_addr);
        break;
    case AF_INET6:
        out.family = Address::Family::v6;
        out.port = ntohs(from.v6.sin6_port);
        out.scope = from.v6.sin6_scope_id;
        std::memcpy(out.ip.data(), &from.v6.sin6_addr, sizeof from.v6.sin6_addr);
        break;
    case AF_UNIX:
        out.family = Address::Family::unix_;
        if (length > path_offset) {
            const std::size_t size =
                std::min<std::size_t>(length - path_offset, out.path.size() - 1);
            std::memcpy(out.path.data(), from.local.sun_path, size);
        }
        break;
    default: break;
    }
    return out;
}

} // namespace hc::sys
