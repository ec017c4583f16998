// Tasks that share something: a channel, a mutex.
#include "core/runtime/spawn.hpp"
#include "core/runtime/sync/mpsc.hpp"
#include "core/runtime/sync/mutex.hpp"
#include "tests/bench/runtime/bench.hpp"

namespace hc::bench {

using namespace hc::runtime;

namespace {

constexpr int messages = 10'000;
constexpr std::size_t room = 100;

Task<void> sender(mpsc::Sender<int> to, int count) {
    for (int i = 0; i < count; ++i) (void)co_await to.send(i);
}
Task<void> receiver(mpsc::Receiver<int> from, Rest rest) {
    int received = 0;
    while (auto message = co_await from.recv()) received += *message >= 0 ? 1 : 0;
    if (received == messages) rest->tell();
}
template <int senders>
Task<void> channel() {
    const Rest rest = countdown(1);
    auto [to, from] = mpsc::channel<int>(room);
    spawn(receiver(std::move(from), rest)).detach();
    for (int i = 0; i < senders; ++i) spawn(sender(to, messages / senders)).detach();
    (void)mpsc::Sender<int>(std::move(to)); // the channel ends with the last one
    co_await *rest;
}

constexpr int lockers = 100;
constexpr int locks = 100;
constexpr int held_over_yield = 10; // every so many

Task<void> locker(std::shared_ptr<Mutex<int>> mutex, Rest rest) {
    for (int i = 0; i < locks; ++i) {
        auto guard = co_await mutex->lock();
        ++*guard;
        if (i % held_over_yield == 0) co_await yield_now();
    }
    rest->tell();
}
Task<void> mutex_contended() {
    const auto mutex = std::make_shared<Mutex<int>>(0);
    const Rest rest = countdown(lockers);
    for (int i = 0; i < lockers; ++i) spawn(locker(mutex, rest)).detach();
    co_await *rest;
}

constexpr Benchmark benchmarks[] = {
    {"mpsc_1", &channel<1>, messages},
    {"mpsc_4", &channel<4>, messages},
    {"mutex_contended", &mutex_contended, lockers* locks},
};

} // namespace

std::span<const Benchmark> sync_benchmarks() { return benchmarks; }

} // namespace hc::bench
