// The handlers of a simulated server: each does what its request's plan says, checks every promise
// made to a user of exchanges, and keeps count of what became of each request.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "core/link/exchange.hpp"
#include "tests/sim/plan.hpp"
#include "tests/sim/report.hpp"

namespace hc::simtest {

/// What became of one request, as its handler saw it.
struct Fate {
    std::uint32_t begun = 0;
    std::uint32_t closed = 0;
    bool released = false;
    bool answered = false; // the whole answer was taken
    ErrorKind why = ErrorKind::ok;
};

/// Lends bytes and counts what it gets back.
class Library final : public Chunk::Lender {
public:
    /// `text` as a chain of lent bytes.
    Chain lend(std::string text);
    std::size_t out() const noexcept { return out_.size(); }

private:
    void give_back(std::uint64_t token, bool sent) noexcept override;
    std::map<std::uint64_t, std::string> out_;
    std::uint64_t next_ = 0;
};

class Handlers final {
public:
    explicit Handlers(Report& report);
    ~Handlers();

    std::shared_ptr<link::ExchangeUser> user(bool keeps);
    const std::map<std::uint64_t, Fate>& fates() const noexcept { return fates_; }
    /// Nobody has heard of the request's number yet, or it ended in one way, once.
    void check_ends();

private:
    class User;
    class Act;
    Report& report_;
    Library library_;
    std::map<std::uint64_t, Fate> fates_;
    std::shared_ptr<User> users_[2];
};

} // namespace hc::simtest
