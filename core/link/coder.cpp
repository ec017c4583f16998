#include "core/link/coder.hpp"

#include <algorithm>

#include "core/base/ascii.hpp"
#include "core/http/status.hpp"

namespace hc::link {

namespace {

using http::ContentCoding;
using http::Field;
using http::FieldName;

FieldName known(const Field& field) noexcept {
    if (field.token != 0 && field.token < static_cast<std::uint32_t>(FieldName::count_)) {
        return static_cast<FieldName>(field.token);
    }
    return http::lookup_field(field.name());
}

/// Digests of the content as it is now (RFC 9530, and what came before).
bool is_digest(std::string_view name) noexcept {
    for (const std::string_view digest :
         {"content-digest", "repr-digest", "digest", "content-md5"}) {
        if (ascii::equals_ignoring_case(name, digest)) return true;
    }
    return false;
}

bool may_be_coded(const http::HeadView& request, int status) noexcept {
    return request.method != http::Method::connect && !http::never_has_body(status) &&
           status != 205 && status != 206;
}

bool has_file(const Chain* chain) noexcept {
    for (const Chunk* chunk = chain == nullptr ? nullptr : chain->head(); chunk != nullptr;
         chunk = chunk->next) {
        if (chunk->kind == Chunk::Kind::file) return true;
    }
    return false;
}

} // namespace

std::span<const std::string_view> usual_media_types() noexcept {
    static constexpr std::array<std::string_view, 14> types{
        "text/*",
        "+json",
        "+xml",
        "application/json",
        "application/javascript",
        "application/xml",
        "application/wasm",
        "application/x-ndjson",
        "application/yaml",
        "application/graphql",
        "font/otf",
        "font/ttf",
        "image/bmp",
        "image/vnd.microsoft.icon",
    };
    return types;
}

CodingOptions::CodingOptions() {
    for (const std::string_view type : usual_media_types()) types.add(type);
}

std::span<char> Coder::scratch() {
    constexpr std::size_t bytes = 16 * 1024;
    if (scratch_ == nullptr) scratch_ = std::make_unique_for_overwrite<char[]>(bytes);
    return {scratch_.get(), bytes};
}

CodedAnswer::CodedAnswer(Coder& coder, const http::HeadView& request, const Answer& answer)
    : coder_(coder), in_(answer), head_(request.method == http::Method::head), out_(answer) {
    if (!coder.options().compress) return;
    if (answer.status != 304 && !may_be_coded(request, answer.status)) return;
    examine(answer.fields);
    if (!facts_.final && is_sound()) decide(request);
}

void CodedAnswer::examine(std::span<const Field> fields) {
    for (const Field& field : fields) {
        const std::string_view value = field.value();
        switch (known(field)) {
        case FieldName::content_encoding:
        case FieldName::content_range: facts_.final = true; break;
        case FieldName::cache_control:
            facts_.final |= http::lists_token(value, "no-transform");
            break;
        case FieldName::content_type: facts_.type = ascii::trim(value); break;
        case FieldName::etag: facts_.etag = value; break;
        case FieldName::content_length:
            facts_.length = ascii::parse_decimal(value);
            facts_.final |= !facts_.length; // the driver says what is wrong with it
            break;
        case FieldName::vary:
            facts_.has_vary = true;
            facts_.vary_told |=
                http::lists_token(value, "accept-encoding") || http::lists_token(value, "*");
            break;
        case FieldName::other: facts_.final |= is_digest(field.name()); break;
        default: break;
        }
    }
    const std::string_view type = facts_.type.substr(0, facts_.type.find(';'));
    facts_.event_stream = ascii::equals_ignoring_case(ascii::trim(type), "text/event-stream");
}

/// Body and announced length agree so far; else the driver says what is wrong.
bool CodedAnswer::is_sound() const noexcept {
    const std::uint64_t given = in_.body_size();
    if (!facts_.length || (head_ && given == 0)) return true;
    return in_.flags.fin ? given == *facts_.length : given <= *facts_.length;
}

/// Of the whole body, where it is known.
std::optional<std::uint64_t> CodedAnswer::size() const noexcept {
    const bool only_told = head_ && in_.body_size() == 0;
    return in_.flags.fin && !only_told ? in_.body_size() : facts_.length;
}

void CodedAnswer::decide(const http::HeadView& request) {
    const CodingOptions& options = coder_.options();
    const bool not_modified = in_.status == 304;
    const auto whole = size();
    if (!not_modified && whole == 0) return;
    http::AcceptedCodings accepted;
    for (const http::FieldRef& field : request.list()) {
        if (field.known == FieldName::accept_encoding) accepted.add(request.value(field));
    }
    identity_is_welcome_ = accepted.identity_is_welcome();
    const bool unsaid = not_modified && facts_.type.empty(); // a 304 need not tell its type
    const bool worth_it = (unsaid || options.types.contains(facts_.type)) &&
                          (not_modified || whole.value_or(UINT64_MAX) >= options.min_bytes);
    if (!worth_it && identity_is_welcome_) return;
    code(accepted.choose(options.codings));
}

void CodedAnswer::code(ContentCoding coding) {
    if (coding == ContentCoding::identity || in_.status == 304) return rewrite(coding);
    const bool at_once = in_.flags.fin && in_.body_size() > 0 &&
                         in_.body_size() <= Coder::piece_bytes && !has_file(in_.lent);
    if (at_once) {
        if (!encode_whole(coding, identity_is_welcome_)) return rewrite(ContentCoding::identity);
        way_ = Way::whole;
        out_.lent = &body_;
        out_.body = {};
    } else if (!head_) {
        encoder_.emplace(coder_, coding, std::nullopt);
        if (!*encoder_) return rewrite(ContentCoding::identity); // there are too many
        way_ = Way::streamed;
        out_.lent = nullptr;
        out_.body = {};
        out_.flags.fin = false;
    } else if (in_.flags.fin) {
        // What would be sent to a GET is not known, and nothing is sent to a HEAD.
        way_ = Way::whole;
        out_.lent = nullptr;
        out_.body = {};
    }
    rewrite(coding);
}

/// False when it is not worth it after all.
bool CodedAnswer::encode_whole(ContentCoding coding, bool identity_is_welcome) {
    const LentEncoder encoder(coder_, coding, in_.body_size());
    if (!encoder) return false;
    bool good = true;
    if (in_.lent == nullptr) {
        good = encoder->feed(in_.body, coding::Flush::end, body_);
    } else {
        for (const Chunk* chunk = in_.lent->head(); chunk != nullptr && good; chunk = chunk->next) {
            good = encoder->feed({chunk->data, chunk->size}, coding::Flush::none, body_);
        }
        good = good && encoder->feed({}, coding::Flush::end, body_);
    }
    return good && (body_.size() < in_.body_size() || !identity_is_welcome);
}

/// The fields that go with such a body.
void CodedAnswer::rewrite(ContentCoding coding) {
    const bool coded = coding != ContentCoding::identity;
    fields_.reserve(in_.fields.size() + 2);
    for (const Field& field : in_.fields) {
        const FieldName name = known(field);
        const bool dropped = name == FieldName::accept_ranges || name == FieldName::content_length;
        if (coded && dropped) continue;
        fields_.push_back(field);
        std::string_view value = field.value();
        if (name == FieldName::vary && !facts_.vary_told && vary_.empty()) {
            vary_.append(value).append(value.empty() ? "" : ", ").append("accept-encoding");
            value = vary_;
        } else if (name == FieldName::etag && coded && value.starts_with('"')) {
            value = etag_.assign("W/").append(value);
        }
        fields_.back() = Field(field.name(), value, name);
    }
    if (!facts_.has_vary) fields_.emplace_back("vary", "accept-encoding", FieldName::vary);
    if (coded && in_.status != 304) {
        fields_.emplace_back("content-encoding", coding_text(coding), FieldName::content_encoding);
    }
    out_.fields = fields_;
}

} // namespace hc::link
