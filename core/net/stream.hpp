// What TCP and Unix-domain sockets share: streams of bytes, connecting and accepting.
//
// All of it may be used on any thread, by tasks that move between workers. A socket has a home, the
// worker whose selector watches it (core/runtime/io/readiness.hpp): the one where it was connected,
// accepted or bound. It is cheapest to use there, and works everywhere as long as that worker runs.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "core/base/result.hpp"
#include "core/net/address.hpp"
#include "core/runtime/io/async_io.hpp"
#include "core/runtime/io/readiness.hpp"

namespace hc::net {

/// A connected socket; AsyncRead and AsyncWrite. Move-only.
///
/// Threads: one may read while another writes; not two at the same. Nothing else may happen while
/// it is moved, closed or destroyed. Dropping it closes the connection, in order: what was written
/// still goes out; when bytes were not read, the peer gets a reset.
/// Errors: `reset` by the peer, `closed` when the home worker has ended, `state` for one that was
/// moved away. The peer's end is a read of 0 bytes; it may still be written to.
/// Cancellation: giving up a pending call costs nothing; the waker it left is dropped at the next
/// event, by forget() or with the stream.
class StreamSocket {
public:
    StreamSocket(StreamSocket&&) noexcept = default;
    StreamSocket& operator=(StreamSocket&&) noexcept = default;

    runtime::Poll<Result<std::size_t>> poll_read(runtime::Context& context, std::span<char> into);
    runtime::Poll<Result<std::size_t>> poll_write(runtime::Context& context,
                                                  std::string_view bytes);
    /// As one write of all pieces, one behind the other.
    runtime::Poll<Result<std::size_t>>
    poll_write_vectored(runtime::Context& context, std::span<const sys::ConstBuffer> pieces);
    /// Nothing is kept back here: always ready.
    runtime::Poll<Result<void>> poll_flush(runtime::Context& context);
    runtime::Poll<Result<void>> poll_shutdown(runtime::Context& context);

    /// Drops the waker of a pending call.
    void forget(runtime::Direction direction) noexcept { socket_.forget(direction); }
    /// Ends our side now; the peer reads an end behind what was written.
    void shutdown_write() noexcept;
    /// Closes now; with reset() the peer gets a reset in place of an orderly end.
    void close() noexcept { socket_.close(); }
    void reset() noexcept { socket_.reset(); }

    /// Who was connected to, or who was accepted.
    const Address& peer_address() const noexcept { return peer_; }
    Result<Address> local_address() const;

protected:
    StreamSocket(runtime::WatchedSocket socket, const Address& peer)
        : socket_(std::move(socket)), peer_(peer) {}
    ~StreamSocket() = default;

private:
    runtime::WatchedSocket socket_;
    Address peer_;
};

/// The reading side of a stream that was split. The connection is closed when both sides are gone.
template <class Stream>
class ReadHalf {
public:
    explicit ReadHalf(std::shared_ptr<Stream> stream) noexcept : stream_(std::move(stream)) {}
    runtime::Poll<Result<std::size_t>> poll_read(runtime::Context& context, std::span<char> into) {
        return stream_->poll_read(context, into);
    }
    const Stream& stream() const noexcept { return *stream_; }

private:
    std::shared_ptr<Stream> stream_;
};

/// The writing side. Dropping it ends our side of the connection.
template <class Stream>
class WriteHalf {
public:
    explicit WriteHalf(std::shared_ptr<Stream> stream) noexcept : stream_(std::move(stream)) {}
    WriteHalf(WriteHalf&&) noexcept = default;
    WriteHalf& operator=(WriteHalf other) noexcept {
        std::swap(stream_, other.stream_);
        return *this;
    }
    ~WriteHalf() {
        if (stream_ != nullptr) stream_->shutdown_write();
    }
    runtime::Poll<Result<std::size_t>> poll_write(runtime::Context& context,
                                                  std::string_view bytes) {
        return stream_->poll_write(context, bytes);
    }
    runtime::Poll<Result<std::size_t>>
    poll_write_vectored(runtime::Context& context, std::span<const sys::ConstBuffer> pieces) {
        return stream_->poll_write_vectored(context, pieces);
    }
    runtime::Poll<Result<void>> poll_flush(runtime::Context& context) {
        return stream_->poll_flush(context);
    }
    runtime::Poll<Result<void>> poll_shutdown(runtime::Context& context) {
        return stream_->poll_shutdown(context);
    }
    const Stream& stream() const noexcept { return *stream_; }

private:
    std::shared_ptr<Stream> stream_;
};

/// For a reader and a writer that live in different tasks. `split(std::move(stream))`.
template <class Stream>
std::pair<ReadHalf<Stream>, WriteHalf<Stream>> split(Stream stream) {
    auto shared = std::make_shared<Stream>(std::move(stream));
    return {ReadHalf<Stream>(shared), WriteHalf<Stream>(shared)};
}

namespace detail {

/// Connects, whatever the family. Begins with the first poll.
class Connecting {
public:
    /// `home` null: that of the thread which polls it first.
    Connecting(runtime::Worker* home, const Address& to, bool unix_domain) noexcept
        : home_(home), to_(to), unix_domain_(unix_domain) {}
    runtime::Poll<Result<void>> poll(runtime::Context& context);
    runtime::WatchedSocket take() noexcept { return std::move(socket_); }
    const Address& to() const noexcept { return to_; }

private:
    Result<void> begin();

