#include "capi/src/error.hpp"

#include "core/base/error.hpp"

namespace hc::capi {

static_assert(HC_OK == status_of(ErrorKind::ok));
static_assert(HC_E_INVALID == status_of(ErrorKind::invalid));
static_assert(HC_E_NO_MEMORY == status_of(ErrorKind::no_memory));
static_assert(HC_E_GONE == status_of(ErrorKind::gone));
static_assert(HC_E_CLOSED == status_of(ErrorKind::closed));
static_assert(HC_E_AGAIN == status_of(ErrorKind::again));
static_assert(HC_E_STATE == status_of(ErrorKind::state));
static_assert(HC_E_LIMIT == status_of(ErrorKind::limit));
static_assert(HC_E_TIMEOUT == status_of(ErrorKind::timeout));
static_assert(HC_E_CANCELLED == status_of(ErrorKind::cancelled));
static_assert(HC_E_DEADLOCK == status_of(ErrorKind::deadlock));
static_assert(HC_E_FORKED == status_of(ErrorKind::forked));
static_assert(HC_E_UNSUPPORTED == status_of(ErrorKind::unsupported));
static_assert(HC_E_IO == status_of(ErrorKind::io));
static_assert(HC_E_PROTOCOL == status_of(ErrorKind::protocol));
static_assert(HC_E_ADDRESS_IN_USE == status_of(ErrorKind::address_in_use));
static_assert(HC_E_NOT_FOUND == status_of(ErrorKind::not_found));
static_assert(HC_E_REFUSED == status_of(ErrorKind::refused));
static_assert(HC_E_RESET == status_of(ErrorKind::reset));
static_assert(HC_E_INTERNAL == status_of(ErrorKind::internal));
static_assert(HC_E_PERMISSION == status_of(ErrorKind::permission));
static_assert(HC_ORIGIN_USER == static_cast<int>(Origin::user));
static_assert(HC_ORIGIN_PEER == static_cast<int>(Origin::peer));
static_assert(HC_ORIGIN_LIBRARY == static_cast<int>(Origin::library));
static_assert(HC_ORIGIN_SYSTEM == static_cast<int>(Origin::system));

hc_status fail_with(hc_error** out, Error error, std::string_view detail) {
    const hc_status status = status_of(error.kind);
    if (out != nullptr) *out = new hc_error(std::move(error), detail);
    return status;
}

hc_status fail_with(hc_error** out, ErrorKind kind, std::string message, std::string_view detail) {
    return fail_with(out, user_error(kind, std::move(message)), detail);
}

namespace {
bool is_error(const hc_error* error) noexcept { return error != nullptr && error->is(Mark::error); }
} // namespace

} // namespace hc::capi

using namespace hc::capi;

hc_status hc_error_status(const hc_error* error) {
    return barrier(
        [&]() -> hc_status { return is_error(error) ? status_of(error->error.kind) : HC_OK; });
}

int32_t hc_error_origin(const hc_error* error) {
    return barrier([&]() -> int32_t {
        return is_error(error) ? static_cast<int32_t>(error->error.origin) : -1;
    });
}

int64_t hc_error_code(const hc_error* error, int32_t source) {
    return barrier([&]() -> int64_t {
        if (!is_error(error)) return 0;
        const bool from_system = error->error.origin == hc::Origin::system;
        if (source == HC_SOURCE_ERRNO) return from_system ? error->error.code : 0;
        if (source == HC_SOURCE_HTTP) return from_system ? 0 : error->error.code;
        return 0;
    });
}

const char* hc_error_message(const hc_error* error) {
    return barrier_or<const char*>(
        "", [&] { return is_error(error) ? error->error.message.c_str() : ""; });
}

const char* hc_error_detail(const hc_error* error) {
    return barrier_or<const char*>("",
                                   [&] { return is_error(error) ? error->detail.c_str() : ""; });
}

hc_status hc_error_release(hc_error* error) { return barrier_release(error); }

// Every name is a literal, so its end is where a C string ends.
const char* hc_status_name(hc_status status) {
    return barrier_or<const char*>("unknown", [&] {
        // A number that a kind cannot hold must not become another one.
        const auto kind = static_cast<hc::ErrorKind>(status);
        return status_of(kind) == status ? hc::name(kind).data() : "unknown";
    });
}
