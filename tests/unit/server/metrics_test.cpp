// What a server counts and how it tells: snapshots, the exposition format, JSON, the access log.
#include "core/server/metrics.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <sstream>

#include "tests/unit/server/service.hpp"

namespace hc::server::test {
namespace {

TEST(Histogram, BucketsAreInOrderAndCloseTogether) {
    int before = -1;
    for (std::uint64_t us = 0; us < 10'000; ++us) {
        const int bucket = Histogram::bucket_of(us);
        ASSERT_TRUE(bucket == before || bucket == before + 1) << us;
        ASSERT_LE(us, Histogram::upper_us(bucket));
        if (bucket > 0) ASSERT_GT(us, Histogram::upper_us(bucket - 1));
        before = bucket;
    }
    for (int bucket = 0; bucket < Histogram::buckets; ++bucket) {
        const std::uint64_t upper = Histogram::upper_us(bucket);
        EXPECT_EQ(Histogram::bucket_of(upper), bucket);
        if (bucket + 1 < Histogram::buckets) {
            EXPECT_EQ(Histogram::bucket_of(upper + 1), bucket + 1);
        }
        if (bucket > 4) {
            const std::uint64_t lower = Histogram::upper_us(bucket - 1) + 1;
            EXPECT_LE(static_cast<double>(upper), static_cast<double>(lower) * 1.25);
        }
    }
    EXPECT_GT(Histogram::upper_us(Histogram::buckets - 1), 3'600'000'000U) << "over an hour";
    EXPECT_EQ(Histogram::bucket_of(UINT64_MAX), Histogram::buckets - 1);
}

TEST(Histogram, Quantiles) {
    Histogram histogram;
    EXPECT_EQ(histogram.quantile_us(0.5), 0U);
    for (std::uint64_t us = 1; us <= 1'000; ++us) {
        ++histogram.counts[static_cast<std::size_t>(Histogram::bucket_of(us))];
        ++histogram.count;
    }
    for (const double share : {0.001, 0.1, 0.5, 0.9, 0.99, 1.0}) {
        const double exact = share * 1'000;
        EXPECT_GE(static_cast<double>(histogram.quantile_us(share)), std::floor(exact)) << share;
        EXPECT_LE(static_cast<double>(histogram.quantile_us(share)), exact * 1.25) << share;
    }
    EXPECT_EQ(histogram.quantile_us(0), 1U) << "the least there is";
}

TEST(Metrics, PrometheusText) {
    Metrics metrics;
    metrics.connections_open = 2;
    metrics.requests = 12;
    metrics.responses = {1, 0, 8, 0, 2, 1};
    metrics.latency.counts[static_cast<std::size_t>(Histogram::bucket_of(3))] = 4;
    metrics.latency.counts[static_cast<std::size_t>(Histogram::bucket_of(1'000))] = 8;
    metrics.latency.count = 12;
    metrics.latency.sum_us = 8'012;
    const std::string text = prometheus_text(metrics);
    for (const char* part :
         {"# TYPE httpcore_connections_open gauge\nhttpcore_connections_open 2\n",
          "# TYPE httpcore_requests_total counter\nhttpcore_requests_total 12\n",
          "httpcore_responses_total{class=\"2xx\"} 8\n",
          "httpcore_responses_total{class=\"none\"} 1\n",
          "# TYPE httpcore_latency_seconds histogram\n",
          "httpcore_latency_seconds_bucket{le=\"0.000003\"} 4\n",
          "httpcore_latency_seconds_bucket{le=\"0.001023\"} 12\n",
          "httpcore_latency_seconds_bucket{le=\"+Inf\"} 12\n",
          "httpcore_latency_seconds_sum 0.008012\n", "httpcore_latency_seconds_count 12\n"}) {
        EXPECT_TRUE(has(text, part)) << part << "\nin\n" << text;
    }
    // Each line is a comment or "name value" or "name{labels} value"; each name has HELP and TYPE.
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("# ")) continue;
        const std::string name = line.substr(0, line.find_first_of("{ "));
        EXPECT_TRUE(name.starts_with("httpcore_")) << line;
        const std::string family =
            name.starts_with("httpcore_latency_seconds") ? "httpcore_latency_seconds" : name;
        EXPECT_TRUE(has(text, "# HELP " + family + " ")) << line;
        EXPECT_TRUE(has(text, "# TYPE " + family + " ")) << line;
        EXPECT_NE(line.find_last_of(' '), std::string::npos);
    }
}

TEST(Metrics, JsonText) {
    Metrics metrics;
    metrics.requests = 3;
    metrics.responses[5] = 2;
    const std::string text = json_text(metrics);
    EXPECT_TRUE(text.starts_with("{\"connections_accepted\":0,")) << text;
    EXPECT_TRUE(has(text, "\"requests\":3,")) << text;
    EXPECT_TRUE(has(text, "\"5xx\":2,\"none\":0}")) << text;
    EXPECT_TRUE(text.ends_with("\"p999\":0}}")) << text;
}

TEST(Metrics, AreCounted) {
    Service service;
    service.start();
    auto good = service.connect("198.51.100.1:0", get + get);
    auto bad = service.connect("198.51.100.1:0", "GET \x01\r\n\r\n");
    auto lost = service.connect("198.51.100.1:0", "DELETE /a HTTP/1.1\r\nHost: x\r\n\r\n");
    service.settle();
    service.echo->holds = true;
    auto cut = service.connect("198.51.100.1:0", get);
    service.settle();
    EXPECT_EQ(service.metrics().requests_active, 1U);
    cut->reset();
    service.settle();
    const Metrics metrics = service.metrics();
    EXPECT_EQ(metrics.connections_accepted, 4U);
    EXPECT_EQ(metrics.requests, 4U);
    EXPECT_EQ(metrics.requests_active, 0U);
    EXPECT_EQ(metrics.responses[2], 2U);
    EXPECT_EQ(metrics.responses[4], 2U) << "405, and 400 by the protocol";
    EXPECT_EQ(metrics.responses[0], 1U) << "cut off without an answer";
    EXPECT_EQ(metrics.protocol_errors, 1U);
    EXPECT_EQ(metrics.latency.count, 4U);
    EXPECT_EQ(metrics.bytes_received, 3 * get.size() + 9 + 31);
    EXPECT_EQ(metrics.bytes_sent,
              good->received().size() + bad->received().size() + lost->received().size());
    service.turn_for(2min);
    EXPECT_EQ(service.metrics().connections_open, 0U);
}

TEST(Metrics, LatencyIsFromTheHeadToTheAnswer) {
    Service service;
    service.echo->holds = true;
    service.start();
    auto peer = service.connect("198.51.100.1:0", get);
    service.settle();
    service.turn_for(3s);
    service.echo->finish();
    service.settle();
    const Metrics metrics = service.metrics();
    EXPECT_EQ(metrics.latency.count, 1U);
    EXPECT_GE(metrics.latency.sum_us, 3'000'000U);
    EXPECT_LE(metrics.latency.sum_us, 3'200'000U);
}

TEST(AccessLog, ALineForEachExchange) {
    Service service;
    service.options.access_log = true;
    service.start();
    auto peer = service.connect("198.51.100.7:0", "GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n"
                                                  "DELETE /c HTTP/1.0\r\n\r\n");
    service.settle();
    ASSERT_EQ(service.lines.size(), 2U);
    EXPECT_TRUE(
        service.lines[0].starts_with("access: ::ffff:198.51.100.7 \"GET /a?b HTTP/1.1\" 200 24 "))
        << service.lines[0];
    EXPECT_TRUE(service.lines[0].ends_with("us"));
    EXPECT_TRUE(
        service.lines[1].starts_with("access: ::ffff:198.51.100.7 \"DELETE /c HTTP/1.0\" 405 "))
        << service.lines[1];
}

TEST(AccessLog, AlsoForWhatHadNoAnswer) {
    Service service;
    service.options.access_log = true;
    service.echo->holds = true;
    service.start();
    auto peer = service.connect("198.51.100.7:0", get);
    service.settle();
    EXPECT_TRUE(service.lines.empty());
    peer->reset();
    service.settle();
    ASSERT_EQ(service.lines.size(), 1U);
    EXPECT_TRUE(has(service.lines[0], "\"GET /a HTTP/1.1\" 0 0 ")) << service.lines[0];
}

TEST(AccessLog, IsOffUnlessAskedFor) {
    Service service;
    service.start();
    auto peer = service.connect("198.51.100.7:0", get);
    service.settle();
    EXPECT_TRUE(service.lines.empty());
}

} // namespace
} // namespace hc::server::test
