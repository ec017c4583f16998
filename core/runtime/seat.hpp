// Seat: the place of one worker in the process, found by the first 16 bits of a handle. Seats are
// made when first needed and never freed, so that any 64-bit number from anywhere can be looked up
// at any time; the workers that sit there come and go.
//
// Who may touch what, and when
//
//   gate     {open, holders}. Any thread. A holder raises the count by compare-and-swap and only
//            while the gate is open; the worker then exists until it lets go. close() shuts it
//            first and then waits until the last holder has gone, for the instant that takes. So
//            whoever holds a seat must not wait for the destruction of its worker.
//   worker   written by open() and close() while the gate is shut; read while held, or by the
//            owner's thread.
//   owner    the mark of the thread that runs the worker, a number that no other thread ever gets.
//            Written by that thread when it enters and leaves, and by close(). Any thread may
//            compare it with its own mark: only its own writes can make it equal, so no order is
//            needed.
//   home     of the sockets that this worker watches for others (readiness.hpp). Read and written
//            only by the thread that runs the worker.
//   slots    its own rules. The ids of one runtime number and worker index go through one table for
//            the life of the process: when the number is used again, generations go on, and handles
//            of the runtime before stay stale for ever.
//
// The numbers of runtimes are bits in one word: a number belongs to the runtime that set its bit.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <utility>

#include "core/base/limits.hpp"
#include "core/base/slot_table.hpp"

namespace hc::runtime {

class ReadinessHome;
class Worker;

class alignas(64) Seat {
public:
    Seat(std::uint32_t runtime, std::uint32_t index, std::uint64_t seed)
        : slots_(runtime, index, seed, RuntimeLimits::slots_max) {}
    Seat(const Seat&) = delete;
    Seat& operator=(const Seat&) = delete;

    /// The seat of a handle; nullptr when none was ever made. Any thread.
    static Seat* find(std::uint64_t handle) noexcept;
    /// The seat of a worker, made when there is none. Only for the holder of the runtime number.
    /// `seed` makes the ids of a new one unpredictable. nullptr when memory ran out.
    static Seat* make(std::uint32_t runtime, std::uint32_t index, std::uint64_t seed) noexcept;

    /// Takes a free runtime number, or nothing when all are taken.
    static std::optional<std::uint32_t> take_number() noexcept;
    static void give_number_back(std::uint32_t number) noexcept;

    /// Any thread: the worker, which stays until let_go(); nullptr when nobody sits here.
    Worker* hold() noexcept {
        std::uint32_t gate = gate_.load(std::memory_order_relaxed);
        do {
            if ((gate & open_bit) == 0) return nullptr;
        } while (!gate_.compare_exchange_weak(gate, gate + 1, std::memory_order_acquire,
                                              std::memory_order_relaxed));
        return worker_.load(std::memory_order_relaxed);
    }
    void let_go() noexcept { gate_.fetch_sub(1, std::memory_order_release); }

    /// The worker sits down; ids left over from the one before are ended.
    void open(Worker& worker) noexcept;
    /// The worker gets up: waits for holders, then ends all its ids.
    void close() noexcept;

    /// The calling thread runs this seat's worker from now on.
    void enter() noexcept {
        if (here_.seat != this) before_ = std::exchange(here_.seat, this);
        if (here_.mark == 0) here_.mark = new_mark();
        owner_.store(here_.mark, std::memory_order_relaxed);
    }
    /// It does no longer; current() is again the worker it was before.
    void leave() noexcept {
        owner_.store(nobody, std::memory_order_relaxed);
        if (here_.seat == this) here_.seat = before_;
    }
    bool is_current() const noexcept {
        return owner_.load(std::memory_order_relaxed) == here_.mark;
    }

    /// The worker that this thread entered last and still runs, or nullptr.
    static Worker* current() noexcept {
        Seat* seat = here_.seat;
        if (seat == nullptr || !seat->is_current()) return nullptr;
        return seat->worker_.load(std::memory_order_relaxed);
    }

    SlotTable& slots() noexcept { return slots_; }
    ReadinessHome*& home() noexcept { return home_; }

private:
    static constexpr std::uint32_t open_bit = 1U << 31;
    struct Here {
        Seat* seat; // not a worker, which may have been destroyed on another thread meanwhile
        std::uint64_t mark; // tells this thread from all others; 0: it has never entered a seat
    };
    // One object, so that both are found in one go.
    static inline constinit thread_local Here here_ __attribute__((tls_model("initial-exec"))) = {};

    static constexpr std::uint64_t nobody = UINT64_MAX;
    static std::uint64_t new_mark() noexcept;

    std::atomic<std::uint32_t> gate_{0};
    std::atomic<Worker*> worker_{nullptr};
    std::atomic<std::uint64_t> owner_{nobody};
    Seat* before_ = nullptr; // what `here_` was; the owner's
    ReadinessHome* home_ = nullptr;
    SlotTable slots_;
};

/// Holds a worker, so that neither it nor its runtime is destroyed meanwhile: their destruction
/// waits for the instant this lives. Lock-free; any thread; empty when nobody sits there.
class WorkerRef {
public:
    WorkerRef() = default;
    explicit WorkerRef(Seat& seat) noexcept : worker_(seat.hold()) {
        if (worker_ != nullptr) seat_ = &seat;
    }
    /// The worker of a handle, which may be any 64-bit value.
    static WorkerRef of(std::uint64_t handle) noexcept {
        Seat* seat = Seat::find(handle);
        return seat == nullptr ? WorkerRef() : WorkerRef(*seat);
    }
    WorkerRef(WorkerRef&& other) noexcept
        : seat_(std::exchange(other.seat_, nullptr)),
          worker_(std::exchange(other.worker_, nullptr)) {}
    WorkerRef& operator=(WorkerRef other) noexcept {
        std::swap(seat_, other.seat_);
        std::swap(worker_, other.worker_);
        return *this;
    }
    ~WorkerRef() {
        if (seat_ != nullptr) seat_->let_go();
    }
    explicit operator bool() const noexcept { return worker_ != nullptr; }
    Worker* get() const noexcept { return worker_; }
    Worker* operator->() const noexcept { return worker_; }
    Worker& operator*() const noexcept { return *worker_; }

private:
    Seat* seat_ = nullptr;
    Worker* worker_ = nullptr;
};

} // namespace hc::runtime
