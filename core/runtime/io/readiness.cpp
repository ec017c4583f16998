#include "core/runtime/io/readiness.hpp"

#include <memory>
#include <optional>
#include <utility>

#include "core/runtime/sched/scheduler.hpp"

namespace hc::runtime {

namespace {

Error ended_error() {
    return user_error(ErrorKind::closed, "the worker that watched the socket has ended");
}

} // namespace

/// All sources that a worker watches. Ends with the worker, on its thread, before the worker gets
/// up from its seat.
class ReadinessHome final : public WorkerLocal {
public:
    explicit ReadinessHome(Seat& seat) noexcept : seat_(seat) { seat_.home() = this; }
    ~ReadinessHome() override {
        seat_.home() = nullptr;
        while (SocketSource* source = sources_.pop_front()) source->home_ended();
    }
    static ReadinessHome& of(Worker& worker) {
        Seat& seat = worker.seat();
        if (seat.home() == nullptr) worker.attach(std::make_unique<ReadinessHome>(seat));
        return *seat.home();
    }
    void add(SocketSource& source) noexcept { sources_.push_back(source); }

private:
    Seat& seat_;
    IntrusiveList<SocketSource> sources_;
};

// -- the home ------------------------------------------------------------------------------------

SocketSource::SocketSource(Worker& home, sys::Socket socket) noexcept
    : sockets_(home.system().sockets()), home_(&home), seat_(home.seat()), socket_(socket) {}

Result<void> SocketSource::join(Worker& worker) {
    if (worker.ended()) return fail(ended_error());
    if (auto watched = worker.watch(socket_, *this, sys::Interest::both().edge_triggered());
        !watched) {
        return watched;
    }
    ReadinessHome::of(worker).add(*this);
    hold();
    return {};
}

/// Undoes join() and closes the socket. Not for the owner's reference.
void SocketSource::leave(Worker& worker) noexcept {
    worker.unwatch(socket_, *this);
    unlink();
    close_here();
    drop();
}

void SocketSource::Join::run(Worker& worker) {
    ran = true;
    source.join_late(worker);
}

void SocketSource::Join::discard() noexcept {
    if (!ran) source.give_up(State::posted, ended_error());
    source.drop();
}

void SocketSource::join_late(Worker& worker) {
    State state = state_.load(std::memory_order_acquire);
    if (state == State::released) {
        close_here();
        return;
    }
    if (auto joined = join(worker); !joined) {
        give_up(State::posted, std::move(joined.error()));
    } else if (!state_.compare_exchange_strong(state, State::watched, std::memory_order_acq_rel)) {
        leave(worker); // the owner has let go meanwhile
    }
}

void SocketSource::home_ended() noexcept {
    home_->unwatch(socket_, *this); // it is unlinked already
    give_up(State::watched, ended_error());
    drop();
}

/// Nobody watches it from now on: its pollers are told, or it is closed when there is no owner.
void SocketSource::give_up(State from, Error error) noexcept {
    error_ = std::move(error); // while there is nobody who may read it
    if (state_.compare_exchange_strong(from, State::orphaned, std::memory_order_acq_rel)) {
        set(Ready::gone_bit);
    } else {
        close_here();
    }
}

void SocketSource::on_ready(const sys::Event& event) {
    // What ended or failed has something to say to those who try: the end, or the error.
    std::uint64_t bits = 0;
    if (event.readable || event.read_closed || event.failed) bits |= Ready::readable_bit;
    if (event.writable || event.failed) bits |= Ready::writable_bit;
    if (event.read_closed) bits |= Ready::closed_bit;
    if (event.failed) bits |= Ready::failed_bit;
    set(bits);
}

/// Waking is the last thing: whoever is woken may destroy this.
void SocketSource::set(std::uint64_t bits) noexcept {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    while (!word_.compare_exchange_weak(word, (word | bits) + Ready::tick_one,
                                        std::memory_order_release, std::memory_order_relaxed)) {}
    Waker reader;
    Waker writer;
    {
        const std::lock_guard lock(mutex_);
        const bool all = (bits & Ready::gone_bit) != 0;
        if (all || (bits & Ready::readable_bit) != 0) std::swap(reader, wakers_[0]);
        if (all || (bits & Ready::writable_bit) != 0) std::swap(writer, wakers_[1]);
    }
    reader.wake();
    writer.wake();
}

// -- any thread ----------------------------------------------------------------------------------

void SocketSource::keep_waker(Direction direction, const Waker& waker) {
    Waker& slot = wakers_[static_cast<std::size_t>(direction)];
    {
        const std::lock_guard lock(mutex_);
        if (slot.will_wake(waker)) return;
    }
    Waker kept = waker;
    {
        const std::lock_guard lock(mutex_);
        std::swap(slot, kept);
    }
}

void SocketSource::drop_waker(Direction direction) noexcept {
    Waker dropped;
    const std::lock_guard lock(mutex_);
    std::swap(wakers_[static_cast<std::size_t>(direction)], dropped);
    // `dropped` goes after the lock: it was made before it.
}

void SocketSource::clear(Direction direction, Ready seen) noexcept {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    while (word / Ready::tick_one == seen.word_ / Ready::tick_one &&
           !word_.compare_exchange_weak(word, word & ~Ready::bit(direction),
                                        std::memory_order_relaxed)) {}
}

void SocketSource::close_here() noexcept {
    if (reset_.load(std::memory_order_relaxed)) {
        sockets_.reset(socket_);
    } else {
        sockets_.close(socket_);
    }
}

/// The owner's end; its reference is used up.
void SocketSource::let_go() noexcept {
    drop_waker(Direction::read);
    drop_waker(Direction::write);
    const bool at_home = Worker::current() == home_;
    const WorkerRef held = at_home ? WorkerRef() : WorkerRef(seat_);
    switch (state_.exchange(State::released, std::memory_order_acq_rel)) {
    case State::watched:
        if (at_home) {
            leave(*home_);
        } else if (held) {
            hold();
            held->post(std::unique_ptr<Message>(&leave_));
        }
        break;
    case State::orphaned: close_here(); break;
    case State::posted:
    case State::released: break; // the message closes it
    }
    drop();
}

// -- the owner -----------------------------------------------------------------------------------

Result<WatchedSocket> WatchedSocket::make_here(Worker& home, sys::Socket socket) {
    WatchedSocket made(new SocketSource(home, socket));
    if (auto joined = made.source_->join(home); !joined) {
        made.source_->state_.store(SocketSource::State::orphaned, std::memory_order_relaxed);
        return fail(std::move(joined.error())); // `made` closes it
    }
    made.source_->state_.store(SocketSource::State::watched, std::memory_order_relaxed);
    return made;
}

WatchedSocket WatchedSocket::make_there(Worker& home, sys::Socket socket) {
    WatchedSocket made(new SocketSource(home, socket));
    made.source_->hold();
    home.post(std::unique_ptr<Message>(&made.source_->join_));
    return made;
}

Result<Worker*> WatchedSocket::home_here() {
    if (Worker* home = sched::Scheduler::home()) return home;
    return fail(ErrorKind::state, "a socket needs a worker, and this thread is none");
}

Result<WatchedSocket> WatchedSocket::make(Worker& home, sys::Socket socket) {
    if (home.is_current()) return make_here(home, socket);
    return make_there(home, socket);
}

Result<WatchedSocket> WatchedSocket::make_beside(const WatchedSocket& other, sys::Socket socket) {
    SocketSource& beside = *other.source_;
    Worker* here = sched::Scheduler::home();
    if (here != nullptr && &here->sockets() == &beside.sockets_) return make(*here, socket);
    const WorkerRef held(beside.seat_);
    // Not gone while somebody sits there: it is the home, and no later worker.
    if (held && (beside.look() & Ready::gone_bit) == 0) return make_there(*held, socket);
    beside.sockets_.close(socket);
    return fail(ended_error());
}

void WatchedSocket::close() noexcept {
    if (source_ != nullptr) std::exchange(source_, nullptr)->let_go();
}

void WatchedSocket::reset() noexcept {
    if (source_ == nullptr) return;
    source_->reset_.store(true, std::memory_order_relaxed);
    close();
}

Poll<Result<Ready>> WatchedSocket::poll_ready(Direction direction, Context& context) {
    if (source_ == nullptr) {
        return Result<Ready>(fail(ErrorKind::state, "the socket was moved away or closed"));
    }
    std::uint64_t word = source_->look();
    if ((word & (Ready::bit(direction) | Ready::gone_bit)) == 0) {
        source_->keep_waker(direction, context.waker());
        word = source_->look();
    }
    if ((word & Ready::gone_bit) != 0) return Result<Ready>(fail(source_->error_));
    if ((word & Ready::bit(direction)) == 0) return pending;
    return Result<Ready>(Ready(word));
}

} // namespace hc::runtime
