// Server-sent events as text (HTML Living Standard, section 9.2.5).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hc::sse {

struct Event {
    std::optional<std::string_view> type; // "message" to the client when it is left out
    std::optional<std::string_view> id;   // the empty one takes the client's last id away
    std::optional<std::string_view> data; // any line breaks begin new lines of it
    std::int64_t retry_ms = -1;           // how long to wait before reconnecting; < 0: not said
};

/// Appends the event. False, and nothing appended, when it cannot be written: a line break in type
/// or id, a NUL in id, which clients ignore an id for.
bool append_event(std::string& out, const Event& event);
/// Appends lines that clients pass over. They keep a connection busy that would seem idle.
void append_comment(std::string& out, std::string_view text);

} // namespace hc::sse
