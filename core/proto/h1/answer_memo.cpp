#include "core/proto/h1/answer_memo.hpp"

#include <cstring>

#include "core/base/short_text.hpp"
#include "core/proto/h1/writer.hpp"

namespace hc::h1 {

namespace {
constexpr std::size_t around_field = 4; // ": " and CRLF
constexpr std::size_t date_size = 29;
} // namespace

bool AnswerMemo::holds(int status, std::span<const http::Field> fields) const noexcept {
    if (status != status_ || fields.size() != count_) return false;
    const char* at = text_.data() + fields_at_;
    const Sizes* sizes = sizes_.data();
    for (const http::Field& field : fields) {
        const Sizes& kept = *sizes++;
        if (field.name_size != kept.name || field.value_size != kept.value ||
            field.token != kept.token || field.name_data == nullptr ||
            field.value_data == nullptr || !same(field.name(), at)) {
            return false;
        }
        at += kept.name + 2;
        if (!same(field.value(), at)) return false;
        at += kept.value + 2;
    }
    return true;
}

std::size_t AnswerMemo::bound(bool held, std::span<const http::Field> fields, std::string_view body,
                              std::string_view server) const noexcept {
    constexpr std::size_t behind_fields = sizeof("Content-Length: \r\n") + digits_max +
                                          sizeof("Connection: close\r\n") + sizeof("\r\n");
    if (held) return size_ + step + behind_fields + body.size();
    std::size_t size = response_head_bound(200, {}, server) + body.size();
    for (const http::Field& field : fields) {
        size += field.name_size + field.value_size + around_field;
    }
    return size;
}

char* AnswerMemo::copy(char* out, std::string_view date) const noexcept {
    char* const end = out + size_;
    char* const date_at = date_at_ != 0 ? out + date_at_ : nullptr;
    const char* from = text_.data();
    for (; out < end; out += step, from += step) std::memcpy(out, from, step);
    if (date_at != nullptr) std::memcpy(date_at, date.data(), date_size);
    return end;
}

/// Writes the head and keeps it.
char* AnswerMemo::write_anew(char* out, int status, std::span<const http::Field> fields,
                             std::string_view date, std::string_view server) noexcept {
    const PlainHead head = write_plain_head(out, status, fields, date, server);
    if (head.end == nullptr) return nullptr;
    const auto size = static_cast<std::size_t>(head.end - out);
    status_ = 0;
    const bool odd_date = !date.empty() && date.size() != date_size;
    if (size > bytes_max || fields.size() > fields_max || odd_date) return head.end;
    std::memcpy(text_.data(), out, size);
    Sizes* sizes = sizes_.data();
    for (const http::Field& field : fields) {
        *sizes++ = {field.name_size, field.value_size, field.token};
    }
    count_ = fields.size();
    size_ = static_cast<std::uint32_t>(size);
    date_at_ = head.date_at;
    fields_at_ = head.fields_at;
    status_ = status;
    return head.end;
}

char* AnswerMemo::write(char* out, bool held, int status, std::span<const http::Field> fields,
                        std::string_view body, bool close, std::string_view date,
                        std::string_view server) noexcept {
    out = held ? copy(out, date) : write_anew(out, status, fields, date, server);
    if (out == nullptr) return nullptr;
    out = put(put_number(put(out, "Content-Length: "), body.size()), "\r\n");
    if (close) out = put(out, "Connection: close\r\n");
    return put(put(out, "\r\n"), body);
}

} // namespace hc::h1
