// What Credentials hold; for core/tls only.
#pragma once

#include "core/tls/credentials.hpp"
#include "core/tls/ossl.hpp"

namespace hc::tls {

struct Credentials::State {
    std::vector<CertificatePtr> chain; // at least one
    KeyPtr key;
    std::vector<std::string> names;
};

} // namespace hc::tls
