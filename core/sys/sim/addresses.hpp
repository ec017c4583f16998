// Addresses as this network sees them: which are all, which are the machine's own.
#pragma once

#include <algorithm>

#include "core/sys/address.hpp"

namespace hc::sys::sim {

inline bool is_wildcard(const Address& address) noexcept {
    return std::ranges::all_of(address.ip, [](std::uint8_t byte) { return byte == 0; });
}

/// ::ffff:a.b.c.d
inline Address mapped(const Address& v4) noexcept {
    Address out;
    out.family = Address::Family::v6;
    out.port = v4.port;
    out.ip[10] = out.ip[11] = 0xff;
    std::copy_n(v4.ip.begin(), 4, out.ip.begin() + 12);
    return out;
}

inline Address loopback(Address::Family family) noexcept {
    Address out;
    out.family = family;
    if (family == Address::Family::v4) out.ip = {127, 0, 0, 1};
    if (family == Address::Family::v6) out.ip[15] = 1;
    return out;
}

} // namespace hc::sys::sim
