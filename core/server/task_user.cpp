#include "core/server/task_user.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/runtime/coop.hpp"
#include "core/runtime/spawn.hpp"

namespace hc::server {

using link::Exchange;
using runtime::Context;
using runtime::pending;
using runtime::Poll;
using runtime::Task;
using runtime::Waker;

/// What the exchange's calls and the handler's task share. The exchange is released by whichever is
/// first: the end of the task, or the end of the exchange, which then ends the task.
class Call::State {
public:
    explicit State(Exchange& exchange, bool ended) noexcept : exchange_(&exchange), ended_(ended) {}

    Exchange* exchange() const noexcept { return exchange_; }
    std::optional<runtime::AbortHandle> task;

    /// Gives the exchange up.
    void let_go() noexcept {
        if (Exchange* exchange = std::exchange(exchange_, nullptr)) exchange->release();
    }

    // -- the body ---------------------------------------------------------------------------------
    void take(std::string_view bytes) {
        arrived_ += bytes;
        outstanding_ -= bytes.size();
        reader_.wake();
    }
    void end() noexcept {
        ended_ = true;
        reader_.wake();
    }
    Poll<Result<std::string>> read(Context& context, std::size_t max) {
        if (exchange_ == nullptr) return Result<std::string>(gone());
        if (arrived_.empty() && !ended_) {
            reader_ = context.waker();
            // What was asked for before and has not come still will.
            const std::size_t more = max - std::min(max, outstanding_);
            outstanding_ += more;
            if (more > 0 && exchange_->grant(more) != ErrorKind::ok) {
                return Result<std::string>(gone());
            }
            if (arrived_.empty() && !ended_) return pending;
        }
        if (!runtime::coop::spend(context)) return pending;
        if (arrived_.size() <= max) return Result<std::string>(std::exchange(arrived_, {}));
        std::string some = arrived_.substr(0, max);
        arrived_.erase(0, max);
        return Result<std::string>(std::move(some));
    }

    // -- the answer -------------------------------------------------------------------------------
    Poll<Result<void>> send(Context& context, std::string_view bytes) {
        if (exchange_ == nullptr) return Result<void>(gone());
        if (!runtime::coop::spend(context)) return pending;
        const ErrorKind sent = exchange_->send(bytes, {});
        if (sent == ErrorKind::ok) return Result<void>();
        if (sent != ErrorKind::again) {
            return Result<void>(fail(sent, "the bytes cannot be sent now"));
        }
        writer_ = context.waker();
        return pending;
    }
    void wake_writer() noexcept { writer_.wake(); }

private:
    static std::unexpected<Error> gone() {
        return fail(ErrorKind::closed, "the exchange has ended");
    }

    Exchange* exchange_;
    bool ended_;
    std::string arrived_;
    std::size_t outstanding_ = 0; // bytes asked for that have not arrived
    Waker reader_;
    Waker writer_;
};

namespace {

/// How the exchange finds what belongs to it.
class Attached final : public Exchange::Attachment {
public:
    explicit Attached(std::shared_ptr<Call::State> shared) noexcept : state(std::move(shared)) {}
    const std::shared_ptr<Call::State> state;
};

Call::State& state_of(Exchange& exchange) noexcept {
    return *static_cast<Attached&>(*exchange.attachment.load(std::memory_order_relaxed)).state;
}

/// The whole life of a handler's task.
Task<void> serve(std::shared_ptr<const TaskUser::Handler> handler,
                 std::shared_ptr<Call::State> state) {
    struct Release { // however it ends
        Call::State& state;
        ~Release() { state.let_go(); }
    };
    const Release at_the_end{*state};
    Call call(state);
    co_await (*handler)(call);
}

} // namespace

// -- what a handler calls -------------------------------------------------------------------------

const http::HeadView& Call::head() const noexcept {
    const Exchange* exchange = state_->exchange();
    return exchange == nullptr ? http::OwnedHead::none : exchange->head();
}

std::string_view Call::param(std::string_view name) const noexcept {
    const Exchange* exchange = state_->exchange();
    if (exchange == nullptr) return {};
    const http::RouteMatch& match = exchange->match();
    const http::HeadView& head = exchange->head();
    for (std::uint32_t i = 0; i < match.param_count; ++i) {
        if (match.name(i) == name) return match.value(i, head.text(head.path));
    }
    return {};
}

ErrorKind Call::respond(int status, std::span<const http::Field> fields, std::string_view body) {
    Exchange* exchange = state_->exchange();
    if (exchange == nullptr) return ErrorKind::closed;
    return exchange->respond(status, fields, body, {.fin = true});
}

ErrorKind Call::begin(int status, std::span<const http::Field> fields) {
    Exchange* exchange = state_->exchange();
    return exchange == nullptr ? ErrorKind::closed : exchange->respond(status, fields, {}, {});
}

ErrorKind Call::interim(int status, std::span<const http::Field> fields) {
    Exchange* exchange = state_->exchange();
    return exchange == nullptr ? ErrorKind::closed : exchange->interim(status, fields);
}

ErrorKind Call::finish(std::span<const http::Field> trailers) {
    Exchange* exchange = state_->exchange();
    return exchange == nullptr ? ErrorKind::closed : exchange->finish(trailers);
}

Call::Read Call::read(std::size_t max) noexcept { return {*state_, std::max<std::size_t>(max, 1)}; }
Call::Send Call::send(std::string_view bytes) noexcept { return {*state_, bytes}; }

Poll<Result<std::string>> Call::Read::poll(Context& context) { return state_.read(context, max_); }
Poll<Result<void>> Call::Send::poll(Context& context) { return state_.send(context, bytes_); }

// -- what the exchange calls ----------------------------------------------------------------------

void TaskUser::on_request(Exchange& exchange, bool ended) {
    auto state = std::make_shared<Call::State>(exchange, ended);
    exchange.attachment.store(new Attached(state), std::memory_order_relaxed);
    auto handle = runtime::spawn_local(serve(handler_, state));
    if (state->exchange() != nullptr) state->task.emplace(handle.abort_handle());
    std::move(handle).detach();
}

void TaskUser::on_body(Exchange& exchange, std::string_view bytes) {
    state_of(exchange).take(bytes);
}
void TaskUser::on_body_end(Exchange& exchange) { state_of(exchange).end(); }
void TaskUser::on_writable(Exchange& exchange) { state_of(exchange).wake_writer(); }

void TaskUser::on_closed(Exchange& exchange, ErrorKind) {
    const std::shared_ptr<Call::State> state =
        static_cast<Attached&>(*exchange.attachment.load(std::memory_order_relaxed)).state;
    state->let_go();
    if (state->task) state->task->abort();
}

} // namespace hc::server
