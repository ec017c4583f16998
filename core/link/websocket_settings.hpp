// What a server says of its WebSockets.
#pragma once

#include <string>
#include <vector>

#include "core/proto/ws/deflate.hpp"

namespace hc::link {

struct WebSocketSettings {
    ws::DeflateSettings deflate;
    /// Pages that may open one ("https://example.com", "same", "*"); empty: all of them.
    std::vector<std::string> origins;
};

} // namespace hc::link
