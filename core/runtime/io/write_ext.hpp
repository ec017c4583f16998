// What is written to any AsyncWrite: some bytes or all of them; flushing and ending.
//
// Each future keeps a reference to its stream and a view of the bytes, which must outlive it.
#pragma once

#include <cstddef>
#include <string_view>
#include <utility>

#include "core/runtime/io/async_io.hpp"
#include "core/runtime/task.hpp"

namespace hc::runtime {

namespace io_detail {
/// A stream that breaks its contract: asking it again and again would spin for ever.
inline Error took_nothing() {
    return Error{.kind = ErrorKind::closed, .message = "the stream took none of the bytes"};
}
} // namespace io_detail

/// See write().
template <AsyncWrite S>
class Write {
public:
    Write(S& stream, std::string_view bytes) noexcept : stream_(&stream), bytes_(bytes) {}
    Poll<Result<std::size_t>> poll(Context& context) {
        return stream_->poll_write(context, bytes_);
    }

private:
    S* stream_;
    std::string_view bytes_;
};

/// Waits until the stream takes something of the front of `bytes`; gives how many. Giving up costs
/// nothing.
template <AsyncWrite S>
[[nodiscard]] Write<S> write(S& stream, std::string_view bytes) noexcept {
    return {stream, bytes};
}

/// See write_all().
template <AsyncWrite S>
class WriteAll {
public:
    WriteAll(S& stream, std::string_view bytes) noexcept : stream_(&stream), bytes_(bytes) {}

    Poll<Result<void>> poll(Context& context) {
        while (written_ < bytes_.size()) {
            auto polled = stream_->poll_write(context, bytes_.substr(written_));
            if (!polled.is_ready()) return pending;
            Result<std::size_t>& count = polled.value();
            if (!count) return Result<void>(fail(std::move(count.error())));
            if (*count == 0) return Result<void>(fail(io_detail::took_nothing()));
            written_ += *count;
        }
        return Result<void>();
    }
    /// How many bytes the stream took.
    std::size_t written() const noexcept { return written_; }

private:
    S* stream_;
    std::string_view bytes_;
    std::size_t written_ = 0;
};

/// Writes all of `bytes`; it does not flush. Giving up half way leaves a front of them written;
/// written() says how much, after an error too, and the future may be kept and awaited again.
template <AsyncWrite S>
[[nodiscard]] WriteAll<S> write_all(S& stream, std::string_view bytes) noexcept {
    return {stream, bytes};
}

/// See flush().
template <AsyncWrite S>
class Flush {
public:
    explicit Flush(S& stream) noexcept : stream_(&stream) {}
    Poll<Result<void>> poll(Context& context) { return stream_->poll_flush(context); }

private:
    S* stream_;
};

/// Ready when all that was written went on to where it goes. Giving up costs nothing: what waits
/// still waits, for the next flush.
template <AsyncWrite S>
[[nodiscard]] Flush<S> flush(S& stream) noexcept {
    return Flush<S>(stream);
}

/// See shutdown().
template <AsyncWrite S>
class Shutdown {
public:
    explicit Shutdown(S& stream) noexcept : stream_(&stream) {}
    Poll<Result<void>> poll(Context& context) { return stream_->poll_shutdown(context); }

private:
    S* stream_;
};

/// Flushes, then ends this side, so that the peer reads the end. Given up half way, it may or may
/// not have ended; it can be asked for again.
template <AsyncWrite S>
[[nodiscard]] Shutdown<S> shutdown(S& stream) noexcept {
    return Shutdown<S>(stream);
}

} // namespace hc::runtime
