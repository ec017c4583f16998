// One run of a concurrent program under a schedule: who runs when, and what each load reads, are
// choices that explore.hpp makes.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/model/fiber.hpp"

namespace hc::model {

inline constexpr std::size_t threads_max = 8;
inline constexpr std::size_t locations_max = 24; // atomics in one run, all told

/// Counts stores of an atomic, and releases of a thread. Signed, and both arrays of a view a
/// multiple of 16 bytes: views are joined at almost every step, and so it takes four instructions.
using Stamp = std::int16_t;

/// What bounds the search. A schedule outside of them is not tried.
struct Limits {
    std::uint32_t preemptions = 2; // switches away from a thread that could have gone on
    std::uint32_t stale_reads = 1; // loads of a value that is not the newest; spurious failures
    std::uint32_t steps = 2000;    // of one run; more is a failure: the program does not end
    std::uint64_t schedules = 2'000'000;
};

/// What a thread knows, or what a message tells who acquires it: of each atomic the oldest store
/// that may still be read, of each thread how far it is known to have come.
struct View {
    std::array<Stamp, locations_max> seen{};
    std::array<Stamp, threads_max> clock{};

    void join(const View& other) noexcept;
};

/// The decisions of one run, in their order; only those that had an alternative.
struct Choices {
    struct Choice {
        std::uint8_t taken;
        std::uint8_t options;
    };
    std::vector<Choice> made;

    /// Goes on to the next schedule, depth first. False when there is none.
    bool advance();
    std::string text() const;
    static Choices parse(const std::string& text);
};

/// Which threads use an atomic while others run, a bit a thread. Before what no other thread can
/// tell there is no switch: that leaves out schedules that differ in nothing.
struct Sharing {
    std::array<std::uint8_t, locations_max> users{};
    std::array<std::uint8_t, locations_max> writers{};

    /// False when there was nothing new in `other`.
    bool join(const Sharing& other) noexcept;
    std::string text() const;
    static Sharing parse(const std::string& text);
};

/// The memory is the one of C++ without the reads from stores that are yet to come: each atomic
/// keeps all stores in the order in which they were executed, each store carries the view that an
/// acquiring load takes over, and a load may read any store that its thread's view does not rule
/// out. Sequentially consistent fences (and operations) join their thread's view with one that all
/// such fences share.
class Execution {
public:
    Execution() = default;
    Execution(const Execution&) = delete;
    Execution& operator=(const Execution&) = delete;

    /// The run that the calling code is in. It must be in one.
    static Execution& current() noexcept;

    /// Runs `body` as thread 0 to its end. Where `choices` ends, the first option is taken and
    /// noted there. Relies on `sharing`, and notes what it saw of it in seen(). False when the run
    /// failed.
    bool run(const Limits& limits, const std::function<void()>& body, Choices& choices,
             const Sharing& sharing, bool trace);
    const Sharing& seen() const noexcept { return seen_; }
    const std::string& failure() const noexcept { return failure_; }
    const std::vector<std::string>& trace() const noexcept { return trace_; }

    // What follows is for code inside a run.

    void spawn(std::function<void()> body);
    /// Thread 0 waits for all others, as it must before it ends.
    void join() noexcept;
    /// Ends the run.
    [[noreturn]] void fail(const std::string& what) noexcept;
    std::uint32_t running() const noexcept { return running_; }

    /// A point where another thread may run.
    void step() noexcept;
    enum class Use { read, write };
    /// The same, before the calling thread uses an atomic.
    void step(std::uint32_t location, Use use) noexcept;
    using Ready = bool (*)(const void*);
    /// Lets others run until ready(object); the calling thread runs on, without another switch.
    void wait_until(Ready ready, const void* object) noexcept;

    std::uint32_t new_location(std::uint64_t value);
    std::uint64_t load(std::uint32_t location, std::memory_order order) noexcept;
    void store(std::uint32_t location, std::uint64_t value, std::memory_order order) noexcept;
    using Modify = std::uint64_t (*)(std::uint64_t value, std::uint64_t operand);
    std::uint64_t modify(std::uint32_t location, Modify change, std::uint64_t operand,
                         std::memory_order order) noexcept;
    bool compare_exchange(std::uint32_t location, std::uint64_t& expected, std::uint64_t desired,
                          bool weak, std::memory_order success, std::memory_order failure) noexcept;
    void fence_seq_cst() noexcept;

    // Mutexes and the like hand over a view without any choice of what is read.
    void acquire(const View& view) noexcept;
    void release(View& view) noexcept;

    /// Plain memory: who accessed it last.
    struct Accesses {
        std::array<Stamp, threads_max> reads{};
        Stamp write = 0;
        std::uint8_t writer = 0;
    };
    void plain_read(Accesses& cell) noexcept;
    void plain_write(Accesses& cell) noexcept;

private:
    struct Message {
        std::uint64_t value;
        View view;
    };
    struct Thread {
        std::function<void()> body;
        View view;
        View pending;  // what relaxed loads saw: a fence acquires it
        View released; // what the last fence released: relaxed stores carry it
        Ready ready = nullptr;
        const void* object = nullptr;
        bool finished = false;

        bool can_run() const noexcept { return !finished && (ready == nullptr || ready(object)); }
    };

    void reset(const Limits& limits, Choices& choices, const Sharing& sharing, bool trace);
    bool is_alone() const noexcept;
    void count_step() noexcept;
    void thread_main(std::uint32_t id) noexcept;
    std::uint32_t choose(std::uint32_t options) noexcept;
    std::uint32_t pick() noexcept;
    void run_another() noexcept;
    void switch_to(std::uint32_t id) noexcept;
    Thread& self() noexcept { return threads_[running_]; }
    void read(const Message& message, std::uint32_t location, Stamp index,
              std::memory_order order) noexcept;
    void append(std::uint32_t location, std::uint64_t value, std::memory_order order,
                const View* continued) noexcept;
    void note(const char* what, std::uint32_t location, std::uint64_t value,
              std::memory_order order);
    void note(const std::string& what);

    Limits limits_;
    Choices* choices_ = nullptr;
    std::size_t next_choice_ = 0;
    Sharing sharing_;
    Sharing seen_;
    bool tracing_ = false;
    std::vector<std::string> trace_;
    std::string failure_;

    Fiber main_;
    std::array<std::unique_ptr<Fiber>, threads_max> fibers_;
    std::array<Thread, threads_max> threads_;
    std::uint32_t spawned_ = 0;
    std::uint32_t running_ = 0;
    std::uint32_t steps_ = 0;
    std::uint32_t preemptions_ = 0;
    std::uint32_t stale_reads_ = 0;

    std::array<std::vector<Message>, locations_max> memory_;
    std::uint32_t locations_ = 0;
    View fences_; // what all sequentially consistent fences so far have joined
};

} // namespace hc::model
