#include "tests/support/model/execution.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace hc::model {
namespace {

Execution* execution = nullptr;

constexpr char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";

std::uint8_t value_of(char digit) {
    return static_cast<std::uint8_t>(std::find(std::begin(digits), std::end(digits) - 1, digit) -
                                     std::begin(digits));
}

// A run that failed leaves its threads where they are: what their stacks hold is kept, so that it
// does not count as leaked.
std::vector<std::unique_ptr<Fiber>>& abandoned() {
    static auto* const fibers = new std::vector<std::unique_ptr<Fiber>>();
    return *fibers;
}

bool acquires(std::memory_order order) {
    return order != std::memory_order_relaxed && order != std::memory_order_release;
}
bool releases(std::memory_order order) {
    return order == std::memory_order_release || order == std::memory_order_acq_rel ||
           order == std::memory_order_seq_cst;
}
const char* name_of(std::memory_order order) {
    switch (order) {
    case std::memory_order_relaxed: return "relaxed";
    case std::memory_order_consume: return "consume";
    case std::memory_order_acquire: return "acquire";
    case std::memory_order_release: return "release";
    case std::memory_order_acq_rel: return "acq_rel";
    case std::memory_order_seq_cst: return "seq_cst";
    }
    return "?";
}

template <std::size_t N>
void join_each(std::array<Stamp, N>& into, const std::array<Stamp, N>& from) {
    for (std::size_t i = 0; i < N; ++i) into[i] = std::max(into[i], from[i]);
}

} // namespace

void View::join(const View& other) noexcept {
    join_each(seen, other.seen);
    join_each(clock, other.clock);
}

bool Choices::advance() {
    while (!made.empty() && made.back().taken + 1 == made.back().options) made.pop_back();
    if (made.empty()) return false;
    ++made.back().taken;
    return true;
}

std::string Choices::text() const {
    std::string text;
    for (const Choice& choice : made) text += digits[choice.taken];
    text.erase(text.find_last_not_of('0') + 1); // what is not there is 0
    return text.empty() ? "0" : text;
}

Choices Choices::parse(const std::string& text) {
    Choices choices;
    for (const char digit : text) {
        choices.made.push_back({value_of(digit), 0});
    }
    return choices;
}

bool Sharing::join(const Sharing& other) noexcept {
    const Sharing before = *this;
    for (std::size_t i = 0; i < locations_max; ++i) {
        users[i] |= other.users[i];
        writers[i] |= other.writers[i];
    }
    return users != before.users || writers != before.writers;
}

std::string Sharing::text() const {
    std::string text;
    for (std::size_t i = 0; i < locations_max; ++i) {
        for (const std::uint8_t threads : {users[i], writers[i]}) {
            text += digits[threads >> 4];
            text += digits[threads & 15];
        }
    }
    text.erase((text.find_last_not_of('0') + 4) / 4 * 4); // whole locations
    return text;
}

Sharing Sharing::parse(const std::string& text) {
    Sharing sharing;
    const auto threads = [&](std::size_t at) {
        return static_cast<std::uint8_t>(value_of(text.at(at)) << 4 | value_of(text.at(at + 1)));
    };
    for (std::size_t i = 0; i < std::min(locations_max, text.size() / 4); ++i) {
        sharing.users[i] = threads(4 * i);
        sharing.writers[i] = threads(4 * i + 2);
    }
    return sharing;
}

// -- threads --------------------------------------------------------------------------------------

Execution& Execution::current() noexcept {
    if (execution == nullptr) std::abort(); // a model atomic outside of explore()
    return *execution;
}

void Execution::reset(const Limits& limits, Choices& choices, const Sharing& sharing, bool trace) {
    sharing_ = sharing;
    seen_ = Sharing{};
    limits_ = limits;
    choices_ = &choices;
    next_choice_ = 0;
    tracing_ = trace;
    trace_.clear();
    failure_.clear();
    for (Thread& thread : threads_) thread = Thread{};
    for (std::uint32_t i = 0; i < locations_; ++i) memory_[i].clear();
    locations_ = 0;
    fences_ = View{};
    spawned_ = running_ = steps_ = preemptions_ = stale_reads_ = 0;
}

bool Execution::run(const Limits& limits, const std::function<void()>& body, Choices& choices,
                    const Sharing& sharing, bool trace) {
    reset(limits, choices, sharing, trace);
    execution = this;
    spawn(body);
    main_.switch_to(*fibers_[0]);
    execution = nullptr;
    if (failure_.empty()) return true;
    for (auto& fiber : fibers_) {
        if (fiber != nullptr) abandoned().push_back(std::move(fiber));
    }
    return false;
}

