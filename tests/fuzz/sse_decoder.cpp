// Any bytes as an event stream, whole and byte by byte, which have to read the same.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/proto/sse/decoder.hpp"

namespace {

std::string read(std::string_view bytes, std::size_t slice) {
    hc::sse::Decoder decoder(4096);
    std::string seen;
    while (!bytes.empty()) {
        std::string_view input = bytes.substr(0, slice);
        bytes.remove_prefix(input.size());
        for (;;) {
            const auto outcome = decoder.next(input);
            if (outcome == hc::sse::Decoder::Outcome::need_input) break;
            if (outcome == hc::sse::Decoder::Outcome::too_big) return seen + "!";
            seen.append(decoder.type()).append("|").append(decoder.data()).append("|");
            seen.append(decoder.last_event_id()).append("\n");
        }
    }
    return seen;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    if (read(bytes, SIZE_MAX) != read(bytes, 1)) std::abort();
    return 0;
}
