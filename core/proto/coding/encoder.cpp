#include "core/proto/coding/encoder.hpp"

#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstdlib>
#include <new>

namespace hc::coding {

namespace {

/// Room asked of a chain for the coded bytes of so many others: coding mostly makes fewer.
std::size_t room_for(std::size_t input) noexcept {
    return std::clamp<std::size_t>(input / 2, 256, std::size_t{16} * 1024);
}

// -- gzip -----------------------------------------------------------------------------------------

class GzipEncoder final : public Encoder {
public:
    explicit GzipEncoder(const EncoderOptions& options) {
        constexpr int with_gzip_wrapper = 16;
        constexpr int usual_memory = 8;
        made_ = deflateInit2(&stream_, static_cast<int>(options.gzip_level), Z_DEFLATED,
                             static_cast<int>(options.gzip_window_bits) + with_gzip_wrapper,
                             usual_memory, Z_DEFAULT_STRATEGY) == Z_OK;
    }
    ~GzipEncoder() override {
        if (made_) deflateEnd(&stream_);
    }

    bool begin(std::optional<std::uint64_t>) override {
        return made_ && deflateReset(&stream_) == Z_OK;
    }

    bool feed(std::string_view bytes, Flush flush, Chain& out) override {
        constexpr std::size_t piece_max = std::size_t{1} << 30; // the library counts in 32 bits
        while (bytes.size() > piece_max) {
            if (!run(bytes.substr(0, piece_max), Z_NO_FLUSH, out)) return false;
            bytes.remove_prefix(piece_max);
        }
        switch (flush) {
        case Flush::none: return run(bytes, Z_NO_FLUSH, out);
        case Flush::flush: return run(bytes, Z_SYNC_FLUSH, out);
        case Flush::end: return run(bytes, Z_FINISH, out);
        }
        return false;
    }

private:
    bool run(std::string_view bytes, int flush, Chain& out) {
        // The library does not write to its input, but does not say so.
        stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
        stream_.avail_in = static_cast<uInt>(bytes.size());
        const std::size_t room = room_for(bytes.size());
        for (;;) {
            stream_.next_out = reinterpret_cast<Bytef*>(out.reserve(room));
            stream_.avail_out = static_cast<uInt>(room);
            const int result = deflate(&stream_, flush);
            out.commit(room - stream_.avail_out);
            if (result == Z_STREAM_END) return true;
            // Z_BUF_ERROR: there was nothing to do.
            if (result != Z_OK && result != Z_BUF_ERROR) return false;
            if (stream_.avail_out > 0) return stream_.avail_in == 0 && flush != Z_FINISH;
        }
    }

    z_stream stream_{};
    bool made_ = false;
};

// -- br -------------------------------------------------------------------------------------------

/// The library cannot start a state anew, so what is kept is the memory.
class BrotliEncoder final : public Encoder {
public:
    BrotliEncoder(const EncoderOptions& options, KeptBlocks& blocks) noexcept
        : blocks_(blocks), level_(options.brotli_level), window_bits_(options.brotli_window_bits) {}
    ~BrotliEncoder() override { end(); }

    bool begin(std::optional<std::uint64_t> size) override {
        end();
        state_ = BrotliEncoderCreateInstance(
            [](void* from, std::size_t n) { return static_cast<KeptBlocks*>(from)->take(n); },
            [](void* to, void* block) { static_cast<KeptBlocks*>(to)->give(block); }, &blocks_);
        if (state_ == nullptr) return false;
        BrotliEncoderSetParameter(state_, BROTLI_PARAM_QUALITY, level_);
        BrotliEncoderSetParameter(state_, BROTLI_PARAM_LGWIN, window_bits_);
        if (size) {
            const auto hint = std::min<std::uint64_t>(*size, UINT32_MAX >> 1);
            BrotliEncoderSetParameter(state_, BROTLI_PARAM_SIZE_HINT,
                                      static_cast<std::uint32_t>(hint));
        }
        return true;
    }

    bool feed(std::string_view bytes, Flush flush, Chain& out) override {
        const auto* next = reinterpret_cast<const std::uint8_t*>(bytes.data());
        std::size_t left = bytes.size();
        const BrotliEncoderOperation what = flush == Flush::none    ? BROTLI_OPERATION_PROCESS
                                            : flush == Flush::flush ? BROTLI_OPERATION_FLUSH
                                                                    : BROTLI_OPERATION_FINISH;
        for (;;) {
            std::size_t none = 0;
            if (BrotliEncoderCompressStream(state_, what, &left, &next, &none, nullptr, nullptr) ==
                BROTLI_FALSE) {
                return false;
            }
            while (BrotliEncoderHasMoreOutput(state_) == BROTLI_TRUE) {
                std::size_t size = 0;
                const std::uint8_t* ready = BrotliEncoderTakeOutput(state_, &size);
                out.append({reinterpret_cast<const char*>(ready), size});
            }
            if (left > 0) continue;
            if (flush != Flush::end || BrotliEncoderIsFinished(state_) == BROTLI_TRUE) return true;
        }
    }

private:
    void end() noexcept {
        if (state_ != nullptr) BrotliEncoderDestroyInstance(state_);
        state_ = nullptr;
    }

