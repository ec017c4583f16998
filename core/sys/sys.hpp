// The contract with the operating system. This folder is the only place that includes its headers.
//
// A backend is one implementation of `System`: real sockets on Linux with readiness from epoll or
// from io_uring (`linux/epoll`, `linux/uring`), a simulated network with a simulated clock
// (`sim/`), and a stub that compiles everywhere and refuses everything (`stub/`). What an
// implementation must provide:
//
// 1. A `Selector` a worker. It reports readiness of sockets, level- or edge-triggered as each
//    registration asks. Edge-triggered means: after an event, the next one comes only when more
//    arrived (or more room appeared) since; registering reports what is ready already. A selector
//    belongs to one thread, but for `wake`, which any thread may call at any time and which makes
//    the current or the next `select` return. Wakes may be merged, never lost.
// 2. Non-blocking sockets. No call in this file ever waits, save `Selector::select` and (where
//    `Sockets::lookup_waits` says so) `Sockets::lookup`.
// 3. Sockets never raise SIGPIPE, and are closed on exec.
// 4. One clock. `Clock::now` is monotonic. The simulated one advances only when its owner says so.
//
// Every call reports failure by value and leaves no state behind when it fails.
//
// What an event says, on every backend (it is what epoll says of a TCP socket):
//
//   the peer ended its side    readable, read_closed; `recv` gives what is left, then `end`
//   both sides ended           the same, and failed, when only orderly ends were involved, too
//   a reset, a failed connect  everything that was asked for, and failed; bytes that arrived
//                              before are still there to be read, then the error, once
//
// and of a UDP socket:
//
//   a peer that is not there   failed, when the socket is connected; the next call that sends or
//                              receives reports it, once, and the socket goes on
//
// readable, writable and read_closed are reported only as far as the interest asks (read_closed
// goes with readable); failed is always reported. So a level-triggered registration that asks for
// nothing is quiet until the connection has failed; then it must be deregistered.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "core/sys/address.hpp"
#include "core/sys/datagram.hpp"

namespace hc::sys {

/// A socket: a descriptor on Unix, an index in the simulation.
enum class Socket : std::intptr_t { none = -1 };

/// What a socket is watched for, and how.
struct Interest {
    bool readable = false;
    bool writable = false;
    bool edge = false;      // edge-triggered; level-triggered otherwise
    bool exclusive = false; // of many selectors that watch one listener, wake not all

    static constexpr Interest read() noexcept { return {.readable = true}; }
    static constexpr Interest write() noexcept { return {.writable = true}; }
    static constexpr Interest both() noexcept { return {.readable = true, .writable = true}; }
    constexpr Interest edge_triggered() const noexcept {
        Interest copy = *this;
        copy.edge = true;
        return copy;
    }
    friend bool operator==(const Interest&, const Interest&) = default;
};

/// The caller's own mark on a registration, given back in every event of it. The few values above
/// `token_max` belong to the selector and are refused.
using Token = std::uint64_t;
inline constexpr Token token_max = UINT64_MAX - 16;

struct Event {
    Token token = 0;
    bool readable = false;
    bool writable = false;
    bool read_closed = false; // the peer ended its side, or all of it
    bool failed = false;      // an error or a hang-up waits on the socket
};

/// Room for the events of one `select`, and the events of the last one.
template <std::size_t Capacity>
class Events {
public:
    static_assert(Capacity > 0);
    const Event* begin() const noexcept { return events_.data(); }
    const Event* end() const noexcept { return events_.data() + size_; }
    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    const Event& operator[](std::size_t index) const noexcept { return events_[index]; }

private:
    friend class Selector;
    std::array<Event, Capacity> events_;
    std::size_t size_ = 0;
};

/// Readiness of many sockets. One a worker; see the contract above. It owns no socket: whoever
/// closes one deregisters it first.
class Selector {
public:
    virtual ~Selector() = default;
    /// Starts to watch. A socket may be watched once by each selector.
    virtual Result<void> register_(Socket socket, Token token, Interest interest) = 0;
    /// Replaces token and interest; what is ready already is reported (again).
    virtual Result<void> reregister(Socket socket, Token token, Interest interest) = 0;
    /// Nothing is reported of it any more, and nothing keeps the socket open when it is closed.
    virtual Result<void> deregister(Socket socket) = 0;
    /// Waits until something is ready, `wake` was called or `timeout` passed (nullopt: for ever;
    /// zero: do not wait). Gives how many of `events` were filled, one for each registration at
    /// most; 0 on time-out or wake (or for no reason). `events` must not be empty.
    virtual Result<std::size_t> select(std::span<Event> events,
                                       std::optional<Duration> timeout) = 0;
    /// The same with a buffer that knows what is in it: `for (const Event& event : events)`.
    template <std::size_t Capacity>
    Result<std::size_t> select(Events<Capacity>& events, std::optional<Duration> timeout) {
        auto count = select(std::span<Event>(events.events_), timeout);
        events.size_ = count.value_or(0);
        return count;
    }
    /// Any thread: ends the current or the next `select`.
    virtual void wake() noexcept = 0;
    /// A descriptor that polls readable whenever `select` would return at once (ready sockets, a
    /// wake), for a host loop to watch; -1 where there is none.
    virtual std::intptr_t native_handle() const noexcept = 0;
    /// Makes native_handle() readable at `at` (never: not by time), once. Only the driven mode
    /// needs it; where there is no native_handle() it does nothing.
    virtual void set_deadline(Instant at) noexcept = 0;
};

/// The outcome of one socket operation, small enough for the hot path.
struct Io {
    enum class Status : std::uint8_t { ok, would_block, end, failed };
    std::size_t bytes = 0;
    Status status = Status::ok;
    int code = 0; // errno when failed

