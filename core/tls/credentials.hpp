// Credentials: a certificate, the chain to its issuer, and the private key.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"

namespace hc::tls {

/// Immutable once made; copies share. Any thread.
class Credentials {
public:
    /// `chain`: PEM with one or more certificates (at most 16), the server's own first, or one
    /// certificate in DER. `key`: PEM (not encrypted) or DER. `invalid` when they cannot be read,
    /// or the key is not the first certificate's.
    static Result<Credentials> parse(std::string_view chain, std::string_view key);
    /// For development: a new P-256 key and a certificate signed by itself, for these names (DNS
    /// names or IP addresses; at least one), good from an hour ago for 90 days. Clients that are
    /// given certificate() as a root trust it.
    static Result<Credentials> self_signed(std::span<const std::string> names);

    /// The DNS names that the certificate is for, in lower case, wildcards as they stand.
    const std::vector<std::string>& names() const noexcept;
    /// Whether to sign with the key takes long: with RSA 0.25 ms and more, with P-256 less than
    /// a tenth of that.
    bool is_costly() const noexcept;
    /// The first certificate in PEM.
    std::string certificate() const;
    /// The private key in PEM. Keep it from others.
    std::string key() const;

    struct State; // for the files of core/tls
    const State& state() const noexcept { return *state_; }

private:
    explicit Credentials(std::shared_ptr<const State> state) noexcept : state_(std::move(state)) {}
    std::shared_ptr<const State> state_;
};

} // namespace hc::tls
