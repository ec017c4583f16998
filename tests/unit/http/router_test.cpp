#include "core/http/router.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "core/base/random.hpp"

namespace hc::test {
extern std::size_t allocations; // see allocations.cpp
} // namespace hc::test

namespace hc::http {
namespace {

std::string match(const Router& router, std::string_view method, std::string_view path) {
    RouteMatch m;
    switch (router.match(lookup_method(method), method, path, m)) {
    case RouteOutcome::no_path: return "no path";
    case RouteOutcome::no_method: return "no method";
    case RouteOutcome::found: break;
    }
    std::string out = std::to_string(m.route);
    for (std::uint32_t i = 0; i < m.param_count; ++i) {
        out += " " + std::string(m.name(i)) + "=" + std::string(m.value(i, path));
    }
    return out;
}

void add(Router& router, std::string_view method, std::string_view pattern, std::uint32_t route) {
    const auto added = router.add(method, pattern, route);
    ASSERT_TRUE(added) << pattern << ": " << added.error().message;
}

TEST(Router, MatchesWhatItSays) {
    Router r;
    add(r, "GET", "/", 1);
    add(r, "GET", "/users", 2);
    add(r, "GET", "/users/{id}", 3);
    add(r, "GET", "/users/me", 4);
    add(r, "GET", "/users/{id}/posts/{post}", 5);
    add(r, "GET", "/files/{path...}", 6);
    add(r, "GET", "/files/{name}/meta", 7);
    add(r, "GET", "/a/", 8);
    EXPECT_EQ(match(r, "GET", "/"), "1");
    EXPECT_EQ(match(r, "GET", "/users"), "2");
    EXPECT_EQ(match(r, "GET", "/users/"), "no path") << "a parameter is not empty";
    EXPECT_EQ(match(r, "GET", "/users/7"), "3 id=7");
    EXPECT_EQ(match(r, "GET", "/users/me"), "4");
    EXPECT_EQ(match(r, "GET", "/users/me/posts/9"), "5 id=me post=9")
        << "backs up from the literal";
    EXPECT_EQ(match(r, "GET", "/users/%41%2f/posts/x%"), "5 id=%41%2f post=x%") << "raw";
    EXPECT_EQ(match(r, "GET", "/files/"), "6 path=");
    EXPECT_EQ(match(r, "GET", "/files"), "no path");
    EXPECT_EQ(match(r, "GET", "/files/a/b//c/"), "6 path=a/b//c/");
    EXPECT_EQ(match(r, "GET", "/files/a/meta"), "7 name=a");
    EXPECT_EQ(match(r, "GET", "/files/a/meta/x"), "6 path=a/meta/x");
    EXPECT_EQ(match(r, "GET", "/a"), "no path");
    EXPECT_EQ(match(r, "GET", "/a/"), "8");
    EXPECT_EQ(match(r, "GET", "//users"), "no path");
    EXPECT_EQ(match(r, "GET", ""), "no path");
    EXPECT_EQ(match(r, "OPTIONS", "*"), "no path");
    EXPECT_EQ(match(r, "GET", "users"), "no path");
}

TEST(Router, ChoosesByMethod) {
    Router r;
    add(r, "GET", "/x", 1);
    add(r, "POST", "/x", 2);
    add(r, "PURGE", "/x", 3);
    add(r, "HEAD", "/own-head", 4);
    add(r, "GET", "/own-head", 5);
    add(r, "", "/any", 6);
    add(r, "PUT", "/any", 7);
    EXPECT_EQ(match(r, "GET", "/x"), "1");
    EXPECT_EQ(match(r, "HEAD", "/x"), "1") << "HEAD falls back to GET";
    EXPECT_EQ(match(r, "POST", "/x"), "2");
    EXPECT_EQ(match(r, "PURGE", "/x"), "3");
    EXPECT_EQ(match(r, "COPY", "/x"), "no method");
    EXPECT_EQ(match(r, "DELETE", "/x"), "no method");
    EXPECT_EQ(match(r, "HEAD", "/own-head"), "4");
    EXPECT_EQ(match(r, "PUT", "/any"), "7");
    EXPECT_EQ(match(r, "BREW", "/any"), "6");
    EXPECT_EQ(r.allow("/x"), "GET, HEAD, POST, PURGE");
    EXPECT_EQ(r.allow("/nothing"), "");
}

TEST(Router, AMethodMissingHereMayBeThere) {
    Router r;
    add(r, "POST", "/users/me", 1);
    add(r, "GET", "/users/{id}", 2);
    add(r, "DELETE", "/{all...}", 3);
    EXPECT_EQ(match(r, "GET", "/users/me"), "2 id=me");
    EXPECT_EQ(match(r, "DELETE", "/users/me"), "3 all=users/me");
    EXPECT_EQ(match(r, "PATCH", "/users/me"), "no method");
    EXPECT_EQ(r.allow("/users/me"), "DELETE, GET, HEAD, POST");
}

TEST(Router, TheStarTakesTheRest) {
    Router r;
    add(r, "", "*", 1);
    add(r, "GET", "/x", 2);
    EXPECT_EQ(match(r, "GET", "/x"), "2");
    EXPECT_EQ(match(r, "POST", "/x"), "1");
    EXPECT_EQ(match(r, "OPTIONS", "*"), "1");
    EXPECT_EQ(match(r, "CONNECT", ""), "1");
    EXPECT_EQ(match(r, "GET", "/y/z"), "1");
}

TEST(Router, RefusesBadPatterns) {
    Router r;
    for (const char* bad :
         {"",        "x",      "/{",        "/}",       "/{}",         "/{a}b", "/a{b}",
          "/{a}{b}", "/{...}", "/{a...}/b", "/{a}/{a}", "/{a}/{a...}", "/{1a}", "/{a b}",
          "/a b",    "/a?b",   "/a#b",      "/\x80",    "**",          "*x"}) {
        const auto added = r.add("GET", bad, 1);
        ASSERT_FALSE(added) << bad;
        EXPECT_EQ(added.error().kind, ErrorKind::invalid) << bad;
    }
    EXPECT_FALSE(r.add("GE T", "/x", 1));
    std::string many;
    for (std::size_t i = 0; i < RouteMatch::params_max; ++i)
        many += "/{p" + std::to_string(i) + "}";
    EXPECT_TRUE(r.add("GET", many, 1));
    EXPECT_FALSE(r.add("GET", many + "/{one_more}", 1));
    std::string deep;
    for (int i = 0; i < 64; ++i) deep += "/x";
    EXPECT_TRUE(r.add("GET", deep, 1));
    EXPECT_FALSE(r.add("GET", deep + "/x", 1));
}

TEST(Router, RefusesTheSameTwice) {
    Router r;
    add(r, "GET", "/a/{x}", 1);
    const auto again = r.add("GET", "/a/{y}", 2);
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().kind, ErrorKind::state);
    add(r, "POST", "/a/{y}", 2);
    EXPECT_EQ(match(r, "POST", "/a/7"), "2 y=7") << "each route has its own names";
    EXPECT_EQ(match(r, "GET", "/a/7"), "1 x=7");
    add(r, "", "*", 3);
    EXPECT_FALSE(r.add("", "*", 4));
}

TEST(Router, TheOrderOfRegistrationDoesNotMatter) {
    std::vector<std::pair<std::string, std::uint32_t>> routes{
        {"/a/b/c", 1},   {"/a/{x}/c", 2},    {"/{x}/b/c", 3},
        {"/a/b/{x}", 4}, {"/{x}/{y}/c", 5},  {"/a/{r...}", 6},
        {"/{r...}", 7},  {"/a/b/{r...}", 8}, {"/{x}/b/{r...}", 9}};
    std::vector<std::string> first;
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        Random random(seed);
        for (std::size_t i = routes.size(); i > 1; --i)
            std::swap(routes[i - 1], routes[random.below(i)]);
        Router r;
        for (const auto& [pattern, route] : routes) add(r, "GET", pattern, route);
        std::vector<std::string> answers;
        for (const char* path : {"/a/b/c", "/a/x/c", "/x/b/c", "/a/b/x", "/x/y/c", "/a/x/y",
                                 "/x/y/z", "/a/b/x/y", "/x/b/d", "/a", "/", "/a/b/", "/a/"}) {
            answers.push_back(match(r, "GET", path));
        }
        if (first.empty()) first = answers;
        EXPECT_EQ(answers, first) << "seed " << seed;
    }
    EXPECT_EQ(first[0], "1");
    EXPECT_EQ(first[1], "2 x=x");
    EXPECT_EQ(first[8], "9 x=x r=d");
}

