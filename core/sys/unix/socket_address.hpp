// Address to and from the kernel's sockaddr.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/sys/address.hpp"

namespace hc::sys {

union SocketAddress {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
    sockaddr_un local;
};

/// Fills `out`; gives the length the kernel wants, 0 for an address of no family.
socklen_t to_kernel(const Address& address, SocketAddress& out) noexcept;
Address from_kernel(const SocketAddress& from, socklen_t length) noexcept;

} // namespace hc::sys
