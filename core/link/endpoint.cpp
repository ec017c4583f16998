#include "core/link/transport.hpp"

namespace hc::link {

Endpoint Endpoint::of(const sys::Address& address) noexcept {
    return {
        .ip = address.ip, .scope = address.scope, .port = address.port, .family = address.family};
}

sys::Address Endpoint::address() const noexcept {
    sys::Address address;
    address.family = family;
    address.port = port;
    address.scope = scope;
    address.ip = ip;
    return address;
}

} // namespace hc::link
