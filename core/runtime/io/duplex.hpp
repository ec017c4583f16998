// duplex(): two streams that are connected in memory.
//
// Who touches what. Each direction is a Pipe, shared by the two ends: one only writes to it, the
// other only reads from it. Everything in a Pipe is touched under its mutex. A waker is moved out
// under the mutex and woken, or dropped, after it was let go; of what others wrote only the cloning
// of a waker runs under it.
//
//   field           writing end                       reading end
//   bytes           adds, when there is room          takes
//   reader          moves it out and wakes it         puts its waker there when it finds nothing
//   writer          puts its waker there when full    moves it out and wakes it
//   ended           sets it: shutdown, or destroyed   looks at it when there are no bytes
//   abandoned       looks at it                       sets it when it is destroyed
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <utility>

#include "core/base/result.hpp"
#include "core/runtime/io/async_io.hpp"
#include "core/runtime/poll.hpp"
#include "core/runtime/waker.hpp"

namespace hc::runtime {

namespace io_detail {

/// One direction of a duplex: a ring of bytes.
class Pipe {
public:
    explicit Pipe(std::size_t capacity);

    Poll<Result<std::size_t>> poll_read(Context& context, std::span<char> into);
    Poll<Result<std::size_t>> poll_write(Context& context, std::string_view bytes);
    /// The writing end adds no more.
    void end() noexcept;
    /// The reading end is gone.
    void abandon() noexcept;

private:
    std::size_t take(std::span<char> into) noexcept;
    std::size_t add(std::string_view bytes) noexcept;

    std::mutex mutex_;
    std::unique_ptr<char[]> ring_; // null once the reading end is gone
    const std::size_t capacity_;
    std::size_t first_ = 0; // the oldest byte
    std::size_t count_ = 0;
    Waker reader_;
    Waker writer_;
    bool ended_ = false;
    bool abandoned_ = false;
};

struct DuplexPipes {
    explicit DuplexPipes(std::size_t capacity) : one(capacity), other(capacity) {}
    Pipe one;
    Pipe other;
};

} // namespace io_detail

/// One end of a duplex(): what is written to one end is read from the other. It is ended when it is
/// destroyed: the other end reads what was written before, then the end, and cannot write any more.
///
/// Threads: each end may be used on its own thread. One task may read from an end while another one
/// writes to it, on any two threads. Moving and destroying it are for when neither is about.
/// Errors: `closed`, see poll_write(). Cancellation: giving up a pending call costs nothing.
class DuplexStream {
public:
    DuplexStream(DuplexStream&&) noexcept = default;
    DuplexStream& operator=(DuplexStream other) noexcept {
        std::swap(pipes_, other.pipes_);
        std::swap(in_, other.in_);
        std::swap(out_, other.out_);
        return *this;
    }
    ~DuplexStream();

    Poll<Result<std::size_t>> poll_read(Context& context, std::span<char> into) {
        return in_->poll_read(context, into);
    }
    /// Takes what there is room for, and waits when that is nothing. `closed` when the other end is
    /// gone, or this one was shut down.
    Poll<Result<std::size_t>> poll_write(Context& context, std::string_view bytes) {
        return out_->poll_write(context, bytes);
    }
    /// What was written is in the pipe, which is where it goes.
    Poll<Result<void>> poll_flush(Context&) noexcept { return Result<void>(); }
    /// Ends this side. Reading goes on, and doing it again does nothing.
    Poll<Result<void>> poll_shutdown(Context&) noexcept {
        out_->end();
        return Result<void>();
    }

private:
    friend std::pair<DuplexStream, DuplexStream> duplex(std::size_t capacity);
    DuplexStream(std::shared_ptr<io_detail::DuplexPipes> pipes, io_detail::Pipe& in,
                 io_detail::Pipe& out) noexcept
        : pipes_(std::move(pipes)), in_(&in), out_(&out) {}

    std::shared_ptr<io_detail::DuplexPipes> pipes_; // null: moved from
    io_detail::Pipe* in_;
    io_detail::Pipe* out_;
};

/// Two streams, each the other end of the other. Each direction holds up to `capacity` bytes (at
/// least one) that were written and not read.
std::pair<DuplexStream, DuplexStream> duplex(std::size_t capacity);

} // namespace hc::runtime
