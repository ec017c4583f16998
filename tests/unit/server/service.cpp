#include "tests/unit/server/service.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace hc::server::test {

void Echo::answer(link::Exchange& exchange) {
    const http::HeadView& head = exchange.head();
    if (head.text(head.path) == "/tunnel") {
        EXPECT_EQ(exchange.upgrade(101, {}), ErrorKind::ok);
        return;
    }
    const std::string text = exchange.peer().host() + " " + std::string(head.text(head.target));
    EXPECT_EQ(exchange.respond(200, {}, text, {.fin = true}), ErrorKind::ok);
}

void Echo::on_request(link::Exchange& exchange, bool) {
    held.push_back(&exchange);
    if (!holds) answer(exchange);
}

void Echo::on_closed(link::Exchange& exchange, ErrorKind) {
    ++closed;
    if (hoards) return;
    std::erase(held, &exchange);
    exchange.release();
}

void Echo::finish() {
    for (link::Exchange* exchange : std::exchange(held, {})) {
        answer(*exchange);
        exchange->release();
    }
}

void Echo::let_go() {
    for (link::Exchange* exchange : std::exchange(held, {})) exchange->release();
}

Service::Service(sim::Options network) : world(1, std::move(network)) {
    runtime::RuntimeOptions runtime_options;
    runtime_options.workers = 0;
    runtime_options.system = &world;
    runtime = std::move(runtime::Runtime::create(runtime_options).value());
    EXPECT_TRUE(runtime->start());
    options.date = false;
    options.log = {.write = &Service::log, .arg = this, .minimum = LogLevel::info};
}

Service::~Service() {
    echo->let_go();
    server.reset();
    runtime->stop([] {});
    EXPECT_TRUE(runtime->worker(0).turn(Duration::zero(), true));
    runtime.reset();
    EXPECT_EQ(world.network().open_sockets(), 0U);
}

void Service::start() {
    server = Server::create(*runtime, options).value();
    ASSERT_TRUE(server->route("GET", "/{rest...}", 0));
    ASSERT_TRUE(server->bind(0, other != nullptr ? other : echo));
    const auto listener = server->listen(listening);
    ASSERT_TRUE(listener) << listener.error().message;
    settle();
}

std::unique_ptr<sim::Peer> Service::connect(std::string_view from) {
    const sys::Address address = sys::Address::parse(from).value();
    const bool v4 = address.family == sys::Address::Family::v4;
    const sys::Address here = sys::Address::parse(v4 ? "192.0.2.1:80" : "[2001:db8::1]:80").value();
    return std::move(sim::Peer::connect(world, here, address).value());
}

std::unique_ptr<sim::Peer> Service::connect(std::string_view from, std::string_view bytes) {
    auto peer = connect(from);
    peer->send(bytes);
    return peer;
}

void Service::turn(Duration timeout) {
    runtime::Worker& worker = runtime->worker(0);
    EXPECT_TRUE(worker.turn(timeout, true));
    worker.flush();
}

void Service::turn_for(Duration how_long) {
    const Instant end = world.now() + how_long;
    while (world.now() < end) turn(end - world.now());
}

bool Service::until(const std::function<bool()>& done, Duration limit) {
    const Instant end = world.now() + limit;
    while (!done()) {
        if (world.now() >= end) return false;
        turn(std::min(end, world.next()) - world.now());
    }
    return true;
}

void Service::log(void* arg, LogLevel, std::string_view component, std::string_view text) {
    static_cast<Service*>(arg)->lines.push_back(std::string(component) + ": " + std::string(text));
}

} // namespace hc::server::test
