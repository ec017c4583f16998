// Any bytes as a certificate chain, as a private key and as roots. The first two bytes say how long
// the chain is; what follows it is the key.
#include <cstdint>
#include <string_view>

#include "core/tls/context.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
    const std::size_t chain = std::size_t{data[0]} << 8 | data[1];
    const std::string_view first = bytes.substr(0, chain);
    auto made = hc::tls::Credentials::parse(first, bytes.substr(first.size()));
    if (made) {
        hc::tls::ServerSettings settings;
        settings.credentials = {*made};
        (void)hc::tls::Context::server(settings); // too weak, perhaps
    }
    hc::tls::ClientSettings trusting;
    trusting.roots = bytes;
    (void)hc::tls::Context::client(trusting);
    return 0;
}
