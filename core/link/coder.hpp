// Coder: content coding on one worker. It decides which answers are coded and how, and has what
// that takes; coding.hpp does it for one exchange.
//
// An answer is coded when all of this holds (RFC 9110, sections 8.4, 12.5.3 and 15.4.5):
//   - the request's Accept-Encoding prefers one of our codings to none;
//   - its status may have content, and is not 205 or 206: parts are parts of what they are;
//   - it has no Content-Encoding, Content-Range or digest of its content, and no
//     `Cache-Control: no-transform`;
//   - its media type is in the list, and its size, where it is known, is not below the minimum;
//     both do not matter to a client that refuses identity.
// Then Content-Encoding is added, Content-Length is that of the coded bytes or left out,
// Accept-Ranges is dropped and a strong ETag becomes a weak one. A complete body that does not
// become smaller goes as it is. Vary gets Accept-Encoding whenever another Accept-Encoding might
// have had another answer, so also where nothing is coded. A 304 gets the Vary and the ETag that
// its 200 would have had. HEAD has the fields of GET, but for a length that nobody knows yet.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/limits.hpp"
#include "core/http/content_coding.hpp"
#include "core/http/field.hpp"
#include "core/http/head.hpp"
#include "core/link/exchange.hpp"
#include "core/proto/coding/decoder.hpp"
#include "core/proto/coding/encoder.hpp"

namespace hc::link {

struct CodingOptions {
    CodingOptions();

    bool compress = false;
    /// Of those that a client likes equally the first is taken.
    std::vector<http::ContentCoding> codings{http::ContentCoding::zstd, http::ContentCoding::brotli,
                                             http::ContentCoding::gzip};
    http::MediaTypes types; // what is text, in one way or another
    std::uint64_t min_bytes = 1024;
    coding::EncoderOptions encoder;
    bool decompress = false;
    std::uint32_t encoders_max = 256;
    std::uint32_t decoders_max = 64;

    bool any() const noexcept { return compress || decompress; }
};

/// The media types of CodingOptions, as a list.
std::span<const std::string_view> usual_media_types() noexcept;

class Coder {
public:
    /// Bytes that are coded in one go; what is longer is coded a piece a pass, so that others get
    /// their turn.
    static constexpr std::size_t piece_bytes = 128 * 1024;
    /// States of encoders that wait for their next body, of each coding.
    static constexpr std::uint32_t kept_max = 8;

    explicit Coder(CodingOptions options)
        : options_(std::move(options)),
          encoders_(options_.encoder, options_.encoders_max, kept_max) {}
    Coder(const Coder&) = delete;
    Coder& operator=(const Coder&) = delete;

    const CodingOptions& options() const noexcept { return options_; }
    coding::EncoderPool& encoders() noexcept { return encoders_; }
    std::uint32_t& decoders() noexcept { return decoders_; } // that are at work
    /// For what is read from a file or was decoded; of use during a call only.
    std::span<char> scratch();

private:
    const CodingOptions options_;
    coding::EncoderPool encoders_;
    std::uint32_t decoders_ = 0;
    std::unique_ptr<char[]> scratch_;
};

/// An encoder on loan from the pool.
class LentEncoder {
public:
    LentEncoder() = default;
    /// Without one when there are too many already.
    LentEncoder(Coder& coder, http::ContentCoding coding, std::optional<std::uint64_t> size)
        : coder_(&coder), coding_(coding), encoder_(coder.encoders().take(coding, size)) {}
    LentEncoder(LentEncoder&& other) noexcept
        : coder_(other.coder_), coding_(other.coding_), encoder_(std::move(other.encoder_)) {}
    LentEncoder& operator=(LentEncoder&&) = delete;
    ~LentEncoder() { give_back(); }

    explicit operator bool() const noexcept { return encoder_ != nullptr; }
    coding::Encoder* operator->() const noexcept { return encoder_.get(); }
    void give_back() noexcept {
        if (encoder_ != nullptr) coder_->encoders().give(coding_, std::move(encoder_));
    }

private:
    Coder* coder_ = nullptr;
    http::ContentCoding coding_ = http::ContentCoding::identity;
    std::unique_ptr<coding::Encoder> encoder_;
};

/// An answer as it goes to the driver.
class CodedAnswer {
public:
    enum class Way : std::uint8_t {
        as_is,    // with its own body; fields may have changed
        whole,    // with the coded body, or to a HEAD with none; the given one is used up
        streamed, // without a body: it goes through encoder()
    };

    /// Everything that is given outlives this.
    CodedAnswer(Coder& coder, const http::HeadView& request, const Answer& answer);

    const Answer& answer() const noexcept { return out_; }
    Way way() const noexcept { return way_; }
    // Streamed:
    LentEncoder& encoder() noexcept { return *encoder_; }
    /// The length that was announced for what is fed.
    std::optional<std::uint64_t> announced() const noexcept { return facts_.length; }
    /// Whoever reads it waits for each piece.
    bool eager() const noexcept { return facts_.event_stream; }

private:
    /// What the fields say that matters here.
    struct Facts {
        std::string_view type;
        std::string_view etag;
        std::optional<std::uint64_t> length;
        bool final = false; // nothing may be changed
        bool vary_told = false;
        bool has_vary = false;
        bool event_stream = false;
    };

    void examine(std::span<const http::Field> fields);
    bool is_sound() const noexcept;
    std::optional<std::uint64_t> size() const noexcept;
    void decide(const http::HeadView& request);
    void code(http::ContentCoding coding);
    bool encode_whole(http::ContentCoding coding, bool identity_is_welcome);
    void rewrite(http::ContentCoding coding);

    Coder& coder_;
    const Answer& in_;
    const bool head_;
    bool identity_is_welcome_ = true;
    Way way_ = Way::as_is;
    Facts facts_;
    Answer out_;
    std::optional<LentEncoder> encoder_;
    Chain body_;
    std::vector<http::Field> fields_;
    std::string vary_;
    std::string etag_;
};

} // namespace hc::link
