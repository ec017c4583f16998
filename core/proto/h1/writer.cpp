#include "core/proto/h1/writer.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <string>

#include "core/base/ascii.hpp"
#include "core/base/short_text.hpp"
#include "core/http/status.hpp"

namespace hc::h1 {

namespace {

using http::Field;
using http::FieldName;
using http::Method;
using http::Version;

// -- status lines ---------------------------------------------------------------------------------

constexpr int status_min = 100;
constexpr int status_max = 599;
constexpr std::size_t status_line_max = 64;
constexpr std::string_view version_and_space = "HTTP/1.1 ";

struct StatusLine {
    std::uint8_t size = 0;
    char text[status_line_max - 1] = {};
};

/// All status lines, written by the compiler. A reason is for people: an unregistered status has
/// none.
constexpr StatusLine make_status_line(int status) {
    StatusLine line;
    std::size_t n = 0;
    for (char c : version_and_space) line.text[n++] = c;
    for (int unit = 100; unit > 0; unit /= 10)
        line.text[n++] = static_cast<char>('0' + status / unit % 10);
    line.text[n++] = ' ';
    for (char c : http::reason_phrase(status)) line.text[n++] = c;
    line.text[n++] = '\r';
    line.text[n++] = '\n';
    line.size = static_cast<std::uint8_t>(n);
    return line;
}

constexpr auto status_lines = [] {
    std::array<StatusLine, status_max - status_min + 1> lines{};
    for (int status = status_min; status <= status_max; ++status) {
        lines[static_cast<std::size_t>(status - status_min)] = make_status_line(status);
    }
    return lines;
}();

char* put_status_line(char* out, int status) noexcept {
    if (status >= status_min && status <= status_max) {
        const StatusLine& line = status_lines[static_cast<std::size_t>(status - status_min)];
        std::memcpy(out, line.text, 32); // most lines are shorter: no call, no loop
        if (line.size > 32) std::memcpy(out + 32, line.text + 32, line.size - 32U);
        return out + line.size;
    }
    out = put(out, version_and_space);
    return put(put_number(out, static_cast<std::uint64_t>(status)), " \r\n");
}

// -- fields ---------------------------------------------------------------------------------------

/// What a field is to the writer.
enum class Part : std::uint8_t { user, date, server, length, connection, dropped };

constexpr auto parts = [] {
    std::array<Part, static_cast<std::size_t>(FieldName::count_)> table{};
    const auto set = [&table](FieldName name, Part part) {
        table[static_cast<std::size_t>(name)] = part;
    };
    set(FieldName::date, Part::date);
    set(FieldName::server, Part::server);
    set(FieldName::content_length, Part::length);
    set(FieldName::connection, Part::connection);
    for (FieldName name : {FieldName::keep_alive, FieldName::proxy_connection,
                           FieldName::transfer_encoding, FieldName::te, FieldName::upgrade}) {
        set(name, Part::dropped);
    }
    return table;
}();

FieldName known(const Field& field) noexcept {
    if (field.token != 0 && field.token < static_cast<std::uint32_t>(FieldName::count_)) {
        return static_cast<FieldName>(field.token);
    }
    return http::lookup_field(field.name());
}
constexpr bool is_written(Part part) noexcept {
    return part == Part::user || part == Part::date || part == Part::server;
}

constexpr std::size_t around_field = 4; // ": " and CRLF

char* put_field(char* out, const Field& field) noexcept {
    out = put(out, field.name());
    out = put(out, ": ");
    out = put(out, field.value());
    return put(out, "\r\n");
}

/// The user's own fields. Content-Length is written by whoever writes the framing, from its number.
char* put_fields(char* out, std::span<const Field> fields,
                 FieldName except = FieldName::count_) noexcept {
    for (const Field& field : fields) {
        const FieldName name = known(field);
        if (is_written(parts[static_cast<std::size_t>(name)]) && name != except)
            out = put_field(out, field);
    }
    return out;
}

bool lists_close(std::string_view value) noexcept {
    while (!value.empty()) {
        const std::size_t comma = std::min(value.find(','), value.size());
        if (ascii::equals_ignoring_case(ascii::trim(value.substr(0, comma)), "close")) return true;
        value.remove_prefix(std::min(comma + 1, value.size()));
    }
    return false;
}

/// The number of a field's name, or nothing when it may not be sent: null where there is a length,
/// no token, or one that is given with the number of another. The writer trusts numbers, so that it
/// need not look names up again.
std::optional<FieldName> sound_name(const Field& field) noexcept {
    if (field.name_data == nullptr || (field.value_data == nullptr && field.value_size > 0)) {
        return std::nullopt;
    }
    if (field.token == 0) {
        const FieldName name = http::lookup_field(field.name());
        if (name == FieldName::other && !http::is_field_name(field.name())) return std::nullopt;
        return name;
    }
    const auto name = static_cast<FieldName>(field.token);
    if (field.token > UINT16_MAX || !http::is_named(field.name(), name)) return std::nullopt;
    return name;
}

std::unexpected<Error> bad_field(const Field& field, std::string_view what) {
    std::string message = "field \"";
    const std::string_view name = field.name_data != nullptr ? field.name() : std::string_view{};
    for (char c : name.substr(0, 64)) message += c > 0x20 && c < 0x7f ? c : '?';
    message += "\": ";
    message += what;
    return fail(ErrorKind::invalid, std::move(message));
}

} // namespace

Result<FieldFacts> examine(std::span<const Field> fields) {
    FieldFacts facts;
    for (const Field& field : fields) {
        const std::optional<FieldName> name = sound_name(field);
        if (!name) return bad_field(field, "not a field name, or its token is of another");
        if (!http::is_field_value(field.value())) return bad_field(field, "not a field value");
        const Part part = parts[static_cast<std::size_t>(*name)];
        facts.plain = facts.plain && is_written(part);
        switch (part) {
        case Part::dropped: continue;
        case Part::connection: facts.close = facts.close || lists_close(field.value()); continue;
        case Part::length: {
            const auto length = ascii::parse_decimal(field.value());
            if (!length) return bad_field(field, "not a number");
            if (facts.has_content_length) return bad_field(field, "more than one");
            facts.has_content_length = true;
            facts.content_length = *length;
            break;
        }
        case Part::date: facts.has_date = true; break;
        case Part::server: facts.has_server = true; break;
        case Part::user: break;
        }
        facts.bytes += field.name_size + field.value_size + around_field;
    }
    return facts;
}

namespace {

/// In functions of their own, so that what makes an error costs nothing where there is none.
[[gnu::cold, gnu::noinline]] Result<AnswerPlan> refuse_body() {
    return fail(ErrorKind::invalid, "an answer with this status has no body");
}
[[gnu::cold, gnu::noinline]] Result<AnswerPlan> refuse_length() {
    return fail(ErrorKind::invalid, "Content-Length is not the size of the body");
}

/// An answer that has no body by definition: 1xx, 204, 304, or 2xx to CONNECT, whose head is
/// followed by a tunnel's bytes.
void plan_without_body(AnswerPlan& plan, int status, bool tunnel, const FieldFacts& fields,
                       std::uint64_t size) noexcept {
    plan.body_suppressed = !tunnel;
    // Only 304 may tell the length that it has not (RFC 9110, section 8.6).
    plan.announce_length = status == 304 && (fields.has_content_length || size > 0);
    plan.content_length = fields.has_content_length ? fields.content_length : size;
}

} // namespace

Result<AnswerPlan> plan_answer(const RequestFacts& request, int status, const FieldFacts& fields,
                               std::optional<std::uint64_t> body_size) {
    AnswerPlan plan;
    plan.close = fields.close || !request.keep_alive;
    const std::uint64_t size = body_size.value_or(0);
    const bool head = request.method == Method::head;
    const bool tunnel = request.method == Method::connect && status >= 200 && status < 300;
    if (tunnel || http::never_has_body(status)) {
        if (size > 0 && (tunnel || status < 200)) return refuse_body();
        plan_without_body(plan, status, tunnel, fields, size);
    } else {
        // HEAD with a length and no body is usual; of all others the length must be the body's.
        const bool only_told = head && size == 0;
        plan.body_suppressed = head;
        if (fields.has_content_length) {
            if (body_size && !only_told && size != fields.content_length) return refuse_length();
            plan.announce_length = true;
            plan.content_length = fields.content_length;
        } else if (body_size) {
            plan.announce_length = !only_told;
            plan.content_length = size;
        } else if (request.version == Version::http_1_1) {
            plan.body = BodyKind::chunked;
        } else {
            plan.body = BodyKind::until_close;
            plan.close = plan.close || !head;
        }
        if (plan.content_length > 0) plan.body = BodyKind::length;
    }
    plan.announce_keep_alive = !plan.close && request.version == Version::http_1_0;
    return plan;
}

std::size_t response_head_bound(int, const FieldFacts& facts, std::string_view server) noexcept {
    constexpr std::size_t ours = status_line_max + sizeof("Date: \r\n") + 29 +
                                 sizeof("Server: \r\n") + sizeof("Content-Length: \r\n") +
                                 digits_max + sizeof("Transfer-Encoding: chunked\r\n") +
                                 sizeof("Connection: keep-alive\r\n") + sizeof("\r\n") + 32;
    return ours + facts.bytes + server.size();
}

char* write_response_head(char* out, int status, std::span<const Field> fields,
                          const FieldFacts& facts, const AnswerPlan& plan, std::string_view date,
                          std::string_view server) noexcept {
    out = put_status_line(out, status);
    if (!facts.has_date && !date.empty()) out = put(put(put(out, "Date: "), date), "\r\n");
    if (!facts.has_server && !server.empty()) out = put(put(put(out, "Server: "), server), "\r\n");
    if (facts.plain) {
        for (const Field& field : fields) out = put_field(out, field);
    } else {
        out = put_fields(out, fields);
    }
    if (plan.announce_length) {
        out = put(out, "Content-Length: ");
        out = put(put_number(out, plan.content_length), "\r\n");
    } else if (plan.body == BodyKind::chunked) {
        out = put(out, "Transfer-Encoding: chunked\r\n");
    }
    if (plan.close) out = put(out, "Connection: close\r\n");
    else if (plan.announce_keep_alive) out = put(out, "Connection: keep-alive\r\n");
    return put(out, "\r\n");
}

namespace {

/// A field that only has to be copied, checked as examine() would; nullptr when it is another.
char* put_plain_field(char* out, const Field& field) noexcept {
    const std::optional<FieldName> name = sound_name(field);
    if (!name || parts[static_cast<std::size_t>(*name)] != Part::user) return nullptr;
    if (!http::is_field_value(field.value())) return nullptr;
    return put_field(out, field);
}

} // namespace

PlainHead write_plain_head(char* out, int status, std::span<const Field> fields,
                           std::string_view date, std::string_view server) noexcept {
    if (status < 200 || status > status_max || http::never_has_body(status)) return {};
    const auto here = [begin = out](const char* at) {
        return static_cast<std::uint32_t>(at - begin);
    };
    PlainHead head;
    out = put_status_line(out, status);
    if (!date.empty()) {
        out = put(out, "Date: ");
        head.date_at = here(out);
        out = put(put(out, date), "\r\n");
    }
    if (!server.empty()) out = put(put(put(out, "Server: "), server), "\r\n");
    head.fields_at = here(out);
    for (const Field& field : fields) {
        out = put_plain_field(out, field);
        if (out == nullptr) return {};
    }
    head.end = out;
    return head;
}

std::size_t interim_head_bound(const FieldFacts& facts, std::string_view upgrade) noexcept {
    return status_line_max + facts.bytes + upgrade.size() +
           sizeof("Connection: upgrade\r\nUpgrade: \r\n\r\n");
}

char* write_interim_head(char* out, int status, std::span<const Field> fields,
                         std::string_view upgrade) noexcept {
    out = put_status_line(out, status);
    if (!upgrade.empty()) {
        out = put(out, "Connection: upgrade\r\nUpgrade: ");
        out = put(put(out, upgrade), "\r\n");
    }
    return put(put_fields(out, fields), "\r\n");
}

// -- chunks ---------------------------------------------------------------------------------------

char* write_chunk_head(char* out, std::uint64_t size) noexcept {
    out = std::to_chars(out, out + 16, size, 16).ptr;
    return put(out, "\r\n");
}

std::size_t last_chunk_bound(std::span<const Field> trailers) noexcept {
    std::size_t size = sizeof("0\r\n\r\n");
    for (const Field& field : trailers) size += field.name_size + field.value_size + around_field;
    return size;
}

char* write_last_chunk(char* out, std::span<const Field> trailers) noexcept {
    out = put(out, "0\r\n");
    for (const Field& field : trailers) {
        if (http::may_be_trailer(known(field))) out = put_field(out, field);
    }
    return put(out, "\r\n");
}

// -- answers of the library's own -----------------------------------------------------------------

std::size_t write_simple_answer(char* out, int status, std::string_view date,
                                std::string_view server, bool head_request,
                                std::uint32_t retry_after_s,
                                std::string_view extra_field) noexcept {
    // Everything but `server` and `extra_field` has its bound; those are left out when they are too
    // long for the rest of simple_answer_bound.
    constexpr std::size_t fixed = 256;
    const std::string_view reason = http::reason_phrase(status);
    char* const begin = out;
    out = put_status_line(out, status);
    if (!date.empty()) out = put(put(put(out, "Date: "), date.substr(0, 29)), "\r\n");
    std::size_t room = simple_answer_bound - fixed;
    if (!server.empty() && server.size() + 10 <= room) {
        out = put(put(put(out, "Server: "), server), "\r\n");
        room -= server.size() + 10;
    }
    if (!extra_field.empty() && extra_field.size() + 2 <= room)
        out = put(put(out, extra_field), "\r\n");
    if (retry_after_s > 0) out = put(put_number(put(out, "Retry-After: "), retry_after_s), "\r\n");
    if (!http::never_has_body(status)) {
        const std::size_t size = reason.empty() ? 0 : reason.size() + 1;
        out = put(out, "Content-Type: text/plain\r\nContent-Length: ");
        out = put(put_number(out, size), "\r\n");
    }
    out = put(out, "Connection: close\r\n\r\n");
    if (!head_request && !reason.empty() && !http::never_has_body(status)) {
        out = put(put(out, reason), "\n");
    }
    return static_cast<std::size_t>(out - begin);
}

// -- requests -------------------------------------------------------------------------------------

std::size_t request_head_bound(std::string_view method, std::string_view target,
                               std::string_view host, const FieldFacts& facts) noexcept {
    constexpr std::size_t ours = sizeof("  HTTP/1.1\r\nHost: \r\n") +
                                 sizeof("Content-Length: \r\n") + digits_max +
                                 sizeof("Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
    return ours + method.size() + target.size() + host.size() + facts.bytes;
}

char* write_request_head(char* out, std::string_view method, std::string_view target,
                         std::string_view host, std::span<const Field> fields,
                         const FieldFacts& facts, BodyKind body,
                         std::uint64_t content_length) noexcept {
    out = put(put(out, method), " ");
    out = put(put(out, target), " HTTP/1.1\r\nHost: ");
    out = put(put(out, host), "\r\n");
    out = put_fields(out, fields, FieldName::host); // `host` is it
    // A method that usually has content says so when it has none (RFC 9110, section 8.6).
    const bool says_none =
        body == BodyKind::none && (method == "POST" || method == "PUT" || method == "PATCH");
    if (body == BodyKind::length || says_none) {
        out = put(out, "Content-Length: ");
        out = put(put_number(out, says_none ? 0 : content_length), "\r\n");
    } else if (body == BodyKind::chunked) {
        out = put(out, "Transfer-Encoding: chunked\r\n");
    }
    if (facts.close) out = put(out, "Connection: close\r\n");
    return put(out, "\r\n");
}

} // namespace hc::h1