void Execution::spawn(std::function<void()> body) {
    const std::uint32_t id = spawned_++;
    if (id >= threads_max) fail("too many threads");
    threads_[id].body = std::move(body);
    if (id > 0) {
        threads_[id].view = self().view;
        ++self().view.clock[running_];
    }
    threads_[id].view.clock[id] = 1;
    if (fibers_[id] == nullptr) {
        fibers_[id] = std::make_unique<Fiber>([this, id] {
            for (;;) thread_main(id);
        });
    }
}

void Execution::thread_main(std::uint32_t id) noexcept {
    threads_[id].body();
    threads_[id].finished = true;
    if (id == 0) {
        // What the body owns is gone, and the others may use it.
        for (std::uint32_t i = 1; i < spawned_; ++i) {
            if (!threads_[i].finished) fail("thread 0 ended before the others: join() them");
        }
        fibers_[0]->switch_to(main_);
    } else {
        run_another();
    }
}

void Execution::join() noexcept {
    wait_until(
        [](const void* object) {
            const auto& run = *static_cast<const Execution*>(object);
            for (std::uint32_t i = 1; i < run.spawned_; ++i) {
                if (!run.threads_[i].finished) return false;
            }
            return true;
        },
        this);
    for (const Thread& thread : threads_) self().view.join(thread.view);
}

void Execution::fail(const std::string& what) noexcept {
    failure_ = "thread " + std::to_string(running_) + ": " + what;
    note(what);
    fibers_[running_]->switch_to(main_);
    std::abort(); // nobody comes back here
}

std::uint32_t Execution::choose(std::uint32_t options) noexcept {
    if (options <= 1) return 0;
    auto& made = choices_->made;
    if (next_choice_ == made.size()) made.push_back({0, 0});
    Choices::Choice& choice = made[next_choice_++];
    choice.options = static_cast<std::uint8_t>(options);
    if (choice.taken >= options) fail("this schedule is of another program");
    return choice.taken;
}

// The thread to run next: the running one while it can and the choice falls on it.
std::uint32_t Execution::pick() noexcept {
    std::array<std::uint32_t, threads_max> options;
    std::uint32_t count = 0;
    const bool goes_on = self().can_run();
    if (goes_on) options[count++] = running_;
    if (!goes_on || preemptions_ < limits_.preemptions) {
        for (std::uint32_t i = 0; i < spawned_; ++i) {
            if (i != running_ && threads_[i].can_run()) options[count++] = i;
        }
    }
    if (count == 0) fail("all threads wait for ever");
    const std::uint32_t taken = choose(count);
    if (goes_on && taken > 0) ++preemptions_;
    return options[taken];
}

void Execution::switch_to(std::uint32_t id) noexcept {
    if (id == running_) return;
    Fiber& from = *fibers_[std::exchange(running_, id)];
    from.switch_to(*fibers_[id]);
}

void Execution::run_another() noexcept { switch_to(pick()); }

void Execution::step() noexcept {
    count_step();
    if (spawned_ > 1) run_another();
}

void Execution::count_step() noexcept {
    if (++steps_ > limits_.steps) fail("too many steps: does this end?");
}

bool Execution::is_alone() const noexcept {
    for (std::uint32_t i = 0; i < spawned_; ++i) {
        if (i != running_ && !threads_[i].finished) return false;
    }
    return true;
}

void Execution::step(std::uint32_t location, Use use) noexcept {
    if (is_alone()) return count_step();
    const auto self = static_cast<std::uint8_t>(1U << running_);
    seen_.users[location] |= self;
    if (use == Use::write) seen_.writers[location] |= self;
    const std::uint8_t others =
        use == Use::read ? sharing_.writers[location] : sharing_.users[location];
    (others & ~self) != 0 ? step() : count_step();
}

void Execution::wait_until(Ready ready, const void* object) noexcept {
    step();
    self().ready = ready;
    self().object = object;
    if (!ready(object)) run_another(); // comes back only when it is ready
    self().ready = nullptr;
}

// -- memory ---------------------------------------------------------------------------------------

std::uint32_t Execution::new_location(std::uint64_t value) {
    if (locations_ == locations_max) fail("too many atomics");
    memory_[locations_].push_back({value, View{}});
    return locations_++;
}

void Execution::read(const Message& message, std::uint32_t location, Stamp index,
                     std::memory_order order) noexcept {
    Thread& thread = self();
    thread.view.seen[location] = std::max(thread.view.seen[location], index);
    (acquires(order) ? thread.view : thread.pending).join(message.view);
}

