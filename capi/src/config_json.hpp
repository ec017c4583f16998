// A config from and to JSON.
#pragma once

#include <string>
#include <string_view>

#include "capi/src/settings.hpp"
#include "core/base/result.hpp"

namespace hc::capi {

/// Sets what the text names, all or nothing. `about` gets the key an error is about.
Result<void> load_json(Settings& settings, std::string_view text, std::string& about);

} // namespace hc::capi
