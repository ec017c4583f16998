// Any text as Sec-WebSocket-Extensions: what is chosen can be said, and is read as it was said.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/proto/ws/deflate.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const hc::ws::DeflateSettings settings{.context_takeover = size % 2 == 0};
    hc::ws::Extensions found;
    hc::ws::choose_extensions(text, settings, found);
    const std::string answer = hc::ws::extensions_answer(found);
    if (answer.empty() == found.deflate.agreed()) std::abort();
    const auto agreed = hc::ws::read_extensions_answer(answer, {.context_takeover = true});
    if (!agreed) std::abort();
    if (agreed->server.bits != found.deflate.server.bits) std::abort();
    hc::ws::read_extensions_answer(text, settings);
    return 0;
}
