// hc_error: what a failed set-up call leaves behind.
#pragma once

#include <string>
#include <string_view>

#include "capi/src/barrier.hpp"
#include "core/base/error.hpp"

struct hc_error final : hc::capi::Object {
    static constexpr hc::capi::Mark mark = hc::capi::Mark::error;
    hc_error(hc::Error source, std::string_view about)
        : Object(mark), error(std::move(source)), detail(about) {}
    void destroy() noexcept { delete this; }

    hc::Error error;
    std::string detail;
};

namespace hc::capi {

/// Fills `*out`, when the caller wants it, and gives the status of the error.
hc_status fail_with(hc_error** out, Error error, std::string_view detail = {});
hc_status fail_with(hc_error** out, ErrorKind kind, std::string message,
                    std::string_view detail = {});

} // namespace hc::capi
