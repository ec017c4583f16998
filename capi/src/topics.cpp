// hc_topic_*: subscribe, unsubscribe, publish.
#include <string>

#include "hc_build.h"
#include "capi/src/exchange.hpp"
#include "capi/src/server.hpp"

#if HC_WITH_WEBSOCKET
#include "core/server/topics.hpp"

using namespace hc::capi;
using hc::ErrorKind;
using hc::link::Exchange;
using hc::server::Topics;

namespace hc::capi {
namespace {

ErrorKind subscribe(Exchange& exchange, std::string_view name) {
    Topics* topics = Topics::of(exchange);
    return topics == nullptr ? ErrorKind::closed : topics->subscribe(exchange, name);
}

/// What can be told without the worker. The server's options do not change.
hc_status examine(const Exchange& exchange, std::string_view name) {
    const Topics* topics = Topics::of(exchange);
    if (topics == nullptr || has(exchange, Bit::closed)) return HC_E_CLOSED;
    return topics->is_name(name) ? HC_OK : HC_E_INVALID;
}

} // namespace
} // namespace hc::capi

hc_status hc_topic_subscribe(hc_exchange exchange, const char* topic, size_t n) {
    return barrier([&]() -> hc_status {
        if (topic == nullptr) return HC_E_INVALID;
        const std::string_view name{topic, n};
        return on_exchange(
            exchange, [&](Exchange& here) { return status_of(subscribe(here, name)); },
            [&](const Away& away) -> hc_status {
                const hc_status bad = examine(away.exchange(), name);
                if (bad != HC_OK) return bad;
                return away.post(
                    [kept = std::string(name)](Exchange& there) { return subscribe(there, kept); });
            });
    });
}

hc_status hc_topic_unsubscribe(hc_exchange exchange, const char* topic, size_t n) {
    return barrier([&]() -> hc_status {
        if (topic == nullptr) return HC_E_INVALID;
        const std::string_view name{topic, n};
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
    });
}

hc_status hc_topic_publish(hc_server* server, const char* topic, size_t n, int32_t opcode,
                           const void* bytes, size_t size, uint32_t flags) {
    return barrier(server, [&](hc_server& on) -> hc_status {
        const bool known = opcode == HC_WS_TEXT || opcode == HC_WS_BINARY;
        if (topic == nullptr || !known || flags != 0) return HC_E_INVALID;
        if (bytes == nullptr && size > 0) return HC_E_INVALID;
        const std::string_view message{static_cast<const char*>(bytes), size};
        const auto kind = static_cast<hc::ws::Opcode>(opcode);
        return status_of(on.core->topics()->publish({topic, n}, kind, message));
    });
}

#else // without WebSocket, which makes what is shared

using namespace hc::capi;

hc_status hc_topic_subscribe(hc_exchange, const char*, size_t) {
    return barrier([]() -> hc_status { return HC_E_UNSUPPORTED; });
}
hc_status hc_topic_unsubscribe(hc_exchange, const char*, size_t) {
    return barrier([]() -> hc_status { return HC_E_UNSUPPORTED; });
}
hc_status hc_topic_publish(hc_server*, const char*, size_t, int32_t, const void*, size_t,
                           uint32_t) {
    return barrier([]() -> hc_status { return HC_E_UNSUPPORTED; });
}

#endif
