// Security: what TLS has found out about a connection.
#pragma once

#include <string>
#include <vector>

namespace hc::link {

/// Immutable; any thread.
struct Security {
    std::string version;     // "TLSv1.3"
    std::string cipher;      // "TLS_AES_128_GCM_SHA256"
    std::string group;       // "X25519MLKEM768"; how keys were agreed upon
    std::string server_name; // what the client asked for (SNI); empty: none
    std::string protocol;    // by ALPN; empty: none
    bool resumed = false;    // an earlier session was taken up
    /// The peer's certificates in DER, its own first; they were verified. Empty: it showed none. Of
    /// a client whose session was taken up there is only its own.
    std::vector<std::string> peer_chain;
};

} // namespace hc::link
