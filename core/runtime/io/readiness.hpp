// WatchedSocket: a socket that one worker's selector watches, for tasks that may run on any thread.
//
// A selector belongs to one thread, a task that may be stolen does not. So what is registered with
// the selector is a SocketSource, an object of its own on the heap: the worker writes into it what
// the selector reports, tasks on any thread read it and leave their wakers in it. It is registered
// once, edge-triggered and for both directions, with the selector of its *home*: the worker on
// which it was made (or the one it was given). It never moves.
//
// Readiness is a hint that a call is worth trying. It is set by events and taken away only by the
// one who tried and was told would_block. Between the two an event may have come that is newer than
// the try: `word` counts events (its tick), and a clear that was made for an older count does
// nothing. A new source is taken to be ready, so that the first try needs no event: registering
// reports what is ready already, therefore a try that comes too early loses nothing.
//
// Who may touch what, and when
//
//   word      {tick, gone, failed, read_closed, writable, readable}. Any thread, atomic. The home
//             sets bits and raises the tick (release), before it looks for wakers; the bit `gone`
//             is set last of all, by the home, and never cleared. Pollers clear readable and
//             writable by compare-and-swap with the tick they saw.
//   error     written by the home before it sets `gone`; read by those who saw the bit.
//   wakers    under `mutex`. A poller stores its waker first and looks at `word` again behind it,
//             the home sets `word` first and takes the wakers behind it: one of them sees the
//             other. No waker is cloned, woken or destroyed under the lock.
//   state     see below; atomic, any thread. Decides who closes the socket.
//   refs      the owner has one, the home's list one while the source is in it, each message that
//             is under way one. The last one deletes the source.
//   its place in the home's list: the home's thread only.
//   join, leave  two messages, each posted once at most. Who has one may use it: the home that
//             runs it, or else (any thread, the home has ended) the one that discards it.
//
//   posted ----(home registers it)----> watched ----(home ends)-----> orphaned
//     |  `------(cannot; home ended)-------|-------------------------> orphaned
//     |                                    |                             |
//     `---(owner lets go)---> released <---'                             `--(owner lets go: closes)
//
// posted    a message that will register it is under way; made where it was not at home
// watched   the selector knows it
// orphaned  no selector knows it any more; pollers get an error
// released  the owner has let go while the home had to do with it: the home closes the socket, in
//           the message that was to register it, in one that is posted for it, or when it ends
//
// Letting go elsewhere than at home. The owner first holds the home's seat, then changes `state`.
// A change from `watched` says that the home has not yet ended, and so that who is held is the home
// and no later worker of that seat: a worker ends, and orphans its sources, before it gets up. When
// nobody could be held the home has ended; then so has `watched`, and the owner closes by itself.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <utility>

#include "core/base/intrusive_list.hpp"
#include "core/base/result.hpp"
#include "core/runtime/coop.hpp"
#include "core/runtime/inbox.hpp"
#include "core/runtime/poll.hpp"
#include "core/runtime/seat.hpp"
#include "core/runtime/waker.hpp"
#include "core/runtime/worker.hpp"
#include "core/sys/sys.hpp"

namespace hc::runtime {

enum class Direction : std::uint8_t { read, write };

/// What was known of a socket when a poll answered that it is worth trying.
class Ready {
public:
    bool read_closed() const noexcept { return (word_ & closed_bit) != 0; }
    bool failed() const noexcept { return (word_ & failed_bit) != 0; }

private:
    friend class SocketSource;
    friend class WatchedSocket;
    static constexpr std::uint64_t readable_bit = 1;
    static constexpr std::uint64_t writable_bit = 2;
    static constexpr std::uint64_t closed_bit = 4;
    static constexpr std::uint64_t failed_bit = 8;
    static constexpr std::uint64_t gone_bit = 16;
    static constexpr std::uint64_t tick_one = 32;

    static constexpr std::uint64_t bit(Direction direction) noexcept {
        return direction == Direction::read ? readable_bit : writable_bit;
    }
    explicit Ready(std::uint64_t word) noexcept : word_(word) {}
    std::uint64_t word_;
};

/// See the top of the file. Only WatchedSocket and its home know it.
class SocketSource final : public Source, private ListNode {
public:
    SocketSource(Worker& home, sys::Socket socket) noexcept;
    SocketSource(const SocketSource&) = delete;
    SocketSource& operator=(const SocketSource&) = delete;

private:
    friend class ReadinessHome;
    friend class WatchedSocket;
    friend class IntrusiveList<SocketSource>;
    enum class State : std::uint8_t { posted, watched, orphaned, released };

    struct Join final : Message {
        explicit Join(SocketSource& of) noexcept : source(of) {}
        void run(Worker& worker) override;
        void discard() noexcept override;
        SocketSource& source;
        bool ran = false;
    };
    struct Leave final : Message {
        explicit Leave(SocketSource& of) noexcept : source(of) {}
        void run(Worker& worker) override { source.leave(worker); }
        void discard() noexcept override { source.drop(); }
        SocketSource& source;
    };

    ~SocketSource() override = default;

    // The home's.
    void on_ready(const sys::Event& event) override;
    Result<void> join(Worker& worker);
    void join_late(Worker& worker);
    void leave(Worker& worker) noexcept;
    void home_ended() noexcept;
    void give_up(State from, Error error) noexcept;

    // Any thread's.
    std::uint64_t look() const noexcept { return word_.load(std::memory_order_acquire); }
    void keep_waker(Direction direction, const Waker& waker);
    void drop_waker(Direction direction) noexcept;
    void clear(Direction direction, Ready seen) noexcept;
    void set(std::uint64_t bits) noexcept;
    void let_go() noexcept;
    void close_here() noexcept;
    void hold() noexcept { refs_.fetch_add(1, std::memory_order_relaxed); }
    void drop() noexcept {
        if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }

