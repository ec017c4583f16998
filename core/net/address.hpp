// The address of a socket, under the name that this layer and those above use.
#pragma once

#include "core/sys/address.hpp"

namespace hc::net {

using Address = sys::Address;
using AddressRange = sys::AddressRange;

} // namespace hc::net
