#include "capi/src/server.hpp"

#include <cstring>

#include "capi/src/config.hpp"
#include "capi/src/error.hpp"
#include "capi/src/pool_user.hpp"
#include "capi/src/queue.hpp"
#include "capi/src/text.hpp"

namespace hc::capi {
namespace {

/// Options that contradict each other.
Result<void> check(const server::ServerOptions& options) {
    const ConnectionLimits& limits = options.connection;
    if (limits.write_low_watermark_bytes > limits.write_high_watermark_bytes) {
        return fail(ErrorKind::invalid, "limits.write_low_watermark_bytes is above "
                                        "limits.write_high_watermark_bytes");
    }
    return {};
}

Duration duration_of(std::uint64_t ns) noexcept {
    return Duration(static_cast<std::int64_t>(std::min(ns, static_cast<std::uint64_t>(INT64_MAX))));
}

/// The flags of a handler; none where the caller's struct ends before them.
std::uint32_t flags_of(const hc_inline& handler) noexcept {
    constexpr std::size_t with_flags = offsetof(hc_inline, flags) + sizeof handler.flags;
    return handler.size >= with_flags ? handler.flags : 0;
}

bool runs_on_pool(const hc_server& server, const hc_inline& handler) noexcept {
    switch (server.core->options().execution) {
    case server::Execution::inline_: return false;
    case server::Execution::pool: return true;
    case server::Execution::hybrid: return (flags_of(handler) & HC_INLINE_BLOCKING) != 0;
    }
    return false;
}

/// `drop` is the user's only once the route is bound.
template <class User>
Result<void> bind_function(hc_server& server, std::uint32_t route,
                           const std::shared_ptr<User>& user) {
    auto done = server.core->bind(route, user);
    if (!done) user->disown();
    return done;
}

bool queue_is_of(const hc_queue* queue, const hc_server& server) noexcept {
    return queue != nullptr && queue->is(Mark::queue) &&
           queue->runtime.get() == server.runtime.get();
}

} // namespace
} // namespace hc::capi

using namespace hc::capi;

hc_status hc_server_create(hc_runtime* runtime, const hc_config* config, hc_server** server,
                           hc_error** error) {
    if (error != nullptr) *error = nullptr;
    return barrier(runtime, [&](hc_runtime& self) -> hc_status {
        if (server == nullptr || (config != nullptr && !config->is(Mark::config))) {
            return HC_E_INVALID;
        }
        const Settings defaults;
        const Settings& settings = config != nullptr ? config->settings : defaults;
        hc::server::ServerOptions options = settings.server;
        options.log = LogTarget::sink(settings.log, settings.log_level);
        if (auto ok = check(options); !ok) return fail_with(error, std::move(ok.error()));
        auto coding = coding_options(settings.coding);
        if (!coding) return fail_with(error, std::move(coding.error()), "compression");
        options.coding = std::move(*coding);
        self.shared->keep_log(settings.log);
        auto core = hc::server::Server::create(*self.core, std::move(options));
        if (!core) return fail_with(error, std::move(core.error()));
        self.shared->add_server(*core);
        *server = new hc_server(self, std::move(*core));
        return HC_OK;
    });
}

hc_status hc_server_retain(hc_server* server) { return barrier_retain(server); }
hc_status hc_server_release(hc_server* server) { return barrier_release(server); }

hc_status hc_server_route(hc_server* server, const char* method, const char* pattern,
                          uint32_t route, hc_error** error) {
    if (error != nullptr) *error = nullptr;
    return barrier(server, [&](hc_server& self) -> hc_status {
        if (pattern == nullptr) return HC_E_INVALID;
        auto done = self.core->route(method != nullptr ? method : "", pattern, route);
        return done ? HC_OK : fail_with(error, std::move(done.error()), pattern);
    });
}

