// hc_runtime: the handle of a runtime.
#pragma once

#include <condition_variable>
#include <memory>

#include "capi/src/barrier.hpp"
#include "capi/src/shared.hpp"
#include "core/runtime/runtime.hpp"

struct hc_runtime final : hc::capi::Object {
    static constexpr hc::capi::Mark mark = hc::capi::Mark::runtime;
    hc_runtime(std::unique_ptr<hc::runtime::Runtime> made, std::shared_ptr<hc::capi::Shared> state)
        : Object(mark), core(std::move(made)), shared(std::move(state)) {}
    ~hc_runtime();
    void destroy() noexcept { delete this; }
    bool forked() const noexcept { return core->forked(); }
    /// Driven mode: this thread turned last.
    bool driven_here() { return core->driven() && core->worker(0).is_current(); }

    std::unique_ptr<hc::runtime::Runtime> core;
    std::shared_ptr<hc::capi::Shared> shared;
    std::atomic<bool> started{false};
};
