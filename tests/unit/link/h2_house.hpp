// A client of HTTP/2 in a House: frames by hand, and what came back.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "tests/support/h2_frames.hpp"
#include "tests/unit/link/house.hpp"

namespace hc::link::test {

namespace h2 = hc::test::h2;

/// Sockets that take 2,000 bytes before their peer reads.
inline sim::Options narrow_sockets() {
    sim::Options narrow;
    narrow.window_bytes_min = narrow.window_bytes_max = 2'000;
    return narrow;
}

/// A house that speaks HTTP/2 to who begins with its preface.
class H2House : public House {
public:
    explicit H2House(std::uint64_t seed = 1, sim::Options options = {})
        : House(seed, std::move(options)) {
        context().h2_enabled = true;
    }
    std::uint64_t glitches(hc::h2::Glitch kind) const {
        return counters.h2_glitches[static_cast<std::size_t>(kind)].get();
    }
};

class H2Peer {
public:
    /// Has connected and said hello.
    explicit H2Peer(House& house, std::string_view first = h2::hello)
        : house_(house), peer_(house.connect(first)) {}

    void send(std::string_view bytes) { peer_->send(bytes); }
    h2::Reader& got() {
        reader_.read(peer_->take_received());
        return reader_;
    }
    h2::Answer& answer(std::int32_t stream) { return got().streams[stream]; }
    /// Waits for the end of an answer; false when it does not come.
    bool ends(std::int32_t stream, Duration limit = 10s) {
        return house_.until([&] { return answer(stream).ended || answer(stream).reset; }, limit);
    }
    bool closes(Duration limit = 10s) {
        return house_.until([&] { return got(), peer_->over(); }, limit);
    }
    /// The code of the last GOAWAY; nothing before there is one.
    std::optional<std::uint32_t> goaway() {
        const auto& goaways = got().goaways;
        if (goaways.empty()) return std::nullopt;
        return goaways.back().second;
    }
    sim::Peer& raw() { return *peer_; }

private:
    House& house_;
    std::unique_ptr<sim::Peer> peer_;
    h2::Reader reader_;
};

/// Error codes (RFC 9113, section 7).
inline constexpr std::uint32_t no_error = 0;
inline constexpr std::uint32_t protocol_error = 1;
inline constexpr std::uint32_t internal_error = 2;
inline constexpr std::uint32_t refused_stream = 7;
inline constexpr std::uint32_t cancel = 8;
inline constexpr std::uint32_t calm = 11;

} // namespace hc::link::test
