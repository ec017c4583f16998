// Decoder: an event stream as a client reads it (HTML Living Standard, section 9.2.6), from slices
// of any sizes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hc::sse {

class Decoder {
public:
    /// `event_bytes_max` bounds a line and the data of an event, each. Beyond: `too_big`.
    explicit Decoder(std::size_t event_bytes_max) noexcept : bytes_max_(event_bytes_max) {}

    enum class Outcome : std::uint8_t { need_input, event, too_big };
    /// Takes bytes off the front of `input` up to the end of an event; all of them with need_input.
    /// After too_big it is of no use any more.
    Outcome next(std::string_view& input);

    /// The event, until the next call.
    std::string_view type() const noexcept {
        return type_.empty() ? std::string_view("message") : std::string_view(type_);
    }
    std::string_view data() const noexcept { return data_; }
    /// What to send as Last-Event-ID when reconnecting: that of the last event that was complete.
    std::string_view last_event_id() const noexcept { return last_id_; }
    /// The last reconnection time that the stream told.
    std::optional<std::uint64_t> retry_ms() const noexcept { return retry_ms_; }
    /// A stream that is opened anew: what was not complete is forgotten, the last id is not.
    void reconnect() noexcept;

private:
    bool take_line(std::string_view& input);
    bool end_of_line(std::string_view line);
    void field(std::string_view name, std::string_view value);
    bool dispatch();

    std::size_t bytes_max_;
    std::string line_; // what earlier slices brought of it
    std::string type_;
    std::string data_;
    std::string id_;
    std::string last_id_;
    std::optional<std::uint64_t> retry_ms_;
    std::size_t start_ = 0; // bytes of a byte order mark at the stream's start that have come
    bool started_ = false;  // past where a byte order mark may stand
    bool after_cr_ = false; // a LF that comes now belongs to the CR before it
    bool reported_ = false; // the event was handed out
    bool too_big_ = false;
};

} // namespace hc::sse
