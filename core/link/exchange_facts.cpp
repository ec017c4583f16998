// What an exchange tells of the connection that carries it.
#include "core/link/exchange.hpp"
#include "core/link/transport.hpp"

namespace hc::link {

sys::Address Exchange::peer() const {
    return driver_ == nullptr ? sys::Address{} : driver_->transport().peer().address();
}

sys::Address Exchange::local() const {
    return driver_ == nullptr ? sys::Address{} : driver_->transport().local();
}

std::shared_ptr<const Security> Exchange::security() const {
    return driver_ == nullptr ? nullptr : driver_->transport().security();
}

std::uint64_t Exchange::connection() const noexcept {
    return driver_ == nullptr ? 0 : driver_->transport().number();
}

bool Exchange::output_waits() const noexcept {
    return driver_ != nullptr && driver_->drive_queued(*this) > 0;
}

} // namespace hc::link
