// The options "compression.*" and "decompression.*", and what is made from them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/limits.hpp"
#include "core/base/result.hpp"
#include "core/link/coder.hpp"

namespace hc::capi {

struct CodingSettings {
    CodingSettings();

    bool compress = false;
    std::vector<std::string> codings;
    std::vector<std::string> types;
    std::uint64_t min_bytes = link::CodingOptions().min_bytes;
    coding::EncoderOptions encoder;
    bool decompress = false;
};

/// `invalid` for a coding or a type that is none.
Result<link::CodingOptions> coding_options(const CodingSettings& settings);

} // namespace hc::capi
