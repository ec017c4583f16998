// Sequences of C API calls drawn from the input, on a driven runtime with real connections.
// Whatever is called in whatever order: nothing crashes, lent bytes come back exactly once, an
// exchange is closed at most once and never heard of behind its release.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <httpcore/httpcore.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

/// The input, spent from the front; zeros when it is used up.
class Input {
public:
    Input(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
    bool empty() const { return size_ == 0; }
    std::uint8_t byte() {
        if (size_ == 0) return 0;
        --size_;
        return *data_++;
    }
    std::uint32_t below(std::uint32_t bound) { return byte() % bound; }
    std::string_view bytes() {
        const std::size_t n = std::min<std::size_t>(byte(), size_);
        const std::string_view taken(reinterpret_cast<const char*>(data_), n);
        data_ += n;
        size_ -= n;
        return taken;
    }

private:
    const std::uint8_t* data_;
    std::size_t size_;
};

constexpr std::string_view pieces[] = {
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "HEAD /x?q HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: u\r\n\r\n",
    "GET / HTTP/1.0\r\n\r\n",
    "5\r\nhello\r\n",
    "0\r\nx: y\r\n\r\n",
    "0123456789",
    "\r\n",
};

class Session {
public:
    explicit Session(Input& input) : input_(input), large_(300'000, 'z') {
        hc_config* config = nullptr;
        require(hc_config_create(&config) == HC_OK);
        set(config, "runtime.workers", "0");
        set(config, "listen.address", "127.0.0.1:0");
        set(config, "limits.write_high_watermark_bytes", "50000");
        set(config, "limits.write_low_watermark_bytes", "10000");
        set(config, "limits.exchange_buffer_bytes_max", "4096");
        set(config, "limits.linger_timeout_ms", "1");
        require(hc_runtime_create(config, &runtime_, nullptr) == HC_OK);
        require(hc_queue_create(runtime_, 8, &queue_) == HC_OK);
        require(hc_server_create(runtime_, config, &server_, nullptr) == HC_OK);
        require(hc_server_route(server_, nullptr, "*", 0, nullptr) == HC_OK);
        inline_ = input_.below(2) == 1;
        if (inline_) {
            hc_inline handler{sizeof(hc_inline), &Session::on_event, this, &Session::on_drop};
            require(hc_server_bind_inline(server_, 0, &handler) == HC_OK);
        } else {
            require(hc_server_bind_queue(server_, 0, queue_) == HC_OK);
        }
        require(hc_server_listen(server_, config, nullptr) == HC_OK);
        std::array<char, 64> address{};
        require(hc_server_address(server_, 0, address.data(), address.size(), nullptr) == HC_OK);
        port_ = static_cast<std::uint16_t>(std::atoi(std::strrchr(address.data(), ':') + 1));
        require(hc_runtime_start(runtime_) == HC_OK);
        require(hc_config_release(config) == HC_OK);
    }

    ~Session() {
        hc_runtime_stop(runtime_, queue_, 1);
        for (int i = 0; i < 1'000 && !stopped_; ++i) {
            hc_runtime_turn(runtime_, 1'000'000);
            poll(64);
        }
        require(stopped_);
        require(loans_.empty());
        hc_server_release(server_);
        hc_queue_release(queue_);
        hc_runtime_release(runtime_);
        require(drops_ == (inline_ ? 1 : 0));
        for (const int client : clients_) ::close(client);
    }

    void step();

private:
    static void set(hc_config* config, const char* key, std::string_view value) {
        require(hc_config_set(config, key, value.data(), value.size(), nullptr) == HC_OK);
    }
    static void on_event(void* self, const hc_event* event) {
        static_cast<Session*>(self)->handle(*event);
    }
    static void on_drop(void* self) { ++static_cast<Session*>(self)->drops_; }

    void handle(const hc_event& event);
    void poll(std::uint32_t cap);
    void call_exchange(hc_exchange exchange);
    void lend(hc_exchange exchange, std::uint32_t flags, bool whole);
    void connect();
    void client_step();
    void other_step();
    hc_exchange some_exchange() {
        if (exchanges_.empty() || input_.below(16) == 0) return forged_ += 0x0123456789abULL;
        auto it = exchanges_.begin();
        std::advance(it, input_.below(static_cast<std::uint32_t>(exchanges_.size())));
        return it->first;
    }
    void released(hc_exchange exchange, hc_status status) {
        if (status == HC_OK) exchanges_.erase(exchange);
    }

