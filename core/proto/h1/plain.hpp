// The common head, read without llhttp: one of the usual methods, origin-form, HTTP/1.1 or 1.0,
// fields of clean characters, all of it in one slice. It accepts nothing that llhttp would read
// otherwise; as soon as something is unusual (or wrong) it gives up, and llhttp starts over and
// decides. So it can make a request cheaper, never different: the tests and the fuzzer compare the
// two.
#pragma once

#include <cstddef>
#include <string_view>

#include "core/base/limits.hpp"
#include "core/http/head.hpp"

namespace hc::h1 {

/// Reads the request line at the beginning of `input`, and judges its target. Gives its size, or 0
/// when it is not for here; what was recorded in `head` is void then.
std::size_t read_plain_line(std::string_view input, const ConnectionLimits& limits,
                            http::HeadView& head) noexcept;
/// Reads and names the fields of the head whose line of `line` bytes was read, into `fields` (which
/// has room for limits.header_count_max), and completes `head`. Gives the size of the whole head,
/// or 0 when it is not for here. The fields are not judged.
std::size_t read_plain_fields(std::string_view input, std::size_t line,
                              const ConnectionLimits& limits, http::HeadView& head,
                              http::FieldRef* fields) noexcept;

} // namespace hc::h1
