// QueueSource: certificates that a server does not have are asked for by events in a queue.
#pragma once

#include <memory>

#include "core/link/certificate_source.hpp"

namespace hc::capi {

class QueueCore;
class Shared;

class QueueSource final : public link::CertificateSource {
public:
    QueueSource(std::shared_ptr<Shared> shared, std::shared_ptr<QueueCore> queue) noexcept
        : shared_(std::move(shared)), queue_(std::move(queue)) {}
    std::uint64_t needed(link::CertificateWaiter& waiter) override;
    void gone(std::uint64_t number) noexcept override;

private:
    const std::shared_ptr<Shared> shared_;
    const std::shared_ptr<QueueCore> queue_;
};

} // namespace hc::capi
