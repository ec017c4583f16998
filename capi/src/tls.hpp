// The options "tls.*", and what is made from them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/link/layer.hpp"
#include "core/tls/settings.hpp"

namespace hc::capi {

struct TlsSettings {
    std::vector<std::string> certificate_files;
    std::vector<std::string> key_files;
    std::string certificate;
    std::string key;
    std::vector<std::string> self_signed;
    tls::ClientCertificates client_certificates = tls::ClientCertificates::none;
    std::vector<std::string> client_root_files;
    tls::CommonSettings common;
};

/// The layer of a listener: nullptr when there is no certificate, so that nothing is encrypted.
/// `not_found`, `permission` and the like for files, `invalid` for what is in them, `unsupported`
/// in a build without TLS. Reads files.
Result<std::shared_ptr<const link::Layer>> tls_layer(const TlsSettings& settings, bool h2);

} // namespace hc::capi
