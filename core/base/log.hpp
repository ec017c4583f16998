// Where messages for a person go: a callback that the program sets, or nowhere.
#pragma once

#include <cstdint>
#include <string_view>

namespace hc {

enum class LogLevel : std::uint8_t { debug = 0, info = 1, warning = 2, error = 3, off = 4 };

/// A sink for log lines. Called on any thread, maybe on several at once; must neither block nor
/// call back into the library. `component` is a short word ("server", "access").
struct LogSink {
    void (*write)(void* arg, LogLevel level, std::string_view component,
                  std::string_view message) = nullptr;
    void* arg = nullptr;
    LogLevel minimum = LogLevel::info;

    bool wants(LogLevel level) const noexcept { return write != nullptr && level >= minimum; }
    void operator()(LogLevel level, std::string_view component, std::string_view message) const {
        if (wants(level)) write(arg, level, component, message);
    }
};

} // namespace hc
