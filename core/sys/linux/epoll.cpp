// The Selector on epoll: one epoll instance, one eventfd for wakes and, once a deadline was asked
// for, one timerfd.
//
// The eventfd and the timerfd are registered edge-triggered and never read: each write to the
// eventfd and each expiry of the timerfd is one event, `select` takes it, and the descriptor is
// quiet until the next. That saves one system call a wake. `wake_pending_` merges wakes: it is set
// by the first wake and cleared by the `select` that took its event, so between the two at most one
// write happens, and a waker that finds it set knows that a `select` has yet to return. Both sides
// use read-modify-write operations, so what a thread did before its wake() is visible behind the
// `select` that ended by it, even when another thread's wake made the write.
#include "core/sys/linux/epoll.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <utility>

#include "core/sys/unix/descriptor.hpp"

namespace hc::sys {

namespace {

constexpr Token wake_token = UINT64_MAX;
constexpr Token deadline_token = UINT64_MAX - 1;
static_assert(token_max < deadline_token);

epoll_event event_of(Token token, Interest interest) noexcept {
    epoll_event out{};
    out.data.u64 = token;
    if (interest.readable) out.events |= EPOLLIN;
    if (interest.writable) out.events |= EPOLLOUT;
    if (interest.edge) out.events |= EPOLLET;
    // The kernel refuses EPOLLRDHUP with EPOLLEXCLUSIVE, and a listener has no use for it.
    if (interest.exclusive) {
        out.events |= EPOLLEXCLUSIVE;
    } else if (interest.readable) {
        out.events |= EPOLLRDHUP;
    }
    return out;
}

/// What epoll_wait takes: whole milliseconds, rounded up, so that a timer whose time the loop waits
/// for has come when the loop wakes. epoll_pwait2 would need glibc 2.35, and timers tick by
/// 1 ms anyway.
int milliseconds_of(std::optional<Duration> timeout) noexcept {
    if (!timeout) return -1;
    if (timeout->count() <= 0) return 0;
    const std::int64_t ms = (timeout->count() - 1) / 1'000'000 + 1;
    return static_cast<int>(std::min<std::int64_t>(ms, INT_MAX));
}

class EpollSelector final : public Selector {
public:
    EpollSelector(Descriptor epoll, Descriptor wake) noexcept
        : epoll_(std::move(epoll)), wake_(std::move(wake)) {}

    using Selector::select;
    Result<void> register_(Socket socket, Token token, Interest interest) override;
    Result<void> reregister(Socket socket, Token token, Interest interest) override;
    Result<void> deregister(Socket socket) override;
    Result<std::size_t> select(std::span<Event> events, std::optional<Duration> timeout) override;
    void wake() noexcept override;
    std::intptr_t native_handle() const noexcept override { return epoll_.get(); }
    void set_deadline(Instant at) noexcept override;

private:
    static constexpr std::size_t batch_max = 512;

    int control(int operation, Socket socket, epoll_event* event) noexcept {
        return ::epoll_ctl(epoll_.get(), operation, static_cast<int>(socket), event);
    }
    bool make_timer() noexcept;
    bool take_internal(Token token) noexcept;

