#include "capi/src/operations.hpp"

#include "capi/src/caller.hpp"
#include "capi/src/queue.hpp"
#include "capi/src/shared.hpp"
#include "core/base/random.hpp"
#include "core/runtime/seat.hpp"

namespace hc::capi {

struct Operations::TimerOperation : Operations::Operation {
    // The wheel knows timers only, so that this one knows whose it is.
    struct InWheel : runtime::Timer {
        explicit InWheel(TimerOperation& of) : Timer(&Operations::fire), operation(of) {}
        TimerOperation& operation;
    };

    explicit TimerOperation(Operations& of) : in_wheel(*this), operations(of) {
        kind = Kind::timer;
    }

    InWheel in_wheel;
    Operations& operations; // ends after the last worker, and so after every wheel
    std::uint64_t seat = 0; // of the worker whose wheel it is in
    Instant at;
};

/// On its way to the worker that will keep it. The operation belongs to the table.
class Operations::Arm final : public runtime::Message {
public:
    explicit Arm(TimerOperation& timer) : timer_(timer) {}
    void run(runtime::Worker& worker) override { worker.timers().set(timer_.in_wheel, timer_.at); }

private:
    // Good when run: it is deleted by Disarm, which comes behind it, or when the worker has ended.
    TimerOperation& timer_;
};

/// Ends a cancelled timer where its wheel is. Owns the operation, also when the worker has ended
/// and the message is dropped.
class Operations::Disarm final : public runtime::Message {
public:
    explicit Disarm(std::unique_ptr<TimerOperation> timer) : timer_(std::move(timer)) {}
    void run(runtime::Worker& worker) override { worker.timers().cancel(timer_->in_wheel); }

private:
    std::unique_ptr<TimerOperation> timer_;
};

/// Rides with a job through the pool; its end without a run tells that the pool dropped the job.
struct Operations::JobTicket {
    JobTicket(std::shared_ptr<Shared> to, std::uint64_t job, hc_fn function, void* argument)
        : shared(std::move(to)), id(job), fn(function), arg(argument) {}
    JobTicket(JobTicket&&) = default;
    ~JobTicket() {
        if (shared != nullptr) shared->operations().job_dropped(id);
    }
    void operator()() {
        const auto kept = std::move(shared);
        kept->operations().run_job(id, fn, arg);
    }

