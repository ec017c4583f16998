// Inquiries: handshakes that wait for a certificate of the program's.
#include "capi/src/inquiries.hpp"

#include <utility>

#include "hc_build.h"
#include "capi/src/error.hpp"
#include "capi/src/operations.hpp"
#include "capi/src/queue.hpp"
#include "capi/src/server.hpp"
#include "capi/src/shared.hpp"
#include "core/runtime/seat.hpp"

namespace hc::capi {

struct Operations::Inquiry : Operations::Operation {
    explicit Inquiry(link::CertificateWaiter& of) : waiter(of), name(of.server_name()) {
        kind = Kind::inquiry;
    }
    link::CertificateWaiter& waiter; // good until withdraw()
    const std::string name;          // what the event shows
    std::uint64_t seat = 0;          // of the waiter's worker
    bool answered = false;           // and the answer is on its way
};

/// On its way to the worker, where the waiter may be gone by then.
class Operations::Answer final : public runtime::Message {
public:
    Answer(std::shared_ptr<Shared> shared, std::uint64_t id,
           std::optional<tls::Credentials> credentials)
        : shared_(std::move(shared)), id_(id), credentials_(std::move(credentials)) {}

    void run(runtime::Worker&) override {
        Operations& operations = shared_->operations();
        std::unique_ptr<Inquiry> inquiry;
        {
            const std::lock_guard lock(operations.mutex_);
            inquiry.reset(static_cast<Inquiry*>(operations.slots_->find(id_)));
            if (inquiry == nullptr) return; // withdrawn
            operations.leave(id_);
        }
        if (credentials_) {
            inquiry->waiter.answer(std::move(*credentials_));
        } else {
            inquiry->waiter.refuse();
        }
    }

private:
    const std::shared_ptr<Shared> shared_;
    const std::uint64_t id_;
    std::optional<tls::Credentials> credentials_;
};

std::uint64_t Operations::ask(std::shared_ptr<QueueCore> queue, link::CertificateWaiter& waiter) {
    auto inquiry = std::make_unique<Inquiry>(waiter);
    inquiry->queue = std::move(queue);
    inquiry->seat = owner_.seat_of(waiter.worker().index());
    hc_event event{};
    event.type = HC_EV_CERT_NEEDED;
    event.n = static_cast<std::uint32_t>(inquiry->name.size());
    event.data = reinterpret_cast<std::uintptr_t>(inquiry->name.data());
    event.flags = waiter.offers_acme() ? HC_EVF_ACME : 0;
    std::shared_ptr<QueueCore> to = inquiry->queue;
    {
        const std::lock_guard lock(mutex_);
        if (enter(*inquiry) != ErrorKind::ok) return 0;
        event.obj = inquiry.release()->id;
    }
    to->emit(event);
    return event.obj;
}

void Operations::withdraw(std::uint64_t id) {
    std::unique_ptr<Inquiry> inquiry;
    const std::lock_guard lock(mutex_);
    inquiry.reset(static_cast<Inquiry*>(slots_->find(id)));
    if (inquiry != nullptr) leave(id);
}

ErrorKind Operations::answer(std::uint64_t id, std::optional<tls::Credentials> credentials) {
    std::uint64_t seat = 0;
    {
        const std::lock_guard lock(mutex_);
        auto* operation = static_cast<Operation*>(slots_->find(id));
        if (operation == nullptr || operation->kind != Kind::inquiry) return ErrorKind::gone;
        auto& inquiry = static_cast<Inquiry&>(*operation);
        if (std::exchange(inquiry.answered, true)) return ErrorKind::gone;
        seat = inquiry.seat;
    }
    // Always by a message: the handshake must not go on inside the call that made it wait.
    if (auto worker = runtime::WorkerRef::of(seat)) {
        worker->post(
            std::make_unique<Answer>(owner_.shared_from_this(), id, std::move(credentials)));
    }
    return ErrorKind::ok;
}

std::uint64_t QueueSource::needed(link::CertificateWaiter& waiter) {
    return shared_->operations().ask(queue_, waiter);
}

void QueueSource::gone(std::uint64_t number) noexcept { shared_->operations().withdraw(number); }

} // namespace hc::capi

using namespace hc::capi;

hc_status hc_server_bind_certificates(hc_server* server, hc_queue* queue) {
    return barrier(server, [&](hc_server& self) -> hc_status {
        if (queue == nullptr || !queue->is(Mark::queue) ||
            queue->runtime.get() != self.runtime.get()) {
            return HC_E_INVALID;
        }
        const std::lock_guard lock(self.mutex);
        if (self.listening) return HC_E_STATE;
        self.tls.ask_by(std::make_shared<QueueSource>(self.runtime->shared, queue->core));
        return HC_OK;
    });
}

hc_status hc_tls_answer(hc_op op, const char* certificate, size_t certificate_n, const char* key,
                        size_t key_n, hc_error** error) {
    if (error != nullptr) *error = nullptr;
    return barrier([&]() -> hc_status {
        if ((certificate == nullptr) != (key == nullptr)) return HC_E_INVALID;
        if (Shared::forked(op)) return HC_E_FORKED;
        const std::shared_ptr<Shared> shared = Shared::of(op);
        if (shared == nullptr) return HC_E_GONE;
        std::optional<hc::tls::Credentials> credentials;
#if HC_WITH_TLS
        if (certificate != nullptr) {
            auto made = hc::tls::Credentials::parse({certificate, certificate_n}, {key, key_n});
            if (!made) return fail_with(error, std::move(made.error()), "certificate");
            credentials = std::move(*made);
        }
#endif
        return status_of(shared->operations().answer(op, std::move(credentials)));
    });
}
