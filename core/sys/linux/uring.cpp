// The Selector on io_uring: one ring whose only business is poll operations, and one eventfd for
// wakes.
//
// **A watch** is a poll operation in the kernel. An edge-triggered one is multishot: it completes
// anew each time the socket is woken, until it is cancelled. A level-triggered one completes once
// and is made anew by the next `select`, which reports what is ready then: so it repeats until the
// caller has taken what there is. For the same reason its completion counts as it is only in the
// `select` in whose system call it came; of one found from before poll(2) says whether it still
// holds.
//
//   idle --register--> queued --select--> armed --its last completion--> queued
//     ^------------------ deregister --------'---- reregister -------------^
//
// Queued watches become submissions at the last moment, in the call that hands them over. So one
// that is deregistered before costs nothing, and no submission ever names a descriptor that was
// closed (and perhaps given to another socket) since. What the kernel does not take is taken back.
//
// **Deregistering** has to go to the kernel at once: a poll operation holds the open file, and
// while it does, closing the socket sends no FIN and frees no port. Completions that are on their
// way carry the number of the round in which their operation was made; only the present round of a
// descriptor is listened to. So nothing is reported of a watch that has ended, also when its
// number is in use again.
//
// **Operations belong to the thread that handed them over**: when it ends, the kernel cancels them.
// A cancellation that nobody asked for means just that, and the watch is queued again.
//
// **Loop::own**: one thread makes all calls (IORING_SETUP_SINGLE_ISSUER and _DEFER_TASKRUN, where
// the kernel has them). Registrations ride on the system call of the next `select`. There is no
// native_handle().
// **Loop::host**: the host watches the ring's descriptor, which is readable while there are
// completions. So whatever is queued goes to the kernel before the call that queued it returns,
// the end of `select` included. A level-triggered watch that was ready then and is emptied later
// leaves the descriptor readable for one turn that finds nothing. The kernel has the thread that
// handed an operation over complete it, and ends its wait for that as for a signal: one of the
// host's may end with EINTR.
//
// **Wakes** are as those of the Selector on epoll: the eventfd is watched edge-triggered and never
// read, and `wake_pending_` merges them. Because it is never read, a watch that has to be made anew
// finds it readable, so that no wake is lost meanwhile.
//
// **When completions overflow** their queue, the kernel keeps them (IORING_FEAT_NODROP) and ends
// multishot operations; the flag tells of the first, a missing IORING_CQE_F_MORE of the second. If
// it loses some for want of memory it says EBADR, and everything is watched anew.
#include "core/sys/linux/uring.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <utility>

#include "core/sys/linux/polling.hpp"
#include "core/sys/linux/watches.hpp"

namespace hc::sys {

namespace {

// Numbers that the kernel's headers may be too old to name; see ring.cpp.
constexpr std::uint8_t skip_success = 1U << 6;    // IOSQE_CQE_SKIP_SUCCESS, 5.17
constexpr std::uint32_t cancel_by_file = 1U << 1; // IORING_ASYNC_CANCEL_FD, 5.19
constexpr std::uint32_t more_follow = 1U << 1;    // IORING_CQE_F_MORE

/// A multishot operation that ends so often without having reported anything is of a file that has
/// no readiness, /dev/null say. Where completions overflow, each time some of them do not end.
constexpr std::uint8_t ends_max = 200;

class UringSelector final : public Selector {
public:
    UringSelector(std::unique_ptr<Ring> ring, Descriptor wake, Loop loop) noexcept
        : ring_(std::move(ring)), hosted_(loop == Loop::host),
          wake_{.fd = std::move(wake), .mark = mark_wake} {}
    ~UringSelector() override;

    using Selector::select;
    Result<void> register_(Socket socket, Token token, Interest interest) override;
    Result<void> reregister(Socket socket, Token token, Interest interest) override;
    Result<void> deregister(Socket socket) override;
    Result<std::size_t> select(std::span<Event> events, std::optional<Duration> timeout) override;
    void wake() noexcept override;
    std::intptr_t native_handle() const noexcept override {
        return hosted_ ? ring_->descriptor() : -1;
    }
    void set_deadline(Instant at) noexcept override;
    /// Where the host watches: hands over what is queued.
    Result<void> hand_over();

private:
    /// The events of one select.
    struct Batch {
        std::span<Event> events;
        std::size_t filled = 0;
        bool woken = false;
        bool full() const noexcept { return filled == events.size(); }
        bool empty() const noexcept { return filled == 0 && !woken; }
    };

