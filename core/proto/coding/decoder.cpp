#include "core/proto/coding/decoder.hpp"

#include <brotli/decode.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <ranges>

namespace hc::coding {

namespace {

// -- gzip -----------------------------------------------------------------------------------------

class GzipDecoder final : public Decoder {
public:
    GzipDecoder() {
        constexpr int only_gzip = 16;
        made_ = inflateInit2(&stream_, MAX_WBITS + only_gzip) == Z_OK;
    }
    ~GzipDecoder() override {
        if (made_) inflateEnd(&stream_);
    }

    Decoded step(std::string_view& input, std::span<char> out, std::size_t& size) override {
        if (!made_) return Decoded::no_memory;
        size = 0;
        for (;;) {
            if (complete_) {
                if (input.empty()) return Decoded::wants_input;
                if (inflateReset(&stream_) != Z_OK) return Decoded::no_memory;
                complete_ = false; // another member
            }
            const int result = run(input, out, size);
            if (result == Z_STREAM_END) {
                complete_ = true;
            } else if (result == Z_MEM_ERROR) {
                return Decoded::no_memory;
            } else if (result != Z_OK && result != Z_BUF_ERROR) {
                return Decoded::malformed;
            }
            if (size > 0) return Decoded::bytes;
            if (input.empty()) return Decoded::wants_input;
        }
    }
    bool complete() const noexcept override { return complete_; }

private:
    int run(std::string_view& input, std::span<char> out, std::size_t& size) noexcept {
        constexpr std::size_t piece_max = std::size_t{1} << 30; // the library counts in 32 bits
        const std::size_t offered = std::min(input.size(), piece_max);
        const std::size_t room = std::min(out.size(), piece_max);
        stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));
        stream_.avail_in = static_cast<uInt>(offered);
        stream_.next_out = reinterpret_cast<Bytef*>(out.data());
        stream_.avail_out = static_cast<uInt>(room);
        const int result = inflate(&stream_, Z_NO_FLUSH);
        input.remove_prefix(offered - stream_.avail_in);
        size = room - stream_.avail_out;
        return result;
    }

    z_stream stream_{};
    bool made_ = false;
    bool complete_ = true;
};

// -- br -------------------------------------------------------------------------------------------

class BrotliDecoder final : public Decoder {
public:
    BrotliDecoder() noexcept : state_(BrotliDecoderCreateInstance(nullptr, nullptr, nullptr)) {}
    ~BrotliDecoder() override { BrotliDecoderDestroyInstance(state_); }

    Decoded step(std::string_view& input, std::span<char> out, std::size_t& size) override {
        if (state_ == nullptr) return Decoded::no_memory;
        size = 0;
        if (ended_) return input.empty() ? Decoded::wants_input : Decoded::malformed;
        if (!input.empty()) begun_ = true;
        const auto* next = reinterpret_cast<const std::uint8_t*>(input.data());
        std::size_t left = input.size();
        auto* to = reinterpret_cast<std::uint8_t*>(out.data());
        std::size_t room = out.size();
        const BrotliDecoderResult result =
            BrotliDecoderDecompressStream(state_, &left, &next, &room, &to, nullptr);
        input.remove_prefix(input.size() - left);
        size = out.size() - room;
        ended_ = result == BROTLI_DECODER_RESULT_SUCCESS;
        if (result == BROTLI_DECODER_RESULT_ERROR) return failure();
        if (size > 0) return Decoded::bytes;
        return input.empty() ? Decoded::wants_input : Decoded::malformed;
    }
    bool complete() const noexcept override { return ended_ || !begun_; }

private:
    Decoded failure() const noexcept {
        const BrotliDecoderErrorCode code = BrotliDecoderGetErrorCode(state_);
        const bool memory = code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES &&
                            code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES;
        return memory ? Decoded::no_memory : Decoded::malformed;
    }

    BrotliDecoderState* state_;
    bool begun_ = false;
    bool ended_ = false;
};

// -- zstd -----------------------------------------------------------------------------------------

class ZstdDecoder final : public Decoder {
public:
    explicit ZstdDecoder(std::uint32_t window_bits_max) noexcept : context_(ZSTD_createDCtx()) {
        if (context_ == nullptr) return;
        ZSTD_DCtx_setParameter(context_, ZSTD_d_windowLogMax, static_cast<int>(window_bits_max));
    }
    ~ZstdDecoder() override { ZSTD_freeDCtx(context_); }

