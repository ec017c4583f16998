#include "core/proto/sse/decoder.hpp"

#include <algorithm>
#include <utility>

#include "core/base/ascii.hpp"

namespace hc::sse {

namespace {
constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
} // namespace

void Decoder::reconnect() noexcept {
    line_.clear();
    type_.clear();
    data_.clear();
    id_ = last_id_;
    start_ = 0;
    started_ = after_cr_ = reported_ = false;
}

Decoder::Outcome Decoder::next(std::string_view& input) {
    if (too_big_) return Outcome::too_big;
    if (std::exchange(reported_, false)) {
        type_.clear();
        data_.clear();
    }
    while (!started_ && !input.empty()) {
        if (input.front() != byte_order_mark[start_]) {
            // It was the beginning of a line after all.
            line_.append(byte_order_mark.substr(0, start_));
            started_ = true;
            break;
        }
        input.remove_prefix(1);
        started_ = ++start_ == byte_order_mark.size();
    }
    while (!input.empty()) {
        if (std::exchange(after_cr_, false) && input.front() == '\n') {
            input.remove_prefix(1);
            continue;
        }
        if (take_line(input)) return Outcome::event;
        if (too_big_) return Outcome::too_big;
    }
    return Outcome::need_input;
}

/// Up to the end of a line, or of the input. True when that completed an event.
bool Decoder::take_line(std::string_view& input) {
    const std::size_t end = std::min(input.find_first_of("\r\n"), input.size());
    if (line_.size() + end > bytes_max_) {
        too_big_ = true;
        return false;
    }
    if (end == input.size()) {
        line_.append(input);
        input = {};
        return false;
    }
    after_cr_ = input[end] == '\r';
    const std::string_view here = input.substr(0, end);
    input.remove_prefix(end + 1);
    if (line_.empty()) return end_of_line(here);
    line_.append(here);
    const bool complete = end_of_line(line_);
    line_.clear();
    return complete;
}

bool Decoder::end_of_line(std::string_view line) {
    if (line.empty()) return dispatch();
    const std::size_t colon = line.find(':');
    if (colon == 0) return false; // a comment
    std::string_view value;
    if (colon != std::string_view::npos) {
        value = line.substr(colon + 1);
        if (value.starts_with(' ')) value.remove_prefix(1);
    }
    field(line.substr(0, colon), value);
    return false;
}

void Decoder::field(std::string_view name, std::string_view value) {
    if (name == "data") {
        if (data_.size() + value.size() > bytes_max_) {
            too_big_ = true;
            return;
        }
        data_.append(value).push_back('\n');
    } else if (name == "event") {
        type_ = value;
    } else if (name == "id") {
        if (value.find('\0') == std::string_view::npos) id_ = value;
    } else if (name == "retry") {
        if (const auto ms = ascii::parse_decimal(value)) retry_ms_ = *ms;
    }
}

bool Decoder::dispatch() {
    last_id_ = id_;
    if (data_.empty()) {
        type_.clear();
        return false;
    }
    data_.pop_back(); // the line break behind the last line
    reported_ = true;
    return true;
}

} // namespace hc::sse
