#include "core/tls/credentials.hpp"

#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <utility>

#include "core/base/ascii.hpp"
#include "core/tls/credentials_state.hpp"

namespace hc::tls {

namespace {

constexpr std::size_t chain_length_max = 16;
constexpr long valid_seconds = 90L * 24 * 3600;

bool is_pem(std::string_view text) noexcept { return text.find("-----BEGIN ") != text.npos; }

Error unreadable(std::string_view what) {
    return noted_error(ErrorKind::invalid, Origin::user, what);
}

Result<std::vector<CertificatePtr>> read_chain(std::string_view bytes) {
    std::vector<CertificatePtr> chain;
    const BioPtr from = reader_of(bytes);
    if (!is_pem(bytes)) {
        if (auto one = read_certificate(*from, Form::der)) chain.push_back(std::move(one));
        if (chain.empty()) return fail(unreadable("the certificate is neither PEM nor DER"));
        return chain;
    }
    while (chain.size() <= chain_length_max) {
        auto next = read_certificate(*from, Form::pem);
        if (next == nullptr && !text_has_ended()) {
            return fail(unreadable("a certificate of the chain cannot be read"));
        }
        if (next == nullptr) break;
        chain.push_back(std::move(next));
    }
    if (chain.empty()) return fail(unreadable("the PEM text has no certificate that can be read"));
    if (chain.size() > chain_length_max) {
        return fail(user_error(ErrorKind::limit, "a certificate chain of more than 16"));
    }
    forget_errors(); // the end of the text was noted as one
    return chain;
}

Result<KeyPtr> read_key(std::string_view bytes) {
    const BioPtr from = reader_of(bytes);
    KeyPtr key(is_pem(bytes) ? PEM_read_bio_PrivateKey_ex(from.get(), nullptr, &no_password,
                                                          nullptr, library(), nullptr)
                             : d2i_PrivateKey_ex_bio(from.get(), nullptr, library(), nullptr));
    if (key == nullptr) return fail(unreadable("the private key cannot be read"));
    return key;
}

std::vector<std::string> names_of(X509* certificate) {
    std::vector<std::string> names;
    auto* all = static_cast<GENERAL_NAMES*>(
        X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
    for (int i = 0; i < sk_GENERAL_NAME_num(all); ++i) {
        const GENERAL_NAME* each = sk_GENERAL_NAME_value(all, i);
        if (each->type != GEN_DNS) continue;
        const auto* bytes = reinterpret_cast<const char*>(ASN1_STRING_get0_data(each->d.dNSName));
        const auto size = static_cast<std::size_t>(ASN1_STRING_length(each->d.dNSName));
        std::string name(bytes, size);
        std::ranges::transform(name, name.begin(), ascii::lower);
        names.push_back(std::move(name));
    }
    GENERAL_NAMES_free(all);
    return names;
}

// -- making one -----------------------------------------------------------------------------------

/// OpenSSL reads names out of a list with commas, so nothing may stand in a name that means more.
bool is_plain(std::string_view name) noexcept {
    constexpr std::size_t dns_name_max = 253;
    return !name.empty() && name.size() <= dns_name_max && std::ranges::all_of(name, [](char c) {
        return ascii::is_alpha(c) || ascii::is_digit(c) || c == '.' || c == '-' || c == '_' ||
               c == '*' || c == ':';
    });
}
bool is_ip(std::string_view name) noexcept {
    return name.find(':') != name.npos || name.find_first_not_of("0123456789.") == name.npos;
}

bool extend(X509* certificate, int kind, const std::string& value) {
    X509V3_CTX context{};
    X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
    const bool added = extension != nullptr && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return added;
}

bool set_serial(X509* certificate) {
    std::array<unsigned char, 16> bytes{};
    if (RAND_bytes_ex(library(), bytes.data(), bytes.size(), 0) != 1) return false;
    bytes[0] &= 0x7f; // positive, RFC 5280 section 4.1.2.2
    BIGNUM* number = BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr);
    const bool set = BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nullptr;
    BN_free(number);
    return set;
}

bool set_subject(X509* certificate, const std::string& name) {
    constexpr std::size_t common_name_max = 64;
    const std::string common = name.substr(0, common_name_max);
    X509_NAME* subject = X509_get_subject_name(certificate);
    return X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                      reinterpret_cast<const unsigned char*>(common.data()),
                                      static_cast<int>(common.size()), -1, 0) == 1 &&
           X509_set_issuer_name(certificate, subject) == 1;
}

bool set_validity(X509* certificate) {
    return X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) != nullptr &&
           X509_gmtime_adj(X509_getm_notAfter(certificate), valid_seconds) != nullptr;
}