    std::shared_ptr<Shared> shared;
    std::uint64_t id;
    hc_fn fn;
    void* arg;
};

Operations::Operations(Shared& owner, std::uint32_t runtime, std::uint32_t operations_max)
    : owner_(owner), operations_max_(operations_max) {
    // The address is only a seed: ids need to be hard to hit by accident, not secret.
    const auto seed = reinterpret_cast<std::uintptr_t>(this);
    runtime::Seat* seat = runtime::Seat::make(runtime, table_index, Random(seed).next());
    if (seat == nullptr) throw std::bad_alloc();
    slots_ = &seat->slots();
}

Operations::~Operations() { drop_timers(); }

ErrorKind Operations::enter(Operation& operation) {
    if (closed_) return ErrorKind::closed;
    if (count_ >= operations_max_) return ErrorKind::limit;
    operation.id = slots_->insert(&operation);
    if (operation.id == 0) return ErrorKind::limit;
    alive_.push_back(operation);
    ++count_;
    return ErrorKind::ok;
}

bool Operations::leave(std::uint64_t id) {
    auto* operation = static_cast<Operation*>(slots_->find(id));
    if (operation == nullptr) return false;
    operation->unlink();
    slots_->remove(id);
    --count_;
    return true;
}

void Operations::report(const Operation& operation, hc_status status) {
    hc_event event{};
    event.type = operation.kind == Kind::timer ? HC_EV_TIMER : HC_EV_JOB;
    event.obj = operation.id;
    event.token = operation.token;
    event.status = status;
    operation.queue->emit(event);
}

// -- timers ---------------------------------------------------------------------------------------

ErrorKind Operations::start_timer(std::shared_ptr<QueueCore> queue, Instant at, std::uint64_t token,
                                  std::uint64_t* id) {
    auto timer = std::make_unique<TimerOperation>(*this);
    timer->queue = std::move(queue);
    timer->token = token;
    timer->at = at;
    runtime::Worker* here = runtime::Worker::current();
    if (here != nullptr && here->runtime() != owner_.number()) here = nullptr;
    auto message = here != nullptr ? nullptr : std::make_unique<Arm>(*timer);

    // Posted with the lock held, so that no cancel gets its message in before this one.
    const std::lock_guard lock(mutex_);
    const std::uint32_t index = here != nullptr ? here->index() : next_worker_++ % owner_.workers();
    timer->seat = owner_.seat_of(index);
    if (const ErrorKind kind = enter(*timer); kind != ErrorKind::ok) return kind;
    TimerOperation& kept = *timer.release();
    if (id != nullptr) *id = kept.id;
    if (here != nullptr) {
        here->timers().set(kept.in_wheel, at);
    } else if (auto worker = runtime::WorkerRef::of(kept.seat)) {
        worker->post(std::move(message));
    }
    return ErrorKind::ok;
}

void Operations::fire(runtime::Timer& timer) noexcept {
    TimerOperation& self = static_cast<TimerOperation::InWheel&>(timer).operation;
    self.operations.end_timer(self);
}

void Operations::end_timer(TimerOperation& timer) noexcept {
    {
        const std::lock_guard lock(mutex_);
        if (!leave(timer.id)) return; // cancelled: Disarm is on its way
    }
    const std::unique_ptr<TimerOperation> ended(&timer);
    report(timer, HC_OK);
}

void Operations::drop_timers() {
    for (;;) {
        std::unique_ptr<TimerOperation> timer;
        {
            const std::lock_guard lock(mutex_);
            Operation* found = nullptr;
            alive_.for_each([&](Operation& o) {
                if (o.kind == Kind::timer && found == nullptr) found = &o;
            });
            if (found == nullptr) return;
            leave(found->id);
            timer.reset(static_cast<TimerOperation*>(found));
        }
        report(*timer, HC_E_CLOSED);
    }
}

// -- jobs -----------------------------------------------------------------------------------------

ErrorKind Operations::start_job(runtime::BlockingPool& pool, std::shared_ptr<QueueCore> queue,
                                hc_fn fn, void* arg, std::uint64_t token, std::uint64_t* id) {
    auto job = std::make_unique<Operation>();
    job->queue = std::move(queue);
    job->token = token;
    job->submitting = true;
    Operation* kept = nullptr;
    {
        const std::lock_guard lock(mutex_);
        if (const ErrorKind kind = enter(*job); kind != ErrorKind::ok) return kind;
        kept = job.release();
    }
    const std::uint64_t own = kept->id; // nobody else has it yet
    if (id != nullptr) *id = own;
    const auto submitted = pool.submit(JobTicket(owner_.shared_from_this(), own, fn, arg));

    std::unique_ptr<Operation> ended;
    {
        const std::lock_guard lock(mutex_);
        kept = static_cast<Operation*>(slots_->find(own));
        if (kept == nullptr) return ErrorKind::ok; // it ran, or was cancelled, already
        kept->submitting = false;
        if (submitted && !kept->dropped) return ErrorKind::ok;
        leave(own);
        ended.reset(kept);
    }
    if (!submitted) return submitted.error().kind;
    report(*ended, HC_E_CLOSED); // the pool stopped between the two
    return ErrorKind::ok;
}

void Operations::run_job(std::uint64_t id, hc_fn fn, void* arg) {
    {
        const std::lock_guard lock(mutex_);
        auto* job = static_cast<Operation*>(slots_->find(id));
        if (job == nullptr) return; // cancelled
        job->running = true;
        ++running_;
    }
    hc_status status = HC_OK;
    try {
        const InJob mark(owner_.number());
        fn(arg);
    } catch (...) {
        status = HC_E_INTERNAL; // against the contract, but no reason to end the program
    }
    std::move_only_function<void()> idle;
    std::unique_ptr<Operation> job;
    {
        const std::lock_guard lock(mutex_);
        job.reset(static_cast<Operation*>(slots_->find(id)));
        leave(id);
    }
    report(*job, status);
    job.reset();
    {
        const std::lock_guard lock(mutex_);
        if (--running_ == 0 && when_idle_) idle = std::move(when_idle_);
    }
    if (idle) idle();
}

void Operations::job_dropped(std::uint64_t id) {
    std::unique_ptr<Operation> job;
    {
        const std::lock_guard lock(mutex_);
        auto* found = static_cast<Operation*>(slots_->find(id));
        if (found == nullptr) return;
        if (found->submitting) {
            found->dropped = true; // start_job tells
            return;
        }
        leave(id);
        job.reset(found);
    }
    report(*job, HC_E_CLOSED);
}

void Operations::when_idle(std::move_only_function<void()> call) {
    {
        const std::lock_guard lock(mutex_);
        if (running_ > 0) {
            when_idle_ = std::move(call);
            return;
        }
    }
    call();
}

// -- all ------------------------------------------------------------------------------------------

ErrorKind Operations::cancel(std::uint64_t id) {
    std::unique_ptr<Operation> job;
    std::unique_ptr<TimerOperation> timer;
    {
        const std::lock_guard lock(mutex_);
        auto* operation = static_cast<Operation*>(slots_->find(id));
        if (operation == nullptr) return ErrorKind::gone;
        if (operation->running) return ErrorKind::state;
        if (operation->kind == Kind::timer) {
            leave(id);
            timer.reset(static_cast<TimerOperation*>(operation));
        } else if (operation->kind == Kind::job) {
            leave(id);
            job.reset(operation);
        }
    }
    if (timer == nullptr && job == nullptr) return answer(id, std::nullopt);
    if (timer == nullptr) return ErrorKind::ok;
    auto worker = runtime::WorkerRef::of(timer->seat);
    if (!worker) return ErrorKind::ok; // no wheel any more
    if (worker->is_current()) {
        worker->timers().cancel(timer->in_wheel);
    } else {
        worker->post(std::make_unique<Disarm>(std::move(timer)));
    }
    return ErrorKind::ok;
}

void Operations::close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
}

} // namespace hc::capi
