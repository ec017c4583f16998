#include "capi/src/coding.hpp"

#include <algorithm>

namespace hc::capi {

CodingSettings::CodingSettings() {
    for (const http::ContentCoding coding : link::CodingOptions().codings) {
        codings.emplace_back(coding_text(coding));
    }
    for (const std::string_view type : link::usual_media_types()) types.emplace_back(type);
}

Result<link::CodingOptions> coding_options(const CodingSettings& settings) {
    link::CodingOptions options;
    options.compress = settings.compress;
    options.decompress = settings.decompress;
    options.min_bytes = settings.min_bytes;
    options.encoder = settings.encoder;
    options.codings.clear();
    for (const std::string& name : settings.codings) {
        const auto coding = http::lookup_coding(name);
        if (!coding || coding == http::ContentCoding::identity) {
            return fail(ErrorKind::invalid,
                        "compression.codings: \"" + name + "\" is not one of zstd, br, gzip");
        }
        if (std::ranges::find(options.codings, *coding) == options.codings.end()) {
            options.codings.push_back(*coding);
        }
    }
    options.types = {};
    for (const std::string& type : settings.types) {
        if (!options.types.add(type)) {
            return fail(ErrorKind::invalid, "compression.types: \"" + type +
                                                "\" is not a media type, \"text/*\" or \"+json\"");
        }
    }
    return options;
}

} // namespace hc::capi
