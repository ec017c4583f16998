// OpenSSL as this folder uses it. It runs in a context of its own, which reads no configuration and
// no environment and loads nothing: a program may have another OpenSSL, with other settings, beside
// it. Only the files of core/tls include this.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cstdint>
#include <memory>
#include <string_view>

#include "core/base/error.hpp"

namespace hc::tls {

template <auto free_it>
struct FreedBy {
    template <class T>
    void operator()(T* owned) const noexcept {
        free_it(owned);
    }
};
using BioPtr = std::unique_ptr<BIO, FreedBy<BIO_free_all>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, FreedBy<EVP_PKEY_free>>;
using CertificatePtr = std::unique_ptr<X509, FreedBy<X509_free>>;
using StorePtr = std::unique_ptr<X509_STORE, FreedBy<X509_STORE_free>>;
using ContextPtr = std::unique_ptr<SSL_CTX, FreedBy<SSL_CTX_free>>;
using SessionPtr = std::unique_ptr<SSL_SESSION, FreedBy<SSL_SESSION_free>>;
using SslPtr = std::unique_ptr<SSL, FreedBy<SSL_free>>;

/// The context of this library, made by the first call and kept for ever; nullptr when there is no
/// memory for it. Any thread.
OSSL_LIB_CTX* library() noexcept;

/// What OpenSSL has noted as the oldest failure of this thread, behind `doing`; the notes are then
/// forgotten.
Error noted_error(ErrorKind kind, Origin origin, std::string_view doing);

/// The notes are forgotten.
void forget_errors() noexcept;

enum class Form : std::uint8_t { pem, der };
/// The next certificate; empty when there is none that can be read, which is noted.
CertificatePtr read_certificate(BIO& from, Form form) noexcept;
/// After that, of PEM: what was noted is only that the text has no further certificate.
bool text_has_ended() noexcept;
/// For a PEM reader: nobody is there to be asked for a password.
int no_password(char*, int, int, void*) noexcept;

/// A view of bytes for reading by BIO functions; the bytes must outlive it.
BioPtr reader_of(std::string_view bytes) noexcept;

} // namespace hc::tls
