#include "core/http/router.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <deque>
#include <span>
#include <vector>

#include "core/base/ascii.hpp"
#include "core/base/short_text.hpp"
#include "core/http/field.hpp"

// A tree of segments. A node stands for one sequence of segment kinds, so it is only ever compared
// with one segment of a path, the one at its depth: a match visits each node at most once, however
// it backs up. The work is bounded by the number of routes, never exponential in the path.

namespace hc::http {

namespace {

constexpr std::size_t segments_max = 64; // of a pattern; bounds the depth of the recursion

/// What a pattern leads to for one method.
struct Endpoint {
    std::string method; // empty: any
    Method known = Method::other;
    std::uint32_t route = 0;
    std::vector<std::string> params;
};
// Endpoints stay where they are when others are added: RouteMatch points to their names.
using Endpoints = std::vector<std::unique_ptr<Endpoint>>;

struct Node {
    struct Literal {
        std::string text;
        std::unique_ptr<Node> node;
    };
    std::vector<Literal> literals; // sorted by text
    std::unique_ptr<Node> param;
    Endpoints ends;
    Endpoints rests; // of patterns that end in "{name...}" here

    const Node* find(std::string_view text) const noexcept {
        const auto at =
            std::lower_bound(literals.begin(), literals.end(), text,
                             [](const Literal& l, std::string_view t) { return l.text < t; });
        return at != literals.end() && at->text == text ? at->node.get() : nullptr;
    }
    Node& make(std::string_view text) {
        auto at = std::lower_bound(literals.begin(), literals.end(), text,
                                   [](const Literal& l, std::string_view t) { return l.text < t; });
        if (at == literals.end() || at->text != text) {
            at = literals.insert(at, Literal{std::string(text), std::make_unique<Node>()});
        }
        return *at->node;
    }
};

const Endpoint* choose(const Endpoints& ends, const WantedMethod& method) noexcept {
    const Endpoint* get = nullptr;
    const Endpoint* any = nullptr;
    for (const auto& end : ends) {
        if (end->method.empty()) {
            any = end.get();
        } else if (end->known == method.known &&
                   (method.known != Method::other || end->method == method.name)) {
            return end.get();
        } else if (end->known == Method::get) {
            get = end.get();
        }
    }
    return method.known == Method::head && get != nullptr ? get : any;
}

void lead_to(const Endpoint& end, RouteMatch& out) noexcept {
    out.route = end.route;
    out.param_count = static_cast<std::uint32_t>(end.params.size());
    out.names = end.params.data();
}

/// The patterns without parameters, found by all of their path at once: most requests are for one
/// of these. What is here is in the tree, too.
class WholePaths {
public:
    /// Also after each change to `ends`.
    void add(std::string_view path, const Endpoints& ends) {
        Path* known = find(path);
        if (known == nullptr) {
            known = &paths_.emplace_back(Path{std::string(path), &ends, {}});
            place_all();
        }
        for (std::size_t method = 1; method < method_count; ++method) {
            known->by_method[method] = choose(ends, {static_cast<Method>(method), {}});
        }
    }
    const Endpoint* match(std::string_view path, const WantedMethod& method) const noexcept {
        const Path* known = find(path);
        if (known == nullptr) return nullptr;
        return method.known == Method::other
                   ? choose(*known->ends, method)
                   : known->by_method[static_cast<std::size_t>(method.known)];
    }

private:
    struct Path {
        std::string path;
        const Endpoints* ends;
        std::array<const Endpoint*, method_count> by_method; // of the methods with a name of ours
    };

    Path* find(std::string_view path) const noexcept {
        for (std::size_t i = hash(path);; ++i) {
            Path* known = places_[i & mask_];
            if (known == nullptr) return nullptr;
            if (known->path.size() == path.size() && same(path, known->path.data())) return known;
        }
    }
    void place_all() {
        // At most half full, so that a search soon meets an empty place.
        places_.assign(std::bit_ceil(paths_.size() * 2), nullptr);
        mask_ = places_.size() - 1;
        for (Path& known : paths_) {
            std::size_t i = hash(known.path);
            while (places_[i & mask_] != nullptr) ++i;
            places_[i & mask_] = &known;
        }
    }

