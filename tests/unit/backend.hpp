// The backend of this run of the program (tests/support/backend.hpp), for RuntimeOptions. A run on
// one that this machine does not have is skipped as a whole, with the reason.
#pragma once

#include <gtest/gtest.h>

#include "core/sys/sys.hpp"
#include "tests/support/backend.hpp"

namespace hc::test {

inline sys::Backend backend() {
    return on_io_uring() ? sys::Backend::io_uring : sys::Backend::automatic;
}

class BackendIsThere final : public testing::Environment {
public:
    void SetUp() override {
        const auto chosen = sys::native(backend());
        if (!chosen) GTEST_SKIP() << chosen.error().message;
    }
};
inline testing::Environment* const backend_is_there =
    testing::AddGlobalTestEnvironment(new BackendIsThere);

} // namespace hc::test
