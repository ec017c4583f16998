// What is read from any AsyncRead: some bytes, exactly so many, or all.
//
// Each future keeps a reference to its stream, which must outlive it. Bytes that a read took from
// the stream are gone from there, so giving up read_exact or read_to_end half way loses what they
// have, unless the future itself is kept, to be awaited again later or to be asked what it has.
// BufReader has an exact read that can be given up at no cost.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "core/runtime/io/async_io.hpp"
#include "core/runtime/task.hpp"

namespace hc::runtime {

namespace io_detail {
inline Error ended_early() {
    return peer_error(ErrorKind::closed, "the stream ended before all that was expected came");
}
inline Error beyond_limit(std::size_t limit) {
    return user_error(ErrorKind::limit, "more than " + std::to_string(limit) + " bytes came");
}
} // namespace io_detail

/// See read().
template <AsyncRead S>
class Read {
public:
    Read(S& stream, std::span<char> into) noexcept : stream_(&stream), into_(into) {}
    Poll<Result<std::size_t>> poll(Context& context) { return stream_->poll_read(context, into_); }

private:
    S* stream_;
    std::span<char> into_;
};

/// Waits for bytes, puts them at the front of `into`, gives how many; 0 is the end of the stream
/// (or an empty `into`). `into` must outlive the future. Giving up costs nothing.
template <AsyncRead S>
[[nodiscard]] Read<S> read(S& stream, std::span<char> into) noexcept {
    return {stream, into};
}

/// See read_exact().
template <AsyncRead S>
class ReadExact {
public:
    ReadExact(S& stream, std::span<char> into) noexcept : stream_(&stream), into_(into) {}

    Poll<Result<void>> poll(Context& context) {
        while (filled_ < into_.size()) {
            auto polled = stream_->poll_read(context, into_.subspan(filled_));
            if (!polled.is_ready()) return pending;
            Result<std::size_t>& count = polled.value();
            if (!count) return Result<void>(fail(std::move(count.error())));
            if (*count == 0) return Result<void>(fail(io_detail::ended_early()));
            filled_ += *count;
        }
        return Result<void>();
    }
    /// How many bytes have been put into the span.
    std::size_t filled() const noexcept { return filled_; }

private:
    S* stream_;
    std::span<char> into_;
    std::size_t filled_ = 0;
};

/// Fills all of `into`, which must outlive the future. `closed` when the stream ends before. Giving
/// up loses what is filled by then; filled() says how much that is, after an error too.
template <AsyncRead S>
[[nodiscard]] ReadExact<S> read_exact(S& stream, std::span<char> into) noexcept {
    return {stream, into};
}

/// See read_to_end().
template <AsyncRead S>
class ReadToEnd {
public:
    ReadToEnd(S& stream, std::size_t limit) noexcept : stream_(&stream), limit_(limit) {}

    Poll<Result<std::string>> poll(Context& context) {
        for (;;) {
            auto polled = stream_->poll_read(context, room());
            if (!polled.is_ready()) return pending;
            Result<std::size_t>& count = polled.value();
            if (!count) return Result<std::string>(fail(std::move(count.error())));
            filled_ += *count;
            if (filled_ > limit_) {
                return Result<std::string>(fail(io_detail::beyond_limit(limit_)));
            }
            if (*count == 0) {
                text_.resize(filled_);
                return Result<std::string>(std::move(text_));
            }
        }
    }
    /// What has been read while it is pending, and after an error.
    std::string_view so_far() const noexcept { return std::string_view(text_).substr(0, filled_); }

private:
    static constexpr std::size_t first_room = 1024;

    /// Never empty: one byte beyond the limit tells an excess from an end.
    std::span<char> room() {
        if (filled_ == text_.size()) {
            std::size_t size = std::max(first_room, text_.size() * 2);
            if (size > limit_) size = limit_ + 1;
            text_.resize(size);
        }
        return std::span<char>(text_).subspan(filled_);
    }

    S* stream_;
    std::size_t limit_;
    std::string text_; // the front is filled, the rest is room
    std::size_t filled_ = 0;
};

/// Gives all bytes up to the end of the stream; `limit` as soon as there are more than `limit`.
/// Giving up loses what was read by then; so_far() shows it.
template <AsyncRead S>
[[nodiscard]] ReadToEnd<S> read_to_end(S& stream, std::size_t limit) noexcept {
    return {stream, limit};
}

} // namespace hc::runtime
