#include "capi/src/config.hpp"

#include "capi/src/config_json.hpp"
#include "capi/src/error.hpp"
#include "capi/src/schema.hpp"

using namespace hc::capi;

hc_status hc_config_create(hc_config** config) {
    return barrier([&]() -> hc_status {
        if (config == nullptr) return HC_E_INVALID;
        *config = new hc_config;
        return HC_OK;
    });
}

hc_status hc_config_retain(hc_config* config) { return barrier_retain(config); }
hc_status hc_config_release(hc_config* config) { return barrier_release(config); }

hc_status hc_config_set(hc_config* config, const char* key, const char* value, size_t n,
                        hc_error** error) {
    if (error != nullptr) *error = nullptr;
    return barrier(config, [&](hc_config& self) -> hc_status {
        if (key == nullptr || (value == nullptr && n > 0)) return HC_E_INVALID;
        auto ok = set_option(self.settings, key, {value, n});
        return ok ? HC_OK : fail_with(error, std::move(ok.error()), key);
    });
}

hc_status hc_config_load_json(hc_config* config, const char* json, size_t n, hc_error** error) {
    if (error != nullptr) *error = nullptr;
    return barrier(config, [&](hc_config& self) -> hc_status {
        if (json == nullptr) return HC_E_INVALID;
        std::string about;
        auto ok = load_json(self.settings, {json, n}, about);
        return ok ? HC_OK : fail_with(error, std::move(ok.error()), about);
    });
}

hc_status hc_config_schema(const char** json, size_t* n) {
    return barrier([&]() -> hc_status {
        if (json == nullptr) return HC_E_INVALID;
        *json = schema_json().c_str();
        if (n != nullptr) *n = schema_json().size();
        return HC_OK;
    });
}

hc_status hc_config_set_log(hc_config* config, hc_log_fn fn, void* arg, hc_fn drop) {
    return barrier(config, [&](hc_config& self) -> hc_status {
        self.settings.log = fn == nullptr ? nullptr : std::make_shared<LogTarget>(fn, arg, drop);
        return HC_OK;
    });
}
