// Any bytes at a WebSocket's decoder, whole and in small slices, which have to read the same. The
// first byte chooses the role, compression and the slices.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/proto/ws/decoder.hpp"

namespace {

using hc::ws::Decoder;

std::string read(std::string_view bytes, std::size_t slice, hc::ws::Role role, unsigned choice) {
    hc::ConnectionLimits limits;
    limits.ws_message_bytes_max = 100'000;
    limits.ws_fragments_max = 50;
    hc::ws::Workshop shop({});
    const auto bits = static_cast<std::uint8_t>((choice & 2) != 0 ? 15 : 0);
    Decoder decoder(role, {.bits = bits, .takeover = (choice & 4) != 0});
    std::string seen;
    while (!bytes.empty()) {
        std::string_view input = bytes.substr(0, slice);
        bytes.remove_prefix(input.size());
        for (;;) {
            const Decoder::Event event = decoder.next(input, limits, shop);
            if (event == Decoder::Event::need_input) break;
            seen += static_cast<char>('0' + static_cast<int>(event));
            if (event == Decoder::Event::failed) return seen;
            if (shop.found.bytes.size() > limits.ws_message_bytes_max) std::abort();
            seen.append(shop.found.bytes);
        }
    }
    return seen;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const unsigned choice = data[0];
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    const auto role = (choice & 1) != 0 ? hc::ws::Role::client : hc::ws::Role::server;
    const std::string whole = read(bytes, SIZE_MAX, role, choice);
    if (read(bytes, 1 + (choice >> 3), role, choice) != whole) std::abort();
    return 0;
}
