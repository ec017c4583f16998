// PoolUser: the program's function, called on the threads of the server's pool. Lane: the place
// there of one exchange.
//
//   worker          makes a lane with the request and submits it at the end of its pass, by when
//                   the head has moved; what happens later is put into the lane, which is
//                   submitted again when it is not there already
//   pool's thread   calls the function with all that the lane has, in its order; body bytes are
//                   given back behind each call
//
// A lane outlives its exchange while something is in it: lent bytes come back when they come back.
// What else is in it when the program releases the exchange is dropped: body bytes are gone by
// then, and the program does not know the id any more.
#pragma once

#include <httpcore/httpcore.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "capi/src/users.hpp"
#include "core/server/pool.hpp"

namespace hc::capi {

class PoolUser final : public User {
public:
    PoolUser(std::shared_ptr<Shared> shared, std::shared_ptr<server::Pool> pool,
             const hc_inline& handler);
    ~PoolUser() override;
    /// It never was bound: `drop` is not called.
    void disown() noexcept { drop_ = nullptr; }

    void on_request(link::Exchange& exchange, bool ended) override;
    void on_body(link::Exchange& exchange, std::string_view bytes) override;
    void on_body_end(link::Exchange& exchange) override;
    void on_writable(link::Exchange& exchange) override;
    void on_closed(link::Exchange& exchange, ErrorKind why) override;
    bool keeps_body() const noexcept override { return true; }
    void sent(const hc_event& event, const Receiver& to) override;
    bool body_is_held() const noexcept override { return false; }

    /// On a thread of the pool.
    void call(const hc_event& event) const noexcept;

private:
    void tell(link::Exchange& exchange, const hc_event& event) override { emit(exchange, event); }
    void emit(link::Exchange& exchange, const hc_event& event);
    void emit(const std::shared_ptr<Lane>& lane, const hc_event& event);

    std::shared_ptr<Shared> shared_;
    std::shared_ptr<server::Pool> pool_;
    void (*on_event_)(void*, const hc_event*);
    void* arg_;
    hc_fn drop_;
};

/// `mutex_` guards all but what is constant or atomic.
class Lane final : public server::Pool::Job {
public:
    Lane(std::shared_ptr<const PoolUser> owner, const hc_event& request)
        : Job(true), owner_(std::move(owner)), request_(request) {}

    /// Any thread. True when the caller is to submit the lane.
    bool push(const hc_event& event);
    /// True when no thread has begun with it: then none will.
    bool forget() noexcept;
    /// Any thread: the program has released the exchange, and is told of nothing more but of bytes
    /// given back.
    void let_go() noexcept { released_.store(true, std::memory_order_release); }

private:
    bool run() noexcept override;
    void refused() noexcept override;

    const std::shared_ptr<const PoolUser> owner_;
    const hc_event request_;
    std::mutex mutex_;
    std::vector<hc_event> later_; // behind the request
    bool submitted_ = true;       // or runs, and looks for more before it ends
    bool begun_ = false;
    bool forgotten_ = false; // the program never hears of it
    std::atomic<bool> released_{false};
};

} // namespace hc::capi
