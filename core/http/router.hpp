// Which route a method and a path belong to.
//
// A pattern is a path whose segments may be literal ("/users"), a parameter ("/users/{id}": one
// segment, not empty) or, last, a rest ("/files/{path...}": everything behind, may be empty).
// Literal beats parameter beats rest, segment by segment from the left, with backing up, so that
// the answer does not depend on the order of registration. Paths are matched as they came: no
// percent-decoding, no merging of "//", no "." or ".." handling; parameters are given raw.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/http/head.hpp"

namespace hc::http {

/// A match: the route's number and its parameters, in the pattern's order.
struct RouteMatch {
    static constexpr std::size_t params_max = 16;
    struct Param {
        std::string_view name; // lives as long as the router
        std::uint32_t offset;  // of the value, counted from the path's first byte
        std::uint32_t size;
    };
    std::uint32_t route = 0;
    std::uint32_t param_count = 0;
    std::array<Param, params_max> params;
};

enum class RouteOutcome : std::uint8_t { found, no_path, no_method };

class Router {
public:
    Router();
    ~Router();
    Router(Router&&) noexcept;
    Router& operator=(Router&&) noexcept;

    /// `method` empty: any method that has no route of its own for this pattern. `pattern` "*":
    /// whatever matches nothing else, any path. Refuses (`invalid`): a pattern not as described,
    /// more than params_max parameters, a doubled name; (`state`): the same method and pattern
    /// twice.
    Result<void> add(std::string_view method, std::string_view pattern, std::uint32_t route);

    /// No allocation. HEAD falls back to GET's route. With no_method, `allow` tells what there is.
    RouteOutcome match(Method method, std::string_view method_name, std::string_view path,
                       RouteMatch& out) const noexcept;
    /// "GET, HEAD, POST": the methods of the routes that match this path, for 405's Allow.
    std::string allow(std::string_view path) const;

private:
    struct Tree;
    std::unique_ptr<Tree> tree_;
};

} // namespace hc::http
