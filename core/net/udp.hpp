// UDP sockets.
//
//     auto socket = net::UdpSocket::bind(*net::Address::parse("127.0.0.1:0"));
//     co_await socket->send_to("hello", peer);                  // Result<void>
//     auto got = co_await socket->recv_from(buffer);            // Result<sys::DatagramsIn>
//
// Programs that send and receive much use send_many and recv_many: one call moves a batch, and each
// message of it may be a train of datagrams (core/sys/datagram.hpp says what that is).
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <utility>

#include "core/base/result.hpp"
#include "core/net/address.hpp"
#include "core/runtime/io/readiness.hpp"
#include "core/sys/datagram.hpp"

namespace hc::net {

using sys::DatagramsIn;
using sys::DatagramsOut;
using sys::Ecn;
using sys::UdpOptions;

/// Move-only.
///
/// Threads: any; one task may receive while another sends, not two at the same. Nothing else may
/// happen while it is moved or destroyed. The buffers, addresses and messages given to a future
/// must stay until it is done or dropped.
/// Errors: what the system says of a datagram that cannot be sent (the next one may well be);
/// `refused` once when a connected peer is not there; `closed` when the home worker has ended.
/// Cancellation: a future that is dropped has sent or received nothing that it did not report, but
/// for a train that was sent in part: that part is gone from the front of the message.
class UdpSocket {
public:
    /// At home on the calling thread's worker (in block_on: on one of that runtime's; `state` when
    /// there is none) or on `home`. `address_in_use`, `permission`; `invalid` for an address that
    /// is not IP's.
    static Result<UdpSocket> bind(const Address& address, const UdpOptions& options = {}) {
        return bind_on(nullptr, address, options);
    }
    static Result<UdpSocket> bind(runtime::Worker& home, const Address& address,
                                  const UdpOptions& options = {}) {
        return bind_on(&home, address, options);
    }
    UdpSocket(UdpSocket&&) noexcept = default;
    UdpSocket& operator=(UdpSocket&&) noexcept = default;

    /// Exchanges datagrams with `peer` only from now on; may be done again. Does not wait.
    Result<void> connect(const Address& peer);

    // -- one at a time ---------------------------------------------------------------------------
    /// Sends one datagram.
    auto send_to(std::string_view bytes, const Address& to) {
        return runtime::io_future<Result<void>>(socket_, runtime::Direction::write,
                                                [this, bytes, to](runtime::Context& context) {
                                                    return poll_send(context, bytes, &to);
                                                });
    }
    /// To the peer it is connected to.
    auto send(std::string_view bytes) {
        return runtime::io_future<Result<void>>(socket_, runtime::Direction::write,
                                                [this, bytes](runtime::Context& context) {
                                                    return poll_send(context, bytes, nullptr);
                                                });
    }
    /// Receives one datagram into `into` (of a socket that coalesces: maybe a train).
    auto recv_from(std::span<char> into) {
        return runtime::io_future<Result<DatagramsIn>>(
            socket_, runtime::Direction::read,
            [this, into](runtime::Context& context) { return poll_recv(context, into); });
    }

    // -- many ------------------------------------------------------------------------------------
    /// Sends from the front of `messages` as many as are taken at once; gives how many, at least
    /// one unless there is none. An error is about the first of them.
    auto send_many(std::span<DatagramsOut> messages) {
        return runtime::io_future<Result<std::size_t>>(socket_, runtime::Direction::write,
                                                       [this, messages](runtime::Context& context) {
                                                           return poll_send_many(context, messages);
                                                       });
    }
    /// Receives what is there; gives how many of `messages` were filled, at least one unless there
    /// is none.
    auto recv_many(std::span<DatagramsIn> messages) {
        return runtime::io_future<Result<std::size_t>>(socket_, runtime::Direction::read,
                                                       [this, messages](runtime::Context& context) {
                                                           return poll_recv_many(context, messages);
                                                       });
    }

    runtime::Poll<Result<std::size_t>> poll_send_many(runtime::Context& context,
                                                      std::span<DatagramsOut> messages);
    runtime::Poll<Result<std::size_t>> poll_recv_many(runtime::Context& context,
                                                      std::span<DatagramsIn> messages);

    /// What port 0 became.
    const Address& local_address() const noexcept { return local_; }
    /// Closes it now.
    void close() noexcept { socket_.close(); }

private:
    UdpSocket(runtime::WatchedSocket socket, const Address& local) noexcept
        : socket_(std::move(socket)), local_(local) {}
    static Result<UdpSocket> bind_on(runtime::Worker* home, const Address& address,
                                     const UdpOptions& options);
    runtime::Poll<Result<void>> poll_send(runtime::Context& context, std::string_view bytes,
                                          const Address* to);
    runtime::Poll<Result<DatagramsIn>> poll_recv(runtime::Context& context, std::span<char> into);

    runtime::WatchedSocket socket_;
    Address local_;
};

} // namespace hc::net
