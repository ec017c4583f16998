// The Selector on io_uring, and the System that makes them.
#pragma once

#include <memory>
#include <string_view>

#include "core/sys/linux/ring.hpp"
#include "core/sys/sys.hpp"
#include "core/sys/unix/system.hpp"

namespace hc::sys {

struct UringOptions {
    Loop loop = Loop::host;
    RingOptions ring; // `one_thread` follows from `loop`
};

/// `unsupported` as Ring::create.
Result<std::unique_ptr<Selector>> make_uring_selector(UringOptions options = {});

/// Makes one and sees that it does what it must; `unsupported` when not.
Result<void> probe_uring();

class UringSystem final : public UnixSystem {
public:
    explicit UringSystem(const UringOptions& options) noexcept : options_(options) {}
    Result<std::unique_ptr<Selector>> make_selector() override {
        return make_uring_selector(options_);
    }
    std::string_view name() const noexcept override { return "io_uring"; }

private:
    UringOptions options_;
};

} // namespace hc::sys
