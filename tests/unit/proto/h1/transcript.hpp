// Feeds bytes to a parser, cut as a test wants, and writes down what it reports.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/limits.hpp"
#include "core/proto/h1/parser.hpp"

namespace hc::h1::test {

struct Scenario {
    Role role = Role::server;
    ConnectionLimits limits{};
    http::Method response_to = http::Method::get;
    bool finish = false; // tell the parser at the end that the peer is done
};

/// Everything a parser reported, runs of body joined (how a body is cut is the parser's choice).
struct Transcript {
    std::string text;
    std::vector<std::string> heads; // one text a head
    std::vector<std::string> bodies;
    int ends = 0;
    int status = -1; // of the refusal; -1: none
    std::string reason;
    bool operator==(const Transcript& other) const { return text == other.text; }
};

/// `next_cut(left)` gives the size of the next slice, 1 to `left`.
Transcript feed(std::string_view input, const Scenario& setup,
                const std::function<std::size_t(std::size_t)>& next_cut);
/// In one slice.
Transcript feed_whole(std::string_view input, const Scenario& setup = {});
/// One byte at a time.
Transcript feed_bytes(std::string_view input, const Scenario& setup = {});
/// In two slices, the first of `first` bytes.
Transcript feed_split(std::string_view input, std::size_t first, const Scenario& setup = {});

/// Whole, cut in two at every place, byte by byte and in `rounds` random ways; all must agree. The
/// transcript of the whole is returned; a disagreement is a test failure that names the cut.
Transcript feed_every_way(std::string_view input, const Scenario& setup = {}, int rounds = 20);

/// A readable form of bytes for messages.
std::string quoted(std::string_view bytes);

} // namespace hc::h1::test