    template <class Word>
    static std::uint64_t load(const char* from) noexcept {
        Word word;
        std::memcpy(&word, from, sizeof word);
        return word;
    }
    /// Words at a time; what is left is read as two that overlap. The patterns are the program's
    /// own: nobody chooses them to collide.
    static std::size_t hash(std::string_view path) noexcept {
        constexpr std::uint64_t factor = 0x9e3779b97f4a7c15ULL;
        std::uint64_t sum = path.size();
        const auto mix = [&sum](std::uint64_t word) {
            sum = (sum ^ word) * factor;
            sum ^= sum >> 32;
        };
        for (; path.size() > 8; path.remove_prefix(8)) mix(load<std::uint64_t>(path.data()));
        const char* const last = path.data() + path.size();
        if (path.size() >= 4) {
            mix(load<std::uint32_t>(path.data()) << 32 | load<std::uint32_t>(last - 4));
        } else if (path.size() >= 2) {
            mix(load<std::uint16_t>(path.data()) << 32 | load<std::uint16_t>(last - 2));
        } else if (!path.empty()) {
            mix(load<std::uint8_t>(path.data()));
        }
        return static_cast<std::size_t>(sum);
    }

    std::deque<Path> paths_; // places point into it
    std::vector<Path*> places_{nullptr};
    std::size_t mask_ = 0;
};

/// One walk down the tree. `positions` are the parameters on the way to where the walk is.
struct Walk {
    std::string_view path;
    WantedMethod method;
    RouteMatch& out;
    std::uint32_t params = 0;
    bool path_matched = false;

