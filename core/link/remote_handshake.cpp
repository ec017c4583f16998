#include "core/link/remote_handshake.hpp"

#include <utility>

#include "core/runtime/seat.hpp"

namespace hc::link {

class RemoteHandshake::Done final : public runtime::Message {
public:
    explicit Done(std::shared_ptr<RemoteHandshake> step) noexcept : step_(std::move(step)) {}
    void run(runtime::Worker&) override {
        if (step_->user_ != nullptr) step_->user_->computed(*step_);
    }

private:
    const std::shared_ptr<RemoteHandshake> step_;
};

std::shared_ptr<RemoteHandshake> RemoteHandshake::start(runtime::BlockingPool& pool,
                                                        runtime::Worker& worker, User& user,
                                                        tls::Engine& engine) {
    auto step = std::make_shared<RemoteHandshake>(user);
    const std::string_view fed = engine.unread();
    step->input = fed;
    // The pool's thread waits for nothing else, so it may begin at once: all is in its place.
    step->engine = std::make_unique<tls::Engine>(std::move(engine));
    step->engine->set_wire(*step);
    step->engine->feed(step->input);
    auto taken = pool.submit([step, home = worker.handle()] {
        step->progress = step->engine->handshake();
        if (auto back = runtime::WorkerRef::of(home)) back->post(std::make_unique<Done>(step));
    });
    if (taken) return step;
    engine = std::move(*step->engine);
    engine.feed(fed);
    return nullptr;
}

} // namespace hc::link
