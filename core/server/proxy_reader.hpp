// ProxyReader: reads the PROXY header of a connection from a trusted proxy, then hands the
// connection to the HTTP driver with the client's address in place of the proxy's.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/link/context.hpp"
#include "core/link/transport.hpp"
#include "core/runtime/timer_wheel.hpp"

namespace hc::server {

class ProxyReader final : public link::Connection,
                          private link::TransportUser,
                          private runtime::Timer {
public:
    /// `next` gets the connection and the bytes behind the header. A connection that ends first, is
    /// too slow (header_timeout_ms) or does not begin with a header is closed without a word.
    using Next = void (*)(link::ConnectionContext&, std::unique_ptr<link::Transport>,
                          std::string_view rest, const void* listener);
    static void start(link::ConnectionContext& context, std::unique_ptr<link::Transport> transport,
                      Next next, const void* listener);

    void drain() noexcept override { end(); }
    void hurry() noexcept override { end(); }
    void kill() noexcept override { end(); }
    bool busy() const noexcept override { return false; }

private:
    ProxyReader(link::ConnectionContext& context, std::unique_ptr<link::Transport> transport,
                Next next, const void* listener);
    void on_data(std::string_view slice) override;
    void on_end() override { end(); }
    void on_written() override {}
    void on_closed(ErrorKind) override { end(); }
    static void on_timer(runtime::Timer& timer) noexcept { static_cast<ProxyReader&>(timer).end(); }
    void end() noexcept;
    void retire() noexcept;

    link::ConnectionContext& context_;
    std::unique_ptr<link::Transport> transport_;
    Next next_;
    const void* listener_;
    std::string received_;
    bool gone_ = false;
};

} // namespace hc::server