bool fill(X509* certificate, EVP_PKEY* key, std::span<const std::string> names) {
    std::string alternatives;
    for (const std::string& name : names) {
        alternatives +=
            (alternatives.empty() ? "" : ",") + std::string(is_ip(name) ? "IP:" : "DNS:");
        alternatives += name;
    }
    return X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
           set_validity(certificate) && set_subject(certificate, names.front()) &&
           X509_set_pubkey(certificate, key) == 1 &&
           extend(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
           extend(certificate, NID_key_usage, "critical,digitalSignature") &&
           extend(certificate, NID_ext_key_usage, "serverAuth,clientAuth") &&
           extend(certificate, NID_subject_alt_name, alternatives);
}

bool sign(X509* certificate, EVP_PKEY* key) {
    EVP_MD* hash = EVP_MD_fetch(library(), "SHA256", nullptr);
    const bool signed_it = hash != nullptr && X509_sign(certificate, key, hash) > 0;
    EVP_MD_free(hash);
    return signed_it;
}

/// What `write` writes into a BIO.
template <class Write>
std::string written(Write write) {
    const BioPtr to(BIO_new(BIO_s_secmem()));
    if (to == nullptr || write(to.get()) != 1) return {};
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(to.get(), &bytes);
    return {bytes, static_cast<std::size_t>(size)};
}

} // namespace

Result<Credentials> Credentials::parse(std::string_view chain, std::string_view key) {
    auto certificates = read_chain(chain);
    if (!certificates) return fail(std::move(certificates.error()));
    auto secret = read_key(key);
    if (!secret) return fail(std::move(secret.error()));
    if (X509_check_private_key(certificates->front().get(), secret->get()) != 1) {
        return fail(unreadable("the private key is not the certificate's"));
    }
    auto names = names_of(certificates->front().get());
    return Credentials(std::make_shared<const State>(
        State{std::move(*certificates), std::move(*secret), std::move(names)}));
}

Result<Credentials> Credentials::self_signed(std::span<const std::string> names) {
    if (names.empty() || !std::ranges::all_of(names, is_plain)) {
        return fail(user_error(ErrorKind::invalid, "a certificate needs names of hosts"));
    }
    KeyPtr key(EVP_PKEY_Q_keygen(library(), nullptr, "EC", "P-256"));
    CertificatePtr certificate(X509_new_ex(library(), nullptr));
    if (key == nullptr || certificate == nullptr || !fill(certificate.get(), key.get(), names) ||
        !sign(certificate.get(), key.get())) {
        return fail(noted_error(ErrorKind::invalid, Origin::user, "making a certificate"));
    }
    State state;
    state.names = names_of(certificate.get());
    state.chain.push_back(std::move(certificate));
    state.key = std::move(key);
    return Credentials(std::make_shared<const State>(std::move(state)));
}

bool Credentials::is_costly() const noexcept {
    return EVP_PKEY_is_a(state_->key.get(), "RSA") == 1 ||
           EVP_PKEY_is_a(state_->key.get(), "RSA-PSS") == 1;
}

const std::vector<std::string>& Credentials::names() const noexcept { return state_->names; }

std::string Credentials::certificate() const {
    return written([&](BIO* to) { return PEM_write_bio_X509(to, state_->chain.front().get()); });
}

std::string Credentials::key() const {
    return written([&](BIO* to) {
        return PEM_write_bio_PrivateKey(to, state_->key.get(), nullptr, nullptr, 0, nullptr,
                                        nullptr);
    });
}

} // namespace hc::tls