    Input& input_;
    const std::string large_;
    hc_runtime* runtime_ = nullptr;
    hc_queue* queue_ = nullptr;
    hc_server* server_ = nullptr;
    std::uint16_t port_ = 0;
    bool inline_ = false;
    bool stopped_ = false;
    int depth_ = 0;
    int drops_ = 0;
    std::uint64_t token_ = 1;
    std::uint64_t forged_ = 1;
    std::set<std::uint64_t> loans_;
    std::map<hc_exchange, bool> exchanges_; // true: closed
    std::vector<hc_op> operations_;
    std::vector<int> clients_;
};

void Session::handle(const hc_event& event) {
    const auto known = exchanges_.find(event.obj);
    switch (event.type) {
    case HC_EV_REQUEST:
        require(known == exchanges_.end());
        exchanges_[event.obj] = false;
        break;
    case HC_EV_BODY:
        if (known != exchanges_.end()) {
            std::string copy(reinterpret_cast<const char*>(event.data), event.n);
            require(copy.size() == event.n && !known->second);
        }
        break;
    case HC_EV_CLOSED:
        if (known != exchanges_.end()) {
            require(!known->second);
            known->second = true;
        }
        break;
    case HC_EV_SENT: require(loans_.erase(event.token) == 1); return;
    case HC_EV_STOPPED: stopped_ = true; return;
    default: break;
    }
    // From inside a callback calls may be made as well.
    if (inline_ && depth_ < 2 && exchanges_.contains(event.obj)) {
        ++depth_;
        for (std::uint32_t i = input_.below(4); i > 0; --i) call_exchange(event.obj);
        --depth_;
    }
}

void Session::poll(std::uint32_t cap) {
    std::array<hc_event, 64> events{};
    std::uint32_t n = 0;
    hc_queue_poll(queue_, events.data(), std::min<std::uint32_t>(cap, 64), 0, &n);
    for (std::uint32_t i = 0; i < n; ++i) handle(events[i]);
}

void Session::lend(hc_exchange exchange, std::uint32_t flags, bool whole) {
    const std::uint64_t token = token_++;
    const std::size_t n = input_.below(4) == 0 ? 0 : large_.size() >> input_.below(18);
    loans_.insert(token); // SENT may come before the call returns
    const hc_status status =
        whole ? hc_respond(exchange, 200, nullptr, 0, large_.data(), n, flags | HC_NOCOPY, token)
              : hc_send(exchange, large_.data(), n, flags | HC_NOCOPY, token);
    if (status != HC_OK) require(loans_.erase(token) == 1);
    if ((flags & HC_RELEASE) != 0) released(exchange, status);
}

void Session::call_exchange(hc_exchange exchange) {
    const std::uint32_t flags = input_.byte() & 0x3F;
    const std::uint32_t plain = flags & ~HC_NOCOPY;
    hc_status status = HC_OK;
    switch (input_.below(14)) {
    case 0: {
        const std::string_view name = input_.bytes();
        const std::string_view value = input_.bytes();
        const hc_header field{
            {name.data(), name.size()}, {value.data(), value.size()}, input_.byte(), 0};
        status = hc_respond(exchange, 100 + input_.byte() * 2, &field, flags & 1, "body", flags & 4,
                            plain, 0);
        if ((plain & HC_RELEASE) != 0) released(exchange, status);
        break;
    }
    case 1: {
        const std::string_view bytes = input_.bytes();
        status = hc_send(exchange, bytes.data(), bytes.size(), plain, 0);
        if ((plain & HC_RELEASE) != 0) released(exchange, status);
        break;
    }
    case 2: lend(exchange, plain, false); break;
    case 3: lend(exchange, plain, true); break;
    case 4: hc_finish(exchange, nullptr, 0); break;
    case 5: hc_abort(exchange, flags); break;
    case 6: released(exchange, hc_release(exchange)); break;
    case 7: hc_recv(exchange, flags == 0 ? UINT64_MAX : flags); break;
    case 8: hc_consume(exchange, input_.byte()); break;
    case 9: {
        const hc_head* head = nullptr;
        if (hc_head_get(exchange, &head) != HC_OK) break;
        std::string all(head->path.p, head->path.n);
        for (std::uint32_t i = 0; i < head->nheaders; ++i) {
            all.append(head->headers[i].value.p, head->headers[i].value.n);
        }
        require(all.size() < 40'000);
        break;
    }
    case 10: {
        const hc_header* trailers = nullptr;
        size_t n = 0;
        if (hc_trailers_get(exchange, &trailers, &n) == HC_OK && n > 0)
            require(trailers[0].name.n > 0);
        break;
    }
    case 11:
        hc_respond(exchange, 100 + input_.byte(), nullptr, 0, nullptr, 0, HC_INTERIM, 0);
        break;
    case 12: hc_upgrade(exchange, flags == 0 ? 101 : 200, nullptr, 0); break;
    case 13: {
        const std::string_view data = input_.bytes();
        status = hc_send_sse(exchange, "e", nullptr, data.data(), data.size(), 1, plain, 0);
        if ((plain & HC_RELEASE) != 0) released(exchange, status);
        break;
    }
    }
}

void Session::connect() {
    if (clients_.size() >= 8) return;
    const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(client, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
        ::close(client);
        return;
    }
    clients_.push_back(client);
}

void Session::client_step() {
    if (clients_.empty()) return connect();
    const std::size_t which = input_.below(static_cast<std::uint32_t>(clients_.size()));
    const int client = clients_[which];
    switch (input_.below(8)) {
    case 0: {
        const linger hard{1, input_.below(2) == 0 ? 0 : 1};
        ::setsockopt(client, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        ::close(client);
        clients_.erase(clients_.begin() + static_cast<std::ptrdiff_t>(which));
        break;
    }
    case 1: ::shutdown(client, SHUT_WR); break;
    case 2:
    case 3: {
        std::array<char, 65'536> buffer;
        while (::recv(client, buffer.data(), buffer.size(), MSG_DONTWAIT) > 0) {}
        break;
    }
    case 4: {
        const std::string_view raw = input_.bytes();
        ::send(client, raw.data(), raw.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        break;
    }
    default: {
        const std::string_view piece = pieces[input_.below(std::size(pieces))];
        ::send(client, piece.data(), piece.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    }
}

void Session::other_step() {
    switch (input_.below(8)) {
    case 0: {
        hc_op op = 0;
        if (hc_timer(queue_, input_.byte() * 10'000ULL, 0, &op) == HC_OK) operations_.push_back(op);
        break;
    }
    case 1:
        if (!operations_.empty()) {
            hc_cancel(operations_[input_.below(static_cast<std::uint32_t>(operations_.size()))]);
        }
        break;
    case 2: hc_queue_wake(queue_); break;
    case 3: hc_queue_arm(queue_); break;
    case 4: {
        std::array<char, 16'384> text{};
        hc_metrics(runtime_, 1 + static_cast<std::int32_t>(input_.below(2)), text.data(),
                   text.size(), nullptr);
        break;
    }
    case 5: hc_cancel(forged_ += 0x9e3779b97f4a7c15ULL); break;
    case 6: hc_server_drain(server_, queue_, 0, input_.byte() * 100'000ULL, 0); break;
    case 7: {
        hc_config* config = nullptr;
        require(hc_config_create(&config) == HC_OK);
        const std::string key(input_.bytes());
        const std::string_view value = input_.bytes();
        hc_error* error = nullptr;
        hc_config_set(config, key.c_str(), value.data(), value.size(), &error);
        hc_error_release(error);
        hc_config_load_json(config, key.data(), key.size(), nullptr);
        hc_config_release(config);
        break;
    }
    }
}

void Session::step() {
    switch (input_.below(6)) {
    case 0: hc_runtime_turn(runtime_, 0); break;
    case 1:
        hc_runtime_flush(runtime_);
        poll(1 + input_.below(64));
        break;
    case 2:
    case 3: call_exchange(some_exchange()); break;
    case 4: client_step(); break;
    case 5: other_step(); break;
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Input input(data, size);
    Session session(input);
    for (int i = 0; i < 300 && !input.empty(); ++i) session.step();
    return 0;
}
