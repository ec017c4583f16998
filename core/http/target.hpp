// Request targets, as every version of HTTP has them.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/http/head.hpp"

namespace hc::http {

/// Sets path and query from what head.target has from `offset` (from head.base) on. False when a
/// character may not stand there: every visible ASCII character but "#" may, also those that RFC
/// 3986 wants encoded, because browsers send some of them and they cannot end a target.
bool split_path(HeadView& head, std::uint32_t offset) noexcept;

/// uri-host [":" port]; empty is legal (RFC 9110, section 7.2).
bool is_host(std::string_view text) noexcept;

} // namespace hc::http
