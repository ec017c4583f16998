#include "core/runtime/io/duplex.hpp"

#include <algorithm>
#include <cstring>

#include "core/runtime/coop.hpp"

namespace hc::runtime {

namespace io_detail {

namespace {

/// Spends under the mutex, where nobody may be woken: the caller does that after letting it go.
bool spend_quietly() noexcept {
    const Waker nobody;
    Context quiet(nobody);
    return coop::spend(quiet);
}

using Answer = Result<std::size_t>;

} // namespace

Pipe::Pipe(std::size_t capacity)
    : ring_(std::make_unique_for_overwrite<char[]>(std::max<std::size_t>(capacity, 1))),
      capacity_(std::max<std::size_t>(capacity, 1)) {}

std::size_t Pipe::take(std::span<char> into) noexcept {
    const std::size_t count = std::min(into.size(), count_);
    const std::size_t straight = std::min(count, capacity_ - first_);
    std::memcpy(into.data(), ring_.get() + first_, straight);
    std::memcpy(into.data() + straight, ring_.get(), count - straight);
    first_ = (first_ + count) % capacity_;
    count_ -= count;
    return count;
}

std::size_t Pipe::add(std::string_view bytes) noexcept {
    const std::size_t count = std::min(bytes.size(), capacity_ - count_);
    const std::size_t place = (first_ + count_) % capacity_;
    const std::size_t straight = std::min(count, capacity_ - place);
    std::memcpy(ring_.get() + place, bytes.data(), straight);
    std::memcpy(ring_.get(), bytes.data() + straight, count - straight);
    count_ += count;
    return count;
}

Poll<Answer> Pipe::poll_read(Context& context, std::span<char> into) {
    if (into.empty()) return Answer(0);
    Waker other; // outlives the lock
    std::size_t count = 0;
    {
        std::unique_lock lock(mutex_);
        if (count_ == 0 && !ended_) {
            if (!reader_.will_wake(context.waker())) {
                other = std::exchange(reader_, context.waker());
            }
            return pending;
        }
        if (!spend_quietly()) {
            lock.unlock();
            context.waker().wake();
            return pending;
        }
        if (count_ > 0) {
            count = take(into);
            other = std::exchange(writer_, Waker());
        }
    }
    other.wake();
    return Answer(count);
}

Poll<Answer> Pipe::poll_write(Context& context, std::string_view bytes) {
    if (bytes.empty()) return Answer(0);
    Waker other;
    std::size_t count = 0;
    {
        std::unique_lock lock(mutex_);
        if (count_ == capacity_ && !ended_ && !abandoned_) {
            if (!writer_.will_wake(context.waker())) {
                other = std::exchange(writer_, context.waker());
            }
            return pending;
        }
        if (!spend_quietly()) {
            lock.unlock();
            context.waker().wake();
            return pending;
        }
        if (ended_) return Answer(fail(ErrorKind::closed, "this end of the pipe was shut down"));
        if (abandoned_) {
            return Answer(fail(peer_error(ErrorKind::closed, "the other end of the pipe is gone")));
        }
        count = add(bytes);
        other = std::exchange(reader_, Waker());
    }
    other.wake();
    return Answer(count);
}

void Pipe::end() noexcept {
    Waker reader;
    Waker writer;
    {
        const std::lock_guard lock(mutex_);
        ended_ = true;
        reader = std::exchange(reader_, Waker());
        writer = std::exchange(writer_, Waker());
    }
    reader.wake();
}

void Pipe::abandon() noexcept {
    std::unique_ptr<char[]> ring;
    Waker reader;
    Waker writer;
    {
        const std::lock_guard lock(mutex_);
        abandoned_ = true;
        count_ = 0;
        ring = std::move(ring_);
        reader = std::exchange(reader_, Waker());
        writer = std::exchange(writer_, Waker());
    }
    writer.wake();
}

} // namespace io_detail

DuplexStream::~DuplexStream() {
    if (pipes_ == nullptr) return;
    out_->end();
    in_->abandon();
}

std::pair<DuplexStream, DuplexStream> duplex(std::size_t capacity) {
    auto pipes = std::make_shared<io_detail::DuplexPipes>(capacity);
    return {DuplexStream(pipes, pipes->one, pipes->other),
            DuplexStream(pipes, pipes->other, pipes->one)};
}

} // namespace hc::runtime
