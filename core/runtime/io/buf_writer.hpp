// BufWriter: gathers small writes, so that the stream below is called for large ones only.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include "core/runtime/io/async_io.hpp"
#include "core/runtime/io/buf_reader.hpp"
#include "core/runtime/io/flat_buffer.hpp"
#include "core/runtime/io/write_ext.hpp"

namespace hc::runtime {

/// A stream with a buffer in front of its writing side. `S` is the stream, which then lives in
/// here, or a reference to one that lives elsewhere. What S can read, this can too: it comes
/// straight from S.
///
/// Bytes wait in the buffer until it is full, or flush() or shutdown(); what waits when the writer
/// is destroyed is lost. What is as large as the buffer goes around it, behind what waits in it.
///
/// Rules of threads and errors are those of the stream below. An error belongs to bytes that were
/// taken before, perhaps by an earlier write. A write that is given up took nothing; a flush that
/// is given up keeps the rest for the next one. May be moved while no future of it is about.
template <AsyncWrite S>
class BufWriter {
public:
    static constexpr std::size_t default_capacity = 8 * 1024;

    explicit BufWriter(S stream, std::size_t capacity = default_capacity)
        : stream_(std::forward<S>(stream)), buffer_(capacity) {}

    /// The stream below; what is written to it there overtakes what is buffered here.
    std::remove_reference_t<S>& stream() noexcept { return stream_; }
    /// Gives the stream back; what is buffered is lost.
    S into_stream() && { return std::forward<S>(stream_); }
    /// What has been taken and not passed on.
    std::string_view buffered() const noexcept { return buffer_.filled(); }
    std::size_t capacity() const noexcept { return buffer_.capacity(); }

    Poll<Result<std::size_t>> poll_write(Context& context, std::string_view bytes) {
        // What fits as a whole is taken; to fill the buffer with a part of it would only make two
        // writes below out of one.
        if (buffer_.filled().size() + bytes.size() > buffer_.capacity()) {
            auto drained = poll_drain(context);
            if (!drained.is_ready()) return pending;
            if (!drained.value()) {
                return Result<std::size_t>(fail(std::move(drained.value().error())));
            }
        }
        if (bytes.size() >= buffer_.capacity()) return stream_.poll_write(context, bytes);
        return Result<std::size_t>(buffer_.append(bytes));
    }
    Poll<Result<void>> poll_flush(Context& context) {
        auto drained = poll_drain(context);
        if (!drained.is_ready() || !drained.value()) return drained;
        return stream_.poll_flush(context);
    }
    Poll<Result<void>> poll_shutdown(Context& context) {
        auto drained = poll_drain(context);
        if (!drained.is_ready() || !drained.value()) return drained;
        return stream_.poll_shutdown(context);
    }

    Poll<Result<std::size_t>> poll_read(Context& context, std::span<char> into)
        requires AsyncRead<S>
    {
        return stream_.poll_read(context, into);
    }

private:
    /// Passes on what is buffered.
    Poll<Result<void>> poll_drain(Context& context) {
        while (!buffer_.empty()) {
            auto polled = stream_.poll_write(context, buffer_.filled());
            if (!polled.is_ready()) return pending;
            Result<std::size_t>& count = polled.value();
            if (!count) return Result<void>(fail(std::move(count.error())));
            if (*count == 0) return Result<void>(fail(io_detail::took_nothing()));
            buffer_.consume(*count);
        }
        return Result<void>();
    }

    S stream_;
    FlatBuffer buffer_;
};

/// Buffers both ways.
template <AsyncStream S>
using BufStream = BufReader<BufWriter<S>>;

} // namespace hc::runtime
