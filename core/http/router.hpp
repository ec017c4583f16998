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
    struct Value { // a part of the path, counted from its first byte
        std::uint32_t offset;
        std::uint32_t size;
    };
    std::uint32_t route = 0;
    std::uint32_t param_count = 0;
    const std::string* names = nullptr;   // of the parameters; live as long as the router
    std::array<Value, params_max> values; // the first param_count of them

    std::string_view name(std::uint32_t param) const noexcept { return names[param]; }
    std::string_view value(std::uint32_t param, std::string_view path) const noexcept {
        return path.substr(values[param].offset, values[param].size);
    }
};

enum class RouteOutcome : std::uint8_t { found, no_path, no_method };

/// A request's method: the name counts where it is not a known one.
struct WantedMethod {
    Method known;
    std::string_view name;
};

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
    [[gnu::noinline]] RouteOutcome search(WantedMethod method, std::string_view path,
                                          RouteMatch& out) const noexcept;
    std::unique_ptr<Tree> tree_;
};

} // namespace hc::http
