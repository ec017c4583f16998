#include "core/link/context.hpp"

#include <algorithm>
#include <cstdlib>

namespace hc::link {

namespace {
Duration shortest_of(const ConnectionLimits& limits) noexcept {
    std::uint32_t shortest = UINT32_MAX;
    for (std::uint32_t ms :
         {limits.header_timeout_ms, limits.body_timeout_ms, limits.idle_timeout_ms,
          limits.write_timeout_ms, limits.request_timeout_ms, limits.linger_timeout_ms}) {
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
        exchange.~Exchange();
        exchange_memory_back(&exchange);
    });
    for (void* memory : spare_exchanges_) std::free(memory);
}

void* ConnectionContext::exchange_memory() {
    if (spare_exchanges_.empty()) return std::malloc(sizeof(Exchange));
    void* memory = spare_exchanges_.back();
    spare_exchanges_.pop_back();
    return memory;
}

void ConnectionContext::exchange_memory_back(void* memory) noexcept {
    if (spare_exchanges_.size() < spare_max) {
        spare_exchanges_.push_back(memory);
    } else {
        std::free(memory);
    }
}

} // namespace hc::link
