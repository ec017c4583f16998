// What the tests of execution models share: a server whose routes are functions, and ways to hold
// these up.
#pragma once

#include "tests/capi/promises.hpp"

#include <deque>

namespace capi_test {

/// A server whose routes are functions, and what it logged.
class Model {
public:
    using Handler = std::function<void(const hc_event&)>;
    struct Route {
        std::string pattern;
        Handler handler;
        std::uint32_t flags = 0;
    };
    Model(const std::string& execution, Pairs options, std::vector<Route> routes)
        : config_(with(execution, std::move(options))) {
        for (Route& route : routes) handlers_.push_back(std::move(route.handler));
        hc_config_set_log(config_.get(), &Model::log, this, nullptr);
        EXPECT_EQ(hc_runtime_create(config_.get(), &runtime, nullptr), HC_OK);
        EXPECT_EQ(hc_queue_create(runtime, 0, &queue), HC_OK);
        EXPECT_EQ(hc_server_create(runtime, config_.get(), &server, nullptr), HC_OK);
        std::uint32_t number = 0;
        for (const Route& route : routes) {
            EXPECT_EQ(hc_server_route(server, "", route.pattern.c_str(), number, nullptr), HC_OK);
            const hc_inline handler{sizeof handler, &Model::on_event, &handlers_[number],
                                    &Model::on_drop, route.flags};
            EXPECT_EQ(hc_server_bind_inline(server, number, &handler), HC_OK);
            ++number;
        }
        port = listen_on(server, config_);
        EXPECT_EQ(hc_runtime_start(runtime), HC_OK);
    }
    ~Model() {
        stop();
        hc_server_release(server);
        hc_queue_release(queue);
        hc_runtime_release(runtime);
    }
    Model(const Model&) = delete;
    Model& operator=(const Model&) = delete;

    void stop() {
        if (hc_runtime_stop(runtime, queue, 0) == HC_OK) {
            EXPECT_EQ(hc_runtime_join(runtime, std::chrono::nanoseconds(patience).count()), HC_OK);
        }
    }
    /// The next event of the queue; type 0 when nothing is there.
    hc_event next(std::int64_t timeout_ns = 0) const {
        hc_event event{};
        std::uint32_t n = 0;
        EXPECT_EQ(hc_queue_poll(queue, &event, 1, timeout_ns, &n), HC_OK);
        return n == 0 ? hc_event{} : event;
    }
    std::uint64_t count(const std::string& called) const { return metric(runtime, called); }
    bool reaches(const std::string& called, std::uint64_t value) const {
        return eventually([&] { return count(called) == value; });
    }
    std::vector<std::string> warnings() {
        const std::lock_guard lock(mutex_);
        return warnings_;
    }

    hc_runtime* runtime = nullptr;
    hc_queue* queue = nullptr;
    hc_server* server = nullptr;
    std::uint16_t port = 0;

private:
    static Pairs with(const std::string& execution, Pairs options) {
        options.emplace_back("server.execution", execution);
        options.emplace_back("listen.address", "127.0.0.1:0");
        return options;
    }
    static void on_event(void* handler, const hc_event* event) {
        (*static_cast<Handler*>(handler))(*event);
    }
    static void on_drop(void* handler) { *static_cast<Handler*>(handler) = nullptr; }
    static void log(void* self, std::int32_t level, const char* component, std::size_t component_n,
                    const char* message, std::size_t message_n) {
        auto& it = *static_cast<Model*>(self);
        if (level != HC_LOG_WARNING || std::string(component, component_n) != "pool") return;
        const std::lock_guard lock(it.mutex_);
        it.warnings_.emplace_back(message, message_n);
    }

    const Config config_;
    std::deque<Handler> handlers_; // their places stay
    std::mutex mutex_;
    std::vector<std::string> warnings_;
};

inline Client ask(std::uint16_t port, const std::string& target = "/") {
    Client client(port);
    client.send(request(target));
    return client;
}

/// Holds callers up until so many may pass, and says how many came.
class Sluice {
public:
    ~Sluice() { open(1'000'000); }
    void pass() {
        std::unique_lock lock(mutex_);
        ++inside_;
        changed_.notify_all();
        changed_.wait(lock, [this] { return allowed_ > 0; });
        --allowed_;
        --inside_;
    }
    void open(int n = 1) {
        const std::lock_guard lock(mutex_);
        allowed_ += n;
        changed_.notify_all();
    }
    bool holds(int n) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, patience, [&] { return inside_ == n; });
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    int inside_ = 0;
    int allowed_ = 0;
};

/// A pool whose one route waits in a sluice and then answers.
struct Blocked {
    explicit Blocked(const std::string& threads, const std::string& queue_max)
        : model("pool", {{"server.pool_threads", threads}, {"server.pool_queue_max", queue_max}},
                {{"*", [this](const hc_event& event) {
                      journal.add(event);
                      if (event.type == HC_EV_CLOSED) hc_release(event.obj);
                      if (event.type != HC_EV_REQUEST) return;
                      sluice.pass();
                      answer(event.obj, "done");
                  }}}) {}
    ~Blocked() { sluice.open(1'000'000); }

    Journal journal;
    Sluice sluice;
    Model model;
};

} // namespace capi_test
