// A program's log function, and who may still call it.
#pragma once

#include <httpcore/httpcore.h>

#include <memory>

#include "core/base/log.hpp"

namespace hc::capi {

/// Shared by a config and everything made from it; the program's `drop` runs when the last of them
/// is gone.
class LogTarget {
public:
    LogTarget(hc_log_fn fn, void* arg, hc_fn drop) noexcept : fn_(fn), arg_(arg), drop_(drop) {}
    ~LogTarget() {
        if (drop_ != nullptr) drop_(arg_);
    }
    LogTarget(const LogTarget&) = delete;
    LogTarget& operator=(const LogTarget&) = delete;

    /// A sink that is good as long as the target lives; one that writes nowhere for none.
    static LogSink sink(const std::shared_ptr<LogTarget>& target, LogLevel minimum) noexcept {
        LogSink sink;
        if (target == nullptr) return sink;
        sink.arg = target.get();
        sink.minimum = minimum;
        sink.write = [](void* arg, LogLevel level, std::string_view component,
                        std::string_view message) {
            const auto* self = static_cast<const LogTarget*>(arg);
            self->fn_(self->arg_, static_cast<int32_t>(level), component.data(), component.size(),
                      message.data(), message.size());
        };
        return sink;
    }

private:
    hc_log_fn fn_;
    void* arg_;
    hc_fn drop_;
};

} // namespace hc::capi
