#include "capi/src/tls.hpp"

#include <cerrno>
#include <cstdio>
#include <utility>

#include "hc_build.h"

#if HC_WITH_TLS
#include "core/link/tls_acceptor.hpp"
#endif

namespace hc::capi {

#if HC_WITH_TLS

namespace {

constexpr std::size_t file_bytes_max = 4 << 20;

Result<std::string> read_file(const std::string& path) {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                               &std::fclose);
    if (file == nullptr) return fail(system_error(errno, "opening " + path));
    std::string content;
    char piece[4096];
    while (const std::size_t n = std::fread(piece, 1, sizeof piece, file.get())) {
        content.append(piece, n);
        if (content.size() > file_bytes_max) return fail(ErrorKind::limit, path + " is too large");
    }
    if (std::ferror(file.get()) != 0) return fail(system_error(errno, "reading " + path));
    return content;
}

/// The error also tells where what it is about came from.
Result<void> add(std::vector<tls::Credentials>& all, Result<tls::Credentials> made,
                 const std::string& from) {
    if (!made) {
        made.error().message = from + ": " + made.error().message;
        return fail(std::move(made.error()));
    }
    all.push_back(std::move(*made));
    return {};
}

Result<std::vector<tls::Credentials>> credentials_of(const TlsSettings& settings) {
    std::vector<tls::Credentials> all;
    if (settings.certificate_files.size() != settings.key_files.size()) {
        return fail(ErrorKind::invalid,
                    "tls.certificate_files and tls.key_files are not equally many");
    }
    for (std::size_t i = 0; i < settings.key_files.size(); ++i) {
        auto chain = read_file(settings.certificate_files[i]);
        if (!chain) return fail(std::move(chain.error()));
        auto key = read_file(settings.key_files[i]);
        if (!key) return fail(std::move(key.error()));
        auto added = add(all, tls::Credentials::parse(*chain, *key), settings.certificate_files[i]);
        if (!added) return fail(std::move(added.error()));
    }
    if (!settings.certificate.empty() || !settings.key.empty()) {
        auto added = add(all, tls::Credentials::parse(settings.certificate, settings.key),
                         "tls.certificate");
        if (!added) return fail(std::move(added.error()));
    }
    if (!settings.self_signed.empty()) {
        auto added =
            add(all, tls::Credentials::self_signed(settings.self_signed), "tls.self_signed");
        if (!added) return fail(std::move(added.error()));
    }
    return all;
}

} // namespace

Result<std::shared_ptr<const link::Layer>> tls_layer(const TlsSettings& settings, bool h2) {
    auto credentials = credentials_of(settings);
    if (!credentials) return fail(std::move(credentials.error()));
    if (credentials->empty()) return nullptr;
    tls::ServerSettings made;
    static_cast<tls::CommonSettings&>(made) = settings.common;
    made.credentials = std::move(*credentials);
    made.client_certificates = settings.client_certificates;
    made.alpn =
        h2 ? std::vector<std::string>{"h2", "http/1.1"} : std::vector<std::string>{"http/1.1"};
    for (const std::string& path : settings.client_root_files) {
        auto roots = read_file(path);
        if (!roots) return fail(std::move(roots.error()));
        made.roots += *roots;
    }
    auto context = tls::Context::server(made);
    if (!context) return fail(std::move(context.error()));
    return std::make_shared<const link::TlsLayer>(std::move(*context));
}

#else

Result<std::shared_ptr<const link::Layer>> tls_layer(const TlsSettings& settings, bool) {
    if (settings.certificate_files.empty() && settings.certificate.empty() &&
        settings.self_signed.empty()) {
        return nullptr;
    }
    return fail(ErrorKind::unsupported, "this build has no TLS");
}

#endif

} // namespace hc::capi