std::uint64_t Execution::load(std::uint32_t location, std::memory_order order) noexcept {
    step(location, Use::read);
    const auto& stores = memory_[location];
    Stamp oldest = self().view.seen[location];
    if (order == std::memory_order_seq_cst) {
        oldest = std::max(oldest, fences_.seen[location]);
    }
    const auto newest = static_cast<Stamp>(stores.size() - 1);
    std::uint32_t age = 0;
    if (stale_reads_ < limits_.stale_reads) {
        const auto options = static_cast<std::uint32_t>(newest - oldest + 1);
        age = choose(std::min<std::uint32_t>(options, std::size(digits) - 1));
    }
    if (age > 0) ++stale_reads_;
    const std::size_t index = stores.size() - 1 - age;
    read(stores[index], location, static_cast<Stamp>(index), order);
    note(age > 0 ? "loads (stale)" : "loads", location, stores[index].value, order);
    return stores[index].value;
}

// `continued` is what the store read, if it is a read-modify-write: it goes on with the release
// sequence of that.
void Execution::append(std::uint32_t location, std::uint64_t value, std::memory_order order,
                       const View* continued) noexcept {
    Thread& thread = self();
    auto& stores = memory_[location];
    const auto index = static_cast<Stamp>(stores.size());
    thread.view.seen[location] = index;
    View view = releases(order) ? thread.view : thread.released;
    view.seen[location] = index;
    if (continued != nullptr) view.join(*continued);
    if (order == std::memory_order_seq_cst) fences_.seen[location] = index;
    stores.push_back({value, view});
    ++thread.view.clock[running_]; // what it does from here on, this store does not release
}

void Execution::store(std::uint32_t location, std::uint64_t value,
                      std::memory_order order) noexcept {
    step(location, Use::write);
    append(location, value, order, nullptr);
    note("stores", location, value, order);
}

std::uint64_t Execution::modify(std::uint32_t location, Modify change, std::uint64_t operand,
                                std::memory_order order) noexcept {
    step(location, Use::write);
    const Message last = memory_[location].back(); // a copy: append() may move it
    const auto index = static_cast<Stamp>(memory_[location].size() - 1);
    read(last, location, index, order);
    const std::uint64_t value = change(last.value, operand);
    append(location, value, order, &last.view);
    note("changes", location, value, order);
    return last.value;
}

bool Execution::compare_exchange(std::uint32_t location, std::uint64_t& expected,
                                 std::uint64_t desired, bool weak, std::memory_order success,
                                 std::memory_order failure) noexcept {
    step(location, Use::write);
    const Message last = memory_[location].back();
    const auto index = static_cast<Stamp>(memory_[location].size() - 1);
    bool exchanges = last.value == expected;
    if (exchanges && weak && stale_reads_ < limits_.stale_reads && choose(2) == 1) {
        ++stale_reads_;
        exchanges = false;
    }
    if (exchanges) {
        read(last, location, index, success);
        append(location, desired, success, &last.view);
        note("exchanges", location, desired, success);
    } else {
        read(last, location, index, failure);
        expected = last.value;
        note("fails to exchange", location, last.value, failure);
    }
    return exchanges;
}

void Execution::fence_seq_cst() noexcept {
    step();
    Thread& thread = self();
    thread.view.join(thread.pending);
    thread.view.join(fences_);
    fences_ = thread.released = thread.view;
    ++thread.view.clock[running_];
    note("fences");
}

void Execution::acquire(const View& view) noexcept { self().view.join(view); }

void Execution::release(View& view) noexcept {
    view.join(self().view);
    ++self().view.clock[running_];
}

void Execution::plain_read(Accesses& cell) noexcept {
    const View& view = self().view;
    if (view.clock[cell.writer] < cell.write) fail("a data race: reads what may be being written");
    cell.reads[running_] = view.clock[running_];
}

void Execution::plain_write(Accesses& cell) noexcept {
    const View& view = self().view;
    if (view.clock[cell.writer] < cell.write) fail("a data race: two writes");
    for (std::size_t i = 0; i < threads_max; ++i) {
        if (view.clock[i] < cell.reads[i]) fail("a data race: writes what may be being read");
    }
    cell.writer = static_cast<std::uint8_t>(running_);
    cell.write = view.clock[running_];
}

void Execution::note(const char* what, std::uint32_t location, std::uint64_t value,
                     std::memory_order order) {
    if (!tracing_) return;
    note(std::string(what) + " #" + std::to_string(location) + ": " + std::to_string(value >> 32) +
         ":" + std::to_string(value & UINT32_MAX) + " " + name_of(order));
}

void Execution::note(const std::string& what) {
    if (tracing_) trace_.push_back("thread " + std::to_string(running_) + " " + what);
}

} // namespace hc::model
