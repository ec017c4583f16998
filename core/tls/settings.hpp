// What a TLS context is made from.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/tls/credentials.hpp"
#include "core/tls/tickets.hpp"

namespace hc::tls {

enum class Version : std::uint8_t { tls1_2, tls1_3 };

/// Gets a line for each secret of a connection, in the format of SSLKEYLOGFILE (RFC 9850), without
/// the line's end. On any thread. Whoever has them can read the connection.
using KeyLog = std::function<void(std::string_view line)>;

/// Of both ends. The defaults are those of a public server of today.
struct CommonSettings {
    Version oldest = Version::tls1_2;
    Version newest = Version::tls1_3;
    /// For TLS 1.2, in OpenSSL's notation.
    std::string ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20";
    /// For TLS 1.3, in OpenSSL's notation.
    std::string cipher_suites =
        "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
    /// Key agreements, the preferred first. The first withstands quantum computers.
    std::string groups = "X25519MLKEM768:X25519:secp256r1:secp384r1";
    /// Protocols by ALPN (RFC 7301), the preferred first. A server answers a client that offers
    /// none of them with no_application_protocol; one that does not ask gets none.
    std::vector<std::string> alpn;
    /// Certificates in PEM whose issues (and who themselves) are trusted. Client: nobody is trusted
    /// when it is empty. Server: for certificates of clients.
    std::string roots;
    KeyLog key_log; // empty for none
};

enum class ClientCertificates : std::uint8_t { none, optional, required };

struct ServerSettings : CommonSettings {
    /// At least one, unless `asks`. A client gets the first whose names match the name that it asks
    /// for (SNI), or else the first of all.
    std::vector<Credentials> credentials;
    ClientCertificates client_certificates = ClientCertificates::none;
    /// A client that asks for a name which no certificate here is for waits until it is told one:
    /// see Progress::wants_certificate.
    bool asks = false;
    /// Clients may take up earlier sessions with these; nullptr: they cannot. A session is only
    /// taken up where the same is asked of clients' certificates as where it began.
    std::shared_ptr<Tickets> tickets;
    /// How many tickets a client of TLS 1.3 gets in a handshake; each is good for one connection.
    std::uint32_t tickets_sent = 2;
};

struct ClientSettings : CommonSettings {
    /// For servers that ask who the client is; at most one.
    std::vector<Credentials> credentials;
};

} // namespace hc::tls
