// Decoders of content codings: coded bytes in, bytes out, piece by piece, within bounds.
//
//   reading --(the format's end)--> complete --(more of it)--> reading
//      |                                `------(anything else)--> malformed
//      `---(not the format)--> malformed        any --(too much)--> too_large
//
// gzip and zstd bodies may have several members or frames behind each other; br has one stream, and
// nothing may stand behind it. A body that ends while it is being read was cut off.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "core/http/content_coding.hpp"

namespace hc::coding {

struct DecoderLimits {
    /// Bytes that come out, in all; 0 for no limit.
    std::uint64_t bytes_max = 0;
    /// Bytes that come out for each that goes in; 0 for no limit ...
    std::uint32_t ratio_max = 0;
    /// ... once so many have come out: what is small does no harm, and may be all one letter.
    std::uint64_t ratio_from_bytes = 0;
    /// The longest distance of a zstd frame, as a power of two: what memory it may ask for.
    std::uint32_t zstd_window_bits_max = 23;
};

enum class Decoded : std::uint8_t {
    bytes,       // some came out; there may be more without further input
    wants_input, // all input is used up
    malformed,   // this is not what it was said to be
    too_large,   // a bound was passed
    no_memory,
};

/// One coding's decoder.
class Decoder {
public:
    virtual ~Decoder() = default;
    Decoder(const Decoder&) = delete;
    Decoder& operator=(const Decoder&) = delete;

    /// Takes from the front of `input` and writes to `out` (not empty), `size` bytes of which are
    /// then used. `bytes` only with a size above 0, `wants_input` only with an empty input.
    virtual Decoded step(std::string_view& input, std::span<char> out, std::size_t& size) = 0;
    /// Whether a body may end here. One of no bytes at all may.
    virtual bool complete() const noexcept = 0;

protected:
    Decoder() = default;
};

/// nullptr for identity, or when memory runs out.
std::unique_ptr<Decoder> make_decoder(http::ContentCoding coding, const DecoderLimits& limits);

/// Decodes a body to which one or more codings were applied, and keeps it within bounds: what
/// comes out of each coding is counted.
class BodyDecoder {
public:
    /// `applied` in the order in which that was done.
    BodyDecoder(std::span<const http::ContentCoding> applied, const DecoderLimits& limits);

    /// See Decoder::step. After an error it must not be called again.
    Decoded step(std::string_view& input, std::span<char> out, std::size_t& size);
    bool complete() const noexcept;

private:
    struct Stage {
        std::unique_ptr<Decoder> decoder;
        std::unique_ptr<char[]> buffer; // between this stage and the next; nullptr at the last
        std::string_view ready;         // of it, what the next stage has not taken yet
        std::uint64_t bytes = 0;        // that came out
    };
    static constexpr std::size_t buffer_bytes = 16 * 1024;

    Decoded run(std::size_t stage, std::string_view& input, std::span<char> out, std::size_t& size);
    bool within_bounds(const Stage& stage) const noexcept;

    const DecoderLimits limits_;
    std::vector<Stage> stages_;
    std::uint64_t taken_ = 0; // of the coded body
};

} // namespace hc::coding
