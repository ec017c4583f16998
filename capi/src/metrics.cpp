#include "core/server/metrics.hpp"

#include "capi/src/runtime.hpp"
#include "capi/src/text.hpp"

namespace hc::capi {
namespace {

void add(server::Histogram& sum, const server::Histogram& more) noexcept {
    for (std::size_t i = 0; i < sum.counts.size(); ++i) sum.counts[i] += more.counts[i];
    sum.count += more.count;
    sum.sum_us += more.sum_us;
}

void add(server::Metrics& sum, const server::Metrics& more) noexcept {
    sum.connections_accepted += more.connections_accepted;
    sum.connections_open += more.connections_open;
    sum.connections_refused += more.connections_refused;
    sum.requests += more.requests;
    sum.requests_active += more.requests_active;
    sum.requests_refused += more.requests_refused;
    for (std::size_t i = 0; i < sum.responses.size(); ++i) sum.responses[i] += more.responses[i];
    sum.protocol_errors += more.protocol_errors;
    sum.timeouts += more.timeouts;
    sum.bytes_received += more.bytes_received;
    sum.bytes_sent += more.bytes_sent;
    sum.h2_connections += more.h2_connections;
    sum.h2_calmed += more.h2_calmed;
    sum.h2_stalls += more.h2_stalls;
    for (std::size_t i = 0; i < sum.h2_glitches.size(); ++i) {
        sum.h2_glitches[i] += more.h2_glitches[i];
    }
    sum.websockets_open += more.websockets_open;
    sum.websocket_messages_received += more.websocket_messages_received;
    sum.websocket_messages_sent += more.websocket_messages_sent;
    sum.topic_messages_dropped += more.topic_messages_dropped;
    sum.pool_threads += more.pool_threads;
    sum.pool_busy += more.pool_busy;
    sum.pool_queued += more.pool_queued;
    sum.pool_processed += more.pool_processed;
    sum.pool_refused += more.pool_refused;
    add(sum.latency, more.latency);
}

} // namespace
} // namespace hc::capi

using namespace hc::capi;

hc_status hc_metrics(hc_runtime* runtime, int32_t format, char* buf, size_t cap, size_t* need) {
    return barrier(runtime, [&](hc_runtime& self) -> hc_status {
        if (format != HC_METRICS_PROMETHEUS && format != HC_METRICS_JSON) return HC_E_INVALID;
        hc::server::Metrics sum;
        for (const auto& server : self.shared->servers()) add(sum, server->metrics());
        return give_text(format == HC_METRICS_JSON ? hc::server::json_text(sum)
                                                   : hc::server::prometheus_text(sum),
                         buf, cap, need);
    });
}
