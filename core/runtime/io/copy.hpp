// Copying from one stream to another, one way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "core/runtime/coop.hpp"
#include "core/runtime/io/async_io.hpp"
#include "core/runtime/io/flat_buffer.hpp"
#include "core/runtime/io/write_ext.hpp"
#include "core/runtime/task.hpp"

namespace hc::runtime {

/// See copy().
template <AsyncRead R, AsyncWrite W>
class Copy {
public:
    static constexpr std::size_t default_capacity = 16 * 1024;

    Copy(R& reader, W& writer, std::size_t capacity) noexcept
        : reader_(&reader), writer_(&writer), buffer_(capacity) {}

    Poll<Result<std::uint64_t>> poll(Context& context) {
        for (;;) {
            const Step in = fill(context);
            if (in == Step::failed) return take_error();
            Step out = drain(context);
            if (out == Step::waits && (in == Step::waits || !wants_more())) return pending;
            if (out == Step::done && (in == Step::waits || ended_)) {
                out = settle(context);
                if (out == Step::done && ended_) return Answer(copied_);
                if (out != Step::failed) return pending;
            }
            if (out == Step::failed) return take_error();
            // Whatever the streams do, a copy that never has to wait gives way now and then.
            if (!coop::spend(context)) return pending;
        }
    }
    /// How many bytes the writer took.
    std::uint64_t copied() const noexcept { return copied_; }

private:
    enum class Step : std::uint8_t { done, waits, failed };
    using Answer = Result<std::uint64_t>;

    bool wants_more() const noexcept { return !ended_ && !buffer_.full(); }
    /// Reads once, if there is room, also while the writer is slow.
    Step fill(Context& context) {
        if (!wants_more()) return Step::done;
        auto polled = reader_->poll_read(context, buffer_.room());
        if (!polled.is_ready()) return Step::waits;
        if (!polled.value()) {
            error_ = std::move(polled.value().error());
            return Step::failed;
        }
        ended_ = *polled.value() == 0;
        buffer_.add(*polled.value());
        return Step::done;
    }
    /// Writes until the buffer is empty.
    Step drain(Context& context) {
        while (!buffer_.empty()) {
            auto polled = writer_->poll_write(context, buffer_.filled());
            if (!polled.is_ready()) return Step::waits;
            Result<std::size_t>& count = polled.value();
            if (count && *count == 0) count = fail(io_detail::took_nothing());
            if (!count) {
                error_ = std::move(count.error());
                return Step::failed;
            }
            buffer_.consume(*count);
            copied_ += *count;
            dirty_ = true;
        }
        return Step::done;
    }
    /// Flushes, when something was written since the last time, so that it does not wait in some
    /// buffer for what may never come.
    Step settle(Context& context) {
        if (!dirty_) return Step::done;
        auto polled = writer_->poll_flush(context);
        if (!polled.is_ready()) return Step::waits;
        if (!polled.value()) {
            error_ = std::move(polled.value().error());
            return Step::failed;
        }
        dirty_ = false;
        return Step::done;
    }
    Poll<Answer> take_error() { return Answer(fail(std::move(error_))); }

    R* reader_;
    W* writer_;
    FlatBuffer buffer_;
    std::uint64_t copied_ = 0;
    Error error_;
    bool ended_ = false; // the reader
    bool dirty_ = false; // written since the last flush
};

/// Copies all that `reader` gives to `writer`, up to the end, which is not passed on; gives how
/// many bytes that were. It reads ahead of a slow writer by at most `capacity` bytes, and flushes
/// the writer at the end and whenever the reader has nothing at the moment. Both streams must
/// outlive the future.
///
/// The first error of either stream ends it. Giving up, or an error, loses what was read and not
/// written by then: keep the future to go on later, and copied() says what the writer took.
template <AsyncRead R, AsyncWrite W>
[[nodiscard]] Copy<R, W> copy(R& reader, W& writer,
                              std::size_t capacity = Copy<R, W>::default_capacity) noexcept {
    return {reader, writer, capacity};
}

} // namespace hc::runtime
