// hc_server: the handle of a server, and what is bound to its routes before it listens.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>

#include "capi/src/barrier.hpp"
#include "capi/src/runtime.hpp"
#include "capi/src/tls.hpp"
#include "capi/src/users.hpp"
#include "core/server/server.hpp"

struct hc_server final : hc::capi::Object {
    static constexpr hc::capi::Mark mark = hc::capi::Mark::server;
    hc_server(hc_runtime& of, std::shared_ptr<hc::server::Server> made)
        : Object(mark), runtime(&of), core(std::move(made)) {}
    void destroy() noexcept { delete this; }
    bool forked() const noexcept { return runtime->forked(); }

    hc::capi::Ref<hc_runtime> runtime;
    std::shared_ptr<hc::server::Server> core;
    hc::capi::TlsKeeper tls;
    std::mutex mutex; // for what follows
    bool listening = false;
    std::map<std::uint32_t, std::shared_ptr<hc::capi::QueueUser>> queues; // routes bound to queues
    std::set<std::uint32_t> inlines;                                      // and to functions
};
