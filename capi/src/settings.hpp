// Settings: what a config holds, in the types that the core wants. The table of options
// (schema.cpp) says which key is which member.
#pragma once

#include <memory>

#include "capi/src/coding.hpp"
#include "capi/src/log.hpp"
#include "capi/src/tls.hpp"
#include "core/base/log.hpp"
#include "core/runtime/runtime.hpp"
#include "core/server/server.hpp"

namespace hc::capi {

struct Settings {
    Settings() { runtime.workers = 1; }

    runtime::RuntimeOptions runtime;
    server::ServerOptions server;
    server::ListenOptions listen;
    TlsSettings tls;
    CodingSettings coding;
    LogLevel log_level = LogLevel::info;
    std::shared_ptr<LogTarget> log;
};

} // namespace hc::capi