    constexpr bool ok() const noexcept { return status == Status::ok; }
};

/// Bytes to send, one piece of a gathered write.
struct ConstBuffer {
    const char* data;
    std::size_t size;
};

struct ListenOptions {
    std::uint32_t backlog = 4096;
    bool reuse_port = false; // several sockets share the address, the kernel spreads connections
    bool first = false;      // with reuse_port: nobody may listen there yet, sharing or not
    bool only_v6 = false;    // otherwise a socket on [::] also takes IPv4: dual stack
    std::uint32_t unix_mode = 0; // permissions of a Unix socket's file; 0 leaves them to the umask
};

struct Accepted {
    Socket socket = Socket::none;
    Address peer;
};

/// Socket operations. Thread-safe as the system's own are.
class Sockets {
public:
    virtual ~Sockets() = default;
    /// Binds and listens. A stale Unix socket file (nobody listens on it) is replaced.
    virtual Result<Socket> listen(const Address& address, const ListenOptions& options) = 0;
    /// Takes over a listening descriptor made elsewhere: checks that it listens, makes it
    /// non-blocking.
    virtual Result<Socket> adopt_listener(std::intptr_t descriptor) = 0;
    /// One waiting connection into `out`; would_block when there is none. Connections that died
    /// while they waited are passed over. `failed` says that descriptors or memory ran out (or that
    /// `listener` is none); the connections still wait. TCP_NODELAY is set on TCP sockets.
    virtual Io accept(Socket listener, Accepted& out) = 0;
    /// Starts to connect; writable readiness says that it ended, `connect_result` how (`again`: it
    /// has not). A connection that fails at once may be reported by `connect` itself.
    virtual Result<Socket> connect(const Address& address) = 0;
    virtual Result<void> connect_result(Socket socket) = 0;
    /// Reads what is there. `end` when the peer ended its side. Fewer bytes than `into` has room
    /// for do not mean that there are no more: only would_block and end do.
    virtual Io recv(Socket socket, std::span<char> into) = 0;
    /// Writes as much as is taken at once. A short count or would_block says that no more fits now;
    /// then a writable event comes when more does, edge-triggered too.
    virtual Io send(Socket socket, std::span<const ConstBuffer> pieces) = 0;
    /// Sends a range of a file, as much as is taken at once: `end` when the file has none of it. A
    /// short count may have any reason; only would_block promises a writable event.
    virtual Io send_file(Socket socket, std::intptr_t file, std::uint64_t offset,
                         std::uint64_t bytes) = 0;
    /// Reads a range of a file, for those who cannot send it as it is: `end` when the file has none
    /// of it. May wait for the disk.
    virtual Io read_file(std::intptr_t file, std::uint64_t offset, std::span<char> into) = 0;
    /// Ends our side; the peer reads an end.
    virtual void shutdown_write(Socket socket) noexcept = 0;
    /// Closes with a reset instead of an orderly end.
    virtual void reset(Socket socket) noexcept = 0;
    virtual void close(Socket socket) noexcept = 0;
    /// Removes the file of a Unix socket that listened there. Call it before the listener is
    /// closed: after that another process may have put its own in the same place.
    virtual void remove_file(const Address& address) noexcept = 0;
    virtual Result<Address> local_address(Socket socket) = 0;

