#include "core/proto/sse/encoder.hpp"

namespace hc::sse {

namespace {

constexpr std::string_view line_breaks = "\r\n";

bool is_one_line(std::string_view text) noexcept {
    return text.find_first_of(line_breaks) == std::string_view::npos;
}

void add_line(std::string& out, std::string_view name, std::string_view value) {
    out.append(name).append(": ").append(value).append("\n");
}

/// One line for each of `text`: LF, CR and CRLF end one.
void add_lines(std::string& out, std::string_view name, std::string_view text) {
    for (;;) {
        const std::size_t end = text.find_first_of(line_breaks);
        add_line(out, name, text.substr(0, end));
        if (end == std::string_view::npos) return;
        const bool both = text.substr(end).starts_with("\r\n");
        text.remove_prefix(end + (both ? 2 : 1));
    }
}

} // namespace

bool append_event(std::string& out, const Event& event) {
    if (event.type && !is_one_line(*event.type)) return false;
    if (event.id && !is_one_line(*event.id)) return false;
    if (event.id && event.id->find('\0') != std::string_view::npos) return false;
    out.reserve(out.size() + (event.data ? event.data->size() : 0) + 64);
    if (event.type) add_line(out, "event", *event.type);
    if (event.id) add_line(out, "id", *event.id);
    if (event.retry_ms >= 0) add_line(out, "retry", std::to_string(event.retry_ms));
    if (event.data) add_lines(out, "data", *event.data);
    out += '\n';
    return true;
}

void append_comment(std::string& out, std::string_view text) {
    add_lines(out, "", text);
    out += '\n';
}

} // namespace hc::sse
