// Making and taking over listening sockets.
#pragma once

#include "core/sys/sys.hpp"

namespace hc::sys {

Result<Socket> listen_on(const Address& address, const ListenOptions& options);
Result<Socket> adopt_listening(std::intptr_t descriptor);

} // namespace hc::sys