    runtime::Worker* home_;
    Address to_;
    bool unix_domain_; // what `to_` has to be
    runtime::WatchedSocket socket_;
};

struct AcceptedSocket {
    runtime::WatchedSocket socket;
    Address peer;
};
runtime::Poll<Result<AcceptedSocket>> poll_accept(runtime::WatchedSocket& listener,
                                                  runtime::Context& context);
Result<runtime::WatchedSocket> listen(runtime::Worker* home, const Address& at, bool unix_domain,
                                      const sys::ListenOptions& options);
Result<Address> local_address(const runtime::WatchedSocket& socket);
/// The worker given, or else WatchedSocket::home_here().
Result<runtime::Worker*> home_or_here(runtime::Worker* home);

} // namespace detail

/// The future of `Stream::connect`: connects when it is first polled, at home on the worker that
/// polls it (in block_on: on one of that runtime's), unless another was given. Gives `state` when
/// there is none, `refused`, `timeout`, `not_found`
/// and so on when the connection fails. Dropping it gives the attempt up.
template <class Stream>
class Connect {
public:
    Connect(runtime::Worker* home, const Address& to) noexcept
        : connecting_(home, to, Stream::unix_domain) {}
    runtime::Poll<Result<Stream>> poll(runtime::Context& context) {
        auto connected = connecting_.poll(context);
        if (!connected.is_ready()) return runtime::pending;
        if (!connected.value()) return Result<Stream>(fail(std::move(connected.value().error())));
        return Result<Stream>(Stream(connecting_.take(), connecting_.to()));
    }

private:
    detail::Connecting connecting_;
};

/// A listening socket. Move-only. One task at a time may accept.
///
/// Errors of accept: `limit` when descriptors ran out. The connections still wait then, and so
/// should the caller, a little, before it tries again. Dropping it closes the socket and with it
/// the connections that nobody has accepted.
template <class Stream>
class StreamListener {
public:
    StreamListener(StreamListener&&) noexcept = default;
    StreamListener& operator=(StreamListener&&) noexcept = default;

    /// The next connection and where it comes from. The stream's home is the worker that asks, or
    /// the listener's on a thread that belongs to no runtime.
    auto accept() {
        return runtime::io_future<Result<std::pair<Stream, Address>>>(
            socket_, runtime::Direction::read,
            [this](runtime::Context& context) { return poll_accept(context); });
    }
    runtime::Poll<Result<std::pair<Stream, Address>>> poll_accept(runtime::Context& context) {
        using Answer = Result<std::pair<Stream, Address>>;
        auto accepted = detail::poll_accept(socket_, context);
        if (!accepted.is_ready()) return runtime::pending;
        if (!accepted.value()) return Answer(fail(std::move(accepted.value().error())));
        detail::AcceptedSocket& got = *accepted.value();
        return Answer(std::pair(Stream(std::move(got.socket), got.peer), got.peer));
    }
    /// Where it listens: what port 0 became.
    Result<Address> local_address() const { return detail::local_address(socket_); }

protected:
    explicit StreamListener(runtime::WatchedSocket socket) noexcept : socket_(std::move(socket)) {}
    ~StreamListener() = default;
    runtime::WatchedSocket& socket() noexcept { return socket_; }

private:
    runtime::WatchedSocket socket_;
};

} // namespace hc::net
