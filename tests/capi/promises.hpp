// What the tests of promises share: a gate for handlers, the runtime's own counts, short requests.
#pragma once

#include "tests/capi/support.hpp"

#include <array>

namespace capi_test {

/// Holds up whoever waits until it is opened, at the latest by its end.
class Gate {
public:
    ~Gate() { open(); }
    void wait() {
        std::unique_lock lock(mutex_);
        ++inside_;
        changed_.notify_all();
        changed_.wait(lock, [this] { return open_; });
    }
    bool reached() {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, patience, [this] { return inside_ > 0; });
    }
    void open() {
        const std::lock_guard lock(mutex_);
        open_ = true;
        changed_.notify_all();
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    int inside_ = 0;
    bool open_ = false;
};

inline std::uint64_t metric(hc_runtime* runtime, const std::string& called) {
    std::string page(20'000, '\0');
    size_t n = 0;
    EXPECT_EQ(hc_metrics(runtime, HC_METRICS_PROMETHEUS, page.data(), page.size(), &n), HC_OK);
    const std::string line = "\nhttpcore_" + called + " ";
    const std::size_t at = page.find(line);
    if (at == std::string::npos) return UINT64_MAX;
    return std::stoull(page.substr(at + line.size()));
}

inline std::string request(const std::string& target) {
    return "GET " + target + " HTTP/1.1\r\nHost: test\r\n\r\n";
}

/// Listens and gives the port.
inline std::uint16_t listen_on(hc_server* server, const Config& config) {
    EXPECT_EQ(hc_server_listen(server, config.get(), nullptr), HC_OK);
    std::array<char, 64> address{};
    EXPECT_EQ(hc_server_address(server, 0, address.data(), address.size(), nullptr), HC_OK);
    const std::string shown(address.data());
    return static_cast<std::uint16_t>(std::stoi(shown.substr(shown.rfind(':') + 1)));
}

} // namespace capi_test
