// Content decoders: the same whatever the slices and rooms are, never beyond their bounds; and what
// encoders make, decoders undo. Also what reads the fields of content coding.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/http/content_coding.hpp"
#include "core/proto/coding/decoder.hpp"
#include "core/proto/coding/encoder.hpp"

namespace {

using hc::coding::Decoded;
using hc::coding::Flush;
using hc::http::ContentCoding;

constexpr std::uint64_t bytes_max = 1'000'000;

void require(bool holds) {
    if (!holds) std::abort();
}

struct Outcome {
    std::string text;
    Decoded last = Decoded::wants_input;
    bool complete = false;
};

Outcome decode(std::string_view input, std::span<const ContentCoding> codings, std::size_t slice,
               std::size_t room) {
    hc::coding::BodyDecoder decoder(codings, {.bytes_max = bytes_max,
                                              .ratio_max = 200,
                                              .ratio_from_bytes = 100'000,
                                              .zstd_window_bits_max = 20});
    Outcome outcome;
    std::string out(room, '\0');
    while (!input.empty()) {
        std::string_view piece = input.substr(0, slice);
        input.remove_prefix(piece.size());
        do {
            std::size_t size = 0;
            outcome.last = decoder.step(piece, out, size);
            require(size <= room && (size > 0) == (outcome.last == Decoded::bytes));
            outcome.text.append(out, 0, size);
        } while (outcome.last == Decoded::bytes);
        require(outcome.text.size() <= bytes_max);
        if (outcome.last != Decoded::wants_input) return outcome;
        require(piece.empty());
    }
    outcome.complete = decoder.complete();
    return outcome;
}

void decode_both(std::string_view input, std::span<const ContentCoding> codings,
                 std::size_t slice) {
    const Outcome whole = decode(input, codings, SIZE_MAX, 4096);
    const Outcome sliced = decode(input, codings, slice, 4096 / slice + 1);
    // Where it ends in an error, the slices say how much came out before.
    if (whole.last == Decoded::wants_input && sliced.last == Decoded::wants_input) {
        require(whole.complete == sliced.complete && whole.text == sliced.text);
    } else {
        require(whole.last != Decoded::wants_input || sliced.last == Decoded::too_large);
    }
}

void round_trip(std::string_view input, ContentCoding coding, std::size_t slice) {
    hc::coding::KeptBlocks blocks(0);
    const auto encoder = hc::coding::make_encoder(coding, {}, blocks);
    hc::Chain out;
    require(encoder->begin(std::nullopt));
    for (std::size_t at = 0, i = 0; at < input.size(); at += slice, ++i) {
        const Flush flush = i % 3 == 0 ? Flush::flush : Flush::none;
        require(encoder->feed(input.substr(at, slice), flush, out));
    }
    require(encoder->feed({}, Flush::end, out));
    std::string coded;
    for (const hc::Chunk* chunk = out.head(); chunk != nullptr; chunk = chunk->next) {
        coded.append(chunk->data, chunk->size);
    }
    hc::coding::BodyDecoder decoder({&coding, 1}, {});
    std::string text;
    std::string room(1000, '\0');
    std::string_view rest = coded;
    for (std::size_t size = 0; decoder.step(rest, room, size) == Decoded::bytes;) {
        text.append(room, 0, size);
    }
    require(decoder.complete() && text == input);
}

void fields(std::string_view text) {
    hc::http::AcceptedCodings accepted;
    accepted.add(text);
    constexpr std::array preferred{ContentCoding::zstd, ContentCoding::brotli, ContentCoding::gzip};
    const ContentCoding choice = accepted.choose(preferred);
    require(choice == ContentCoding::identity || accepted.quality(choice) > 0);
    hc::http::AppliedCodings applied;
    applied.add(text);
    require(applied.list().size() <= hc::http::AppliedCodings::most);
    hc::http::MediaTypes types;
    if (types.add(text) && text.find_first_of("*+") == text.npos) require(types.contains(text));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
    const std::size_t slice = data[1] + 1U;
    constexpr std::array<std::array<ContentCoding, 2>, 6> codings{{
        {ContentCoding::gzip, ContentCoding::identity},
        {ContentCoding::brotli, ContentCoding::identity},
        {ContentCoding::zstd, ContentCoding::identity},
        {ContentCoding::gzip, ContentCoding::zstd},
        {ContentCoding::zstd, ContentCoding::brotli},
        {ContentCoding::brotli, ContentCoding::gzip},
    }};
    const std::size_t what = data[0] % 10;
    if (what < codings.size()) {
        decode_both(text, codings[what], slice);
    } else if (what == 9) {
        fields(text);
    } else {
        round_trip(text, static_cast<ContentCoding>(what - 5), slice);
    }
    return 0;
}
