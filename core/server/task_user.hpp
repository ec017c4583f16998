// TaskUser: a handler that is a coroutine. It runs on the worker that read its request, begins at
// once, and may suspend: for the body, for room to write, for a timer, for anything else.
//
//     Task<void> hello(Call& call) {
//         co_await runtime::sleep(100ms);
//         call.respond(200, {}, "Hello!\n");
//     }
//     server->bind(route, std::make_shared<TaskUser>(&hello));
//
// When the client goes, its time runs out or the server ends, the handler is dropped where it
// waits, with all that it awaits. A handler that ends without an answer, also by an exception
// (which is logged as an error of "task"), has its request answered 500; one that ends in the
// middle of an answer resets it.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/http/field.hpp"
#include "core/http/head.hpp"
#include "core/link/exchange.hpp"
#include "core/runtime/task.hpp"

namespace hc::server {

/// One request in the hands of a handler, for as long as that runs. Its worker's thread only. Every
/// call answers `closed` once the exchange has ended; a handler seldom sees that, being dropped.
class Call {
public:
    class Read;
    class Send;
    class State;

    explicit Call(std::shared_ptr<State> state) noexcept : state_(std::move(state)) {}
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    /// The request. What it points to moves when the handler first suspends: ask again after that.
    const http::HeadView& head() const noexcept;
    /// A parameter of the route, raw, as head() valid; empty when there is none of that name.
    std::string_view param(std::string_view name) const noexcept;

    /// The whole answer.
    ErrorKind respond(int status, std::span<const http::Field> fields, std::string_view body);
    /// The head of an answer whose body follows by send().
    ErrorKind begin(int status, std::span<const http::Field> fields);
    /// 100 to 199, not 101.
    ErrorKind interim(int status, std::span<const http::Field> fields);
    ErrorKind finish(std::span<const http::Field> trailers = {});

    /// A future of Result<std::string>: the next bytes of the body, at most `max` and at least one;
    /// empty at its end. One at a time; dropping it loses nothing.
    Read read(std::size_t max = 64 * 1024) noexcept;
    /// A future of Result<void>: ready when the bytes were taken, which waits while too much lies
    /// before them. They must live until then. One at a time; dropping it before sends nothing.
    Send send(std::string_view bytes) noexcept;

private:
    std::shared_ptr<State> state_;
};

class Call::Read {
public:
    Read(State& state, std::size_t max) noexcept : state_(state), max_(max) {}
    runtime::Poll<Result<std::string>> poll(runtime::Context& context);

private:
    State& state_;
    std::size_t max_;
};

class Call::Send {
public:
    Send(State& state, std::string_view bytes) noexcept : state_(state), bytes_(bytes) {}
    runtime::Poll<Result<void>> poll(runtime::Context& context);

private:
    State& state_;
    std::string_view bytes_;
};

class TaskUser final : public link::ExchangeUser {
public:
    /// Called for each request on its worker; what it refers to must outlive the server. The Call
    /// outlives the task that it gives.
    using Handler = std::function<runtime::Task<void>(Call&)>;
    explicit TaskUser(Handler handler)
        : handler_(std::make_shared<const Handler>(std::move(handler))) {}

private:
    void on_request(link::Exchange& exchange, bool ended) override;
    void on_body(link::Exchange& exchange, std::string_view bytes) override;
    void on_body_end(link::Exchange& exchange) override;
    void on_writable(link::Exchange& exchange) override;
    void on_closed(link::Exchange& exchange, ErrorKind why) override;
    bool keeps_body() const noexcept override { return false; }

    const std::shared_ptr<const Handler> handler_; // tasks are dropped later than the server
};

} // namespace hc::server
