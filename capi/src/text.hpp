// Texts for buffers of the caller's.
#pragma once

#include <httpcore/httpcore.h>

#include <algorithm>
#include <string_view>

namespace hc::capi {

/// Copies `text` and, when there is room, a zero behind it.
inline hc_status give_text(std::string_view text, char* buf, size_t cap, size_t* need) noexcept {
    if (need != nullptr) *need = text.size();
    if (buf == nullptr && cap > 0) return HC_E_INVALID;
    if (text.size() > cap) return HC_E_LIMIT;
    std::copy(text.begin(), text.end(), buf);
    if (text.size() < cap) buf[text.size()] = '\0';
    return HC_OK;
}

} // namespace hc::capi
