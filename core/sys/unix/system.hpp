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

class EpollSystem final : public System {
public:
    Result<std::unique_ptr<Selector>> make_selector() override;
    Sockets& sockets() noexcept override { return sockets_; }
    Clock& clock() noexcept override { return clock_; }
    Result<void> entropy(std::span<std::byte> out) override;
    unsigned processors() const noexcept override;
    std::string_view name() const noexcept override { return "epoll"; }

private:
    UnixSockets sockets_;
    UnixClock clock_;
};

} // namespace hc::sys
