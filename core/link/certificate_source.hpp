// Who is asked for a certificate that a server does not have, while the handshake waits.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/runtime/worker.hpp"
#include "core/tls/credentials.hpp"

namespace hc::link {

/// A handshake that waits. On its worker only.
class CertificateWaiter {
public:
    /// What the client asks for (SNI).
    virtual std::string_view server_name() const noexcept = 0;
    /// It wants to be shown that the name is this server's (RFC 8737).
    virtual bool offers_acme() const noexcept = 0;
    virtual runtime::Worker& worker() const noexcept = 0;
    /// Not inside needed().
    virtual void answer(tls::Credentials credentials) = 0;
    /// The handshake fails. Not inside needed().
    virtual void refuse() = 0;

protected:
    ~CertificateWaiter() = default;
};

/// Lives as long as a listener's connections shake hands. On any worker.
class CertificateSource {
public:
    virtual ~CertificateSource() = default;
    /// A number for gone(); 0: nobody can be asked, and the handshake fails. Later, on the worker,
    /// the waiter gets its answer or is refused.
    virtual std::uint64_t needed(CertificateWaiter& waiter) = 0;
    /// The handshake has ended, maybe without an answer: the waiter is no more.
    virtual void gone(std::uint64_t number) noexcept = 0;
};

} // namespace hc::link
