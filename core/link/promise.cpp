// Promises (server push): what may be promised to a client, and when.
#include "core/http/target.hpp"
#include "core/link/context.hpp"
#include "core/link/exchange.hpp"
#include "core/proto/h1/writer.hpp"

namespace hc::link {

namespace {

/// Fields that a promised request cannot have: it has no body, no connection of its own, and the
/// authority of the request that it is promised with.
bool is_unfit(http::FieldName name) noexcept {
    using http::FieldName;
    return http::is_of_connection(name) || name == FieldName::content_length ||
           name == FieldName::expect || name == FieldName::host ||
           name == FieldName::http2_settings || name == FieldName::trailer;
}

bool is_path(std::string_view text) noexcept {
    http::HeadView head;
    head.base = text.data();
    head.target = {0, static_cast<std::uint32_t>(text.size())};
    return !text.empty() && text.front() == '/' && http::split_path(head, 0);
}

} // namespace

ErrorKind examine(const Promise& promise, const ConnectionLimits& limits) {
    constexpr std::size_t around_field = 32; // as SETTINGS_MAX_HEADER_LIST_SIZE counts
    if (promise.method != http::Method::get && promise.method != http::Method::head) {
        return ErrorKind::invalid;
    }
    if (promise.path.size() > limits.target_bytes_max) return ErrorKind::limit;
    if (!is_path(promise.path)) return ErrorKind::invalid;
    if (const auto facts = h1::examine(promise.fields); !facts) return facts.error().kind;
    std::size_t size = promise.path.size();
    for (const http::Field& field : promise.fields) {
        if (is_unfit(http::lookup_field(field.name()))) return ErrorKind::invalid;
        size += field.name_size + field.value_size + around_field;
    }
    const bool long_ =
        size > limits.header_bytes_max || promise.fields.size() > limits.header_count_max;
    return long_ ? ErrorKind::limit : ErrorKind::ok;
}

ErrorKind Exchange::promise(const Promise& promise) {
    if (auto bad = before_send(); bad != ErrorKind::ok) return bad;
    if (auto bad = examine(promise, context_.limits); bad != ErrorKind::ok) return bad;
    if (answer_ == AnswerSide::finished || tunnel_) return ErrorKind::state;
    return driver_->drive_promise(*this, promise);
}

} // namespace hc::link
