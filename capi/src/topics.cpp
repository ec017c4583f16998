// hc_topic_*: subscribe, unsubscribe, publish.
#include <string>

#include "hc_build.h"
#include "capi/src/exchange.hpp"
#include "capi/src/server.hpp"

#if HC_WITH_WEBSOCKET
#include "core/server/topics.hpp"

namespace hc::capi {
namespace {

using link::Exchange;
using server::Topics;

ErrorKind subscribe_here(Exchange& exchange, std::string_view name) {
    Topics* topics = Topics::of(exchange);
    return topics == nullptr ? ErrorKind::closed : topics->subscribe(exchange, name);
}

/// What can be told without the worker. The server's options do not change.
hc_status examine(const Exchange& exchange, std::string_view name) {
    const Topics* topics = Topics::of(exchange);
    if (topics == nullptr || has(exchange, Bit::closed)) return HC_E_CLOSED;
    return topics->is_name(name) ? HC_OK : HC_E_INVALID;
}

hc_status subscribe_any(hc_exchange exchange, std::string_view name) {
    return on_exchange(
        exchange, [&](Exchange& here) { return status_of(subscribe_here(here, name)); },
        [&](const Away& away) -> hc_status {
            const hc_status bad = examine(away.exchange(), name);
            if (bad != HC_OK) return bad;
            return away.post([kept = std::string(name)](Exchange& there) {
                return subscribe_here(there, kept);
            });
        });
}

hc_status unsubscribe_any(hc_exchange exchange, std::string_view name) {
    return on_exchange(
        exchange, [&](Exchange& here) { return status_of(Topics::unsubscribe(here, name)); },
        [&](const Away& away) -> hc_status {
            const hc_status bad = examine(away.exchange(), name);
            if (bad != HC_OK) return bad;
            return away.post([kept = std::string(name)](Exchange& there) {
                Topics::unsubscribe(there, kept); // or it was not subscribed: as it is wanted
                return ErrorKind::ok;
            });
        });
}

hc_status publish_any(const hc_server& server, std::string_view name, std::int32_t opcode,
                      std::string_view bytes) {
    const auto kind = static_cast<ws::Opcode>(opcode);
    return status_of(server.core->topics()->publish(name, kind, bytes));
}

} // namespace
} // namespace hc::capi

#else // what is shared is made by WebSocket

namespace hc::capi {
namespace {

hc_status subscribe_any(hc_exchange, std::string_view) { return HC_E_UNSUPPORTED; }
hc_status unsubscribe_any(hc_exchange, std::string_view) { return HC_E_UNSUPPORTED; }
hc_status publish_any(const hc_server&, std::string_view, std::int32_t, std::string_view) {
    return HC_E_UNSUPPORTED;
}

} // namespace
} // namespace hc::capi

#endif

using namespace hc::capi;

hc_status hc_topic_subscribe(hc_exchange exchange, const char* topic, size_t n) {
    return barrier([&]() -> hc_status {
        if (topic == nullptr) return HC_E_INVALID;
        return subscribe_any(exchange, {topic, n});
    });
}

hc_status hc_topic_unsubscribe(hc_exchange exchange, const char* topic, size_t n) {
    return barrier([&]() -> hc_status {
        if (topic == nullptr) return HC_E_INVALID;
        return unsubscribe_any(exchange, {topic, n});
    });
}

hc_status hc_topic_publish(hc_server* server, const char* topic, size_t n, int32_t opcode,
                           const void* bytes, size_t size, uint32_t flags) {
    return barrier(server, [&](hc_server& on) -> hc_status {
        const bool known = opcode == HC_WS_TEXT || opcode == HC_WS_BINARY;
        if (topic == nullptr || !known || flags != 0) return HC_E_INVALID;
        if (bytes == nullptr && size > 0) return HC_E_INVALID;
        const std::string_view message{static_cast<const char*>(bytes), size};
        return publish_any(on, {topic, n}, opcode, message);
    });
}