    Descriptor epoll_;
    Descriptor wake_;
    Descriptor timer_;                    // made by the first set_deadline
    Instant deadline_ = Instant::never(); // what timer_ is set to; never when it is not armed
    std::array<epoll_event, batch_max> batch_;
    // Written by any thread; a line of its own, away from what only the owner touches.
    alignas(64) std::atomic<bool> wake_pending_{false};
};

std::unexpected<Error> refused_token() {
    return fail(ErrorKind::invalid, "the token is reserved for the selector");
}

Result<void> EpollSelector::register_(Socket socket, Token token, Interest interest) {
    if (token > token_max) return refused_token();
    epoll_event event = event_of(token, interest);
    if (control(EPOLL_CTL_ADD, socket, &event) != 0) {
        return fail(system_error(errno, "watching a socket"));
    }
    return {};
}

Result<void> EpollSelector::reregister(Socket socket, Token token, Interest interest) {
    if (token > token_max) return refused_token();
    epoll_event event = event_of(token, interest);
    // The kernel modifies neither to nor from EPOLLEXCLUSIVE: those registrations are made anew.
    if (!interest.exclusive) {
        if (control(EPOLL_CTL_MOD, socket, &event) == 0) return {};
        if (errno != EINVAL) return fail(system_error(errno, "watching a socket"));
    }
    if (control(EPOLL_CTL_DEL, socket, nullptr) != 0 ||
        control(EPOLL_CTL_ADD, socket, &event) != 0) {
        return fail(system_error(errno, "watching a socket"));
    }
    return {};
}

Result<void> EpollSelector::deregister(Socket socket) {
    if (control(EPOLL_CTL_DEL, socket, nullptr) != 0) {
        return fail(system_error(errno, "ceasing to watch a socket"));
    }
    return {};
}

/// True when the event was one of our own descriptors, not a socket's.
bool EpollSelector::take_internal(Token token) noexcept {
    if (token <= token_max) return false;
    if (token == wake_token) {
        wake_pending_.exchange(false, std::memory_order_acq_rel);
    } else {
        deadline_ = Instant::never(); // it has fired; the same deadline would have to be set again
    }
    return true;
}

namespace {
Event event_of(const epoll_event& from) noexcept {
    const std::uint32_t bits = from.events;
    if (bits == (EPOLLIN | EPOLLOUT)) [[likely]] { // a request on a connection that is idle else
        return {.token = from.data.u64, .readable = true, .writable = true};
    }
    return {.token = from.data.u64,
            .readable = (bits & EPOLLIN) != 0,
            .writable = (bits & EPOLLOUT) != 0,
            .read_closed = (bits & EPOLLRDHUP) != 0,
            .failed = (bits & (EPOLLERR | EPOLLHUP)) != 0};
}
} // namespace

Result<std::size_t> EpollSelector::select(std::span<Event> events,
                                          std::optional<Duration> timeout) {
    if (events.empty()) return fail(ErrorKind::invalid, "select needs room for an event");
    const int room = static_cast<int>(std::min(events.size(), batch_max));
    const int count = ::epoll_wait(epoll_.get(), batch_.data(), room, milliseconds_of(timeout));
    if (count < 0) {
        if (errno == EINTR) return std::size_t{0};
        return fail(system_error(errno, "waiting for readiness"));
    }
    std::size_t filled = 0;
    for (int i = 0; i < count; ++i) {
        const epoll_event& from = batch_[static_cast<std::size_t>(i)];
        if (take_internal(from.data.u64)) continue;
        events[filled++] = event_of(from);
    }
    return filled;
}

void EpollSelector::wake() noexcept {
    if (wake_pending_.exchange(true, std::memory_order_acq_rel)) return;
    const std::uint64_t one = 1;
    // The counter can only be full after 2^64 wakes, so this write cannot fail.
    while (::write(wake_.get(), &one, sizeof one) < 0 && errno == EINTR) {}
}

bool EpollSelector::make_timer() noexcept {
    Descriptor timer(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;
    event.data.u64 = deadline_token;
    if (!timer || ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, timer.get(), &event) != 0) return false;
    timer_ = std::move(timer);
    return true;
}

void EpollSelector::set_deadline(Instant at) noexcept {
    if (at == deadline_) return;
    if (!timer_ && !make_timer()) {
        // Without a timer the host could sleep past the deadline. Waking it at once lets it turn
        // until a descriptor is free: slow, but nothing is late.
        wake();
        return;
    }
    itimerspec spec{}; // all zero disarms
    if (!at.is_never()) {
        const std::int64_t ns = std::max<std::int64_t>(at.ns, 1);
        spec.it_value.tv_sec = ns / 1'000'000'000;
        spec.it_value.tv_nsec = ns % 1'000'000'000;
    }
    ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &spec, nullptr);
    deadline_ = at;
}

} // namespace

Result<std::unique_ptr<Selector>> make_epoll_selector() {
    Descriptor epoll(::epoll_create1(EPOLL_CLOEXEC));
    if (!epoll) return fail(system_error(errno, "making an epoll instance"));
    Descriptor wake(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (!wake) return fail(system_error(errno, "making an eventfd"));
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;
    event.data.u64 = wake_token;
    if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) != 0) {
        return fail(system_error(errno, "watching an eventfd"));
    }
    return std::make_unique<EpollSelector>(std::move(epoll), std::move(wake));
}

} // namespace hc::sys