    Result<void> check(Socket socket, Token token) const;
    void queue(int fd, Watch& watch) noexcept;
    void cancel(std::uint64_t mark) noexcept;
    bool has_ended(std::uint64_t mark) const noexcept;
    bool still_watches(int fd) noexcept;
    bool nothing_queued() const noexcept {
        return first_ < 0 && wake_.armed && (timer_.armed || !timer_.fd);
    }

    int push() noexcept;
    bool fill() noexcept;
    bool fill(Own& own) noexcept;
    void take_back() noexcept;
    Result<void> enter(bool wait, std::optional<Duration> timeout);
    Result<void> congested(int code, bool wait, std::optional<Duration> timeout);
    void watch_all_anew() noexcept;

    Watch* present(std::uint64_t mark) noexcept;
    void drop_stale() noexcept;
    std::size_t sweep(Batch& batch, bool fresh) noexcept;
    void drain(Batch& batch) noexcept;
    void take(const io_uring_cqe& done, Batch& batch, bool fresh) noexcept;
    void take_level(int fd, Watch& watch, std::int32_t outcome, Batch& batch, bool fresh) noexcept;
    void take(Own& own, const io_uring_cqe& done, Batch& batch) noexcept;
    void report(int fd, Watch& watch, std::int32_t outcome, Batch& batch) const noexcept;

