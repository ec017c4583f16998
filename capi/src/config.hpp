// hc_config: options by name.
#pragma once

#include "capi/src/barrier.hpp"
#include "capi/src/settings.hpp"

struct hc_config final : hc::capi::Object {
    static constexpr hc::capi::Mark mark = hc::capi::Mark::config;
    hc_config() : Object(mark) {}
    void destroy() noexcept { delete this; }

    hc::capi::Settings settings;
};
