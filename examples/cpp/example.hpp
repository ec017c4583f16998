// What every example begins and ends with.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "core/runtime/runtime.hpp"

namespace example {

/// A line that is there at once, also in a pipe.
inline void say(const std::string& line) {
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
}

inline std::uint16_t port(int argc, char** argv, std::uint16_t usual) {
    return argc > 1 ? static_cast<std::uint16_t>(std::strtoul(argv[1], nullptr, 10)) : usual;
}

/// Runs a future of Result<void> on a runtime of its own; gives main's result.
template <class F>
int run(const hc::runtime::RuntimeOptions& options, F future) {
    auto runtime = hc::runtime::Runtime::create(options);
    hc::Result<void> ran;
    if (!runtime) {
        ran = hc::fail(std::move(runtime.error()));
    } else if (auto started = (*runtime)->start(); !started) {
        ran = hc::fail(std::move(started.error()));
    } else if (auto ended = (*runtime)->block_on(std::move(future)); !ended) {
        ran = hc::fail(std::move(ended.error()));
    } else {
        ran = std::move(*ended);
    }
    if (ran) return 0;
    std::fprintf(stderr, "error: %s\n", ran.error().message.c_str());
    return 1;
}

} // namespace example