    std::unique_ptr<Ring> ring_;
    const bool hosted_;
    int first_ = -1; // of the queued ones
    std::uint32_t rounds_ = 0;
    std::uint32_t batches_ = 0;
    bool lost_ = false; // completions, and nothing was done about it yet
    Watches watches_;
    Own wake_;
    Own timer_{.fd = Descriptor(), .mark = mark_deadline}; // made by the first set_deadline
    Instant deadline_ = Instant::never(); // what the timer is set to; never when it is not armed
    // Written by any thread; a line of its own, away from what only the owner touches.
    alignas(64) std::atomic<bool> wake_pending_{false};
};

std::unexpected<Error> refused_token() {
    return fail(ErrorKind::invalid, "the token is reserved for the selector");
}
std::unexpected<Error> of_the_parent() {
    return fail(ErrorKind::forked, "the selector belongs to the parent process");
}

// -- registrations -------------------------------------------------------------------------------

Result<void> UringSelector::check(Socket socket, Token token) const {
    if (token > token_max) return refused_token();
    if (ring_->forked()) return of_the_parent();
    const auto number = static_cast<std::intptr_t>(socket);
    const int fd = number < 0 || number > INT_MAX ? -1 : static_cast<int>(number);
    if (::fcntl(fd, F_GETFD) < 0) return fail(system_error(errno, "watching a socket"));
    return {};
}

void UringSelector::queue(int fd, Watch& watch) noexcept {
    if (std::exchange(watch.queued, true)) return;
    watch.next = std::exchange(first_, fd);
}

/// Has the operation with this mark cancelled, by the next call that enters the kernel.
void UringSelector::cancel(std::uint64_t mark) noexcept {
    io_uring_sqe* entry = ring_->next();
    if (entry == nullptr) {
        (void)push();
        entry = ring_->next();
        if (entry == nullptr) return; // the kernel has no memory at all: it keeps the file open
    }
    // Unlike IORING_OP_POLL_REMOVE it also finds operations that are about to complete.
    entry->opcode = IORING_OP_ASYNC_CANCEL;
    entry->flags = skip_success;
    entry->fd = -1;
    entry->addr = mark;
    entry->user_data = mark_of(static_cast<std::uint32_t>(mark >> 32), mark_cancel);
}

/// Whether the operation that was cancelled lets go of its file: it has completed for good, or the
/// answer to its cancellation is that it has before.
bool UringSelector::has_ended(std::uint64_t mark) const noexcept {
    const std::uint64_t answer = mark_of(static_cast<std::uint32_t>(mark >> 32), mark_cancel);
    return ring_->find([=](const io_uring_cqe& done) {
        const bool last = (done.flags & more_follow) == 0;
        return done.user_data == answer || (done.user_data == mark && last);
    }) != nullptr;
}

/// Whether the armed watch of `fd` is of the file that `fd` names today. A socket that was closed
/// without being deregistered lives on in its watch, while its number may be another's by now. The
/// kernel compares files when it is asked to cancel by one; if it finds it, the cancelled watch is
/// queued again as any other.
bool UringSelector::still_watches(int fd) noexcept {
    io_uring_sqe* entry = ring_->next();
    if (entry == nullptr) return true;
    const std::uint64_t mark = mark_of(++rounds_, mark_question);
    entry->opcode = IORING_OP_ASYNC_CANCEL;
    entry->fd = fd;
    entry->cancel_flags = cancel_by_file;
    entry->user_data = mark;
    if (push() != 0) return true;
    const io_uring_cqe* answer =
        ring_->find([mark](const io_uring_cqe& done) { return done.user_data == mark; });
    return answer == nullptr || answer->res != -ENOENT;
}

Result<void> UringSelector::register_(Socket socket, Token token, Interest interest) {
    if (auto good = check(socket, token); !good) return good;
    const int fd = static_cast<int>(socket);
    Watch& watch = watches_.make(fd);
    if (watch.watched) {
        if (!watch.armed || still_watches(fd)) {
            return fail(system_error(EEXIST, "watching a socket"));
        }
        cancel(watch.mark(fd));
    }
    watch.armed = false;
    watch.begin(token, interest);
    queue(fd, watch);
    return hand_over();
}

Result<void> UringSelector::reregister(Socket socket, Token token, Interest interest) {
    if (auto good = check(socket, token); !good) return good;
    const int fd = static_cast<int>(socket);
    Watch* watch = watches_.find(fd);
    if (watch == nullptr || !watch->watched) {
        return fail(system_error(ENOENT, "watching a socket"));
    }
    if (std::exchange(watch->armed, false)) cancel(watch->mark(fd));
    watch->begin(token, interest);
    queue(fd, *watch);
    return hand_over();
}

Result<void> UringSelector::deregister(Socket socket) {
    if (ring_->forked()) return of_the_parent();
    const auto number = static_cast<std::intptr_t>(socket);
    const int fd = number < 0 || number > INT_MAX ? -1 : static_cast<int>(number);
    Watch* watch = watches_.find(fd);
    if (watch == nullptr || !watch->watched) {
        return fail(system_error(ENOENT, "ceasing to watch a socket"));
    }
    watch->watched = false;
    const bool armed = std::exchange(watch->armed, false);
    if (armed) cancel(watch->mark(fd));
    // An earlier watch of it may be among those that wait to be cancelled.
    if (ring_->unsubmitted() == 0) return {};
    int code = push();
    // Each call works off only some of what the kernel has put off.
    constexpr int calls_max = 16;
    for (int i = 0; armed && code == 0 && i < calls_max && !has_ended(watch->mark(fd)); ++i) {
        code = push();
    }
    drop_stale();
    // What the kernel had no memory or room for goes with the next call.
    if (code == 0 || code == EAGAIN || code == EBUSY || code == ENOMEM || code == EBADR) return {};
    return fail(system_error(code, "ceasing to watch a socket"));
}

// -- to the kernel -------------------------------------------------------------------------------

/// Hands over all submissions that there are, without waiting. 0 or an errno.
int UringSelector::push() noexcept {
    // The kernel stops at a submission that it refuses; the rest goes with another call.
    for (std::uint32_t left = ring_->unsubmitted();;) {
        const int code = ring_->enter(0, std::nullopt);
        const std::uint32_t before = std::exchange(left, ring_->unsubmitted());
        if (code == EBADR) lost_ = true; // it is told once
        if (code != 0 || left == 0) return code;
        if (left == before) return EAGAIN;
    }
}

bool UringSelector::fill(Own& own) noexcept {
    if (own.armed || !own.fd) return true;
    io_uring_sqe* entry = ring_->next();
    if (entry == nullptr) return false;
    own.round = ++rounds_;
    own.armed = true;
    prepare_poll(*entry, own.fd.get(), Interest::read(), true, mark_of(own.round, own.mark));
    return true;
}

/// Makes submissions of what is queued; false when there is more than room.
bool UringSelector::fill() noexcept {
    if (!fill(wake_) || !fill(timer_)) return false;
    while (first_ >= 0) {
        const int fd = first_;
        Watch& watch = *watches_.find(fd);
        if (watch.watched && !watch.armed) {
            io_uring_sqe* entry = ring_->next();
            if (entry == nullptr) return false;
            watch.round = ++rounds_;
            watch.armed = true;
            const bool multishot = watch.interest.edge || watch.patient;
            prepare_poll(*entry, fd, watch.interest, multishot, watch.mark(fd));
        }
        watch.queued = false;
        first_ = watch.next;
    }
    return true;
}

/// Makes the opposite of fill() with what the kernel has not taken. Cancellations stay: what they
/// name does not change.
void UringSelector::take_back() noexcept {
    ring_->take_back([this](const io_uring_sqe& entry) {
        if (entry.opcode != IORING_OP_POLL_ADD) return true;
        const auto what = static_cast<std::uint32_t>(entry.user_data);
        if (what == mark_wake || what == mark_deadline) {
            (what == mark_wake ? wake_ : timer_).armed = false;
        } else if (Watch* watch = present(entry.user_data)) {
            watch->armed = false;
            queue(entry.fd, *watch);
        }
        return false;
    });
}

/// Hands over what is queued and, with `wait`, sleeps until something has happened.
Result<void> UringSelector::enter(bool wait, std::optional<Duration> timeout) {
    for (;;) {
        const bool all = fill();
        const std::uint32_t before = ring_->unsubmitted();
        const int code = ring_->enter(wait && all ? 1 : 0, timeout);
        const std::uint32_t left = ring_->unsubmitted();
        if (code == 0 && all && left == 0) return {};
        // The kernel stops at a submission that it refuses; the rest goes with another call.
        if (code == 0 && left < before) continue;
        return congested(code == 0 ? EAGAIN : code, wait, timeout);
    }
}

Result<void> UringSelector::congested(int code, bool wait, std::optional<Duration> timeout) {
    take_back();
    if (code == EBADR) {
        watch_all_anew();
    } else if (code != EAGAIN && code != EBUSY && code != ENOMEM) {
        return fail(system_error(code, "waiting for readiness"));
    }
    if (wait && ring_->front() == nullptr) {
        // The kernel lacks memory: wait for what it has already, but try again soon.
        constexpr Duration pause = std::chrono::milliseconds(10);
        ring_->enter(1, timeout ? std::min(*timeout, pause) : pause, false);
    }
    if (hosted_ && !nothing_queued()) wake(); // the host would not turn for what did not get there
    return {};
}

void UringSelector::watch_all_anew() noexcept {
    const auto end = [this](bool& armed, std::uint64_t mark) {
        if (std::exchange(armed, false)) cancel(mark);
    };
    end(wake_.armed, mark_of(wake_.round, wake_.mark));
    end(timer_.armed, mark_of(timer_.round, timer_.mark));
    watches_.each([&](int fd, Watch& watch) {
        end(watch.armed, watch.mark(fd));
        if (watch.watched) queue(fd, watch);
    });
}

Result<void> UringSelector::hand_over() {
    return !hosted_ || nothing_queued() ? Result<void>{} : enter(false, std::nullopt);
}

// -- from the kernel -----------------------------------------------------------------------------

/// The watch that a completion belongs to; nullptr when it has ended.
Watch* UringSelector::present(std::uint64_t mark) noexcept {
    const auto what = static_cast<std::uint32_t>(mark);
    Watch* watch = what > INT_MAX ? nullptr : watches_.find(static_cast<int>(what));
    const bool is = watch != nullptr && watch->watched && watch->armed &&
                    watch->round == static_cast<std::uint32_t>(mark >> 32);
    return is ? watch : nullptr;
}

/// Makes room: many may be deregistered in a row.
void UringSelector::drop_stale() noexcept {
    while (const io_uring_cqe* done = ring_->front()) {
        const auto what = static_cast<std::uint32_t>(done->user_data);
        if (what == mark_wake || what == mark_deadline || present(done->user_data) != nullptr)
            break;
        ring_->pop();
    }
}

/// Takes completions while there is room for what they say, and gives how many. `fresh`: none is
/// from before this select's system call.
std::size_t UringSelector::sweep(Batch& batch, bool fresh) noexcept {
    std::size_t taken = 0;
    for (; !batch.full(); ++taken) {
        const io_uring_cqe* done = ring_->front();
        if (done == nullptr) break;
        take(*done, batch, fresh);
        ring_->pop();
    }
    return taken;
}

/// Takes in what the kernel has before anything is added to it: what is cancelled completes at
/// once, which must not end the wait that follows, and operations that are made while completions
/// overflow end at once.
void UringSelector::drain(Batch& batch) noexcept {
    sweep(batch, false);
    while (!batch.full() && (ring_->unsubmitted() > 0 || ring_->overflowed())) {
        if (push() != 0 || (sweep(batch, false) == 0 && ring_->unsubmitted() == 0)) return;
    }
}

void UringSelector::take(const io_uring_cqe& done, Batch& batch, bool fresh) noexcept {
    const auto what = static_cast<std::uint32_t>(done.user_data);
    if (what == mark_wake) return take(wake_, done, batch);
    if (what == mark_deadline) return take(timer_, done, batch);
    Watch* watch = present(done.user_data);
    if (watch == nullptr) return;
    const int fd = static_cast<int>(what);
    watch->armed = (done.flags & more_follow) != 0;
    if (done.res == -ECANCELED) return queue(fd, *watch);
    if (!watch->interest.edge) {
        take_level(fd, *watch, done.res, batch, fresh);
    } else if (watch->armed || done.res < 0) {
        watch->ends = 0;
        report(fd, *watch, done.res, batch);
    } else if (++watch->ends < ends_max) {
        queue(fd, *watch); // which reports what is ready: now would be once too often
    } else {
        report(fd, *watch, -EPERM, batch);
    }
}

void UringSelector::take_level(int fd, Watch& watch, std::int32_t outcome, Batch& batch,
                               bool fresh) noexcept {
    if (outcome >= 0 && (static_cast<std::uint32_t>(outcome) & bits_of(watch.interest)) == 0) {
        // The kernel tells that the peer has ended to those who did not ask as well, and would do
        // so again at once. An operation that is multishot tells it only once.
        watch.patient = true;
        if (!watch.armed) queue(fd, watch);
        return;
    }
    if (std::exchange(watch.armed, false)) cancel(watch.mark(fd));
    watch.patient = false;
    queue(fd, watch);
    const bool old = !fresh && outcome >= 0;
    report(fd, watch, old ? look(fd, watch.interest) : outcome, batch);
}

void UringSelector::take(Own& own, const io_uring_cqe& done, Batch& batch) noexcept {
    if (own.round != static_cast<std::uint32_t>(done.user_data >> 32)) return;
    own.armed = (done.flags & more_follow) != 0;
    if (done.res < 0) return;
    batch.woken = true;
    if (&own == &wake_) {
        wake_pending_.exchange(false, std::memory_order_acq_rel);
    } else {
        deadline_ = Instant::never(); // it has fired; the same deadline would have to be set again
    }
}

/// Says it in one event, also when the kernel said it in several completions.
void UringSelector::report(int fd, Watch& watch, std::int32_t outcome,
                           Batch& batch) const noexcept {
    const std::uint32_t asked = bits_of(watch.interest);
    // A descriptor that cannot be polled fails like a connection.
    std::uint32_t bits = outcome < 0 ? asked : static_cast<std::uint32_t>(outcome) & asked;
    // The completion tells what its wake told, and an error's wake tells only of the error. It is
    // the last event there is: so what else holds must be in it.
    if (outcome > 0 && (bits & (POLLERR | POLLHUP)) != 0) {
        bits |= static_cast<std::uint32_t>(look(fd, watch.interest));
    }
    if (bits == 0) return;
    if (watch.batch != batches_ || watch.place >= batch.filled) {
        watch.batch = batches_;
        watch.place = static_cast<std::uint32_t>(batch.filled++);
        batch.events[watch.place] = {.token = watch.token};
    }
    Event& event = batch.events[watch.place];
    event.readable |= (bits & POLLIN) != 0;
    event.writable |= (bits & POLLOUT) != 0;
    event.read_closed |= (bits & POLLRDHUP) != 0;
    event.failed |= (bits & (POLLERR | POLLHUP)) != 0;
}

Result<std::size_t> UringSelector::select(std::span<Event> events,
                                          std::optional<Duration> timeout) {
    if (events.empty()) return fail(ErrorKind::invalid, "select needs room for an event");
    if (ring_->forked()) return of_the_parent();
    Batch batch{.events = events};
    ++batches_;
    drain(batch);
    if (std::exchange(lost_, false)) watch_all_anew();
    const bool wait = batch.empty() && !(timeout && timeout->count() <= 0);
    std::size_t taken = 0;
    if (batch.empty() || (!batch.full() && first_ >= 0)) {
        if (auto entered = enter(wait, timeout); !entered) return fail(std::move(entered.error()));
        taken = sweep(batch, true);
    }
    while (wait && batch.empty() && taken > 0) {
        // What ended the wait were operations that ended: making them anew tells the news, and
        // behind those that were cancelled there may be others.
        drain(batch);
        if (auto entered = enter(false, {}); !entered) return fail(std::move(entered.error()));
        taken = sweep(batch, true);
    }
    if (auto handed = hand_over(); !handed) return fail(std::move(handed.error()));
    return batch.filled;
}

// -- wakes and deadlines -------------------------------------------------------------------------

void UringSelector::wake() noexcept {
    if (ring_->forked() || wake_pending_.exchange(true, std::memory_order_acq_rel)) return;
    const std::uint64_t one = 1;
    // The counter can only be full after 2^64 wakes, so this write cannot fail.
    while (::write(wake_.fd.get(), &one, sizeof one) < 0 && errno == EINTR) {}
}

void UringSelector::set_deadline(Instant at) noexcept {
    if (!hosted_ || at == deadline_ || ring_->forked()) return;
    if (!timer_.fd) {
        timer_.fd = Descriptor(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
    }
    if (!timer_.fd || !hand_over()) {
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
    ::timerfd_settime(timer_.fd.get(), TFD_TIMER_ABSTIME, &spec, nullptr);
    deadline_ = at;
}

/// Ends the operations now, not when the kernel gets round to it: what they hold would stay open
/// behind the close that follows. Another thread than the ring's own need not: a thread that ends
/// takes its operations with it.
UringSelector::~UringSelector() {
    if (ring_->forked()) return;
    const auto pop_all = [this] {
        std::size_t popped = 0;
        for (; ring_->front() != nullptr; ++popped) ring_->pop();
        return popped;
    };
    bool armed = false;
    watches_.each([&](int fd, const Watch& watch) {
        if (!watch.armed) return;
        armed = true;
        pop_all();
        cancel(watch.mark(fd));
    });
    while (armed && push() == 0 && pop_all() > 0) {}
}

} // namespace

Result<std::unique_ptr<Selector>> make_uring_selector(UringOptions options) {
    options.ring.one_thread = options.loop == Loop::own;
    auto ring = Ring::create(options.ring);
    if (!ring) return fail(std::move(ring.error()));
    Descriptor wake(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (!wake) return fail(system_error(errno, "making an eventfd"));
    auto made = std::make_unique<UringSelector>(std::move(*ring), std::move(wake), options.loop);
    if (auto handed = made->hand_over(); !handed) return fail(std::move(handed.error()));
    return made;
}

Result<void> probe_uring() {
    auto made = make_uring_selector({.ring = {.submissions = 8, .completions = 16}});
    if (!made) return fail(std::move(made.error()));
    Selector& selector = **made;
    for (int round = 0; round < 2; ++round) { // twice: an operation that completes anew
        selector.wake();
        pollfd handle{.fd = static_cast<int>(selector.native_handle()), .events = POLLIN};
        Events<1> events;
        if (::poll(&handle, 1, 1'000) != 1 || !selector.select(events, Duration::zero())) {
            return fail(Error{.kind = ErrorKind::unsupported,
                              .origin = Origin::system,
                              .code = ENOSYS,
                              .message = "the io_uring of this kernel does not report readiness"});
        }
    }
    return {};
}

} // namespace hc::sys
