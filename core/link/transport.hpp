// Transport: whatever carries a connection's bytes, completion style. A user (a protocol driver, or
// a layer such as TLS that is transport to the next) is given bytes and hands over bytes; it never
// reads. One worker; every call and every callback is on its thread.
//
// Rules
// - A slice given to on_data is valid only during that call. What is wanted longer is copied.
// - Output is corked: what is sent during on_data leaves in one write when on_data returns; what is
//   sent at any other time leaves at the end of the loop's pass. Nothing is written inside a call.
// - send_at_once() is the exception: it writes inside the call, and calls nobody. It is for what
//   goes to many connections in a row, each of which is touched once then, and not twice.
// - send never refuses: the high watermark is the driver's business (queued_memory()).
// - close and abort act at once: what is queued is dropped. Who wants the peer to read the last
//   bytes calls shutdown and waits for the peer's end first.
// - After close, abort or on_closed the user gets no more calls, and may be destroyed by its owner
//   at the end of the pass. Both are idempotent and legal at any time, also inside a callback.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "core/base/chain.hpp"
#include "core/base/error.hpp"
#include "core/link/security.hpp"
#include "core/runtime/worker.hpp"
#include "core/sys/address.hpp"
#include "core/sys/sys.hpp"

namespace hc::link {

/// A peer's or our own end of a connection, in as few bytes as idle connections deserve.
struct Endpoint {
    std::array<std::uint8_t, 16> ip{};
    std::uint32_t scope = 0;
    std::uint16_t port = 0;
    sys::Address::Family family = sys::Address::Family::none;

    static Endpoint of(const sys::Address& address) noexcept;
    sys::Address address() const noexcept;
};

class TransportUser {
public:
    /// Bytes from the peer, lent for this call.
    virtual void on_data(std::string_view slice) = 0;
    /// The peer ended its side in order; it may still read.
    virtual void on_end() = 0;
    /// Some output was taken by the kernel; queued() tells what is left.
    virtual void on_written() = 0;
    /// The connection is gone (reset, failed write). The last call.
    virtual void on_closed(ErrorKind why) = 0;

protected:
    ~TransportUser() = default;
};

class Transport {
public:
    virtual ~Transport() = default;
    virtual void set_user(TransportUser& user) noexcept = 0;

    /// Room for `n` bytes of output in one piece, to be written in place and committed before any
    /// other call.
    virtual char* reserve(std::size_t n) = 0;
    virtual void commit(std::size_t n) noexcept = 0;
    /// Copies.
    virtual void send(std::string_view bytes) = 0;
    virtual void send(Chain&& chain) = 0;
    /// Has the kernel take of `pieces`, in their order, what it takes now, unless anything waits to
    /// be written before them; gives how many bytes it took, mostly all or none. Nobody is called,
    /// also when the connection turns out to be lost: the next write finds that as well.
    virtual std::size_t send_at_once(std::span<const sys::ConstBuffer> pieces) noexcept {
        static_cast<void>(pieces);
        return 0;
    }
    /// Bytes accepted and not yet taken by the kernel.
    virtual std::uint64_t queued() const noexcept = 0;
    /// Of those, the ones that take memory: what the watermarks are about.
    virtual std::uint64_t queued_memory() const noexcept { return queued(); }

    /// No more on_data (and no on_end) until resumed. Nothing is lost meanwhile: the kernel holds
    /// it.
    virtual void pause_reading() noexcept = 0;
    virtual void resume_reading() noexcept = 0;
    virtual bool reading_paused() const noexcept = 0;
    /// Ends our side once everything queued is written.
    virtual void shutdown() noexcept = 0;
    /// Closes in order.
    virtual void close() noexcept = 0;
    /// Closes with a reset, so that the peer cannot take what it got for the whole.
    virtual void abort() noexcept = 0;
    virtual bool closed() const noexcept = 0;

    virtual const Endpoint& peer() const noexcept = 0;
    virtual void set_peer(const Endpoint& peer) noexcept = 0; // PROXY protocol
    virtual sys::Address local() const = 0;
    /// Nobody on the way can read or change what it carries.
    virtual bool secure() const noexcept { return false; }
    /// The facts about that, made when they are first asked for; nullptr when it is not secure.
    virtual std::shared_ptr<const Security> security() const { return nullptr; }
    virtual runtime::Worker& worker() const noexcept = 0;
    /// Of the connection: no other one of the runtime has or had it. Not 0.
    virtual std::uint64_t number() const noexcept = 0;
};

} // namespace hc::link
