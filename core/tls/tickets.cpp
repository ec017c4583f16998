#include "core/tls/tickets.hpp"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <utility>

#include "core/tls/ossl.hpp"

namespace hc::tls {

namespace {

using KdfPtr = std::unique_ptr<EVP_KDF, FreedBy<EVP_KDF_free>>;
using KdfContextPtr = std::unique_ptr<EVP_KDF_CTX, FreedBy<EVP_KDF_CTX_free>>;

constexpr std::uint32_t lifetime_max_s = 7 * 24 * 60 * 60;

std::int64_t system_clock() { return std::time(nullptr); }

/// HKDF-SHA-256 (RFC 5869) of the secret, for one period.
bool derive(std::string_view secret, std::int64_t period, Tickets::Key& into) {
    const KdfPtr kdf(EVP_KDF_fetch(library(), OSSL_KDF_NAME_HKDF, nullptr));
    const KdfContextPtr context(kdf == nullptr ? nullptr : EVP_KDF_CTX_new(kdf.get()));
    if (context == nullptr) return false;
    char digest[] = "SHA256";
    std::string info = "httpcore session tickets, period " + std::to_string(period);
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, const_cast<char*>(secret.data()),
                                          secret.size()),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info.data(), info.size()),
        OSSL_PARAM_construct_end(),
    };
    std::array<std::uint8_t, sizeof(Tickets::Key)> bytes;
    if (EVP_KDF_derive(context.get(), bytes.data(), bytes.size(), parameters) != 1) return false;
    std::memcpy(&into, bytes.data(), sizeof into);
    OPENSSL_cleanse(bytes.data(), bytes.size());
    return true;
}

} // namespace

Tickets::Tickets(std::vector<std::string> secrets, std::uint32_t lifetime_s, Clock clock) noexcept
    : secrets_(std::move(secrets)), lifetime_s_(lifetime_s), clock_(clock) {}

Result<std::shared_ptr<Tickets>> Tickets::make(std::span<const std::string> secrets,
                                               std::uint32_t lifetime_s, Clock clock) {
    if (lifetime_s == 0 || lifetime_s > lifetime_max_s) {
        return fail(user_error(ErrorKind::invalid, "tickets live for 1 to 604800 seconds"));
    }
    if (secrets.size() > secrets_max) {
        return fail(user_error(ErrorKind::invalid, "there can be 16 secrets at most"));
    }
    std::vector<std::string> kept(secrets.begin(), secrets.end());
    for (const std::string& secret : kept) {
        if (secret.size() != secret_bytes) {
            return fail(user_error(ErrorKind::invalid, "a secret has 32 bytes"));
        }
    }
    if (kept.empty()) {
        std::string random(secret_bytes, '\0');
        if (RAND_priv_bytes_ex(library(), reinterpret_cast<unsigned char*>(random.data()),
                               random.size(), 0) != 1) {
            return fail(noted_error(ErrorKind::internal, Origin::library, "a random secret"));
        }
        kept.push_back(std::move(random));
    }
    return std::shared_ptr<Tickets>(
        new Tickets(std::move(kept), lifetime_s, clock != nullptr ? clock : &system_clock));
}

bool Tickets::refresh() {
    const std::int64_t period = clock_() / lifetime_s_;
    if (period == period_) return true;
    std::vector<Key> made(2 * secrets_.size());
    for (std::size_t i = 0; i < secrets_.size(); ++i) {
        if (!derive(secrets_[i], period, made[2 * i])) return false;
        if (!derive(secrets_[i], period - 1, made[2 * i + 1])) return false;
    }
    keys_ = std::move(made);
    period_ = period;
    return true;
}

std::optional<Tickets::Key> Tickets::current() {
    const std::lock_guard lock(mutex_);
    if (!refresh()) return std::nullopt;
    return keys_.front();
}

std::optional<Tickets::Found> Tickets::find(std::span<const std::uint8_t, name_bytes> name) {
    const std::lock_guard lock(mutex_);
    if (!refresh()) return std::nullopt;
    const auto found = std::ranges::find_if(
        keys_, [&](const Key& key) { return std::ranges::equal(key.name, name); });
    if (found == keys_.end()) return std::nullopt;
    return Found{*found, found != keys_.begin()};
}

} // namespace hc::tls
