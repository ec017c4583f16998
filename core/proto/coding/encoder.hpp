// Encoders of content codings (gzip, RFC 1952; br, RFC 7932; zstd, RFC 8878): bytes in, coded bytes
// out, piece by piece.
//
// A state takes between some 100 KB and a few MB (docs/content-coding.md has the figures), and the
// system gives and takes such memory slowly. So a worker's EncoderPool keeps what one body leaves
// for the next, and says no when too many are at work: an answer then goes as it is.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "core/base/chain.hpp"
#include "core/http/content_coding.hpp"

namespace hc::coding {

/// What is to become of the bytes that an encoder still holds back behind a call.
enum class Flush : std::uint8_t {
    none,  // they wait for more
    flush, // they come out: whoever decodes has all that was fed so far
    end,   // they come out, and the coded body is complete
};

struct EncoderOptions {
    // Higher is smaller and slower. Those of a server, which has others to serve meanwhile.
    std::uint32_t gzip_level = 4;   // 1 to 9
    std::uint32_t brotli_level = 4; // 0 to 11
    std::uint32_t zstd_level = 3;   // 1 to 19
    // How far back repetitions are found, as a power of two; most of the memory is in it.
    std::uint32_t gzip_window_bits = 15;   // 9 to 15
    std::uint32_t brotli_window_bits = 18; // 10 to 24
    std::uint32_t zstd_window_bits = 18;   // 10 to 23: RFC 9659 allows no more
};

class Encoder {
public:
    virtual ~Encoder() = default;
    Encoder(const Encoder&) = delete;
    Encoder& operator=(const Encoder&) = delete;

    /// Starts a body, whatever became of the one before. `size`: how many bytes will be fed in all,
    /// exactly. False: memory ran out.
    virtual bool begin(std::optional<std::uint64_t> size) = 0;
    /// Appends to `out` what is ready of the coded bytes. Nothing is fed behind an end. False: the
    /// library failed, which only lack of memory makes it do; the body is lost.
    virtual bool feed(std::string_view bytes, Flush flush, Chain& out) = 0;

protected:
    Encoder() = default;
};

/// Memory that encoders give back, for the next ones.
class KeptBlocks {
public:
    /// Blocks kept beyond that many bytes go back to the system.
    explicit KeptBlocks(std::size_t bytes_max) noexcept : bytes_max_(bytes_max) {}
    ~KeptBlocks();
    KeptBlocks(const KeptBlocks&) = delete;
    KeptBlocks& operator=(const KeptBlocks&) = delete;

    void* take(std::size_t size) noexcept; // nullptr when memory runs out
    void give(void* block) noexcept;

private:
    struct Head;
    std::vector<Head*> kept_;
    const std::size_t bytes_max_;
    std::size_t bytes_ = 0;
};

/// One encoder, outside of any pool. `blocks` outlives it. nullptr for identity, or when memory
/// runs out.
std::unique_ptr<Encoder> make_encoder(http::ContentCoding coding, const EncoderOptions& options,
                                      KeptBlocks& blocks);

/// The encoders of one worker.
class EncoderPool {
public:
    /// At most `most` are out at once, and `kept` of each coding wait for the next body.
    EncoderPool(const EncoderOptions& options, std::uint32_t most, std::uint32_t kept) noexcept
        : options_(options), most_(most), kept_(kept), blocks_(kept * brotli_bytes) {}

    /// An encoder whose body has begun, see Encoder::begin; nullptr when there are too many, or no
    /// memory.
    std::unique_ptr<Encoder> take(http::ContentCoding coding, std::optional<std::uint64_t> size);
    /// With what it was taken for.
    void give(http::ContentCoding coding, std::unique_ptr<Encoder> encoder) noexcept;
    std::uint32_t out() const noexcept { return out_; }

private:
    static constexpr std::size_t brotli_bytes = 3 * 1024 * 1024; // of one, about

    const EncoderOptions options_;
    const std::uint32_t most_;
    const std::uint32_t kept_;
    std::uint32_t out_ = 0;
    KeptBlocks blocks_; // outlives the encoders
    std::array<std::vector<std::unique_ptr<Encoder>>, http::content_coding_count> idle_;
};

} // namespace hc::coding
