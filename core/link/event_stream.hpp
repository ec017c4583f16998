// EventStream: what an exchange becomes when it sends server-sent events: it is kept busy while
// there is nothing to tell, ends in order when its connection wants to, and may subscribe to
// topics. The user is called as before.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/link/context.hpp"
#include "core/link/exchange.hpp"
#include "core/runtime/timer_wheel.hpp"

namespace hc::link {

class EventStream final : public Stage, private runtime::Timer {
public:
    /// That of an exchange, made when there is none; nullptr when the exchange is something else,
    /// or over.
    static EventStream* of(Exchange& exchange);
    /// Answers 200 with the fields of an event stream, none of which is to be stored or held back
    /// on the way.
    static ErrorKind begin(Exchange& exchange);

private:
    explicit EventStream(Exchange& exchange) noexcept
        : Stage(Kind::event_stream), Timer(&EventStream::on_timer), exchange_(exchange) {}

    void on_request(Exchange& exchange, bool ended) override;
    void on_body(Exchange& exchange, std::string_view bytes) override;
    void on_body_end(Exchange& exchange) override;
    void on_writable(Exchange& exchange) override;
    void on_closed(Exchange& exchange, ErrorKind why) override;
    bool keeps_body() const noexcept override { return exchange_.user().keeps_body(); }
    void on_release(Exchange& exchange) override;
    void on_wake(Exchange&) override {}
    bool on_going_away(Exchange& exchange) override;

    static void on_timer(runtime::Timer& timer) noexcept;
    void arm();
    void beat();
    void go();

    Exchange& exchange_;
    std::uint64_t sent_ = 0; // when the timer was set
};

} // namespace hc::link
