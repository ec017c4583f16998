#include "tests/capi/support.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>

#include "tests/support/backend.hpp"

namespace capi_test {

bool eventually(const std::function<bool()>& condition) {
    const auto until = std::chrono::steady_clock::now() + patience;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > until) return false;
        std::this_thread::sleep_for(1ms);
    }
    return true;
}

namespace {
/// A run on io_uring where there is none is skipped as a whole, with the reason.
class BackendIsThere final : public testing::Environment {
public:
    void SetUp() override {
        const Config config;
        hc_runtime* runtime = nullptr;
        hc_error* error = nullptr;
        const hc_status status = hc_runtime_create(config.get(), &runtime, &error);
        const std::string message(status == HC_OK ? "" : hc_error_message(error));
        hc_error_release(error);
        hc_runtime_release(runtime);
        ASSERT_TRUE(status == HC_OK || status == HC_E_UNSUPPORTED) << message;
        if (status != HC_OK) GTEST_SKIP() << message;
    }
};
testing::Environment* const backend_is_there =
    testing::AddGlobalTestEnvironment(new BackendIsThere);
} // namespace

Config::Config(const Pairs& options) {
    EXPECT_EQ(hc_config_create(&config_), HC_OK);
    if (hc::test::on_io_uring()) set("runtime.io", "io_uring");
    for (const auto& [key, value] : options) set(key, value);
}

void Config::set(const std::string& key, const std::string& value) {
    hc_error* error = nullptr;
    EXPECT_EQ(hc_config_set(config_, key.c_str(), value.data(), value.size(), &error), HC_OK)
        << hc_error_message(error);
    hc_error_release(error);
}

// -- Client ---------------------------------------------------------------------------------------

namespace {
bool ready(int fd, short events, std::chrono::milliseconds wait) {
    pollfd one{fd, events, 0};
    return ::poll(&one, 1, static_cast<int>(wait.count())) > 0;
}
} // namespace

Client::Client(std::uint16_t port, int receive_buffer) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_GE(fd_, 0);
    if (receive_buffer > 0) set_receive_buffer(receive_buffer);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0)
        << std::strerror(errno);
}

void Client::set_receive_buffer(int bytes) const {
    EXPECT_EQ(::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes), 0);
}

void Client::send(std::string_view bytes) {
    while (!bytes.empty()) {
        const auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (n <= 0) return; // the test sees the answer, or its lack
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
}

std::size_t Client::send_some(std::string_view bytes, std::chrono::milliseconds wait) {
    std::size_t sent = 0;
    while (sent < bytes.size() && ready(fd_, POLLOUT, wait)) {
        const auto n =
            ::send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n <= 0) break;
        sent += static_cast<std::size_t>(n);
    }
    return sent;
}

bool Client::readable() const { return !ahead_.empty() || ready(fd_, POLLIN, 0ms); }

std::string Client::receive(std::size_t max) {
    if (!ahead_.empty()) {
        std::string some = ahead_.substr(0, max);
        ahead_.erase(0, some.size());
        return some;
    }
    if (!ready(fd_, POLLIN, patience)) {
        ADD_FAILURE() << "nothing came";
        return {};
    }
    std::string buffer(max, '\0');
    const auto n = ::recv(fd_, buffer.data(), buffer.size(), 0);
    buffer.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return buffer;
}

std::string Client::read(std::size_t n) {
    std::string all;
    while (all.size() < n) {
        const std::string some = receive(n - all.size());
        if (some.empty()) break;
        all += some;
    }
    return all;
}

std::string Client::read_until(std::string_view mark) {
    std::string all;
    std::size_t at = std::string::npos;
    while ((at = all.find(mark)) == std::string::npos) {
        const std::string some = receive();
        if (some.empty()) return all;
        all += some;
    }
    ahead_ = all.substr(at + mark.size()) + ahead_;
    all.resize(at + mark.size());
    return all;
}

std::string Client::read_to_end() {
    std::string all;
    for (;;) {
        const std::string some = receive();
        if (some.empty()) return all;
        all += some;
    }
}

void Client::end_sending() { ::shutdown(fd_, SHUT_WR); }