    // -- datagrams (datagram.hpp) --------------------------------------------------------------
    /// A UDP socket on `address`; its local address, and what ECN its datagrams came with, are
    /// reported with what it receives.
    virtual Result<Socket> bind_udp(const Address& address, const UdpOptions& options) = 0;
    /// It exchanges datagrams with `peer` only from now on, and learns that nobody is there.
    virtual Result<void> connect_udp(Socket socket, const Address& peer) = 0;
    /// Sends what is taken at once, in order. `bytes` of the answer is how many of `messages` were
    /// taken whole. Of a train that was taken in part, that part is removed from the front of its
    /// `bytes`: go on with `messages.subspan(bytes)`. would_block: nothing was taken, and a
    /// writable event comes. failed: the first datagram cannot be sent; leave it out, or try again.
    virtual Io send_udp(Socket socket, std::span<DatagramsOut> messages) = 0;
    /// Receives what is there. `bytes` of the answer is how many of `messages` were filled; that
    /// not all were does not mean that there is no more, only would_block does.
    virtual Io recv_udp(Socket socket, std::span<DatagramsIn> messages) = 0;

    // -- names -----------------------------------------------------------------------------------
    /// The addresses of a host, those to be tried first in front, with `port` put in. A literal
    /// address is its own answer. `not_found` for a name that does not exist or can be none.
    virtual Result<std::vector<Address>> lookup(std::string_view host, std::uint16_t port) = 0;
    /// True when lookup() may wait for the network, so that it needs a thread that may wait; it may
    /// be called on any. False: it answers at once.
    virtual bool lookup_waits() const noexcept = 0;
};

class Clock {
public:
    virtual ~Clock() = default;
    virtual Instant now() noexcept = 0;
    virtual WallTime wall() noexcept = 0;
};

/// Everything a runtime needs from below. Outlives all that was made from it.
class System {
public:
    virtual ~System() = default;
    virtual Result<std::unique_ptr<Selector>> make_selector() = 0;
    virtual Sockets& sockets() noexcept = 0;
    virtual Clock& clock() noexcept = 0;
    /// Fills `out` from the system's entropy (seeded in the simulation).
    virtual Result<void> entropy(std::span<std::byte> out) = 0;
    /// Processors this process may use.
    virtual unsigned processors() const noexcept = 0;
    virtual std::string_view name() const noexcept = 0; // "epoll", "io_uring", "sim", "stub"
};

/// The system of this build: epoll on Linux, else the stub. Never destroyed.
System& native() noexcept;

/// What tells of readiness. `automatic` is that of native().
enum class Backend : std::uint8_t { automatic, epoll, io_uring };

/// Whose loop calls `select`. A backend may be faster when it is its own.
enum class Loop : std::uint8_t {
    host, // watches native_handle(); calls may come from several threads, one at a time
    own,  // one thread makes all calls that go to the kernel; there is no native_handle()
};

/// The same with a backend of the caller's choice, for selectors that are used by `loop`. Never
/// destroyed either. `unsupported` when this build or this kernel does not have it (or the process
/// is not allowed to use it); other errors of the system when it cannot be tried.
Result<System*> native(Backend backend, Loop loop = Loop::host);

} // namespace hc::sys
