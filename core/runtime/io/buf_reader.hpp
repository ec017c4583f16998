// BufReader: reads ahead, so that small reads and lines cost no call of the stream below.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "core/runtime/io/async_io.hpp"
#include "core/runtime/io/flat_buffer.hpp"
#include "core/runtime/io/read_ext.hpp"
#include "core/runtime/task.hpp"

namespace hc::runtime {

template <AsyncRead S>
class BufReader;

/// See BufReader::fill_buf().
template <AsyncRead S>
class FillBuf {
public:
    explicit FillBuf(BufReader<S>& reader) noexcept : reader_(&reader) {}
    Poll<Result<std::string_view>> poll(Context& context) {
        return reader_->poll_fill_buf(context);
    }

private:
    BufReader<S>* reader_;
};

/// See BufReader::read_until().
template <AsyncRead S>
class ReadUntil {
public:
    ReadUntil(BufReader<S>& reader, char delimiter, std::size_t max) noexcept
        : reader_(&reader), delimiter_(delimiter), max_(max) {}
    Poll<Result<std::string>> poll(Context& context);

private:
    BufReader<S>* reader_;
    char delimiter_;
    std::size_t max_;
};

/// See BufReader::read_line().
template <AsyncRead S>
class ReadLine {
public:
    ReadLine(BufReader<S>& reader, std::size_t max) noexcept : until_(reader, '\n', max) {}
    Poll<Result<std::optional<std::string>>> poll(Context& context);

private:
    ReadUntil<S> until_;
};

/// See BufReader::read_exact().
template <AsyncRead S>
class ReadBuffered {
public:
    ReadBuffered(BufReader<S>& reader, std::span<char> into) noexcept
        : reader_(&reader), into_(into) {}
    Poll<Result<void>> poll(Context& context);

private:
    BufReader<S>* reader_;
    std::span<char> into_;
};

/// A stream with a buffer in front of its reading side. `S` is the stream, which then lives in
/// here, or a reference to one that lives elsewhere. What S can write, this can too: it goes
/// straight to S.
///
/// All that waits here takes bytes only when it has all that it asked for, so that any of it can be
/// given up at no cost; bytes that came meanwhile wait in the buffer. For something longer than the
/// buffer that grows, to less than twice what is asked for, until it is empty again.
///
/// Rules of threads are those of the stream below. Errors are those of the stream below, and
/// `limit` and `closed` as told below, after which everything is as it was. May be moved while no
/// future of it is about.
template <AsyncRead S>
class BufReader {
public:
    static constexpr std::size_t default_capacity = 8 * 1024;

    explicit BufReader(S stream, std::size_t capacity = default_capacity)
        : stream_(std::forward<S>(stream)), buffer_(capacity) {}

    /// The stream below; what is read from it there overtakes what is buffered here.
    std::remove_reference_t<S>& stream() noexcept { return stream_; }
    /// Gives the stream back; what is buffered is lost.
    S into_stream() && { return std::forward<S>(stream_); }
    /// What has come and was not taken.
    std::string_view buffered() const noexcept { return buffer_.filled(); }
    std::size_t capacity() const noexcept { return buffer_.capacity(); }

    // -- to be polled -------------------------------------------------------------------------
    /// From the buffer; when that is empty and `into` is no smaller, around it.
    Poll<Result<std::size_t>> poll_read(Context& context, std::span<char> into) {
        if (buffer_.empty() && into.size() >= buffer_.capacity()) {
            return stream_.poll_read(context, into);
        }
        if (into.empty()) return Result<std::size_t>(0);
        auto polled = poll_fill_buf(context);
        if (!polled.is_ready()) return pending;
        if (!polled.value()) return Result<std::size_t>(fail(std::move(polled.value().error())));
        const std::size_t count = std::min(into.size(), polled.value()->size());
        polled.value()->copy(into.data(), count);
        consume(count);
        return Result<std::size_t>(count);
    }
    /// What is buffered, after a wait when that is nothing; empty at the end of the stream. Seen
    /// until the next call.
    Poll<Result<std::string_view>> poll_fill_buf(Context& context) {
        if (buffer_.empty()) {
            auto polled = poll_fill(context, buffer_.room());
            if (!polled.is_ready()) return pending;
            Result<std::size_t>& count = polled.value();
            if (!count) return Result<std::string_view>(fail(std::move(count.error())));
        }
        return Result<std::string_view>(buffer_.filled());
    }
    /// Waits for more than is buffered, also when that fills the buffer, which then grows: so bound
    /// what you wait for. Gives how many bytes came; 0 is the end of the stream.
    Poll<Result<std::size_t>> poll_fill_more(Context& context) {
        return poll_fill(context, buffer_.more_room());
    }
    /// The first `count` of what is buffered are no longer needed.
    void consume(std::size_t count) noexcept {
        buffer_.consume(count);
        searched_ -= std::min(searched_, count);
    }

