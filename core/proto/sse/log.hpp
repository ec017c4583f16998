// Log: what a stream has sent lately, for clients that come back with a Last-Event-ID.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
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
    void push(std::string id, T event, std::uint64_t bytes) {
        if (bounds_.events_max == 0) return;
        bytes_ += bytes;
        entries_.push_back({std::move(id), std::move(event), bytes});
        while (!entries_.empty() &&
               (entries_.size() > bounds_.events_max || bytes_ > bounds_.bytes_max)) {
            bytes_ -= entries_.front().bytes;
            entries_.pop_front();
        }
    }
    /// Calls `visit(event)` for each behind the one with the id; for all of them when it is not
    /// there any more, or never was: then false.
    template <class Visit>
    bool replay(std::string_view last_id, Visit&& visit) const {
        std::size_t from = 0;
        for (std::size_t i = entries_.size(); i > 0 && from == 0; --i) {
            if (entries_[i - 1].id == last_id) from = i;
        }
        for (std::size_t i = from; i < entries_.size(); ++i) visit(entries_[i].event);
        return from > 0;
    }
    bool empty() const noexcept { return entries_.empty(); }
    std::size_t size() const noexcept { return entries_.size(); }
    std::uint64_t bytes() const noexcept { return bytes_; }

private:
    struct Entry {
        std::string id;
        T event;
        std::uint64_t bytes;
    };
    LogBounds bounds_;
    std::deque<Entry> entries_;
    std::uint64_t bytes_ = 0;
};

} // namespace hc::sse
