#include "capi/src/tls.hpp"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <optional>
#include <utility>

#include "hc_build.h"

#if HC_WITH_TLS
#include "core/sys/private_file.hpp"
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

std::optional<std::string> from_hexadecimal(std::string_view digits) {
    std::string bytes;
    if (digits.size() % 2 != 0) return std::nullopt;
    for (std::size_t i = 0; i < digits.size(); i += 2) {
        unsigned value = 0;
        const auto [end, bad] = std::from_chars(&digits[i], &digits[i] + 2, value, 16);
        if (bad != std::errc() || end != &digits[i] + 2) return std::nullopt;
        bytes += static_cast<char>(value);
    }
    return bytes;
}

/// Appends lines to a file that only its owner may read.
class KeyLogFile {
public:
    static Result<std::shared_ptr<KeyLogFile>> open(const std::string& path) {
        auto file = sys::append_privately(path);
        if (!file) return fail(std::move(file.error()));
        auto made = std::make_shared<KeyLogFile>();
        made->file_.reset(*file);
        return made;
    }
    void write(std::string_view line) {
        const std::lock_guard lock(mutex_);
        std::fwrite(line.data(), 1, line.size(), file_.get());
        std::fputc('\n', file_.get());
        std::fflush(file_.get());
    }

private:
    std::mutex mutex_;
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_{nullptr, &std::fclose};
};

} // namespace

Result<std::shared_ptr<tls::Tickets>> TlsKeeper::tickets_for(const TlsSettings& settings) {
    const std::lock_guard lock(mutex_);
    if (tickets_ != nullptr && secrets_ == settings.ticket_secrets &&
        tickets_->lifetime_s() == settings.ticket_lifetime_s) {
        return tickets_;
    }
    std::vector<std::string> secrets;
    for (const std::string& digits : settings.ticket_secrets) {
        auto secret = from_hexadecimal(digits);
        if (!secret) {
            return fail(ErrorKind::invalid, "tls.ticket_secrets takes hexadecimal digits");
        }
        secrets.push_back(std::move(*secret));
    }
    auto made = tls::Tickets::make(secrets, settings.ticket_lifetime_s);
    if (!made) return fail(std::move(made.error()));
    tickets_ = *made;
    secrets_ = settings.ticket_secrets;
    return tickets_;
}

Result<std::optional<tls::Context>> TlsKeeper::make(const TlsSettings& settings) {
    auto credentials = credentials_of(settings);
    if (!credentials) return fail(std::move(credentials.error()));
    if (credentials->empty() && !settings.ask) return std::nullopt;
    if (settings.ask && source_ == nullptr) {
        return fail(ErrorKind::invalid, "tls.ask needs hc_server_bind_certificates first");
    }
    tls::ServerSettings made;
    static_cast<tls::CommonSettings&>(made) = settings.common;
    made.credentials = std::move(*credentials);
    made.asks = settings.ask;
    made.client_certificates = settings.client_certificates;
    if (h2_) made.alpn.emplace_back("h2");
    made.alpn.emplace_back("http/1.1");
    for (const std::string& path : settings.client_root_files) {
        auto roots = read_file(path);
        if (!roots) return fail(std::move(roots.error()));
        made.roots += *roots;
    }
    made.tickets_sent = settings.tickets_sent;
    if (settings.tickets_sent > 0) {
        auto tickets = tickets_for(settings);
        if (!tickets) return fail(std::move(tickets.error()));
        made.tickets = std::move(*tickets);
    }
    if (!settings.key_log_file.empty()) {
        auto file = KeyLogFile::open(settings.key_log_file);
        if (!file) return fail(std::move(file.error()));
        made.key_log = [to = std::move(*file)](std::string_view line) { to->write(line); };
    }
    auto context = tls::Context::server(made);
    if (!context) return fail(std::move(context.error()));
    return std::move(*context);
}

Result<std::shared_ptr<link::TlsLayer>> TlsKeeper::layer(const TlsSettings& settings) {
    auto made = make(settings);
    if (!made) return fail(std::move(made.error()));
    if (!*made) return nullptr;
    return std::make_shared<link::TlsLayer>(std::move(**made), source_);
}

void TlsKeeper::keep(std::uint32_t listener, const std::shared_ptr<link::TlsLayer>& layer) {
    if (layer == nullptr) return;
    const std::lock_guard lock(mutex_);
    layers_.emplace(listener, layer);
}

Result<void> TlsKeeper::reload(std::uint32_t listener, const TlsSettings& settings) {
    std::shared_ptr<link::TlsLayer> layer;
    {
        const std::lock_guard lock(mutex_);
        const auto found = layers_.find(listener);
        if (found == layers_.end()) {
            return fail(ErrorKind::not_found, "there is no such listener with TLS");
        }
        layer = found->second;
    }
    auto made = make(settings);
    if (!made) return fail(std::move(made.error()));
    if (!*made) {
        return fail(ErrorKind::invalid, "a listener with TLS needs a certificate");
    }
    layer->reload(std::move(**made));
    return {};
}

#else

Result<std::shared_ptr<link::TlsLayer>> TlsKeeper::layer(const TlsSettings& settings) {
    if (settings.certificate_files.empty() && settings.key_files.empty() &&
        settings.certificate.empty() && settings.key.empty() && settings.self_signed.empty() &&
        !settings.ask) {
        return nullptr;
    }
    return fail(ErrorKind::unsupported, "this build has no TLS");
}

void TlsKeeper::keep(std::uint32_t, const std::shared_ptr<link::TlsLayer>&) {}

Result<void> TlsKeeper::reload(std::uint32_t, const TlsSettings&) {
    return fail(ErrorKind::not_found, "there is no such listener with TLS");
}

#endif

} // namespace hc::capi
