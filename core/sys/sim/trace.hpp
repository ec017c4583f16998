// Lines of the trace. Built only when somebody listens.
#pragma once

#include <concepts>
#include <string>
#include <string_view>

#include "core/sys/sim/network.hpp"

namespace hc::sys::sim {

inline void append_part(std::string& line, std::string_view part) { line += part; }
inline void append_part(std::string& line, std::integral auto part) {
    line += std::to_string(part);
}

template <class... Parts>
void Network::trace(const Connection& connection, const Parts&... parts) {
    if (!options_.trace) return;
    std::string line = "connection " + std::to_string(connection.number) + ": ";
    (append_part(line, parts), ...);
    options_.trace(timeline_.now(), line);
}

template <class... Parts>
void Network::trace(const Packet& packet, const Parts&... parts) {
    if (!options_.trace) return;
    std::string line = "datagram from " + packet.from.to_string() + " to " + packet.to.to_string() +
                       ", " + std::to_string(packet.bytes.size()) + ": ";
    (append_part(line, parts), ...);
    options_.trace(timeline_.now(), line);
}

inline std::string_view name_of_end(std::size_t end) noexcept {
    return end == 0 ? "client" : "server";
}

} // namespace hc::sys::sim
