// hc_head and field tables, made from what the core received.
#pragma once

#include <httpcore/httpcore.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "core/http/head.hpp"
#include "core/link/exchange.hpp"

namespace hc::capi {

/// Fields as the C API shows them; the texts stay where the head is.
class FieldTable {
public:
    /// Fills the table with the fields of a head, and room for `more` behind them.
    void build(const http::HeadView& head, std::size_t more);
    hc_header* data() noexcept { return fields_.get(); }
    std::uint32_t size() const noexcept { return size_; }
    hc_header* rest() noexcept { return fields_.get() + size_; }

private:
    std::unique_ptr<hc_header[]> fields_;
    std::size_t capacity_ = 0;
    std::uint32_t size_ = 0;
};

/// Both ends of an exchange's connection, as they were when this was made.
struct Ends {
    link::Endpoint peer;
    link::Endpoint local;
    std::shared_ptr<const link::Security> security; // nullptr without TLS
    std::uint64_t connection = 0;

    /// On the worker.
    static Ends of(const link::Exchange& exchange);
};

/// An hc_head and everything it points to but the received bytes.
class HeadTable {
public:
    /// Any thread that may read the exchange's head. Memory of an earlier use is used again.
    void build(const link::Exchange& exchange, const Ends& ends);
    const hc_head& head() const noexcept { return head_; }

private:
    static constexpr std::size_t endpoint_bytes =
        80; // "[ffff:...:255.255.255.255%4294967295]:65535"
    void show(const link::Security& security) noexcept;

    hc_head head_{};
    std::shared_ptr<const link::Security> security_;
    FieldTable fields_;
    char peer_[endpoint_bytes];
    char local_[endpoint_bytes];
};

/// Writes an endpoint as text ("127.0.0.1:80"); gives how many bytes.
std::size_t write_endpoint(const link::Endpoint& endpoint, std::span<char> out);

} // namespace hc::capi
