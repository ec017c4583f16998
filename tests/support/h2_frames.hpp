// HTTP/2 frames by hand: what a client sends, well-formed or not, and a reader of what it gets.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hc::test::h2 {

enum Type : std::uint8_t {
    data = 0,
    headers = 1,
    priority = 2,
    rst_stream = 3,
    settings = 4,
    push_promise = 5,
    ping = 6,
    goaway = 7,
    window_update = 8,
    continuation = 9,
    priority_update = 16,
};
enum Flag : std::uint8_t { none = 0, end_stream = 1, ack = 1, end_headers = 4, padded = 8 };

using Fields = std::vector<std::pair<std::string, std::string>>;

inline std::string u32(std::uint32_t n) {
    return {static_cast<char>(n >> 24), static_cast<char>(n >> 16 & 255),
            static_cast<char>(n >> 8 & 255), static_cast<char>(n & 255)};
}
inline std::uint32_t number(std::string_view text, std::size_t at, std::size_t size) {
    std::uint32_t n = 0;
    for (std::size_t i = 0; i < size; ++i) {
        n = n << 8 | static_cast<unsigned char>(text[at + i]);
    }
    return n;
}
inline std::string frame(std::uint8_t type, int flags, std::int32_t stream,
                         std::string_view payload = {}) {
    std::string out = u32(static_cast<std::uint32_t>(payload.size())).substr(1);
    out += static_cast<char>(type);
    out += static_cast<char>(flags);
    out += u32(static_cast<std::uint32_t>(stream));
    out += payload;
    return out;
}
inline std::string setting(std::uint16_t id, std::uint32_t value) {
    return std::string{static_cast<char>(id >> 8), static_cast<char>(id & 255)} + u32(value);
}
const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const std::string hello = preface + frame(settings, none, 0);

/// Field lines without compression: any bytes, also wrong ones. Shorter than 127 bytes each.
inline std::string plain(const Fields& fields) {
    std::string out;
    for (const auto& [name, value] : fields) {
        out += '\0';
        out += static_cast<char>(name.size());
        out += name;
        out += static_cast<char>(value.size());
        out += value;
    }
    return out;
}
inline Fields get(std::string_view path, const Fields& more = {}) {
    Fields fields{
        {":method", "GET"}, {":scheme", "http"}, {":path", std::string(path)}, {":authority", "x"}};
    fields.insert(fields.end(), more.begin(), more.end());
    return fields;
}
inline Fields post(std::string_view path, const Fields& more = {}) {
    Fields fields = get(path, more);
    fields[0].second = "POST";
    return fields;
}
/// A request without a body.
inline std::string request(std::int32_t stream, const Fields& fields, int more_flags = end_stream) {
    return frame(headers, end_headers | more_flags, stream, plain(fields));
}

/// What came on one stream.
struct Answer {
    int status = 0;
    std::vector<int> interim;
    std::string fields;   // "name: value\n" each
    std::string trailers; // the same
    std::string body;
    bool ended = false;
    std::optional<std::uint32_t> reset;
};

/// Reads what a server sends.
class Reader {
public:
    Reader() { nghttp2_hd_inflate_new(&inflater_); }
    ~Reader() { nghttp2_hd_inflate_del(inflater_); }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

    void read(std::string_view bytes) {
        input_ += bytes;
        while (input_.size() >= 9) {
            const std::size_t size = number(input_, 0, 3);
            if (input_.size() < 9 + size) return;
            one(static_cast<std::uint8_t>(input_[3]), static_cast<std::uint8_t>(input_[4]),
                static_cast<std::int32_t>(number(input_, 5, 4)), input_.substr(9, size));
            input_.erase(0, 9 + size);
        }
    }

    std::map<std::int32_t, Answer> streams;
    std::map<std::int32_t, std::string> promises; // promised stream: "1 :method: GET\n..."
    std::string order;                            // of DATA frames: "1 3 3 1 "
    std::vector<std::pair<std::int32_t, std::uint32_t>> goaways; // last stream, code
    std::map<std::int32_t, std::uint64_t> windows;               // given by WINDOW_UPDATE
    std::map<std::uint16_t, std::uint32_t> settings_got;
    std::size_t pings = 0;
    std::size_t pongs = 0;
    std::size_t setting_acks = 0;

private:
    void one(std::uint8_t type, std::uint8_t flags, std::int32_t id, const std::string& payload) {
        switch (type) {
        case data:
            streams[id].body += payload;
            order += std::to_string(id) + " ";
            if ((flags & end_stream) != 0) streams[id].ended = true;
            break;
        case headers:
        case push_promise:
        case continuation:
            block_ += type == push_promise ? payload.substr(4) : payload;
            if (type == headers) ends_ = (flags & end_stream) != 0;
            if (type == push_promise) promised_ = static_cast<std::int32_t>(number(payload, 0, 4));
            if ((flags & end_headers) == 0) break;
            if (promised_ != 0) {
                promises[promised_] = std::to_string(id) + " " + fields().second;
                promised_ = 0;
            } else {
                head(streams[id]);
            }
            break;
        case rst_stream: streams[id].reset = number(payload, 0, 4); break;
        case settings:
            if ((flags & ack) != 0) ++setting_acks;
            for (std::size_t i = 0; i + 6 <= payload.size(); i += 6) {
                settings_got[static_cast<std::uint16_t>(number(payload, i, 2))] =
                    number(payload, i + 2, 4);
            }
            break;
        case ping: ++((flags & ack) != 0 ? pongs : pings); break;
        case goaway:
            goaways.emplace_back(static_cast<std::int32_t>(number(payload, 0, 4)),
                                 number(payload, 4, 4));
            break;
        case window_update: windows[id] += number(payload, 0, 4); break;
        default: break;
        }
    }

    /// The status and the other fields of the block.
    std::pair<int, std::string> fields() {
        std::string fields;
        int status = 0;
        const auto* at = reinterpret_cast<const std::uint8_t*>(block_.data());
        std::size_t left = block_.size();
        for (;;) {
            nghttp2_nv field{};
            int flags = 0;
            const auto n = nghttp2_hd_inflate_hd3(inflater_, &field, &flags, at, left, 1);
            if (n < 0) break;
            at += n;
            left -= static_cast<std::size_t>(n);
            if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
                const std::string name(reinterpret_cast<char*>(field.name), field.namelen);
                const std::string value(reinterpret_cast<char*>(field.value), field.valuelen);
                if (name == ":status") status = std::stoi(value);
                else fields += name + ": " + value + "\n";
            }
            if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) {
                nghttp2_hd_inflate_end_headers(inflater_);
                break;
            }
        }
        block_.clear();
        return {status, fields};
    }

    void head(Answer& answer) {
        const auto [status, fields] = this->fields();
        if (status >= 100 && status < 200) {
            answer.interim.push_back(status);
        } else if (status != 0) {
            answer.status = status;
            answer.fields = fields;
        } else {
            answer.trailers = fields;
        }
        answer.ended = answer.ended || ends_;
    }

    nghttp2_hd_inflater* inflater_ = nullptr;
    std::string input_;
    std::string block_;
    std::int32_t promised_ = 0; // by the block under way
    bool ends_ = false;
};

} // namespace hc::test::h2
