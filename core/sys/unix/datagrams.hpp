// UDP on Unix descriptors: batches by sendmmsg and recvmmsg, trains by the kernel's offloads.
#pragma once

#include <span>

#include "core/sys/sys.hpp"

namespace hc::sys {

Result<Socket> bind_datagrams(const Address& address, const UdpOptions& options);
Result<void> connect_datagrams(int fd, const Address& peer);
Io send_datagrams(int fd, std::span<DatagramsOut> messages) noexcept;
Io receive_datagrams(int fd, std::span<DatagramsIn> messages) noexcept;

} // namespace hc::sys
