#include "core/sys/unix/lookup.hpp"

#include <netdb.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>

#include "core/sys/unix/socket_address.hpp"

namespace hc::sys {

namespace {

Error lookup_error(int code, int errno_value, const std::string& host) {
    const std::string what = "looking up " + host;
    if (code == EAI_SYSTEM) return system_error(errno_value, what);
    Error error{.kind = ErrorKind::io,
                .origin = Origin::system,
                .code = code,
                .message = what + ": " + ::gai_strerror(code)};
    switch (code) {
    case EAI_NONAME:
#ifdef EAI_NODATA
    case EAI_NODATA:
#endif
#ifdef EAI_ADDRFAMILY
    case EAI_ADDRFAMILY:
#endif
        error.kind = ErrorKind::not_found;
        break;
    case EAI_MEMORY: error.kind = ErrorKind::no_memory; break;
    default: break;
    }
    return error;
}

Address address_of(const addrinfo& info, std::uint16_t port) noexcept {
    SocketAddress from{};
    std::copy_n(reinterpret_cast<const char*>(info.ai_addr),
                std::min<std::size_t>(info.ai_addrlen, sizeof from),
                reinterpret_cast<char*>(&from));
    Address out = from_kernel(from, info.ai_addrlen);
    out.port = port;
    return out;
}

} // namespace

Result<std::vector<Address>> lookup_host(std::string_view host, std::uint16_t port) {
    if (auto literal = Address::ip_port(host, port)) return std::vector{*literal};
    if (host.empty() || host.find('\0') != std::string_view::npos) {
        return fail(ErrorKind::not_found, "an empty name, or one with a zero in it, is no host");
    }
    const std::string name(host);
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM; // one answer an address, not one for each kind of socket
    hints.ai_flags = AI_ADDRCONFIG;  // no IPv6 where this machine has none
    addrinfo* list = nullptr;
    const int code = ::getaddrinfo(name.c_str(), nullptr, &hints, &list);
    if (code != 0) return fail(lookup_error(code, errno, name));
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, &::freeaddrinfo);
    std::vector<Address> out;
    for (const addrinfo* each = list; each != nullptr; each = each->ai_next) {
        const Address address = address_of(*each, port);
        if (address.family == Address::Family::none) continue;
        if (std::ranges::find(out, address) == out.end()) out.push_back(address);
    }
    if (out.empty()) return fail(lookup_error(EAI_NONAME, 0, name));
    return out;
}

} // namespace hc::sys
