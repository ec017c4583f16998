// Where a call comes from: inside a callback, in a blocking job, or neither. Calls that would wait
// must know.
#pragma once

#include <cstdint>

namespace hc::capi {

class HeadTable;

/// One inline callback on this thread's stack.
struct CallbackFrame {
    std::uint64_t exchange = 0;
    HeadTable* scratch =
        nullptr; // memory for its head while HC_EV_REQUEST is handled, else nullptr
    bool built = false;
    CallbackFrame* outer = nullptr;
};

namespace caller {
// Trivially destructible, as everything thread-local must be; the first is on the hot path.
inline constinit thread_local CallbackFrame* frame __attribute__((tls_model("initial-exec"))) =
    nullptr;
inline constinit thread_local std::uint32_t job_of = UINT32_MAX;
inline constinit thread_local bool in_turn = false;
} // namespace caller

/// Puts a frame on the stack for the time of a callback.
class InCallback {
public:
    explicit InCallback(CallbackFrame& frame) noexcept {
        frame.outer = caller::frame;
        caller::frame = &frame;
    }
    ~InCallback() { caller::frame = caller::frame->outer; }
    InCallback(const InCallback&) = delete;
    InCallback& operator=(const InCallback&) = delete;
};

class InJob {
public:
    explicit InJob(std::uint32_t runtime) noexcept { caller::job_of = runtime; }
    ~InJob() { caller::job_of = UINT32_MAX; }
    InJob(const InJob&) = delete;
    InJob& operator=(const InJob&) = delete;
};

inline bool in_callback() noexcept { return caller::frame != nullptr || caller::in_turn; }
inline bool in_job_of(std::uint32_t runtime) noexcept { return caller::job_of == runtime; }

} // namespace hc::capi