hc_status hc_server_bind_queue(hc_server* server, uint32_t route, hc_queue* queue) {
    return barrier(server, [&](hc_server& self) -> hc_status {
        if (!queue_is_of(queue, self)) return HC_E_INVALID;
        const std::lock_guard lock(self.mutex);
        if (self.listening || self.inlines.contains(route)) return HC_E_STATE;
        if (const auto found = self.queues.find(route); found != self.queues.end()) {
            return found->second->add(queue->core) ? HC_OK : HC_E_INVALID;
        }
        auto user = std::make_shared<QueueUser>(self.runtime->shared);
        user->add(queue->core);
        const auto done = self.core->bind(route, user);
        if (!done) return status_of(done.error().kind);
        self.queues.emplace(route, std::move(user));
        return HC_OK;
    });
}

hc_status hc_server_bind_inline(hc_server* server, uint32_t route, const hc_inline* handler) {
    return barrier(server, [&](hc_server& self) -> hc_status {
        constexpr std::size_t first_size = offsetof(hc_inline, drop) + sizeof(hc_fn);
        if (handler == nullptr || handler->size < first_size || handler->on_event == nullptr ||
            (flags_of(*handler) & ~HC_INLINE_BLOCKING) != 0) {
            return HC_E_INVALID;
        }
        const std::lock_guard lock(self.mutex);
        if (self.listening || self.inlines.contains(route) || self.queues.contains(route)) {
            return HC_E_STATE;
        }
        const std::shared_ptr<Shared>& shared = self.runtime->shared;
        hc::Result<void> done;
        if (runs_on_pool(self, *handler)) {
            done = bind_function(self, route,
                                 std::make_shared<PoolUser>(shared, self.core->pool(), *handler));
        } else {
            auto user = std::make_shared<InlineUser>(shared, *handler);
            done = bind_function(self, route, user);
            if (done) shared->add_user(user);
        }
        if (!done) return status_of(done.error().kind);
        self.inlines.insert(route);
        return HC_OK;
    });
}

hc_status hc_server_listen(hc_server* server, const hc_config* config, hc_error** error) {
    if (error != nullptr) *error = nullptr;
    return barrier(server, [&](hc_server& self) -> hc_status {
        if (config == nullptr || !config->is(Mark::config)) return HC_E_INVALID;
        hc::server::ListenOptions options = config->settings.listen;
        auto layer = self.tls.layer(config->settings.tls);
        if (!layer) return fail_with(error, std::move(layer.error()), "tls");
        options.layer = *layer;
        const std::lock_guard lock(self.mutex);
        auto done = self.core->listen(options);
        if (!done) return fail_with(error, std::move(done.error()), options.address);
        self.listening = true;
        self.tls.keep(*done, *layer);
        return HC_OK;
    });
}

hc_status hc_server_reload_tls(hc_server* server, uint32_t listener, const hc_config* config,
                               hc_error** error) {
    if (error != nullptr) *error = nullptr;
    return barrier(server, [&](hc_server& self) -> hc_status {
        if (config == nullptr || !config->is(Mark::config)) return HC_E_INVALID;
        auto done = self.tls.reload(listener, config->settings.tls);
        return done ? HC_OK : fail_with(error, std::move(done.error()), "tls");
    });
}

hc_status hc_server_address(hc_server* server, uint32_t listener, char* buf, size_t cap,
                            size_t* need) {
    return barrier(server, [&](hc_server& self) -> hc_status {
        const auto address = self.core->address(listener);
        if (!address) return status_of(address.error().kind);
        return give_text(address->to_string(), buf, cap, need);
    });
}

hc_status hc_server_drain(hc_server* server, hc_queue* queue, uint64_t soft_ns, uint64_t hard_ns,
                          uint64_t token) {
    return barrier(server, [&](hc_server& self) -> hc_status {
        if (soft_ns > hard_ns) return HC_E_INVALID;
        if (queue != nullptr && !queue_is_of(queue, self)) return HC_E_INVALID;
        std::shared_ptr<QueueCore> to = queue != nullptr ? queue->core : nullptr;
        self.core->drain(duration_of(soft_ns), duration_of(hard_ns),
                         [to = std::move(to), token](std::uint64_t reset) {
                             if (to == nullptr) return;
                             hc_event event{};
                             event.type = HC_EV_DRAINED;
                             event.token = token;
                             event.data = reset;
                             to->emit(event);
                         });
        return HC_OK;
    });
}
