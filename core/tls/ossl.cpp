#include "core/tls/ossl.hpp"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/provider.h>

#include <array>
#include <climits>
#include <string>

#include "core/tls/context.hpp"

namespace hc::tls {

OSSL_LIB_CTX* library() noexcept {
    // Never freed: connections of detached threads may outlive main().
    static OSSL_LIB_CTX* const context = [] {
        OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, nullptr);
        OSSL_LIB_CTX* made = OSSL_LIB_CTX_new();
        // The algorithms are part of the library itself; nothing is looked for on disk.
        if (made != nullptr && OSSL_PROVIDER_load(made, "default") == nullptr) {
            OSSL_LIB_CTX_free(made);
            made = nullptr;
        }
        return made;
    }();
    return context;
}

std::string_view library_version() noexcept { return OpenSSL_version(OPENSSL_VERSION_STRING); }

Error noted_error(ErrorKind kind, Origin origin, std::string_view doing) {
    const unsigned long code = ERR_get_error();
    ERR_clear_error();
    std::string message(doing);
    if (const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code)) {
        message.append(": ").append(reason);
    }
    return {.kind = kind,
            .origin = origin,
            .connection_survives = origin != Origin::peer,
            .code = static_cast<std::int64_t>(ERR_GET_REASON(code)),
            .message = std::move(message)};
}

void forget_errors() noexcept { ERR_clear_error(); }

int no_password(char*, int, int, void*) noexcept { return -1; }

CertificatePtr read_certificate(BIO& from, Form form) noexcept {
    X509* certificate = X509_new_ex(library(), nullptr);
    const X509* got = form == Form::der
                          ? d2i_X509_bio(&from, &certificate)
                          : PEM_read_bio_X509(&from, &certificate, &no_password, nullptr);
    CertificatePtr owned(certificate); // what failed may have freed it: then this is empty
    return got == nullptr ? nullptr : std::move(owned);
}

bool text_has_ended() noexcept {
    return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

BioPtr reader_of(std::string_view bytes) noexcept {
    if (bytes.size() > INT_MAX) return nullptr;
    return BioPtr(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
}

} // namespace hc::tls