void Client::reset() {
    const linger hard{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close();
}

void Client::close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
}

namespace {
std::string lower(std::string text) {
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
    return text;
}

std::map<std::string, std::string> parse_fields(std::string_view lines) {
    std::map<std::string, std::string> fields;
    while (!lines.empty()) {
        const std::size_t end = lines.find("\r\n");
        const std::string_view line = lines.substr(0, end);
        const std::size_t colon = line.find(": ");
        if (colon != std::string_view::npos) {
            fields[lower(std::string(line.substr(0, colon)))] = line.substr(colon + 2);
        }
        if (end == std::string_view::npos) break;
        lines.remove_prefix(end + 2);
    }
    return fields;
}

void read_chunked(Client& client, Response& response) {
    for (;;) {
        const std::string line = client.read_until("\r\n");
        if (line.empty()) return;
        const std::size_t size = std::stoul(line, nullptr, 16);
        if (size == 0) break;
        response.body += client.read(size);
        client.read(2);
    }
    for (;;) {
        const std::string line = client.read_until("\r\n");
        if (line.size() <= 2) return;
        response.trailers.merge(parse_fields(line));
    }
}
} // namespace

Response read_response(Client& client, bool head_request) {
    Response response;
    const std::string head = client.read_until("\r\n\r\n");
    if (head.size() < 12) return response;
    response.status = std::stoi(head.substr(9, 3));
    response.fields = parse_fields(std::string_view(head).substr(head.find("\r\n") + 2));
    const bool none =
        head_request || response.status < 200 || response.status == 204 || response.status == 304;
    if (none) return response;
    if (response.fields["transfer-encoding"] == "chunked") {
        read_chunked(client, response);
    } else if (response.fields.contains("content-length")) {
        response.body = client.read(std::stoul(response.fields["content-length"]));
    } else {
        response.body = client.read_to_end();
    }
    return response;
}

Response get(std::uint16_t port, const std::string& target) {
    Client client(port);
    client.send("GET " + target + " HTTP/1.1\r\nHost: test\r\n\r\n");
    return read_response(client);
}

// -- Program --------------------------------------------------------------------------------------

std::string name_of(Delivery delivery) {
    switch (delivery) {
    case Delivery::inline_worker: return "inline";
    case Delivery::queue: return "queue";
    case Delivery::driven_queue: return "driven_queue";
    case Delivery::driven_inline: return "driven_inline";
    case Delivery::pool: return "pool";
    case Delivery::driven_pool: return "driven_pool";
    }
    return "";
}

Program::Program(Delivery delivery, Handler handler, ProgramOptions options)
    : delivery_(delivery), handler_(std::move(handler)) {
    const bool driven = delivery == Delivery::driven_queue || delivery == Delivery::driven_inline ||
                        delivery == Delivery::driven_pool;
    if (delivery == Delivery::pool || delivery == Delivery::driven_pool) {
        options.config.insert(options.config.begin(), {"server.execution", "pool"});
    }
    options.config.emplace_back("runtime.workers", driven ? "0" : std::to_string(options.workers));
    options.config.emplace_back("listen.address", "127.0.0.1:0");
    const Config config(options.config);
    EXPECT_EQ(hc_runtime_create(config.get(), &runtime_, nullptr), HC_OK);
    EXPECT_EQ(hc_queue_create(runtime_, options.inflight_max, &queue_), HC_OK);
    EXPECT_EQ(hc_server_create(runtime_, config.get(), &server_, nullptr), HC_OK);
    make_server(options);
    hc_error* error = nullptr;
    EXPECT_EQ(hc_server_listen(server_, config.get(), &error), HC_OK) << hc_error_message(error);
    hc_error_release(error);
    std::array<char, 64> address{};
    EXPECT_EQ(hc_server_address(server_, 0, address.data(), address.size(), nullptr), HC_OK);
    const std::string_view shown(address.data());
    port_ = static_cast<std::uint16_t>(std::stoi(std::string(shown.substr(shown.rfind(':') + 1))));
    EXPECT_EQ(hc_runtime_start(runtime_), HC_OK);
    thread_ = std::thread([this, driven] {
        if (driven) {
            drive();
        } else {
            consume();
        }
    });
}

