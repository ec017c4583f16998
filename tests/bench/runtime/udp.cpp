// Datagrams of 1200 bytes over the loopback, from one socket to another of the same worker. A batch
// is sent and then received; each benchmark measures one of the two and does the other without
// looking at the clock.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/net/udp.hpp"
#include "core/runtime/spawn.hpp"
#include "tests/bench/runtime/bench.hpp"

namespace hc::bench {

using namespace hc::runtime;
using net::DatagramsIn;
using net::DatagramsOut;
using net::UdpSocket;

namespace {

constexpr std::size_t datagram_bytes = 1200;
constexpr std::size_t a_batch = 32; // within what a socket's buffer holds
constexpr std::size_t batches = 32;

enum class How : std::uint8_t { one, many, train };
enum class Part : std::uint8_t { send, receive };

constinit Spent measured;

Spent take_measured() { return std::exchange(measured, Spent()); }

class Pair {
public:
    explicit Pair(How how)
        : how_(how), from_(must(UdpSocket::bind(loopback()))),
          to_(must(UdpSocket::bind(loopback(), {.coalesce = how == How::train}))),
          out_(datagram_bytes * a_batch, 'x'), in_(a_batch, std::vector<char>(room(how))) {}

    Task<void> send() {
        const net::Address& to = to_.local_address();
        const std::string_view one(out_.data(), datagram_bytes);
        if (how_ == How::one) {
            for (std::size_t i = 0; i < a_batch; ++i) must(co_await from_.send_to(one, to));
        } else if (how_ == How::many) {
            std::array<DatagramsOut, a_batch> messages;
            messages.fill({.bytes = one, .to = &to});
            std::span<DatagramsOut> left = messages;
            while (!left.empty()) left = left.subspan(must(co_await from_.send_many(left)));
        } else {
            DatagramsOut train{.bytes = out_, .to = &to, .segment_bytes = datagram_bytes};
            must(co_await from_.send_many({&train, 1}));
        }
    }
    Task<void> receive() {
        std::array<DatagramsIn, a_batch> messages;
        for (std::size_t i = 0; i < a_batch; ++i) messages[i].into = in_[i];
        for (std::size_t bytes = 0; bytes < out_.size();) {
            if (how_ == How::one) {
                bytes += must(co_await to_.recv_from(in_[0])).bytes;
                continue;
            }
            const std::size_t filled = must(co_await to_.recv_many(messages));
            for (std::size_t i = 0; i < filled; ++i) bytes += messages[i].bytes;
        }
    }

private:
    static net::Address loopback() { return *net::Address::parse("127.0.0.1:0"); }
    static std::size_t room(How how) { return how == How::train ? 64 * 1024 : 2048; }
    template <class T>
    static T must(Result<T> result) {
        if (result) return std::move(result).value();
        std::fprintf(stderr, "bench_runtime: %s\n", result.error().message.c_str());
        std::exit(1);
    }

    How how_;
    UdpSocket from_;
    UdpSocket to_;
    std::string out_;
    std::vector<std::vector<char>> in_;
};

template <How how, Part part>
Task<void> on_worker() {
    Pair pair(how);
    for (std::size_t i = 0; i < batches; ++i) {
        const Stopwatch sending;
        co_await pair.send();
        if (part == Part::send) measured += sending.spent();
        const Stopwatch receiving;
        co_await pair.receive();
        if (part == Part::receive) measured += receiving.spent();
    }
}
template <How how, Part part>
Task<void> udp() {
    (void)co_await spawn(on_worker<how, part>());
}

constexpr int operations = a_batch * batches;

constexpr Benchmark benchmarks[] = {
    {"udp_send", &udp<How::one, Part::send>, operations, &take_measured},
    {"udp_send_many", &udp<How::many, Part::send>, operations, &take_measured},
    {"udp_send_train", &udp<How::train, Part::send>, operations, &take_measured},
    {"udp_recv", &udp<How::one, Part::receive>, operations, &take_measured},
    {"udp_recv_many", &udp<How::many, Part::receive>, operations, &take_measured},
    {"udp_recv_train", &udp<How::train, Part::receive>, operations, &take_measured},
};

} // namespace

std::span<const Benchmark> udp_benchmarks() { return benchmarks; }

} // namespace hc::bench
