#include "core/proto/h1/judge.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "core/base/ascii.hpp"
#include "core/http/status.hpp"
#include "core/http/target.hpp"
#include "core/http/uri.hpp"

namespace hc::h1 {

namespace {

using http::FieldName;
using http::FieldRef;
using http::HeadView;
using http::Method;
using http::Version;

/// llhttp's method numbers as ours.
constexpr std::array<Method, 64> methods = [] {
    std::array<Method, 64> table{};
    table[HTTP_GET] = Method::get;
    table[HTTP_HEAD] = Method::head;
    table[HTTP_POST] = Method::post;
    table[HTTP_PUT] = Method::put;
    table[HTTP_DELETE] = Method::delete_;
    table[HTTP_CONNECT] = Method::connect;
    table[HTTP_OPTIONS] = Method::options;
    table[HTTP_TRACE] = Method::trace;
    table[HTTP_PATCH] = Method::patch;
    return table;
}();

bool same_bytes(const char* at, std::string_view text) noexcept {
    return std::memcmp(at, text.data(), text.size()) == 0;
}

// -- the request line -----------------------------------------------------------------------------

/// "scheme://host[:port]/path?query" (RFC 9112, section 3.2.2). An empty path is "/": the second
/// slash before the authority serves as that.
bool split_absolute(HeadView& head) noexcept {
    const std::string_view target = head.text(head.target);
    const std::size_t colon = target.find("://");
    if (colon == std::string_view::npos || !http::is_scheme(target.substr(0, colon))) return false;
    const std::size_t begin = colon + 3;
    const std::size_t end = std::min(target.find_first_of("/?", begin), target.size());
    const auto authority = http::split_authority(target.substr(begin, end - begin));
    // Userinfo in a target is a known means to deceive (RFC 9110, section 4.2.4).
    if (!authority || authority->has_userinfo || authority->host.empty()) return false;
    const auto at = [&](std::size_t i) {
        return head.target.offset + static_cast<std::uint32_t>(i);
    };
    head.scheme = {at(0), static_cast<std::uint32_t>(colon)};
    head.authority = {at(begin), static_cast<std::uint32_t>(end - begin)};
    if (!http::split_path(head, at(end))) return false;
    if (head.path.size == 0) head.path = {at(begin - 1), 1};
    return true;
}

/// "host:port" (RFC 9112, section 3.2.3).
bool split_connect(HeadView& head) noexcept {
    const auto authority = http::split_authority(head.text(head.target));
    if (!authority || authority->has_userinfo || authority->host.empty() ||
        authority->port.empty()) {
        return false;
    }
    head.authority = head.target;
    return true;
}

bool split_target(HeadView& head) noexcept {
    if (head.method == Method::connect) return split_connect(head);
    const char first = head.base[head.target.offset];
    if (first == '/') return http::split_path(head, head.target.offset);
    if (first != '*') return split_absolute(head);
    head.path = head.target;
    return head.target.size == 1 && head.method == Method::options;
}

// -- the fields -----------------------------------------------------------------------------------

/// What the fields say about framing and connection.
struct Notes {
    const FieldRef* host = nullptr;
    const FieldRef* length = nullptr;
    const FieldRef* coding = nullptr;
    const FieldRef* upgrade = nullptr;
    std::uint8_t hosts = 0; // each counts 1, 2 or more
    std::uint8_t lengths = 0;
    std::uint8_t codings = 0;
    bool close = false;
    bool keep_alive = false;
    bool lists_upgrade = false;
    bool expects_continue = false;
    bool expects_other = false;
};

constexpr std::uint8_t one_more(std::uint8_t n) noexcept { return n == 0 ? 1 : 2; }

/// Calls `take` with each element of a comma-separated list, empty ones left out.
template <class Take>
void each_element(std::string_view list, Take take) {
    while (!list.empty()) {
        const std::size_t comma = std::min(list.find(','), list.size());
        const std::string_view element = ascii::trim(list.substr(0, comma));
        if (!element.empty()) take(element);
        list.remove_prefix(std::min(comma + 1, list.size()));
    }
}

void note_connection(Notes& notes, std::string_view value) noexcept {
    each_element(value, [&notes](std::string_view option) {
        if (ascii::equals_ignoring_case(option, "close")) notes.close = true;
        else if (ascii::equals_ignoring_case(option, "keep-alive")) notes.keep_alive = true;
        else if (ascii::equals_ignoring_case(option, "upgrade")) notes.lists_upgrade = true;
    });
}

constexpr std::array<bool, static_cast<std::size_t>(FieldName::count_)> noted = [] {
    std::array<bool, static_cast<std::size_t>(FieldName::count_)> table{};
    for (FieldName name : {FieldName::host, FieldName::content_length, FieldName::transfer_encoding,
                           FieldName::connection, FieldName::upgrade, FieldName::expect}) {
        table[static_cast<std::size_t>(name)] = true;
    }
    return table;
}();

void note(Notes& notes, const HeadView& head, const FieldRef& field) noexcept {
    if (field.known == FieldName::host) {
        notes.hosts = one_more(notes.hosts);
        notes.host = &field;
    } else if (field.known == FieldName::content_length) {
        notes.lengths = one_more(notes.lengths);
        notes.length = &field;
    } else if (field.known == FieldName::transfer_encoding) {
        notes.codings = one_more(notes.codings);
        notes.coding = &field;
    } else if (field.known == FieldName::connection) {
        note_connection(notes, head.value(field));
    } else if (field.known == FieldName::upgrade) {
        if (notes.upgrade == nullptr) notes.upgrade = &field;
    } else {
        const bool known = ascii::equals_ignoring_case(head.value(field), "100-continue");
        (known ? notes.expects_continue : notes.expects_other) = true;
    }
}

void trim_end(const char* base, FieldRef& field) noexcept {
    const char* const value = base + field.value;
    const char* end = value + field.value_size;
    while (end != value && (end[-1] == ' ' || end[-1] == '\t')) --end;
    field.value_size = static_cast<std::uint32_t>(end - value);
}

[[gnu::always_inline]] inline Notes read_fields(const HeadView& head) noexcept {
    Notes notes;
    for (const FieldRef& field : head.list()) {
        if (noted[static_cast<std::size_t>(field.known)]) note(notes, head, field);
    }
    return notes;
}

const Refusal* judge_host(const Notes& notes, HeadView& head) noexcept {
    if (notes.hosts > 1) return &refusals::many_hosts;
    if (notes.hosts == 0) return head.version == Version::http_1_1 ? &refusals::no_host : nullptr;
    if (!http::is_host(head.value(*notes.host))) return &refusals::bad_host;
    if (head.authority.size == 0) head.authority = {notes.host->value, notes.host->value_size};
    return nullptr;
}

/// Anything but one field that says "chunked".
const Refusal* judge_codings(const HeadView& head) noexcept {
    std::size_t chunked = 0;
    std::size_t others = 0;
    bool last = false;
    for (const FieldRef& field : head.list()) {
        if (field.known != FieldName::transfer_encoding) continue;
        each_element(head.value(field), [&](std::string_view coding) {
            last = ascii::equals_ignoring_case(coding, "chunked");
            last ? ++chunked : ++others;
        });
    }
    const bool ends_well = chunked == 0 || (chunked == 1 && last);
    return others > 0 && ends_well ? &refusals::unknown_coding : &refusals::bad_coding;
}

/// Content-Length and Transfer-Encoding, for a message that may have a body. No field:
/// BodyKind::none.
const Refusal* judge_length(const Notes& notes, bool seen_chunked, const ConnectionLimits& limits,
                            const HeadView& head, Framing& framing) noexcept {
    if (notes.coding != nullptr) {
        if (notes.length != nullptr) return &refusals::length_and_coding;
        if (head.version != Version::http_1_1) return &refusals::old_coding;
        const bool exact =
            notes.codings == 1 && ascii::equals_ignoring_case(head.value(*notes.coding), "chunked");
        if (!exact) return judge_codings(head);
        if (!seen_chunked) return &refusals::bad_coding;
        framing.body = BodyKind::chunked;
        return nullptr;
    }
    if (notes.length == nullptr) return nullptr;
    if (notes.lengths > 1) return &refusals::many_lengths;
    const auto length = ascii::parse_decimal(head.value(*notes.length));
    if (!length) return &refusals::bad_length;
    if (limits.body_bytes_max != 0 && *length > limits.body_bytes_max) return &refusals::large_body;
    framing.content_length = *length;
    if (*length > 0) framing.body = BodyKind::length;
    return nullptr;
}

void judge_connection(const Notes& notes, HeadView& head, Framing& framing) noexcept {
    framing.keep_alive = !notes.close && (head.version == Version::http_1_1 || notes.keep_alive);
    // Upgrade in HTTP/1.0 is to be ignored (RFC 9110, section 7.8).
    if (notes.upgrade != nullptr && notes.lists_upgrade && head.version == Version::http_1_1) {
        framing.upgrade = true;
        head.protocol = {notes.upgrade->value, notes.upgrade->value_size};
    }
}

} // namespace

const Refusal* judge_request_line(const Lexer& lexer, HeadView& head) noexcept {
    head.target = lexer.line;
    // One space on each side of the target and nothing else: "GET  / HTTP/1.1" is refused, although
    // RFC 9112, section 3 lets a server be lenient.
    const std::uint32_t end = head.target.offset + head.target.size;
    if (head.target.size == 0 || head.base[head.target.offset - 2] == ' ' || head.size < end + 11 ||
        head.base[end] != ' ') {
        return &refusals::bad_request_line;
    }
    const char* version = head.base + end + 1;
    if (same_bytes(version, "HTTP/1.1")) {
        head.version = Version::http_1_1;
    } else if (same_bytes(version, "HTTP/1.0")) {
        head.version = Version::http_1_0;
    } else {
        return same_bytes(version, "HTTP/") ? &refusals::unknown_version
                                            : &refusals::bad_request_line;
    }
    head.method = methods[lexer.machine.method & 63];
    head.method_name = {0, head.target.offset - 1};
    head.fields = lexer.fields;
    head.field_count = lexer.field_count;
    return split_target(head) ? nullptr : &refusals::bad_target;
}

void name_fields(const char* base, FieldRef* fields, std::uint32_t count) noexcept {
    for (FieldRef* field = fields; field != fields + count; ++field) {
        field->known = http::lookup_field({base + field->name, field->name_size});
        trim_end(base, *field);
    }
}

const Refusal* judge_request(HeadView& head, bool chunked, const ConnectionLimits& limits,
                             Framing& framing) noexcept {
    const Notes notes = read_fields(head);
    if (const Refusal* refusal = judge_host(notes, head)) return refusal;
    if (notes.length != nullptr || notes.coding != nullptr) {
        if (head.method == Method::connect) return &refusals::connect_body;
        if (const Refusal* refusal = judge_length(notes, chunked, limits, head, framing))
            return refusal;
    }
    judge_connection(notes, head, framing);
    if (head.method == Method::connect) framing.connect = framing.upgrade = true;
    if (head.version ==
        Version::http_1_1) { // in HTTP/1.0 it means nothing (RFC 9110, section 10.1.1)
        if (notes.expects_other) return &refusals::bad_expectation;
        framing.expect_continue = notes.expects_continue && framing.body != BodyKind::none;
    }
    return nullptr;
}

const Refusal* judge_response(const Lexer& lexer, const ConnectionLimits& limits, Method method,
                              HeadView& head, Framing& framing) noexcept {
    if (head.size < 13) return &refusals::bad_version;
    if (same_bytes(head.base, "HTTP/1.1")) head.version = Version::http_1_1;
    else if (same_bytes(head.base, "HTTP/1.0")) head.version = Version::http_1_0;
    else return &refusals::unknown_version;
    head.status = lexer.machine.status_code;
    head.reason = lexer.line;
    head.fields = lexer.fields;
    head.field_count = lexer.field_count;
    name_fields(head.base, lexer.fields, lexer.field_count);
    const Notes notes = read_fields(head);
    judge_connection(notes, head, framing);
    if (head.status != 101) framing.upgrade = false; // an offer, not a switch
    if (method == Method::connect && head.status >= 200 && head.status < 300) {
        framing.connect = framing.upgrade = true; // Content-Length means nothing here
        return nullptr;
    }
    if (const Refusal* refusal =
            judge_length(notes, (lexer.machine.flags & F_CHUNKED) != 0, limits, head, framing))
        return refusal;
    if (method == Method::head || http::never_has_body(head.status)) {
        framing.body = BodyKind::none; // content_length tells what GET would have given
    } else if (notes.length == nullptr && notes.coding == nullptr) {
        framing.body = BodyKind::until_close;
        framing.keep_alive = false;
    }
    return nullptr;
}

bool is_preface(std::string_view text) noexcept {
    return text.starts_with("PRI * HTTP/2.0\r\n\r\n");
}

Unknown judge_method(std::string_view text) noexcept {
    constexpr std::size_t size_max = 32; // no known method is longer; decided here without the rest
    if (is_preface(text)) return Unknown::preface;
    const std::size_t size = std::min(text.size(), size_max);
    for (std::size_t i = 0; i < size; ++i) {
        if (ascii::is_token_char(text[i])) continue;
        return i > 0 && text[i] == ' ' ? Unknown::unknown_method : Unknown::not_a_method;
    }
    return size == size_max ? Unknown::unknown_method : Unknown::undecided;
}

namespace {
/// The target is read up to its limit before it is judged, also when it breaks a rule behind that.
bool target_exceeds(std::string_view text, std::size_t error_at,
                    std::uint32_t target_max) noexcept {
    std::size_t begin = text.find(' ');
    if (begin == std::string_view::npos) return false;
    begin = text.find_first_not_of(' ', begin);
    return begin != std::string_view::npos && error_at > begin && error_at - begin > target_max;
}
} // namespace

Refusal judge_failure(const Lexer& lexer, llhttp_errno_t error, std::string_view text,
                      std::size_t error_at) noexcept {
    switch (lexer.stop) {
    case Lexer::Stop::target: return refusals::long_target;
    case Lexer::Stop::fields: return refusals::many_fields;
    case Lexer::Stop::memory: return refusals::no_memory;
    case Lexer::Stop::none:
    case Lexer::Stop::head:
    case Lexer::Stop::chunk_header:
    case Lexer::Stop::body:
    case Lexer::Stop::message: break;
    }
    const llhttp_t& machine = lexer.machine;
    if (error == HPE_PAUSED_H2_UPGRADE) return refusals::unknown_version;
    if (error == HPE_INVALID_URL && target_exceeds(text, error_at, lexer.target_max)) {
        return refusals::long_target;
    }
    if (error == HPE_INVALID_VERSION && std::strcmp(machine.reason, "Invalid HTTP version") == 0) {
        return refusals::unknown_version;
    }
    if (machine.type == HTTP_REQUEST && error == HPE_INVALID_CONSTANT &&
        machine.method > HTTP_PRI && machine.method < HTTP_QUERY) {
        return refusals::unknown_method; // RTSP's methods are none of HTTP's
    }
    if (machine.type == HTTP_REQUEST && text.starts_with("PRI ")) return refusals::unknown_method;
    return {400, machine.reason};
}

std::uint32_t keep_trailers(const char* base, FieldRef* fields, std::uint32_t count) noexcept {
    std::uint32_t kept = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
        FieldRef field = fields[i];
        field.known = http::lookup_field({base + field.name, field.name_size});
        trim_end(base, field);
        if (http::may_be_trailer(field.known)) fields[kept++] = field;
    }
    return kept;
}

} // namespace hc::h1
