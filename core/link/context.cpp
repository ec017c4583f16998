#include "core/link/context.hpp"

#include <algorithm>
#include <cstdlib>
#include <new>
#include <utility>

#include "core/link/coder.hpp"

namespace hc::link {

namespace {
Duration shortest_of(const ConnectionLimits& limits) noexcept {
    std::uint32_t shortest = UINT32_MAX;
    for (std::uint32_t ms :
         {limits.header_timeout_ms, limits.body_timeout_ms, limits.idle_timeout_ms,
          limits.write_timeout_ms, limits.request_timeout_ms, limits.linger_timeout_ms,
          limits.h2_stall_timeout_ms, limits.h2_ping_interval_ms, limits.h2_ping_timeout_ms}) {
        if (ms != 0) shortest = std::min(shortest, ms);
    }
    return milliseconds(shortest);
}
} // namespace

ConnectionContext::ConnectionContext(runtime::Worker& on, const ConnectionLimits& bounds,
                                     Dispatcher& to, Counters& counts)
    : worker(on), limits(bounds), dispatcher(to), counters(counts),
      shortest_timeout(shortest_of(bounds)) {}

ConnectionContext::~ConnectionContext() {
    // Connections are gone by now. Exchanges that nobody released end here; their ids are stale.
    exchanges.for_each([this](Exchange& exchange) {
        Exchange::destroy(exchange);
        exchange_memory_back(&exchange);
    });
    while (spare_ != nullptr) std::free(std::exchange(spare_, spare_->next));
}

void ConnectionContext::use_coding(const CodingOptions& options) {
    if (!options.any()) return;
    coder = std::make_unique<Coder>(options);
    decodes = options.decompress;
}

std::span<char> ConnectionContext::plaintext_buffer() {
    constexpr std::size_t bytes = 16 * 1024; // what a record holds at most
    if (plaintext_ == nullptr) plaintext_ = std::make_unique_for_overwrite<char[]>(bytes);
    return {plaintext_.get(), bytes};
}

void* ConnectionContext::exchange_memory() noexcept {
    if (spare_ == nullptr) return std::malloc(sizeof(Exchange));
    --spares_;
    return std::exchange(spare_, spare_->next);
}

void ConnectionContext::exchange_memory_back(void* memory) noexcept {
    if (given_up && exchanges.empty()) [[unlikely]]
        dispatcher.deserted();
    if (spares_ == spare_max) {
        std::free(memory);
        return;
    }
    ++spares_;
    spare_ = new (memory) Spare{spare_};
}

} // namespace hc::link
