#include "core/link/context.hpp"

#include <cstdlib>

namespace hc::link {

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
