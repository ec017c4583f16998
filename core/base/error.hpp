// Errors are values: what went wrong, who failed, and whether the connection survives it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace hc {

/// What kind of failure it is. The C API's status codes are these values (see httpcore.h), so a
/// value once released keeps its number.
enum class ErrorKind : std::int8_t {
    ok = 0,               // none; calls on the hot path answer with a bare kind
    invalid = -1,         // an argument or option is wrong; nothing was changed
    no_memory = -2,       // memory ran out
    gone = -3,            // the handle is stale, released or was never valid
    closed = -4,          // the exchange, connection or runtime has ended
    again = -5,           // nothing was taken; a later event says when to try again
    state = -6,           // the call is not legal in this state (a second response, say)
    limit = -7,           // a configured limit would be exceeded
    timeout = -8,         // the time allowed ran out
    cancelled = -9,       // cancelled by its owner
    deadlock = -10,       // a call that would wait, made where waiting can never end
    forked = -11,         // the runtime belongs to the parent of this process
    unsupported = -12,    // not available in this build or on this system
    io = -13,             // the operating system refused; `code` is its errno
    protocol = -14,       // the peer broke the protocol
    address_in_use = -15, // the address to listen on is taken
    not_found = -16,      // a file, name or route does not exist
    refused = -17,        // the peer or a resource refused
    reset = -18,          // the peer reset the connection or the stream
    internal = -19,       // a defect of this library
    permission = -20,     // the operating system forbids it
};

/// Who is at fault. A user's mistake is reported to the user, a peer's to the log.
enum class Origin : std::uint8_t { user, peer, library, system };

/// An error: kind, origin, the source's own number (errno, protocol error) and a text for a person.
/// Not for hot paths: those use small result types of their own (see `sys::Io`).
struct Error {
    ErrorKind kind = ErrorKind::internal;
    Origin origin = Origin::library;
    bool connection_survives = true;
    std::int64_t code = 0; // errno, HTTP status or protocol error code; 0 when there is none
    std::string message;   // one sentence without a final full stop
};

/// The stable short name of a kind: "invalid", "gone", ...
std::string_view name(ErrorKind kind) noexcept;

/// A user's mistake: bad argument or option.
Error user_error(ErrorKind kind, std::string message);

/// A failure the operating system reported. `what` names the operation; the text of `errno_value`
/// is appended.
Error system_error(int errno_value, std::string_view what);

/// A peer that broke the protocol; the connection does not survive.
Error peer_error(ErrorKind kind, std::string message, std::int64_t code = 0);

} // namespace hc