    KeptBlocks& blocks_;
    BrotliEncoderState* state_ = nullptr;
    const std::uint32_t level_;
    const std::uint32_t window_bits_;
};

// -- zstd -----------------------------------------------------------------------------------------

class ZstdEncoder final : public Encoder {
public:
    explicit ZstdEncoder(const EncoderOptions& options) noexcept : context_(ZSTD_createCCtx()) {
        set(ZSTD_c_compressionLevel, options.zstd_level);
        set(ZSTD_c_windowLog, options.zstd_window_bits);
    }
    ~ZstdEncoder() override { ZSTD_freeCCtx(context_); }

    bool begin(std::optional<std::uint64_t> size) override {
        if (context_ == nullptr) return false;
        return ZSTD_isError(ZSTD_CCtx_reset(context_, ZSTD_reset_session_only)) == 0 &&
               ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(
                   context_, size ? *size : ZSTD_CONTENTSIZE_UNKNOWN)) == 0;
    }

    bool feed(std::string_view bytes, Flush flush, Chain& out) override {
        ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
        const ZSTD_EndDirective what = flush == Flush::none    ? ZSTD_e_continue
                                       : flush == Flush::flush ? ZSTD_e_flush
                                                               : ZSTD_e_end;
        const std::size_t room = room_for(bytes.size());
        for (;;) {
            ZSTD_outBuffer to{out.reserve(room), room, 0};
            const std::size_t left = ZSTD_compressStream2(context_, &to, &in, what);
            out.commit(to.pos);
            if (ZSTD_isError(left) != 0) return false;
            if (flush == Flush::none ? in.pos == in.size : left == 0) return true;
        }
    }

private:
    void set(ZSTD_cParameter parameter, std::uint32_t value) noexcept {
        if (context_ != nullptr) {
            ZSTD_CCtx_setParameter(context_, parameter, static_cast<int>(value));
        }
    }

    ZSTD_CCtx* context_;
};

} // namespace

// -- memory ---------------------------------------------------------------------------------------

struct alignas(std::max_align_t) KeptBlocks::Head {
    std::size_t size;
};

KeptBlocks::~KeptBlocks() {
    for (Head* block : kept_) std::free(block);
}

/// Of a size that was kept before, or fresh: the states of one worker all ask for the same sizes.
void* KeptBlocks::take(std::size_t size) noexcept {
    const auto fits = [size](const Head* block) {
        return block->size >= size && block->size / 2 <= size;
    };
    if (const auto found = std::ranges::find_if(kept_, fits); found != kept_.end()) {
        Head* block = *found;
        *found = kept_.back();
        kept_.pop_back();
        bytes_ -= block->size;
        return block + 1;
    }
    void* memory = std::malloc(sizeof(Head) + size);
    return memory == nullptr ? nullptr : new (memory) Head{size} + 1;
}

void KeptBlocks::give(void* block) noexcept {
    if (block == nullptr) return;
    constexpr std::size_t blocks_max = 256; // they are searched one by one
    Head* const head = static_cast<Head*>(block) - 1;
    if (kept_.capacity() < blocks_max) {
        try {
            kept_.reserve(blocks_max);
        } catch (const std::bad_alloc&) {
            return std::free(head);
        }
    }
    if (kept_.size() == blocks_max || head->size > bytes_max_ - bytes_) return std::free(head);
    kept_.push_back(head);
    bytes_ += head->size;
}

// -- the pool -------------------------------------------------------------------------------------

std::unique_ptr<Encoder> make_encoder(http::ContentCoding coding, const EncoderOptions& options,
                                      KeptBlocks& blocks) {
    switch (coding) {
    case http::ContentCoding::identity: return nullptr;
    case http::ContentCoding::gzip: return std::make_unique<GzipEncoder>(options);
    case http::ContentCoding::brotli: return std::make_unique<BrotliEncoder>(options, blocks);
    case http::ContentCoding::zstd: return std::make_unique<ZstdEncoder>(options);
    }
    return nullptr;
}

std::unique_ptr<Encoder> EncoderPool::take(http::ContentCoding coding,
                                           std::optional<std::uint64_t> size) {
    if (out_ >= most_) return nullptr;
    auto& idle = idle_[static_cast<std::size_t>(coding)];
    std::unique_ptr<Encoder> encoder;
    if (!idle.empty()) {
        encoder = std::move(idle.back());
        idle.pop_back();
    } else {
        encoder = make_encoder(coding, options_, blocks_);
    }
    if (encoder == nullptr || !encoder->begin(size)) return nullptr;
    ++out_;
    return encoder;
}

void EncoderPool::give(http::ContentCoding coding, std::unique_ptr<Encoder> encoder) noexcept {
    if (encoder == nullptr) return;
    --out_;
    auto& idle = idle_[static_cast<std::size_t>(coding)];
    if (idle.size() >= kept_) return;
    try {
        idle.push_back(std::move(encoder));
    } catch (const std::bad_alloc&) {
        encoder.reset();
    }
}

} // namespace hc::coding