    Decoded step(std::string_view& input, std::span<char> out, std::size_t& size) override {
        if (context_ == nullptr) return Decoded::no_memory;
        size = 0;
        for (;;) {
            // Between frames it would take an empty input for the start of one.
            if (input.empty() && !held_back_) return Decoded::wants_input;
            ZSTD_inBuffer in{input.data(), input.size(), 0};
            ZSTD_outBuffer to{out.data(), out.size(), 0};
            const std::size_t result = ZSTD_decompressStream(context_, &to, &in);
            input.remove_prefix(in.pos);
            size = to.pos;
            if (ZSTD_isError(result) != 0) return failure(result);
            complete_ = result == 0;
            held_back_ = result != 0 && to.pos == to.size;
            if (size > 0) return Decoded::bytes;
        }
    }
    bool complete() const noexcept override { return complete_; }

private:
    static Decoded failure(std::size_t result) noexcept {
        switch (ZSTD_getErrorCode(result)) {
        case ZSTD_error_memory_allocation: return Decoded::no_memory;
        case ZSTD_error_frameParameter_windowTooLarge: return Decoded::too_large;
        default: return Decoded::malformed;
        }
    }

    ZSTD_DCtx* context_;
    bool complete_ = true;
    bool held_back_ = false; // decoded bytes for which there was no room
};

} // namespace

std::unique_ptr<Decoder> make_decoder(http::ContentCoding coding, const DecoderLimits& limits) {
    switch (coding) {
    case http::ContentCoding::identity: return nullptr;
    case http::ContentCoding::gzip: return std::make_unique<GzipDecoder>();
    case http::ContentCoding::brotli: return std::make_unique<BrotliDecoder>();
    case http::ContentCoding::zstd:
        return std::make_unique<ZstdDecoder>(limits.zstd_window_bits_max);
    }
    return nullptr;
}

// -- a body ---------------------------------------------------------------------------------------

BodyDecoder::BodyDecoder(std::span<const http::ContentCoding> applied, const DecoderLimits& limits)
    : limits_(limits) {
    for (const http::ContentCoding coding : std::views::reverse(applied)) {
        auto decoder = make_decoder(coding, limits);
        if (decoder != nullptr) stages_.push_back({std::move(decoder), nullptr, {}, 0});
    }
    for (std::size_t i = 0; i + 1 < stages_.size(); ++i) {
        stages_[i].buffer = std::make_unique_for_overwrite<char[]>(buffer_bytes);
    }
}

bool BodyDecoder::within_bounds(const Stage& stage) const noexcept {
    if (limits_.bytes_max != 0 && stage.bytes > limits_.bytes_max) return false;
    if (limits_.ratio_max == 0 || stage.bytes <= limits_.ratio_from_bytes) return true;
    return stage.bytes / limits_.ratio_max <= taken_;
}

/// What comes out of one stage, from what the ones before it make of the input.
Decoded BodyDecoder::run(std::size_t at, std::string_view& input, std::span<char> out,
                         std::size_t& size) {
    Stage& stage = stages_[at];
    Stage* const before = at == 0 ? nullptr : &stages_[at - 1];
    for (;;) {
        std::string_view& source = before == nullptr ? input : before->ready;
        const std::size_t offered = source.size();
        const Decoded result = stage.decoder->step(source, out, size);
        if (before == nullptr) taken_ += offered - source.size();
        if (result == Decoded::bytes) {
            stage.bytes += size;
            return within_bounds(stage) ? result : Decoded::too_large;
        }
        if (result != Decoded::wants_input || before == nullptr) return result;
        std::size_t made = 0;
        const Decoded more = run(at - 1, input, {before->buffer.get(), buffer_bytes}, made);
        if (more != Decoded::bytes) return more;
        before->ready = {before->buffer.get(), made};
    }
}

Decoded BodyDecoder::step(std::string_view& input, std::span<char> out, std::size_t& size) {
    size = 0;
    if (stages_.empty()) {
        size = std::min(input.size(), out.size());
        std::copy_n(input.data(), size, out.data());
        input.remove_prefix(size);
        return size > 0 ? Decoded::bytes : Decoded::wants_input;
    }
    const Decoded result = run(stages_.size() - 1, input, out, size);
    if (result != Decoded::bytes) size = 0;
    return result;
}

bool BodyDecoder::complete() const noexcept {
    return std::ranges::all_of(stages_, [](const Stage& stage) {
        return stage.decoder->complete() && stage.ready.empty();
    });
}

} // namespace hc::coding