// At each of 60 segments the path fits a literal and a parameter, and only the end tells that
// nothing matches. A matcher that tried every way would never come back from this.
TEST(Router, BackingUpIsNotExponential) {
    Router r;
    constexpr int depth = 60;
    std::string literal;
    for (int i = 0; i < depth; ++i) {
        std::string pattern;
        for (int k = 0; k < depth; ++k)
            pattern += k >= i && k < i + 15 ? "/{p" + std::to_string(k) + "}" : "/a";
        add(r, "GET", pattern + "/end", static_cast<std::uint32_t>(i));
        literal += "/a";
    }
    add(r, "GET", literal + "/end", 100);
    const auto begin = std::chrono::steady_clock::now();
    constexpr int rounds = 100;
    for (int i = 0; i < rounds; ++i) {
        ASSERT_EQ(match(r, "GET", literal + "/none"), "no path");
        ASSERT_EQ(match(r, "GET", literal + "/end"), "100");
    }
    // The tree has some 3,600 nodes, so a match takes at most that many steps: well below a
    // millisecond.
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    EXPECT_LT(taken.count() / rounds, 0.1);
}

// All 2^10 patterns of literals and parameters: the worst tree there is for its depth.
TEST(Router, TheWorstTreeIsWalkedOncePerNode) {
    Router r;
    constexpr unsigned depth = 10;
    for (std::uint32_t bits = 0; bits < (1U << depth); ++bits) {
        std::string pattern;
        for (unsigned k = 0; k < depth; ++k)
            pattern += bits >> k & 1 ? "/{p" + std::to_string(k) + "}" : "/a";
        add(r, "GET", pattern, bits);
    }
    std::string path;
    for (unsigned k = 0; k < depth; ++k) path += "/a";
    EXPECT_EQ(match(r, "GET", path), "0") << "all literal";
    EXPECT_EQ(match(r, "GET", path + "/none"), "no path");
    path.replace(0, 2, "/b");
    EXPECT_EQ(match(r, "GET", path), "1 p0=b");
}

TEST(Router, MatchingAllocatesNothing) {
    using test::allocations;
    Router r;
    add(r, "GET", "/a/{b}/{c...}", 1);
    add(r, "GET", "/a/b", 2);
    RouteMatch m;
    const std::size_t before = allocations;
    ASSERT_EQ(r.match(Method::get, "GET", "/a/b/c/d", m), RouteOutcome::found);
    ASSERT_EQ(r.match(Method::get, "GET", "/none", m), RouteOutcome::no_path);
    EXPECT_EQ(allocations, before);
    const std::string text = r.allow("/a/b") + std::string(100, 'x');
    EXPECT_GT(allocations, before) << "the count works: " << text.size();
}

TEST(Router, ManyRoutesAtOneNode) {
    Router r;
    for (std::uint32_t i = 0; i < 5000; ++i)
        add(r, "GET", "/route" + std::to_string(i * 7919 % 5000), i);
    for (std::uint32_t i = 0; i < 5000; ++i) {
        ASSERT_EQ(match(r, "GET", "/route" + std::to_string(i * 7919 % 5000)), std::to_string(i));
    }
}

} // namespace
} // namespace hc::http