    sys::Sockets& sockets_;
    Worker* const home_; // only to be compared, unless the home is held or this is its thread
    Seat& seat_;         // its seat
    const sys::Socket socket_;
    std::atomic<std::uint64_t> word_{Ready::readable_bit | Ready::writable_bit};
    std::atomic<std::uint32_t> refs_{1};
    std::atomic<State> state_{State::posted};
    std::atomic<bool> reset_{false}; // written by the owner before it lets go
    Join join_{*this};
    Leave leave_{*this};
    Error error_;
    std::mutex mutex_;
    Waker wakers_[2];
};

/// Owns a socket and has it watched. Move-only; an empty one may only be assigned to and destroyed.
///
/// Threads: any, one at a time for each direction; destroying or closing it needs all of it.
/// Errors: `closed` when the home worker has ended. What the socket itself has to say comes from
/// the calls that are made on it.
/// Cancellation: a waker that was kept is dropped by forget() or when the next event comes.
class WatchedSocket {
public:
    WatchedSocket() = default;
    /// The worker that is the home of what the calling thread makes: itself, or when it is in
    /// block_on one of that runtime's. `state` when it belongs to no runtime.
    static Result<Worker*> home_here();
    /// Takes over the socket, in any case: when it fails, the socket is closed. At home on `home`,
    /// which must exist during the call. `closed` when that one has ended. On another thread than
    /// its own it is registered by a message; should that fail, pollers get the error.
    static Result<WatchedSocket> make(Worker& home, sys::Socket socket);
    /// At home on home_here(), if that is a worker of the same system, or else where `other` is.
    static Result<WatchedSocket> make_beside(const WatchedSocket& other, sys::Socket socket);

    WatchedSocket(WatchedSocket&& other) noexcept
        : source_(std::exchange(other.source_, nullptr)) {}
    WatchedSocket& operator=(WatchedSocket other) noexcept {
        std::swap(source_, other.source_);
        return *this;
    }
    ~WatchedSocket() { close(); }

    explicit operator bool() const noexcept { return source_ != nullptr; }
    sys::Socket socket() const noexcept { return source_->socket_; }
    sys::Sockets& sockets() const noexcept { return source_->sockets_; }

    /// Stops to watch the socket and closes it: at home at once, elsewhere as soon as the home
    /// worker gets to it. Leaves this empty.
    void close() noexcept;
    /// The same, but the peer gets a reset.
    void reset() noexcept;

    /// Ready when a call of that direction is worth trying. An error when nobody watches the socket
    /// any more.
    Poll<Result<Ready>> poll_ready(Direction direction, Context& context);
    Poll<Result<Ready>> poll_read_ready(Context& context) {
        return poll_ready(Direction::read, context);
    }
    Poll<Result<Ready>> poll_write_ready(Context& context) {
        return poll_ready(Direction::write, context);
    }
    /// After would_block. `seen`: what the poll before that call said.
    void clear(Direction direction, Ready seen) noexcept { source_->clear(direction, seen); }
    void clear_read(Ready seen) noexcept { clear(Direction::read, seen); }
    void clear_write(Ready seen) noexcept { clear(Direction::write, seen); }
    /// Whoever waited in that direction does not any more. Also of an empty one.
    void forget(Direction direction) noexcept {
        if (source_ != nullptr) source_->drop_waker(direction);
    }

    /// Calls `operation() -> sys::Io` as soon as it does not block. Spends one unit of the task's
    /// budget when it does not.
    template <class Operation>
    Poll<Result<sys::Io>> poll_io(Direction direction, Context& context, Operation&& operation) {
        for (;;) {
            auto ready = poll_ready(direction, context);
            if (!ready.is_ready()) return pending;
            if (!ready.value()) return Result<sys::Io>(fail(std::move(ready.value().error())));
            if (!coop::proceed(context)) return pending;
            const sys::Io io = operation();
            if (io.status != sys::Io::Status::would_block) {
                coop::took();
                return Result<sys::Io>(io);
            }
            clear(direction, *ready.value());
        }
    }

private:
    explicit WatchedSocket(SocketSource* source) noexcept : source_(source) {}
    static Result<WatchedSocket> make_here(Worker& home, sys::Socket socket);
    static WatchedSocket make_there(Worker& home, sys::Socket socket);

    SocketSource* source_ = nullptr; // one reference
};

/// A future that asks `Ask` (`Poll<T>(Context&)`), which waits for one direction of a socket. Given
/// up, it leaves no waker behind. The socket must stay where it is as long as this lives.
template <class T, class Ask>
class IoFuture {
public:
    IoFuture(WatchedSocket& socket, Direction direction, Ask ask)
        : socket_(socket), direction_(direction), ask_(std::move(ask)) {}
    IoFuture(IoFuture&& other) noexcept
        : socket_(other.socket_), direction_(other.direction_), ask_(std::move(other.ask_)),
          waits_(std::exchange(other.waits_, false)) {}
    IoFuture(const IoFuture&) = delete;
    IoFuture& operator=(const IoFuture&) = delete;
    ~IoFuture() {
        if (waits_) socket_.forget(direction_);
    }

    Poll<T> poll(Context& context) {
        Poll<T> answer = ask_(context);
        waits_ = !answer.is_ready();
        return answer;
    }

private:
    WatchedSocket& socket_;
    const Direction direction_;
    Ask ask_;
    bool waits_ = false;
};

template <class T, class Ask>
IoFuture<T, Ask> io_future(WatchedSocket& socket, Direction direction, Ask ask) {
    return IoFuture<T, Ask>(socket, direction, std::move(ask));
}

} // namespace hc::runtime