void Program::make_server(const ProgramOptions& options) {
    std::uint32_t number = 0;
    for (const auto& [method, pattern] : options.routes) {
        EXPECT_EQ(hc_server_route(server_, method.c_str(), pattern.c_str(), number, nullptr),
                  HC_OK);
        if (is_function(delivery_)) {
            hc_inline handler{};
            handler.size = sizeof handler;
            handler.on_event = &Program::on_event;
            handler.arg = this;
            handler.drop = &Program::on_drop;
            EXPECT_EQ(hc_server_bind_inline(server_, number, &handler), HC_OK);
        } else {
            EXPECT_EQ(hc_server_bind_queue(server_, number, queue_), HC_OK);
        }
        ++number;
    }
}

Program::~Program() {
    stop();
    hc_server_release(server_);
    hc_queue_release(queue_);
    hc_runtime_release(runtime_);
}

void Program::settle() const {
    std::array<char, 16'384> text{};
    EXPECT_TRUE(eventually([&] {
        return hc_metrics(runtime_, HC_METRICS_PROMETHEUS, text.data(), text.size(), nullptr) ==
                   HC_OK &&
               std::strstr(text.data(), "\nhttpcore_requests_active 0\n") != nullptr;
    })) << text.data();
}

void Program::stop() {
    if (stopped_) return;
    stopped_ = true;
    hc_runtime_stop(runtime_, queue_, 0);
    if (thread_.joinable()) thread_.join();
    EXPECT_EQ(hc_runtime_join(runtime_, std::chrono::nanoseconds(patience).count()), HC_OK);
}

void Program::on_event(void* self, const hc_event* event) {
    static_cast<Program*>(self)->handler_(*event);
}

void Program::on_drop(void* self) { static_cast<Program*>(self)->drops_.fetch_add(1); }

bool Program::take_events() {
    std::array<hc_event, 64> events{};
    for (;;) {
        std::uint32_t n = 0;
        EXPECT_EQ(hc_queue_poll(queue_, events.data(), events.size(), 0, &n), HC_OK);
        if (n == 0) return true;
        for (std::uint32_t i = 0; i < n; ++i) {
            handler_(events[i]);
            if (events[i].type == HC_EV_STOPPED) return false;
        }
    }
}

void Program::consume() {
    std::array<hc_event, 64> events{};
    for (;;) {
        std::uint32_t n = 0;
        ASSERT_EQ(hc_queue_poll(queue_, events.data(), events.size(), -1, &n), HC_OK);
        for (std::uint32_t i = 0; i < n; ++i) {
            handler_(events[i]);
            if (events[i].type == HC_EV_STOPPED) return;
        }
    }
}

void Program::drive() {
    for (;;) {
        const hc_status status = hc_runtime_turn(runtime_, 100'000'000);
        const bool more = take_events();
        if (!more || status != HC_OK) return;
        ASSERT_EQ(hc_runtime_flush(runtime_), HC_OK);
        if (!take_events()) return;
    }
}

// -- Journal --------------------------------------------------------------------------------------

void Journal::add(const hc_event& event) {
    const std::lock_guard lock(mutex_);
    events_.push_back(event);
    changed_.notify_all();
}

std::size_t Journal::count(std::uint32_t type) const { return of(type).size(); }

std::vector<hc_event> Journal::of(std::uint32_t type) const {
    const std::lock_guard lock(mutex_);
    std::vector<hc_event> found;
    std::ranges::copy_if(events_, std::back_inserter(found),
                         [&](const hc_event& e) { return e.type == type; });
    return found;
}

bool Journal::wait_for(std::uint32_t type, std::size_t n) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [&] {
        return static_cast<std::size_t>(std::ranges::count(events_, type, &hc_event::type)) >= n;
    });
}

hc_event Journal::last(std::uint32_t type) const {
    const auto found = of(type);
    return found.empty() ? hc_event{} : found.back();
}

hc_status answer(hc_exchange exchange, std::string_view body, std::int32_t status) {
    return hc_respond(exchange, status, nullptr, 0, body.data(), body.size(), HC_FIN | HC_RELEASE,
                      0);
}

} // namespace capi_test
