// The System of a real Unix: clock, entropy, processors, and the parts made elsewhere.
#pragma once

#include "core/sys/sys.hpp"
#include "core/sys/unix/sockets.hpp"

namespace hc::sys {

class UnixClock final : public Clock {
public:
    Instant now() noexcept override;
    WallTime wall() noexcept override;
};

/// All but the selectors.
class UnixSystem : public System {
public:
    Sockets& sockets() noexcept final { return sockets_; }
    Clock& clock() noexcept final { return clock_; }
    Result<void> entropy(std::span<std::byte> out) final;
    unsigned processors() const noexcept final;

private:
    UnixSockets sockets_;
    UnixClock clock_;
};

class EpollSystem final : public UnixSystem {
public:
    Result<std::unique_ptr<Selector>> make_selector() override;
    std::string_view name() const noexcept override { return "epoll"; }
};

} // namespace hc::sys
