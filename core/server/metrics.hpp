// What a server counts. Each worker writes its own counters; a snapshot adds them up.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

#include "core/proto/h2/guard.hpp"

namespace hc::server {

/// Latencies in buckets that grow by a quarter of a power of two: 1 us to over an hour, within 19%.
struct Histogram {
    static constexpr int buckets = 128;
    std::array<std::uint64_t, buckets> counts{};
    std::uint64_t count = 0;
    std::uint64_t sum_us = 0;

    static int bucket_of(std::uint64_t us) noexcept;
    /// The largest value that falls into a bucket, in microseconds.
    static std::uint64_t upper_us(int bucket) noexcept;
    /// The value below which a share (0..1) of the samples lies, in microseconds; 0 without
    /// samples.
    std::uint64_t quantile_us(double share) const noexcept;
};

/// A snapshot of all workers' counters.
struct Metrics {
    std::uint64_t connections_accepted = 0;
    std::uint64_t connections_open = 0;
    std::uint64_t connections_refused = 0; // 503: total or per-peer limit
    std::uint64_t requests = 0;            // heads that were complete and well-formed
    std::uint64_t requests_active = 0;     // exchanges not yet freed
    std::uint64_t requests_refused = 0;    // 503: exchanges_max, queue full
    std::array<std::uint64_t, 6>
        responses{};                   // by class: [1] 1xx ... [5] 5xx; [0] aborted without answer
    std::uint64_t protocol_errors = 0; // 4xx and 5xx made by the library
    std::uint64_t timeouts = 0;
    std::uint64_t bytes_received = 0;
    std::uint64_t bytes_sent = 0;
    std::uint64_t h2_connections = 0; // begun, in all
    std::uint64_t h2_calmed = 0;      // ended because the peer sent too much that does no work
    std::uint64_t h2_stalls = 0;      // streams reset because the peer's window stayed shut
    std::array<std::uint64_t, h2::glitch_count> h2_glitches{}; // by h2::Glitch
    std::uint64_t websockets_open = 0;
    std::uint64_t websocket_messages_received = 0;
    std::uint64_t websocket_messages_sent = 0;
    std::uint64_t topic_messages_dropped = 0;
    std::uint64_t pool_threads = 0;   // that the pool for handlers may have; 0: there is none
    std::uint64_t pool_busy = 0;      // of them run a handler
    std::uint64_t pool_queued = 0;    // requests that wait for a thread
    std::uint64_t pool_processed = 0; // requests whose handler was begun and has returned
    std::uint64_t pool_refused = 0;   // requests that no thread was or will be free for: 503
    Histogram latency;                // from the end of the head to the end of the answer
};

/// Prometheus text exposition format, names "httpcore_...".
std::string prometheus_text(const Metrics& metrics);
/// The same as one JSON object.
std::string json_text(const Metrics& metrics);

} // namespace hc::server
