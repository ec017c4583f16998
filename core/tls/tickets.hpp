// Tickets: the keys under which a server's clients keep their sessions (RFC 5077, RFC 8446 section
// 4.6.1). A ticket is the whole state of a session, encrypted: the server remembers nothing, and
// every process that has the same secret takes the tickets of all.
//
// Keys are made from a secret and the number of a period of time (HKDF-SHA-256), so that they
// change by themselves, everywhere at once: the present period's key encrypts, it and the one before
// decrypt. A ticket is good for one period at least and two at most; who steals a key cannot read
// what was agreed upon in other periods.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"

namespace hc::tls {

/// Any thread.
class Tickets {
public:
    static constexpr std::size_t secret_bytes = 32;
    static constexpr std::size_t secrets_max = 16;
    static constexpr std::size_t name_bytes = 16;
    /// Of one period: what names it in a ticket, and what encrypts (AES-256-CBC) and proves
    /// (HMAC-SHA-256) one.
    struct Key {
        std::array<std::uint8_t, name_bytes> name;
        std::array<std::uint8_t, 32> cipher;
        std::array<std::uint8_t, 32> mac;
    };
    struct Found {
        Key key;
        bool renew; // of an earlier period or secret: the client should get a new ticket
    };
    /// Seconds since 1970.
    using Clock = std::int64_t (*)();

    /// `secrets`: 32 bytes each; the first encrypts, all of them decrypt, so that a new one can be
    /// told to every process before it is used. None: a random one. `lifetime_s`: of a period and
    /// of a ticket, 1 to 604,800 (RFC 8446 allows no more than seven days). `clock`: nullptr for
    /// the system's.
    static Result<std::shared_ptr<Tickets>> make(std::span<const std::string> secrets,
                                                 std::uint32_t lifetime_s, Clock clock = nullptr);

    std::uint32_t lifetime_s() const noexcept { return lifetime_s_; }
    /// What encrypts now; nullopt when OpenSSL cannot make it.
    std::optional<Key> current();
    /// What a ticket with this name was encrypted by; nullopt for a name that is not (any more)
    /// known.
    std::optional<Found> find(std::span<const std::uint8_t, name_bytes> name);

private:
    Tickets(std::vector<std::string> secrets, std::uint32_t lifetime_s, Clock clock) noexcept;
    /// With the lock held: the keys of this period and the one before are there.
    bool refresh();

    const std::vector<std::string> secrets_;
    const std::uint32_t lifetime_s_;
    const Clock clock_;
    std::mutex mutex_;
    std::int64_t period_ = -1;
    std::vector<Key> keys_; // of each secret: this period's, then the one's before
};

} // namespace hc::tls
