// Digests, where a protocol has one in it.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace hc::tls {

/// SHA-1, for what does not need it to be safe (RFC 6455, section 1.3). Throws std::bad_alloc.
std::array<std::uint8_t, 20> sha1(std::string_view bytes);

} // namespace hc::tls
