// The kinds of runtime that every promise is tested on: driven and threaded, real and simulated.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <ostream>
#include <string>
#include <utility>

#include "core/runtime/runtime.hpp"
#include "core/sys/sim/world.hpp"
#include "tests/unit/backend.hpp"

namespace hc::runtime::test {

struct Kind {
    const char* name;
    std::uint32_t workers; // 0: driven
    bool simulated = false;

    friend std::ostream& operator<<(std::ostream& out, const Kind& kind) {
        return out << kind.name;
    }
};

inline constexpr Kind driven{"driven", 0};
inline constexpr Kind simulated{"simulated", 0, true};
inline constexpr Kind one{"one", 1};
inline constexpr Kind four{"four", 4};

inline std::string name_of(const testing::TestParamInfo<Kind>& info) { return info.param.name; }

/// A started runtime of a kind.
class OnKind : public testing::TestWithParam<Kind> {
protected:
    OnKind() { runtime_ = make(); }

    RuntimeOptions options() {
        RuntimeOptions options;
        options.workers = GetParam().workers;
        options.io = hc::test::backend();
        if (GetParam().simulated) options.system = &world_;
        return options;
    }
    std::unique_ptr<Runtime> make() { return make(options()); }
    static std::unique_ptr<Runtime> make(const RuntimeOptions& options) {
        auto runtime = *Runtime::create(options);
        EXPECT_TRUE(runtime->start().has_value());
        return runtime;
    }
    /// The value of a future that is run to its end.
    template <Future F>
    FutureValue<F> run(F future) {
        auto result = runtime_->block_on(std::move(future));
        if (!result) ADD_FAILURE() << result.error().message;
        if constexpr (!std::is_void_v<FutureValue<F>>) return std::move(*result);
    }

    sys::sim::World world_{1};
    std::unique_ptr<Runtime> runtime_;
};

} // namespace hc::runtime::test
