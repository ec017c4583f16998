// The bytes of an answer on their way from the caller to the exchange.
#pragma once

#include <httpcore/httpcore.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/chain.hpp"
#include "core/http/field.hpp"
#include "core/link/exchange.hpp"

namespace hc::capi {

/// The caller's fields, as the core has them.
inline std::span<const http::Field> fields_of(const hc_header* headers, std::size_t n) noexcept {
    return {reinterpret_cast<const http::Field*>(headers), n};
}

/// False for a null pointer with a length. What it points to is examined by the core.
constexpr bool are_given(const hc_header* headers, std::size_t n) noexcept {
    return headers != nullptr || n == 0;
}

/// Fields and their texts, copied.
class KeptFields {
public:
    explicit KeptFields(std::span<const http::Field> source);
    std::span<const http::Field> fields() const noexcept { return fields_; }

private:
    std::unique_ptr<char[]> texts_; // not a string: its bytes must stay where they are in a move
    std::vector<http::Field> fields_;
};

/// Bytes that stay the caller's, as a chain of one chunk. Unless kept() is called, the loan never
/// was: the caller is told nothing.
class Loan {
public:
    /// `exchange` on its worker, or pinned.
    static Loan of_bytes(link::Exchange& exchange, std::string_view bytes, std::uint64_t token);
    static Loan of_file(link::Exchange& exchange, std::intptr_t file, std::uint64_t offset,
                        std::uint64_t size, std::uint64_t token);
    Loan(Loan&& other) noexcept
        : notice_(std::exchange(other.notice_, nullptr)), chain_(std::move(other.chain_)) {}
    ~Loan();

    Chain& chain() noexcept { return chain_; }
    /// The core has it (or a message on the way to it): the caller will be told.
    void kept() noexcept { notice_ = nullptr; }
    /// For a message: from here on the caller will be told in any case.
    Chain take() noexcept {
        kept();
        return std::move(chain_);
    }

private:
    class Notice;
    explicit Loan(link::Exchange& exchange);

    Notice* notice_;
    Chain chain_;
};

/// Tells at once of a loan of nothing.
void report_sent(link::Exchange& exchange, std::uint64_t token);

} // namespace hc::capi