    Poll<Result<std::size_t>> poll_write(Context& context, std::string_view bytes)
        requires AsyncWrite<S>
    {
        return stream_.poll_write(context, bytes);
    }
    Poll<Result<void>> poll_flush(Context& context)
        requires AsyncWrite<S>
    {
        return stream_.poll_flush(context);
    }
    Poll<Result<void>> poll_shutdown(Context& context)
        requires AsyncWrite<S>
    {
        return stream_.poll_shutdown(context);
    }

    // -- to be awaited; each keeps a reference to the reader ------------------------------------
    /// poll_fill_buf() as a future.
    [[nodiscard]] FillBuf<S> fill_buf() noexcept { return FillBuf<S>(*this); }
    /// Takes everything up to and with `delimiter`; at the end of the stream what is left, without
    /// one; nothing at all says that nothing was left. `limit` when the first `max` bytes hold no
    /// delimiter: they are still buffered.
    [[nodiscard]] ReadUntil<S> read_until(char delimiter, std::size_t max) noexcept {
        return {*this, delimiter, max};
    }
    /// Takes a line and gives it without its end, which is "\n" or "\r\n"; what is left at the end
    /// of the stream is a line, too; nullopt says that nothing was left. `limit` when the line with
    /// its end is longer than `max`: it is still to be read.
    [[nodiscard]] ReadLine<S> read_line(std::size_t max) noexcept { return {*this, max}; }
    /// Fills all of `into`, which must outlive the future, at once when so many bytes have come;
    /// until then they gather in the buffer. For what is very large, and need not be given up,
    /// hc::runtime::read_exact(reader, into) does without. `closed` when the stream ends before;
    /// what came is still buffered.
    [[nodiscard]] ReadBuffered<S> read_exact(std::span<char> into) noexcept {
        return {*this, into};
    }

private:
    friend class ReadUntil<S>;

    Poll<Result<std::size_t>> poll_fill(Context& context, std::span<char> room) {
        auto polled = stream_.poll_read(context, room);
        if (polled.is_ready() && polled.value()) buffer_.add(*polled.value());
        return polled;
    }
    /// How many of the first `max` buffered bytes end with the first `delimiter`; 0: it is not
    /// there.
    std::size_t find(char delimiter, std::size_t max) noexcept {
        if (std::exchange(searched_for_, delimiter) != delimiter) searched_ = 0;
        const std::string_view seen = buffered().substr(0, max);
        const std::size_t place = seen.find(delimiter, searched_);
        if (place != std::string_view::npos) return place + 1;
        searched_ = std::max(searched_, seen.size());
        return 0;
    }

    S stream_;
    FlatBuffer buffer_;
    // So many at the front of the buffer are known not to be this delimiter. It is kept here so
    // that a search which is given up and begun again, over and over, does not read everything each
    // time.
    std::size_t searched_ = 0;
    char searched_for_ = '\n';
};

template <AsyncRead S>
Poll<Result<std::string>> ReadUntil<S>::poll(Context& context) {
    std::size_t length = reader_->find(delimiter_, max_);
    while (length == 0) {
        if (reader_->buffered().size() >= max_) {
            return Result<std::string>(
                fail(ErrorKind::limit, "no delimiter in " + std::to_string(max_) + " bytes"));
        }
        auto polled = reader_->poll_fill_more(context);
        if (!polled.is_ready()) return pending;
        Result<std::size_t>& count = polled.value();
        if (!count) return Result<std::string>(fail(std::move(count.error())));
        if (*count == 0) {
            length = reader_->buffered().size();
            break;
        }
        length = reader_->find(delimiter_, max_);
    }
    std::string taken(reader_->buffered().substr(0, length));
    reader_->consume(length);
    return Result<std::string>(std::move(taken));
}

template <AsyncRead S>
Poll<Result<std::optional<std::string>>> ReadLine<S>::poll(Context& context) {
    using Answer = Result<std::optional<std::string>>;
    auto polled = until_.poll(context);
    if (!polled.is_ready()) return pending;
    if (!polled.value()) return Answer(fail(std::move(polled.value().error())));
    std::string& line = *polled.value();
    if (line.empty()) return Answer(std::nullopt);
    if (line.ends_with('\n')) {
        line.pop_back();
        if (line.ends_with('\r')) line.pop_back();
    }
    return Answer(std::move(line));
}

template <AsyncRead S>
Poll<Result<void>> ReadBuffered<S>::poll(Context& context) {
    while (reader_->buffered().size() < into_.size()) {
        auto polled = reader_->poll_fill_more(context);
        if (!polled.is_ready()) return pending;
        Result<std::size_t>& count = polled.value();
        if (!count) return Result<void>(fail(std::move(count.error())));
        if (*count == 0) return Result<void>(fail(io_detail::ended_early()));
    }
    reader_->buffered().copy(into_.data(), into_.size());
    reader_->consume(into_.size());
    return Result<void>();
}

} // namespace hc::runtime
