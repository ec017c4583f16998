#include "core/proto/h2/head.hpp"

#include <algorithm>
#include <cstring>

#include "core/base/ascii.hpp"
#include "core/http/target.hpp"

namespace hc::h2 {

namespace {

using http::FieldName;
using http::FieldRef;
using http::HeadView;
using http::Method;
using http::Span;

constexpr std::size_t around_field = 32; // of each field (RFC 9113, section 6.5.2)
constexpr std::size_t first_room = 4 * 1024;
constexpr std::string_view between_cookies = "; ";

constexpr std::uint32_t u32(std::size_t n) noexcept { return static_cast<std::uint32_t>(n); }

} // namespace

void Heads::begin(Kind kind, const ConnectionLimits& limits) noexcept {
    head_ = {};
    head_.bytes_at = used_;
    head_.fields_at = fields_.size();
    head_.view.version = http::Version::http_2;
    notes_ = {};
    list_size_ = 0;
    limits_ = &limits;
    kind_ = kind;
    open_ = true;
}

void Heads::drop() noexcept {
    used_ = head_.bytes_at;
    fields_.resize(head_.fields_at);
    open_ = false;
}

void Heads::clear() noexcept {
    used_ = 0;
    fields_.clear();
    heads_.clear();
}

void Heads::refuse(std::uint16_t status, const char* reason) noexcept {
    if (head_.refusal.status == 0) head_.refusal = {status, reason};
}

/// Gives where the bytes are, counted from the head's first.
std::uint32_t Heads::put(std::string_view bytes) {
    if (bytes_.size() - used_ < bytes.size()) [[unlikely]]
        bytes_.resize(std::max({first_room, bytes_.size() * 2, used_ + bytes.size()}));
    if (!bytes.empty()) std::memcpy(bytes_.data() + used_, bytes.data(), bytes.size());
    const std::uint32_t at = u32(used_ - head_.bytes_at);
    used_ += bytes.size();
    return at;
}

void Heads::add(std::string_view name, std::string_view value) {
    list_size_ += name.size() + value.size() + around_field;
    const std::size_t most =
        kind_ == Kind::trailers ? limits_->trailer_bytes_max : limits_->header_bytes_max;
    if (list_size_ > most || name.size() > UINT16_MAX) return refuse(431, "the head is too long");
    if (!name.empty() && name.front() == ':') return add_pseudo(name, value);
    if (head_.view.field_count >= limits_->header_count_max) {
        return refuse(431, "too many fields");
    }
    const std::uint32_t at = put(name);
    const std::uint32_t value_at = put(value);
    const FieldName known = http::lookup_field(name);
    fields_.push_back(
        {at, value_at, u32(value.size()), static_cast<std::uint16_t>(name.size()), known});
    ++head_.view.field_count;
    note(known, value);
}

void Heads::add_pseudo(std::string_view name, std::string_view value) {
    HeadView& view = head_.view;
    if (name == ":path" && value.size() > limits_->target_bytes_max) {
        return refuse(414, "the request target is too long");
    }
    const Span span{put(value), u32(value.size())};
    if (kind_ == Kind::answer) { // there is one, of three digits, as nghttp2 has seen to
        for (const char digit : value) {
            view.status = static_cast<std::uint16_t>(view.status * 10 + (digit - '0'));
        }
    } else if (name == ":method") {
        view.method_name = span;
        view.method = http::lookup_method(value);
    } else if (name == ":path") {
        view.target = span;
    } else if (name == ":scheme") {
        view.scheme = span;
    } else if (name == ":authority") {
        view.authority = span;
    } else if (name == ":protocol") {
        view.protocol = span;
    }
}

void Heads::note(FieldName name, std::string_view value) noexcept {
    switch (name) {
    case FieldName::host:
        ++notes_.hosts;
        notes_.host_at = u32(fields_.size());
        break;
    case FieldName::cookie: ++notes_.cookies; break;
    case FieldName::content_length: {
        const auto length = ascii::parse_decimal(value);
        if (!length) return refuse(400, "the Content-Length field is malformed");
        head_.has_length = true;
        head_.content_length = *length;
        break;
    }
    case FieldName::expect:
        if (ascii::equals_ignoring_case(value, "100-continue")) {
            head_.expects_continue = true;
        } else {
            notes_.expects_other = true;
        }
        break;
    default: break;
    }
}

std::uint32_t Heads::finish(bool ended) {
    head_.ended = ended;
    open_ = false;
    if (head_.refusal.status == 0) {
        if (kind_ == Kind::trailers) {
            drop_unfit_trailers();
        } else if (kind_ == Kind::request) {
            if (notes_.cookies > 1) join_cookies();
            head_.view.size = u32(used_ - head_.bytes_at);
            judge_request();
        }
    }
    head_.view.size = u32(used_ - head_.bytes_at);
    heads_.push_back(head_);
    return u32(heads_.size() - 1);
}

/// A client may send the pairs of one Cookie in fields of their own; a program gets one field (RFC
/// 9113, section 8.2.3).
void Heads::join_cookies() {
    const std::uint32_t begin = u32(used_ - head_.bytes_at);
    const auto first = fields_.begin() + static_cast<std::ptrdiff_t>(head_.fields_at);
    auto joined = fields_.end();
    for (auto field = first; field != fields_.end(); ++field) {
        if (field->known != FieldName::cookie) continue;
        if (joined == fields_.end()) {
            joined = field;
        } else {
            put(between_cookies);
        }
        // Room first: put() may move what it copies.
        if (bytes_.size() - used_ < field->value_size) bytes_.resize(used_ + field->value_size);
        put({bytes_.data() + head_.bytes_at + field->value, field->value_size});
    }
    joined->value = begin;
    joined->value_size = u32(used_ - head_.bytes_at) - begin;
    const auto kept = std::remove_if(joined + 1, fields_.end(), [](const FieldRef& field) {
        return field.known == FieldName::cookie;
    });
    fields_.erase(kept, fields_.end());
    head_.view.field_count = u32(fields_.size() - head_.fields_at);
    notes_.host_at = 0; // fields have moved
    for (auto field = first; field != fields_.end(); ++field) {
        if (field->known == FieldName::host) notes_.host_at = u32(field - fields_.begin()) + 1;
    }
}

/// CONNECT's target is its authority (RFC 9113, section 8.5), but for that which names a protocol
/// (RFC 8441, section 4).
bool Heads::split_target(HeadView& view) const noexcept {
    if (view.method == Method::connect && view.protocol.size == 0) {
        view.target = view.authority;
        const std::string_view text = view.text(view.authority);
        const std::size_t colon = text.rfind(':');
        return colon != text.npos && colon > 0 && colon + 1 < text.size();
    }
    if (view.target.size == 1 && view.base[view.target.offset] == '*') {
        view.path = view.target;
        return view.method == Method::options;
    }
    return view.target.size > 0 && view.base[view.target.offset] == '/' &&
           http::split_path(view, view.target.offset);
}

/// What nghttp2 leaves to us: it has seen that pseudo-fields are there, once and alone of their
/// kind.
void Heads::judge_request() noexcept {
    HeadView& view = head_.view;
    view.base = bytes_.data() + head_.bytes_at;
    if (notes_.hosts > 1) return refuse(400, "more than one Host field");
    if (notes_.host_at != 0) {
        const FieldRef& host = fields_[notes_.host_at - 1];
        const std::string_view name = view.value(host);
        if (view.authority.size == 0) {
            view.authority = {host.value, host.value_size};
        } else if (!ascii::equals_ignoring_case(name, view.text(view.authority))) {
            return refuse(400, "Host is not the authority");
        }
    }
    if (view.authority.size == 0 || !http::is_host(view.text(view.authority))) {
        return refuse(400, "the authority is malformed");
    }
    if (!split_target(view)) return refuse(400, "the request target is malformed");
    if (notes_.expects_other) return refuse(417, "an expectation other than 100-continue");
    if (limits_->body_bytes_max != 0 && head_.content_length > limits_->body_bytes_max) {
        refuse(413, "the body is too large");
    }
}

void Heads::drop_unfit_trailers() noexcept {
    const auto first = fields_.begin() + static_cast<std::ptrdiff_t>(head_.fields_at);
    const auto kept = std::remove_if(first, fields_.end(), [](const FieldRef& field) {
        return !http::may_be_trailer(field.known);
    });
    fields_.erase(kept, fields_.end());
    head_.view.field_count = u32(fields_.size() - head_.fields_at);
}

Head& Heads::at(std::uint32_t number) noexcept {
    Head& head = heads_[number];
    head.view.base = bytes_.data() + head.bytes_at;
    head.view.fields = fields_.data() + head.fields_at;
    return head;
}

std::unique_ptr<Heads::Kept> Heads::keep() const {
    auto kept = std::make_unique<Kept>();
    kept->bytes_.assign(bytes_.begin() + static_cast<std::ptrdiff_t>(head_.bytes_at),
                        bytes_.begin() + static_cast<std::ptrdiff_t>(used_));
    kept->fields_.assign(fields_.begin() + static_cast<std::ptrdiff_t>(head_.fields_at),
                         fields_.end());
    kept->head_ = head_;
    kept->notes_ = notes_;
    if (notes_.host_at != 0) kept->notes_.host_at -= u32(head_.fields_at);
    kept->list_size_ = list_size_;
    kept->limits_ = limits_;
    kept->kind_ = kind_;
    return kept;
}

void Heads::restore(const Kept& kept) {
    clear();
    head_ = kept.head_;
    head_.bytes_at = head_.fields_at = 0;
    put({kept.bytes_.data(), kept.bytes_.size()});
    fields_ = kept.fields_;
    notes_ = kept.notes_;
    list_size_ = kept.list_size_;
    limits_ = kept.limits_;
    kind_ = kept.kind_;
    open_ = true;
}

} // namespace hc::h2
