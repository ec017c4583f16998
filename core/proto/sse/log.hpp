// Log: what a stream has sent lately, for clients that come back with a Last-Event-ID.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>
#include <utility>

namespace hc::sse {

struct LogBounds {
    std::uint32_t events_max = 0; // 0: nothing is kept
    std::uint64_t bytes_max = 0;
};

/// The last events, the oldest first; beyond the bounds the oldest are forgotten. `T` is what an
/// event is kept as.
template <class T>
class Log {
public:
    explicit Log(LogBounds bounds) noexcept : bounds_(bounds) {}

    /// `bytes`: what the event counts for. One that alone is too large empties the log, so that
    /// nobody is given what came before it as if it were all.
    /// `id`: larger than all before.
    void push(std::uint64_t id, T event, std::uint64_t bytes) {
        if (bounds_.events_max == 0) return;
        bytes_ += bytes;
        entries_.push_back({id, std::move(event), bytes});
        while (!entries_.empty() &&
               (entries_.size() > bounds_.events_max || bytes_ > bounds_.bytes_max)) {
            bytes_ -= entries_.front().bytes;
            entries_.pop_front();
        }
    }
    /// Calls `visit(event)` for each with a larger id.
    template <class Visit>
    void replay(std::uint64_t last_id, Visit&& visit) const {
        auto from = entries_.end();
        while (from != entries_.begin() && std::prev(from)->id > last_id) --from;
        for (; from != entries_.end(); ++from) visit(from->event);
    }
    bool empty() const noexcept { return entries_.empty(); }
    std::size_t size() const noexcept { return entries_.size(); }
    std::uint64_t bytes() const noexcept { return bytes_; }

private:
    struct Entry {
        std::uint64_t id;
        T event;
        std::uint64_t bytes;
    };
    LogBounds bounds_;
    std::deque<Entry> entries_;
    std::uint64_t bytes_ = 0;
};

} // namespace hc::sse
