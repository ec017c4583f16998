#include "core/runtime/seat.hpp"

#include <bit>
#include <new>
#include <thread>

namespace hc::runtime {

namespace {

constexpr std::uint32_t seats_a_runtime = 1U << 10; // what a handle can name

// Half a megabyte of zeros that cost nothing until touched. Never destroyed, like the seats.
struct Registry {
    std::atomic<std::uint64_t> taken{0};
    std::atomic<Seat*> seats[RuntimeLimits::runtimes_max][seats_a_runtime] = {};
};
constinit Registry registry;
static_assert(RuntimeLimits::runtimes_max == 64, "one bit each in Registry::taken");
static_assert(RuntimeLimits::workers_max <= seats_a_runtime);

} // namespace

Seat* Seat::find(std::uint64_t handle) noexcept {
    const Handle parts = Handle::unpack(handle);
    return registry.seats[parts.runtime][parts.worker].load(std::memory_order_acquire);
}

Seat* Seat::make(std::uint32_t runtime, std::uint32_t index, std::uint64_t seed) noexcept {
    auto& place = registry.seats[runtime][index];
    Seat* seat = place.load(std::memory_order_acquire);
    if (seat != nullptr) return seat;
    try {
        seat = new Seat(runtime, index, seed);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
    place.store(seat, std::memory_order_release); // only the number's holder makes seats
    return seat;
}

std::optional<std::uint32_t> Seat::take_number() noexcept {
    std::uint64_t taken = registry.taken.load(std::memory_order_relaxed);
    do {
        if (taken == UINT64_MAX) return std::nullopt;
    } while (!registry.taken.compare_exchange_weak(
        taken, taken | (taken + 1), std::memory_order_acquire, std::memory_order_relaxed));
    return static_cast<std::uint32_t>(std::countr_one(taken));
}

void Seat::give_number_back(std::uint32_t number) noexcept {
    registry.taken.fetch_and(~(std::uint64_t{1} << number), std::memory_order_release);
}

std::uint64_t Seat::new_mark() noexcept {
    static constinit std::atomic<std::uint64_t> last{0};
    return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

void Seat::open(Worker& worker) noexcept {
    worker_.store(&worker, std::memory_order_relaxed);
    gate_.store(open_bit, std::memory_order_release); // shut until here, so nobody else changes it
}

void Seat::close() noexcept {
    gate_.fetch_and(~open_bit, std::memory_order_relaxed);
    while (gate_.load(std::memory_order_acquire) != 0) std::this_thread::yield();
    leave();
    worker_.store(nullptr, std::memory_order_relaxed);
    slots_.renew();
}

} // namespace hc::runtime
