#include "core/server/metrics.hpp"

#include <bit>
#include <cmath>

#include <fmt/format.h>

namespace hc::server {

// Buckets 0..3 are 0, 1, 2 and 3 us; from there each power of two has four: 4, 5, 6, 7, 8-9, 10-11
// ...
int Histogram::bucket_of(std::uint64_t us) noexcept {
    if (us < 4) return static_cast<int>(us);
    const int power = static_cast<int>(std::bit_width(us)) - 1; // us is in [2^power, 2^(power+1))
    const int quarter = static_cast<int>((us >> (power - 2)) & 3);
    const int bucket = (power - 1) * 4 + quarter;
    return bucket < buckets ? bucket : buckets - 1;
}

std::uint64_t Histogram::upper_us(int bucket) noexcept {
    if (bucket < 4) return static_cast<std::uint64_t>(bucket);
    const int power = bucket / 4 + 1;
    const auto quarter = static_cast<std::uint64_t>(bucket % 4);
    return ((quarter + 5) << (power - 2)) - 1;
}

std::uint64_t Histogram::quantile_us(double share) const noexcept {
    if (count == 0) return 0;
    const auto wanted = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count)));
    std::uint64_t seen = 0;
    for (int bucket = 0; bucket < buckets; ++bucket) {
        seen += counts[static_cast<std::size_t>(bucket)];
        if (seen >= wanted && seen > 0) return upper_us(bucket);
    }
    return upper_us(buckets - 1);
}

namespace {

struct Entry {
    const char* name;
    const char* type;
    const char* help;
    std::uint64_t Metrics::* value;
};

constexpr Entry entries[] = {
    {"connections_accepted", "counter", "Connections accepted.", &Metrics::connections_accepted},
    {"connections_open", "gauge", "Connections open now.", &Metrics::connections_open},
    {"connections_refused", "counter", "Connections answered 503: a limit was reached.",
     &Metrics::connections_refused},
    {"requests", "counter", "Requests whose head was complete and well-formed.",
     &Metrics::requests},
    {"requests_active", "gauge", "Exchanges that are not finished and released.",
     &Metrics::requests_active},
    {"requests_refused", "counter", "Requests answered 503: the handlers were busy.",
     &Metrics::requests_refused},
    {"protocol_errors", "counter", "Messages that broke the protocol.", &Metrics::protocol_errors},
    {"timeouts", "counter", "Connections and requests ended by a time limit.", &Metrics::timeouts},
    {"received_bytes", "counter", "Bytes received.", &Metrics::bytes_received},
    {"sent_bytes", "counter", "Bytes handed over for sending.", &Metrics::bytes_sent},
    {"h2_connections", "counter", "Connections that spoke HTTP/2.", &Metrics::h2_connections},
    {"h2_calmed", "counter", "HTTP/2 connections ended with ENHANCE_YOUR_CALM.",
     &Metrics::h2_calmed},
    {"h2_stalls", "counter", "HTTP/2 streams reset because the peer's window stayed shut.",
     &Metrics::h2_stalls},
    {"websockets_open", "gauge", "WebSockets open now.", &Metrics::websockets_open},
    {"websocket_messages_received", "counter", "Messages of WebSockets received.",
     &Metrics::websocket_messages_received},
    {"websocket_messages_sent", "counter", "Messages sent to WebSockets.",
     &Metrics::websocket_messages_sent},
    {"topic_messages_dropped", "counter",
     "Messages of topics that a subscriber was too slow to be sent.",
     &Metrics::topic_messages_dropped},
    {"pool_threads", "gauge", "Threads that the pool for handlers may have.",
     &Metrics::pool_threads},
    {"pool_busy", "gauge", "Threads of the pool that run a handler now.", &Metrics::pool_busy},
    {"pool_queued", "gauge", "Requests that wait for a thread of the pool.", &Metrics::pool_queued},
    {"pool_processed", "counter", "Requests that a thread of the pool has handled.",
     &Metrics::pool_processed},
    {"pool_refused", "counter", "Requests answered 503: the queue of the pool was full.",
     &Metrics::pool_refused},
};

/// Counters end in "_total", as the exposition format wants it.
std::string full_name(const Entry& entry) {
    const bool counter = std::string_view(entry.type) == "counter";
    return fmt::format("httpcore_{}{}", entry.name, counter ? "_total" : "");
}

} // namespace

std::string prometheus_text(const Metrics& metrics) {
    std::string out;
    for (const Entry& entry : entries) {
        const std::string name = full_name(entry);
        out += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n{0} {3}\n", name, entry.help,
                           entry.type, metrics.*entry.value);
    }
    out += "# HELP httpcore_responses_total Answers by class of status.\n"
           "# TYPE httpcore_responses_total counter\n";
    for (std::size_t i = 1; i < metrics.responses.size(); ++i) {
        out +=
            fmt::format("httpcore_responses_total{{class=\"{}xx\"}} {}\n", i, metrics.responses[i]);
    }
    out += fmt::format("httpcore_responses_total{{class=\"none\"}} {}\n", metrics.responses[0]);
    out += "# HELP httpcore_h2_glitches_total What HTTP/2 peers did that is bounded, by kind.\n"
           "# TYPE httpcore_h2_glitches_total counter\n";
    for (std::size_t i = 0; i < metrics.h2_glitches.size(); ++i) {
        out += fmt::format("httpcore_h2_glitches_total{{kind=\"{}\"}} {}\n", h2::glitch_names[i],
                           metrics.h2_glitches[i]);
    }
    out += "# HELP httpcore_latency_seconds From the end of the head to the end of the answer.\n"
           "# TYPE httpcore_latency_seconds histogram\n";
    std::uint64_t seen = 0;
    for (int bucket = 0; bucket < Histogram::buckets; ++bucket) {
        const std::uint64_t n = metrics.latency.counts[static_cast<std::size_t>(bucket)];
        seen += n;
        if (n == 0) continue;
        out += fmt::format("httpcore_latency_seconds_bucket{{le=\"{:.6f}\"}} {}\n",
                           static_cast<double>(Histogram::upper_us(bucket)) / 1e6, seen);
    }
    out += fmt::format("httpcore_latency_seconds_bucket{{le=\"+Inf\"}} {}\n"
                       "httpcore_latency_seconds_sum {:.6f}\nhttpcore_latency_seconds_count {}\n",
                       metrics.latency.count, static_cast<double>(metrics.latency.sum_us) / 1e6,
                       metrics.latency.count);
    return out;
}

std::string json_text(const Metrics& metrics) {
    std::string out = "{";
    for (const Entry& entry : entries) {
        out += fmt::format("\"{}\":{},", entry.name, metrics.*entry.value);
    }
    out += "\"h2_glitches\":{";
    for (std::size_t i = 0; i < metrics.h2_glitches.size(); ++i) {
        out += fmt::format("{}\"{}\":{}", i == 0 ? "" : ",", h2::glitch_names[i],
                           metrics.h2_glitches[i]);
    }
    out += "},\"responses\":{";
    for (std::size_t i = 1; i < metrics.responses.size(); ++i) {
        out += fmt::format("\"{}xx\":{},", i, metrics.responses[i]);
    }
    out += fmt::format("\"none\":{}}},", metrics.responses[0]);
    const Histogram& latency = metrics.latency;
    out += fmt::format(
        "\"latency_us\":{{\"count\":{},\"p50\":{},\"p90\":{},\"p99\":{},\"p999\":{}}}}}",
        latency.count, latency.quantile_us(0.5), latency.quantile_us(0.9),
        latency.quantile_us(0.99), latency.quantile_us(0.999));
    return out;
}

} // namespace hc::server
