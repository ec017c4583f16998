// What the tests of the C ABI share: a client on plain sockets, and a program that is served in
// each of the ways of delivery. They see the library only through httpcore.h.
#pragma once

#include <gtest/gtest.h>
#include <httpcore/httpcore.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace capi_test {

using namespace std::chrono_literals;

/// Generous: it is only waited for when something is wrong.
inline constexpr auto patience = 20s;

/// Waits until `condition`; false when patience ran out.
bool eventually(const std::function<bool()>& condition);

using Pairs = std::vector<std::pair<std::string, std::string>>;

/// A config with some options set.
class Config {
public:
    explicit Config(const Pairs& options = {});
    ~Config() { hc_config_release(config_); }
    Config(const Config&) = delete;
    Config& operator=(const Config&) = delete;
    void set(const std::string& key, const std::string& value);
    hc_config* get() const { return config_; }

private:
    hc_config* config_ = nullptr;
};

/// A connection to 127.0.0.1 that blocks, within patience.
class Client {
public:
    explicit Client(std::uint16_t port, int receive_buffer = 0);
    ~Client() { close(); }
    Client(Client&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    void set_receive_buffer(int bytes) const;
    void send(std::string_view bytes);
    /// Sends what is taken without waiting for more than `wait`; gives how many bytes.
    std::size_t send_some(std::string_view bytes, std::chrono::milliseconds wait);
    /// True when bytes or the end are there.
    bool readable() const;
    /// Whatever is there next; empty at the end or after a reset.
    std::string receive(std::size_t max = 65536);
    /// Until `n` bytes more than what was taken before are there, or the end.
    std::string read(std::size_t n);
    std::string read_until(std::string_view mark);
    std::string read_to_end();
    void end_sending();
    void reset();
    void close();

private:
    int fd_ = -1;
    std::string ahead_; // received and not yet asked for
};

struct Response {
    int status = 0;
    std::map<std::string, std::string> fields; // names in lower case
    std::string body;
    std::map<std::string, std::string> trailers;
};

/// One response, framed by Content-Length, chunks or the end.
Response read_response(Client& client, bool head_request = false);
Response get(std::uint16_t port, const std::string& target = "/");

enum class Delivery { inline_worker, queue, driven_queue, driven_inline, pool, driven_pool };
std::string name_of(Delivery delivery);
/// Handlers run on another thread than the one that serves the connection.
constexpr bool is_elsewhere(Delivery delivery) {
    return delivery == Delivery::queue || delivery == Delivery::pool ||
           delivery == Delivery::driven_pool;
}
/// Handlers are a function that the library calls.
constexpr bool is_function(Delivery delivery) {
    return delivery != Delivery::queue && delivery != Delivery::driven_queue;
}
inline const auto every_delivery =
    testing::Values(Delivery::inline_worker, Delivery::queue, Delivery::driven_queue,
                    Delivery::driven_inline, Delivery::pool, Delivery::driven_pool);

struct ProgramOptions {
    Pairs config;
    std::uint32_t workers = 1; // threaded deliveries
    std::uint32_t inflight_max = 0;
    std::vector<std::pair<std::string, std::string>> routes{
        {"", "*"}}; // method, pattern; number = index
};

/// A served program: every event of its exchanges and of its queue goes to `handler`, on the
/// worker, on a consumer's thread, on a thread of a pool, or on a thread that drives the runtime.
class Program {
public:
    using Handler = std::function<void(const hc_event&)>;
    Program(Delivery delivery, Handler handler, ProgramOptions options = {});
    ~Program();
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;

    std::uint16_t port() const { return port_; }
    hc_runtime* runtime() const { return runtime_; }
    hc_queue* queue() const { return queue_; }
    hc_server* server() const { return server_; }
    /// Waits until every exchange has been released. A program that stops before its handlers are
    /// through answers HC_E_GONE to what they still say.
    void settle() const;
    /// Stops, waits for HC_EV_STOPPED and joins. The handles stay.
    void stop();
    int drops() const { return drops_.load(); }

private:
    static void on_event(void* self, const hc_event* event);
    static void on_drop(void* self);
    void consume();
    void drive();
    bool take_events();
    void make_server(const ProgramOptions& options);

    Delivery delivery_;
    Handler handler_;
    hc_runtime* runtime_ = nullptr;
    hc_queue* queue_ = nullptr;
    hc_server* server_ = nullptr;
    std::uint16_t port_ = 0;
    std::thread thread_;
    std::atomic<int> drops_{0};
    bool stopped_ = false;
};

/// Events of a test, counted and kept.
class Journal {
public:
    void add(const hc_event& event);
    std::size_t count(std::uint32_t type) const;
    std::vector<hc_event> of(std::uint32_t type) const;
    /// Waits until `n` events of a type came; false when patience ran out.
    bool wait_for(std::uint32_t type, std::size_t n = 1);
    hc_event last(std::uint32_t type) const;

private:
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<hc_event> events_;
};

inline std::string text(hc_str s) { return {s.p, s.n}; }
inline std::string_view bytes_of(const hc_event& body) {
    return {reinterpret_cast<const char*>(static_cast<std::uintptr_t>(body.data)), body.n};
}
/// A whole answer that releases the exchange.
hc_status answer(hc_exchange exchange, std::string_view body, std::int32_t status = 200);

} // namespace capi_test
