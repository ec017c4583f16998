#include "core/tls/digest.hpp"

#include <new>

#include "core/tls/ossl.hpp"

namespace hc::tls {

std::array<std::uint8_t, 20> sha1(std::string_view bytes) {
    // Found once: looking an algorithm up takes longer than digesting a few bytes. Never freed, as
    // the context that it belongs to.
    static EVP_MD* const algorithm = EVP_MD_fetch(library(), "SHA1", nullptr);
    std::array<std::uint8_t, 20> digest{};
    if (algorithm == nullptr ||
        EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, algorithm, nullptr) != 1) {
        forget_errors();
        throw std::bad_alloc();
    }
    return digest;
}

} // namespace hc::tls
