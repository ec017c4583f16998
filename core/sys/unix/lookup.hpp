// Names of hosts, as the system knows them.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/sys/address.hpp"

namespace hc::sys {

/// May wait, for as long as the system's resolver does.
Result<std::vector<Address>> lookup_host(std::string_view host, std::uint16_t port);

} // namespace hc::sys
