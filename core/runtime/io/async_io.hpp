// AsyncRead, AsyncWrite: what carries bytes both ways and may have to wait.
//
// The rules of all that model them (sockets, pipes, TLS, buffers around another stream):
//
// - Reading and writing are independent: one task may read while another writes. Two tasks must not
//   read at once, nor two write.
// - An answer that is pending has kept the waker of that direction; the last one counts.
// - Nothing is lost: bytes are either reported as read (or written) or they are still there. Giving
//   up a pending call costs nothing.
// - What lies at the bottom (a socket, a pipe) spends the budget of coop.hpp when it has an answer;
//   what lies around another stream leaves that to the one below.
// - After an error the stream is only good for being destroyed, unless its own text says otherwise.
#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <string_view>

#include "core/base/result.hpp"
#include "core/runtime/poll.hpp"
#include "core/runtime/waker.hpp"

namespace hc::runtime {

/// `poll_read` fills the front of `into` and gives how many bytes; 0 is the end of the stream (or
/// an empty `into`).
template <class S>
concept AsyncRead = requires(S& stream, Context& context, std::span<char> into) {
    { stream.poll_read(context, into) } -> std::same_as<Poll<Result<std::size_t>>>;
};

/// `poll_write` takes from the front of `bytes` and gives how many it took, 0 only of nothing;
/// `poll_flush` is ready when all that was taken went on to where it goes; `poll_shutdown` flushes
/// and then ends this side, so that the peer reads the end.
template <class S>
concept AsyncWrite = requires(S& stream, Context& context, std::string_view bytes) {
    { stream.poll_write(context, bytes) } -> std::same_as<Poll<Result<std::size_t>>>;
    { stream.poll_flush(context) } -> std::same_as<Poll<Result<void>>>;
    { stream.poll_shutdown(context) } -> std::same_as<Poll<Result<void>>>;
};

template <class S>
concept AsyncStream = AsyncRead<S> && AsyncWrite<S>;

} // namespace hc::runtime
