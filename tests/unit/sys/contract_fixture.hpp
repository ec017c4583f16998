// What the tests of the contract share: one system, sockets that are closed at the end, and ways to
// wait that work in real and in virtual time.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "tests/unit/sys/contract_env.hpp"

namespace hc::sys::test {

using namespace std::chrono_literals;
inline constexpr Duration patience = 10s; // for what must come
inline constexpr Duration moment = 30ms;  // for what must not come

class Contract : public testing::TestWithParam<EnvCase> {
protected:
    void SetUp() override {
        if (!GetParam().absent.empty()) GTEST_SKIP() << GetParam().absent;
        env_ = GetParam().make();
        selector_ = make_selector();
    }
    void TearDown() override {
        selector_.reset();
        for (const Socket socket : open_) sockets().close(socket);
    }

    System& system() { return env_->system(); }
    Sockets& sockets() { return system().sockets(); }
    Selector& selector() { return *selector_; }
    std::unique_ptr<Selector> make_selector() {
        auto made = system().make_selector();
        EXPECT_TRUE(made) << made.error().message;
        return std::move(*made);
    }

    Socket keep(Socket socket) {
        open_.push_back(socket);
        return socket;
    }
    void forget(Socket socket) { std::erase(open_, socket); }
    void close(Socket socket) {
        forget(socket);
        sockets().close(socket);
    }
    Socket listen(const std::string& at, ListenOptions options = {}) {
        auto made = sockets().listen(*Address::parse(at), options);
        EXPECT_TRUE(made) << made.error().message;
        return made ? keep(*made) : Socket::none;
    }
    /// Machines without IPv6 exist.
    bool has_v6() {
        const auto probe = sockets().listen(*Address::parse("[::1]:0"), {});
        if (probe) sockets().close(*probe);
        return probe.has_value();
    }
    Address address_of(Socket socket) {
        auto address = sockets().local_address(socket);
        EXPECT_TRUE(address) << address.error().message;
        return address.value_or(Address{});
    }

    /// Waits until the selector reports something of `token`, and gives the union of it.
    Event await(
        Selector& from, Token token,
        bool (*done)(const Event&) = [](const Event&) { return true; }) {
        Event all{.token = token};
        const Instant end = system().clock().now() + patience;
        while (system().clock().now() < end) {
            Events<8> events;
            const auto count = from.select(events, patience);
            if (!count) break;
            for (const Event& event : events) {
                if (event.token != token) continue;
                all.readable |= event.readable;
                all.writable |= event.writable;
                all.read_closed |= event.read_closed;
                all.failed |= event.failed;
                if (done(all)) return all;
            }
        }
        ADD_FAILURE() << "nothing was reported for token " << token;
        return all;
    }
    Event await(Token token) { return await(selector(), token); }

    /// True when the selector reports nothing of `token` for a while.
    bool is_quiet(Token token) { return is_quiet(selector(), token); }
    bool is_quiet(Selector& from, Token token) {
        const Instant end = system().clock().now() + moment;
        while (system().clock().now() < end) {
            Events<8> events;
            if (!from.select(events, moment)) return false;
            for (const Event& event : events) {
                if (event.token == token) return false;
            }
        }
        return true;
    }

    Accepted accept(Socket listener) {
        auto waiting = make_selector();
        EXPECT_TRUE(waiting->register_(listener, 1, Interest::read()));
        await(*waiting, 1);
        Accepted accepted;
        EXPECT_TRUE(sockets().accept(listener, accepted).ok());
        keep(accepted.socket);
        return accepted;
    }
    Socket connect(const Address& to) {
        auto made = sockets().connect(to);
        EXPECT_TRUE(made) << made.error().message;
        return made ? keep(*made) : Socket::none;
    }

    struct Pair {
        Socket client;
        Socket server;
    };
    Pair make_pair() {
        const Socket listener = listen("127.0.0.1:0");
        const Socket client = connect(address_of(listener));
        const Socket server = accept(listener).socket;
        auto waiting = make_selector();
        EXPECT_TRUE(waiting->register_(client, 1, Interest::write()));
        await(*waiting, 1);
        EXPECT_TRUE(sockets().connect_result(client));
        return {client, server};
    }

    Io send(Socket socket, std::string_view text) {
        const ConstBuffer piece{text.data(), text.size()};
        return sockets().send(socket, {&piece, 1});
    }
    /// Sends all of it, waiting for room (which only a reading peer makes).
    void send_all(Socket socket, std::string_view text) {
        auto waiting = make_selector();
        EXPECT_TRUE(waiting->register_(socket, 1, Interest::write().edge_triggered()));
        while (!text.empty()) {
            const Io io = send(socket, text);
            ASSERT_NE(io.status, Io::Status::failed) << io.code;
            text.remove_prefix(io.bytes);
            if (!text.empty()) await(*waiting, 1);
        }
    }
    /// Reads until `size` bytes are there, or until the end.
    std::string read(Socket socket, std::size_t size = SIZE_MAX) {
        auto waiting = make_selector();
        EXPECT_TRUE(waiting->register_(socket, 1, Interest::read()));
        std::string out;
        std::array<char, 4096> into;
        while (out.size() < size) {
            const Io io = sockets().recv(socket, into);
            if (io.ok()) out.append(into.data(), io.bytes);
            if (io.status == Io::Status::end || io.status == Io::Status::failed) break;
            if (io.status == Io::Status::would_block) await(*waiting, 1);
        }
        return out;
    }
    /// Fills the pipe until not a byte more is taken; gives how much was.
    std::size_t fill(Socket socket) {
        const std::string block(64 * 1024, 'x');
        std::size_t sum = 0;
        for (;;) {
            const Io io = send(socket, block);
            if (!io.ok()) {
                EXPECT_EQ(io.status, Io::Status::would_block);
                return sum;
            }
            sum += io.bytes;
        }
    }
    /// The outcome of recv when it is no longer would_block.
    Io settled_recv(Socket socket, std::span<char> into) {
        auto waiting = make_selector();
        EXPECT_TRUE(waiting->register_(socket, 1, Interest::read()));
        for (;;) {
            const Io io = sockets().recv(socket, into);
            if (io.status != Io::Status::would_block) return io;
            await(*waiting, 1);
        }
    }

    std::unique_ptr<Env> env_;
    std::unique_ptr<Selector> selector_;
    std::vector<Socket> open_;
};

inline bool read_closed(const Event& event) { return event.read_closed; }
inline bool has_failed(const Event& event) { return event.failed; }
inline bool is_writable(const Event& event) { return event.writable; }

} // namespace hc::sys::test
