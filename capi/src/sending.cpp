#include "capi/src/sending.hpp"

#include <cstring>

#include "capi/src/barrier.hpp"
#include "capi/src/bridge.hpp"
#include "capi/src/queue.hpp"
#include "capi/src/users.hpp"

namespace hc::capi {

KeptFields::KeptFields(std::span<const http::Field> source)
    : fields_(source.begin(), source.end()) {
    std::size_t size = 0;
    for (const http::Field& field : source) size += field.name_size + field.value_size;
    texts_ = std::make_unique_for_overwrite<char[]>(size);
    char* out = texts_.get();
    const auto keep = [&](const char*& data, std::size_t n) {
        if (n > 0) std::memcpy(out, data, n);
        data = out;
        out += n;
    };
    for (http::Field& field : fields_) {
        keep(field.name_data, field.name_size);
        keep(field.value_data, field.value_size);
    }
}

namespace {
hc_event sent_event(std::uint64_t exchange, std::uint64_t token, bool sent) noexcept {
    hc_event event{};
    event.type = HC_EV_SENT;
    event.obj = exchange;
    event.token = token;
    event.status = sent ? HC_OK : HC_E_CLOSED;
    return event;
}

Receiver receiver_of(const link::Exchange& exchange) noexcept {
    const Bridge* bridge = bridge_of(exchange);
    if (bridge == nullptr) return {};
    return {.queue = bridge->queue, .lane = bridge->lane};
}
} // namespace

/// Keeps who is to be told alive, which the exchange itself need not be by then.
class Loan::Notice final : public Chunk::Lender {
public:
    explicit Notice(link::Exchange& exchange)
        : exchange_(exchange.id()), user_(static_cast<User&>(exchange.user()).shared_from_this()),
          to_(receiver_of(exchange)) {}
    void give_back(std::uint64_t token, bool sent) noexcept override {
        user_->sent(sent_event(exchange_, token, sent), to_);
        delete this;
    }

private:
    std::uint64_t exchange_;
    std::shared_ptr<User> user_;
    Receiver to_;
};

Loan::Loan(link::Exchange& exchange) : notice_(new Notice(exchange)) {}

Loan Loan::of_bytes(link::Exchange& exchange, std::string_view bytes, std::uint64_t token) {
    Loan loan(exchange);
    loan.chain_.append_lent(bytes, loan.notice_, token);
    return loan;
}

Loan Loan::of_file(link::Exchange& exchange, std::intptr_t file, std::uint64_t offset,
                   std::uint64_t size, std::uint64_t token) {
    Loan loan(exchange);
    loan.chain_.append_file(file, offset, size, loan.notice_, token);
    return loan;
}

Loan::~Loan() {
    if (notice_ == nullptr) return;
    if (!chain_.empty()) chain_.head()->lender = nullptr;
    delete notice_;
}

void report_sent(link::Exchange& exchange, std::uint64_t token) {
    static_cast<User&>(exchange.user())
        .sent(sent_event(exchange.id(), token, true), receiver_of(exchange));
}

} // namespace hc::capi
