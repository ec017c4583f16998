// What went wrong in a run, and how much of everything happened in it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hc::simtest {

struct Report {
    std::vector<std::string> wrong;              // empty: all invariants held
    void (*tell)(std::string_view) = nullptr;    // everything that happens, for a person
    std::uint64_t trace = 0xcbf29ce484222325ULL; // a hash over everything that happened

    // How often things happened, so that a test can see that they do.
    std::uint64_t answers_whole = 0;
    std::uint64_t answers_cut = 0;
    std::uint64_t answers_own = 0; // the library's: 400, 408, 500, 503 ...
    std::uint64_t bodies_whole = 0;
    std::uint64_t tunnels = 0;
    std::uint64_t refused_sends = 0;
    std::uint64_t resets = 0;
    std::uint64_t timeouts = 0;
    std::uint64_t drained_early = 0;

    void fault(std::string what) {
        if (wrong.size() < 20) wrong.push_back(std::move(what));
    }
    void note(std::string_view what) {
        if (tell) tell(what);
        for (const char c : what)
            trace = (trace ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
    }
};

} // namespace hc::simtest
