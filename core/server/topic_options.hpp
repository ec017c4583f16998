// What a server says of its topics.
#pragma once

#include <cstdint>
#include <optional>

#include "core/proto/sse/log.hpp"

namespace hc::server {

/// What becomes of a subscriber that does not read what it is sent.
enum class SlowSubscriber : std::uint8_t {
    drop,  // it misses messages
    close, // it is let go: a WebSocket by Close 1013, an event stream by a reset
};

struct TopicOptions {
    /// Topics at once. `limit`; those that only have a log make room.
    std::uint32_t topics_max = 100'000;
    /// Topics that one exchange has subscribed to. `limit`.
    std::uint32_t subscriptions_max = 256;
    /// The name of a topic. `invalid`.
    std::uint32_t name_bytes_max = 256;
    /// What was published, on all topics, and waits for one worker, with what it takes to keep it.
    /// `again`, unless nothing waits.
    std::uint64_t waiting_bytes_max = 16 * 1024 * 1024;
    SlowSubscriber slow = SlowSubscriber::drop;
    /// What each topic keeps for event streams that come back. The oldest are forgotten.
    sse::LogBounds log{.events_max = 0, .bytes_max = 1024 * 1024};
    /// Messages get the numbers behind this one. None: microseconds since 1970, so that they go on
    /// to grow when the program starts again.
    std::optional<std::uint64_t> last_number;
};

} // namespace hc::server
