// What a client makes of the answers it gets: each must be what the handler meant for that request,
// or the beginning of it, or an answer of the library's own that has a reason.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/proto/h1/parser.hpp"
#include "tests/sim/plan.hpp"
#include "tests/sim/report.hpp"

namespace hc::simtest {

/// What the run allows the server to do.
struct Excuses {
    bool busy = false;              // connections or exchanges may be refused
    bool late = false;              // the server's time limits may strike
    bool broken = false;            // the network may reset connections
    bool draining = false;          // the server may end in the middle of the run
    std::uint64_t requests_max = 0; // of a connection
    std::uint64_t body_max = 0;
    std::uint64_t discard_max = UINT64_MAX;
};

class Answers {
public:
    Answers(const std::vector<Plan>& plans, const Excuses& excuses, Report& report);

    void feed(std::string_view bytes);
    /// The connection is over: in order, or else broken.
    void end(bool in_order);
    /// Final answers that came whole, in a row from the first.
    std::size_t whole() const noexcept { return current_; }
    bool in_tunnel() const noexcept { return tunnel_; }
    std::uint64_t tunnel_bytes() const noexcept { return tunnel_bytes_; }
    /// 100 Continue came for the request that is due, or its final answer began.
    bool may_send_body() const noexcept { return continued_; }
    /// The server said, or is free to mean, that no further answer follows.
    bool last_seen() const noexcept { return last_; }
    bool failed() const noexcept { return failed_; }
    /// The client left in the middle of a request, so that the server may cut its answer short.
    void left_early() noexcept { left_early_ = true; }

private:
    void on_head();
    void on_final_head(const http::HeadView& head);
    void check_own(const http::HeadView& head);
    void on_body(std::string_view bytes);
    void on_end();
    void wrong(std::string_view what);
    const Plan& plan() const { return plans_[current_]; }

    const std::vector<Plan>& plans_;
    const Excuses& excuses_;
    Report& report_;
    ConnectionLimits limits_;
    h1::HeadScratch scratch_;
    h1::Parser parser_;
    std::size_t current_ = 0; // the request whose answer is due
    std::uint64_t got_ = 0;   // of its body
    std::uint64_t tunnel_bytes_ = 0;
    bool in_answer_ = false; // a final head came
    bool interim_ = false;
    bool own_ = false;
    bool until_close_ = false;
    bool tunnel_ = false;
    bool continued_ = false;
    bool closes_ = false; // the answer under way is the last
    bool last_ = false;
    bool deaf_ = false; // whatever follows is not looked at
    bool failed_ = false;
    bool left_early_ = false;
};

} // namespace hc::simtest