    void push(std::size_t offset, std::size_t size) noexcept {
        out.values[params++] = {static_cast<std::uint32_t>(offset),
                                static_cast<std::uint32_t>(size)};
    }
    bool take(const Endpoints& ends) noexcept {
        if (ends.empty()) return false;
        path_matched = true;
        const Endpoint* end = choose(ends, method);
        if (end == nullptr) return false;
        lead_to(*end, out);
        return true;
    }
    /// `offset`: where the segment to match begins, npos when the path has no more segments.
    bool visit(const Node& node, std::size_t offset) noexcept {
        if (offset == std::string_view::npos) return take(node.ends);
        const std::size_t slash = path.find('/', offset);
        const std::size_t end = slash == std::string_view::npos ? path.size() : slash;
        const std::size_t next = slash == std::string_view::npos ? slash : slash + 1;
        const std::string_view segment = path.substr(offset, end - offset);
        if (const Node* literal = node.find(segment); literal != nullptr && visit(*literal, next)) {
            return true;
        }
        if (node.param != nullptr && !segment.empty()) {
            push(offset, segment.size());
            if (visit(*node.param, next)) return true;
            --params;
        }
        if (!node.rests.empty()) {
            push(offset, path.size() - offset);
            if (take(node.rests)) return true;
            --params;
        }
        return false;
    }
};

bool is_param_name(std::string_view name) noexcept {
    if (name.empty() || ascii::is_digit(name.front())) return false;
    return std::all_of(name.begin(), name.end(), [](char c) {
        return ascii::is_alpha(c) || ascii::is_digit(c) || c == '_' || c == '-';
    });
}

struct Segment {
    enum class Kind : std::uint8_t { literal, param, rest } kind = Kind::literal;
    std::string_view text; // a parameter's name
};

Result<Segment> read_segment(std::string_view text, bool last) {
    using enum Segment::Kind;
    if (text.find_first_of("{}") == std::string_view::npos) {
        for (char c : text) {
            if (c <= 0x20 || c >= 0x7f || c == '?' || c == '#') {
                return fail(ErrorKind::invalid,
                            "a route's pattern has a character no path can have");
            }
        }
        return Segment{literal, text};
    }
    if (text.size() < 3 || text.front() != '{' || text.back() != '}') {
        return fail(ErrorKind::invalid, "a parameter must be a whole segment: \"/{name}/\"");
    }
    text = text.substr(1, text.size() - 2);
    Segment segment{param, text};
    if (text.ends_with("...")) {
        if (!last) return fail(ErrorKind::invalid, "\"{name...}\" must be the last segment");
        segment = {rest, text.substr(0, text.size() - 3)};
    }
    if (!is_param_name(segment.text)) {
        return fail(ErrorKind::invalid, "a parameter's name has letters, digits, '_' and '-'");
    }
    return segment;
}

Result<std::vector<Segment>> read_pattern(std::string_view pattern) {
    if (pattern.empty() || pattern.front() != '/') {
        return fail(ErrorKind::invalid, "a route's pattern must begin with \"/\" or be \"*\"");
    }
    std::vector<Segment> segments;
    std::vector<std::string_view> names;
    for (std::size_t at = 1; at <= pattern.size();) {
        const std::size_t end = std::min(pattern.find('/', at), pattern.size());
        auto segment = read_segment(pattern.substr(at, end - at), end == pattern.size());
        if (!segment) return fail(std::move(segment.error()));
        if (segment->kind != Segment::Kind::literal) {
            if (std::find(names.begin(), names.end(), segment->text) != names.end()) {
                return fail(ErrorKind::invalid, "a parameter's name is used twice in one pattern");
            }
            names.push_back(segment->text);
        }
        segments.push_back(*segment);
        at = end + 1;
    }
    if (segments.size() > segments_max)
        return fail(ErrorKind::invalid, "a pattern has too many segments");
    if (names.size() > RouteMatch::params_max) {
        return fail(ErrorKind::invalid, "a pattern has too many parameters");
    }
    return segments;
}

void collect(const Endpoints& ends, std::vector<std::string_view>& methods, bool& any) {
    for (const auto& end : ends) {
        if (end->method.empty()) any = true;
        else methods.push_back(end->method);
    }
}

void collect(const Node& node, std::string_view path, std::size_t offset,
             std::vector<std::string_view>& methods, bool& any) {
    if (offset == std::string_view::npos) return collect(node.ends, methods, any);
    const std::size_t slash = path.find('/', offset);
    const std::size_t next = slash == std::string_view::npos ? slash : slash + 1;
    const std::string_view segment = path.substr(offset, std::min(slash, path.size()) - offset);
    if (const Node* literal = node.find(segment)) collect(*literal, path, next, methods, any);
    if (node.param != nullptr && !segment.empty()) collect(*node.param, path, next, methods, any);
    collect(node.rests, methods, any);
}

} // namespace

struct Router::Tree {
    Node root;
    WholePaths whole;
    Endpoints otherwise; // of "*"
};

Router::Router() : tree_(std::make_unique<Tree>()) {}
Router::~Router() = default;
Router::Router(Router&&) noexcept = default;
Router& Router::operator=(Router&&) noexcept = default;

Result<void> Router::add(std::string_view method, std::string_view pattern, std::uint32_t route) {
    if (!method.empty() && !is_field_name(method)) {
        return fail(ErrorKind::invalid, "a route's method must be a token");
    }
    auto endpoint = std::make_unique<Endpoint>();
    endpoint->method = method;
    endpoint->known = lookup_method(method);
    endpoint->route = route;
    Endpoints* place = &tree_->otherwise;
    if (pattern != "*") {
        const auto segments = read_pattern(pattern);
        if (!segments) return fail(segments.error());
        Node* node = &tree_->root;
        place = nullptr;
        for (const Segment& segment : *segments) {
            if (segment.kind != Segment::Kind::literal) endpoint->params.emplace_back(segment.text);
            switch (segment.kind) {
            case Segment::Kind::literal: node = &node->make(segment.text); break;
            case Segment::Kind::param:
                if (node->param == nullptr) node->param = std::make_unique<Node>();
                node = node->param.get();
                break;
            case Segment::Kind::rest: place = &node->rests; break;
            }
        }
        if (place == nullptr) place = &node->ends;
    }
    for (const auto& end : *place) {
        if (end->method == method) {
            return fail(ErrorKind::state, "this method and pattern have a route already");
        }
    }
    const bool literal = pattern != "*" && endpoint->params.empty();
    place->push_back(std::move(endpoint));
    if (literal) tree_->whole.add(pattern, *place);
    return {};
}

RouteOutcome Router::match(Method method, std::string_view method_name, std::string_view path,
                           RouteMatch& out) const noexcept {
    // A pattern of literals beats all others, so the tree need not be asked.
    if (const Endpoint* end = tree_->whole.match(path, {method, method_name})) [[likely]] {
        lead_to(*end, out);
        return RouteOutcome::found;
    }
    return search({method, method_name}, path, out);
}

RouteOutcome Router::search(WantedMethod method, std::string_view path,
                            RouteMatch& out) const noexcept {
    Walk walk{path, method, out};
    if (!path.empty() && path.front() == '/' && walk.visit(tree_->root, 1))
        return RouteOutcome::found;
    if (walk.take(tree_->otherwise)) return RouteOutcome::found;
    return walk.path_matched ? RouteOutcome::no_method : RouteOutcome::no_path;
}

std::string Router::allow(std::string_view path) const {
    std::vector<std::string_view> methods;
    bool any = false;
    if (!path.empty() && path.front() == '/') collect(tree_->root, path, 1, methods, any);
    collect(tree_->otherwise, methods, any);
    if (any) { // every method has a route; these are the ones that are known by name
        for (auto m : {Method::get, Method::head, Method::post, Method::put, Method::delete_,
                       Method::options, Method::patch}) {
            methods.push_back(method_text(m));
        }
    }
    if (std::find(methods.begin(), methods.end(), "GET") != methods.end())
        methods.emplace_back("HEAD");
    std::sort(methods.begin(), methods.end());
    methods.erase(std::unique(methods.begin(), methods.end()), methods.end());
    std::string text;
    for (std::string_view method : methods) {
        if (!text.empty()) text += ", ";
        text += method;
    }
    return text;
}

} // namespace hc::http
