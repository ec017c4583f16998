// Who handles the exchanges of a route: a function on the worker, or the consumers of queues. Both
// turn what the core reports into events.
#pragma once

#include <httpcore/httpcore.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "capi/src/caller.hpp"
#include "capi/src/head.hpp"
#include "core/link/exchange.hpp"
#include "core/link/websocket.hpp"
#include "core/runtime/worker.hpp"

namespace hc::capi {

class Lane;
class QueueCore;
class Shared;

/// Who is told of bytes given back when the exchange may be gone: one of them, or nobody apart.
struct Receiver {
    QueueCore* queue = nullptr; // the user's
    std::shared_ptr<Lane> lane;
};

/// Every user of a server of the C API is one of these.
class User : public link::ExchangeUser,
             public link::WebSocketUser,
             public std::enable_shared_from_this<User> {
public:
    virtual ~User() = default;
    bool keeps_messages() const noexcept final { return keeps_body(); }
    void on_message(link::Exchange& exchange, ws::Opcode opcode, std::string_view bytes) final;
    void on_ws_closed(link::Exchange& exchange, const link::WebSocketEnd& end) final;
    /// Tells of bytes given back. Any thread.
    virtual void sent(const hc_event& event, const Receiver& to) = 0;
    /// The program gives body bytes back itself, by hc_consume.
    virtual bool body_is_held() const noexcept = 0;

protected:
    /// Delivers an event of an exchange, on its worker.
    virtual void tell(link::Exchange& exchange, const hc_event& event) = 0;
};

/// Delivers to the queues of a route.
class QueueUser final : public User {
public:
    explicit QueueUser(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
    const std::shared_ptr<Shared>& shared() const noexcept { return shared_; }
    /// Before the server listens. False when it is there already.
    bool add(std::shared_ptr<QueueCore> queue);

    void on_request(link::Exchange& exchange, bool ended) override;
    void on_body(link::Exchange& exchange, std::string_view bytes) override;
    void on_body_end(link::Exchange& exchange) override;
    void on_writable(link::Exchange& exchange) override;
    void on_closed(link::Exchange& exchange, ErrorKind why) override;
    bool keeps_body() const noexcept override { return true; }
    void sent(const hc_event& event, const Receiver& to) override;
    bool body_is_held() const noexcept override { return true; }

private:
    void tell(link::Exchange& exchange, const hc_event& event) override;
    QueueCore* choose(std::uint32_t worker) noexcept;

    std::shared_ptr<Shared> shared_;
    std::vector<std::shared_ptr<QueueCore>> queues_;
};

/// Calls the program's function.
class InlineUser final : public User {
public:
    InlineUser(std::shared_ptr<Shared> shared, const hc_inline& handler);
    ~InlineUser() override;
    /// It never was bound: `drop` is not called.
    void disown() noexcept { drop_ = nullptr; }

    void on_request(link::Exchange& exchange, bool ended) override;
    void on_body(link::Exchange& exchange, std::string_view bytes) override;
    void on_body_end(link::Exchange& exchange) override;
    void on_writable(link::Exchange& exchange) override;
    void on_closed(link::Exchange& exchange, ErrorKind why) override;
    bool keeps_body() const noexcept override { return false; }
    void sent(const hc_event& event, const Receiver& to) override;
    bool body_is_held() const noexcept override { return false; }
    /// Tells what the worker left untold. No worker of the runtime runs any more.
    void worker_ended(std::uint32_t index);

private:
    /// Bytes are given back in the midst of other calls; the program is told at the end of the
    /// pass.
    struct GivenBack final : runtime::Deferred {
        void run_deferred() override;
        InlineUser* owner = nullptr;
        std::shared_ptr<User> self;
        std::vector<hc_event> events;
    };
    struct PerWorker {
        HeadTable head;
        bool head_lent = false;
        GivenBack given_back;
    };

    void tell(link::Exchange& exchange, const hc_event& event) override;
    void call(const hc_event& event) noexcept;
    void call(const hc_event& event, CallbackFrame& frame) noexcept;
    [[gnu::noinline]] void call_nested(const hc_event& event, CallbackFrame& frame) noexcept;

    std::shared_ptr<Shared> shared_;
    void (*on_event_)(void*, const hc_event*);
    void* arg_;
    hc_fn drop_;
    std::unique_ptr<PerWorker[]> workers_;
};

} // namespace hc::capi
