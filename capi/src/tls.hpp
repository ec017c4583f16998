// The options "tls.*", and what is made from them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/link/certificate_source.hpp"
#include "core/link/tls_acceptor.hpp"
#include "core/tls/context.hpp"
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
    std::vector<std::string> ticket_secrets; // hexadecimal
    std::uint32_t ticket_lifetime_s = 7'200;
    std::uint32_t tickets_sent = 2;
    std::string key_log_file;
    bool ask = false;
    tls::CommonSettings common;
};

/// TLS of one server's listeners. Any thread. Reads files.
class TlsKeeper {
public:
    /// `h2`: clients may choose HTTP/2.
    explicit TlsKeeper(bool h2) noexcept : h2_(h2) {}
    /// Before the first layer(): who is asked when "tls.ask" says so.
    void ask_by(std::shared_ptr<link::CertificateSource> source) { source_ = std::move(source); }
    /// The layer of a new listener: nullptr when there is no certificate, so that nothing is
    /// encrypted. `not_found`, `permission` and the like for files, `invalid` for what is in them,
    /// `unsupported` in a build without TLS.
    Result<std::shared_ptr<link::TlsLayer>> layer(const TlsSettings& settings);
    /// The listener got this number.
    void keep(std::uint32_t listener, const std::shared_ptr<link::TlsLayer>& layer);
    /// For the connections to come. `not_found`: the listener has no TLS; or as layer().
    Result<void> reload(std::uint32_t listener, const TlsSettings& settings);

private:
    /// None: no certificate.
    Result<std::optional<tls::Context>> make(const TlsSettings& settings);
    Result<std::shared_ptr<tls::Tickets>> tickets_for(const TlsSettings& settings);

    const bool h2_;
    std::shared_ptr<link::CertificateSource> source_;
    std::mutex mutex_; // for what follows
    std::map<std::uint32_t, std::shared_ptr<link::TlsLayer>> layers_;
    // The listeners of a server take each other's tickets, and new certificates do not end them.
    std::shared_ptr<tls::Tickets> tickets_;
    std::vector<std::string> secrets_;
};

} // namespace hc::capi
