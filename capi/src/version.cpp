#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>
#include <llhttp.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "hc_build.h"
#include "capi/src/barrier.hpp"
#include "core/sys/sys.hpp"

#if HC_WITH_TLS
#include "core/tls/context.hpp"
#endif
#if HC_WITH_HTTP2
#include "core/proto/h2/session.hpp"
#endif

namespace hc::capi {
namespace {

constexpr auto features = std::to_array<std::string_view>({
    "h1",
    "unix",
    "proxy_protocol",
    "send_file",
    "inline",
    "queue",
    "driven",
    "pool",
    "gzip",
    "br",
    "zstd",
#if HC_WITH_TLS
    "tls",
#endif
#if HC_WITH_HTTP2
    "h2",
#endif
#if HC_WITH_WEBSOCKET
    "websocket",
    "topics",
#endif
    "sse",
});

#define HC_TEXT_OF(number) #number
#define HC_TEXT(number) HC_TEXT_OF(number)
#define HC_DOTTED(major, minor, patch) HC_TEXT(major) "." HC_TEXT(minor) "." HC_TEXT(patch)

std::string make_info() {
    std::string text = "{\"version\":\"" HC_DOTTED(HC_VERSION_MAJOR, HC_VERSION_MINOR,
                                                   HC_VERSION_PATCH) "\",\"system\":\"";
    text += sys::native().name();
    text += "\",\"features\":[";
    for (const std::string_view feature : features) {
        if (feature != features.front()) text += ',';
        text += '"';
        text += feature;
        text += '"';
    }
    text += "],\"bundled\":{";
#if HC_DEPS_BUNDLED
    text += "\"llhttp\":\"" HC_DOTTED(LLHTTP_VERSION_MAJOR, LLHTTP_VERSION_MINOR,
                                      LLHTTP_VERSION_PATCH) "\"";
    const std::uint32_t brotli = BrotliEncoderVersion();
    text.append(",\"zlib\":\"").append(zlibVersion());
    text.append("\",\"brotli\":\"").append(std::to_string(brotli >> 24)).append(".");
    text.append(std::to_string(brotli >> 12 & 0xfff)).append(".");
    text.append(std::to_string(brotli & 0xfff));
    text.append("\",\"zstd\":\"").append(ZSTD_versionString()).append("\"");
#if HC_WITH_TLS
    text.append(",\"openssl\":\"").append(tls::library_version()).append("\"");
#endif
#if HC_WITH_HTTP2
    text.append(",\"nghttp2\":\"").append(h2::library_version()).append("\"");
#endif
#endif
    text += "}}";
    return text;
}

#undef HC_DOTTED
#undef HC_TEXT
#undef HC_TEXT_OF

} // namespace
} // namespace hc::capi

using namespace hc::capi;

uint32_t hc_version(void) {
    return barrier([]() -> uint32_t {
        return HC_VERSION_MAJOR << 16 | HC_VERSION_MINOR << 8 | HC_VERSION_PATCH;
    });
}

hc_status hc_version_info(const char** json, size_t* n) {
    return barrier([&]() -> hc_status {
        if (json == nullptr) return HC_E_INVALID;
        // Made once and never freed, as the schema.
        static const std::string* const text = new std::string(make_info());
        *json = text->c_str();
        if (n != nullptr) *n = text->size();
        return HC_OK;
    });
}

int32_t hc_has_feature(const char* name) {
    return barrier([&]() -> int32_t {
        if (name == nullptr) return 0;
        return std::ranges::find(features, std::string_view(name)) != features.end() ? 1 : 0;
    });
}
