#include "tests/sim/answers.hpp"

#include <string>

namespace hc::simtest {

Answers::Answers(const std::vector<Plan>& plans, const Excuses& excuses, Report& report)
    : plans_(plans), excuses_(excuses), report_(report),
      parser_(h1::Role::client, limits_, scratch_) {
    parser_.expect_response_to(http::lookup_method(plans_[0].method));
}

void Answers::wrong(std::string_view what) {
    failed_ = true;
    report_.fault(std::string(what) + " at answer " + std::to_string(current_) + " of " +
                  std::to_string(plans_.size()) +
                  (current_ < plans_.size() ? ": " + plan().describe() : ""));
}

void Answers::feed(std::string_view bytes) {
    while (!failed_ && !deaf_) {
        if (tunnel_) {
            for (const char c : bytes) {
                if (c != plan().tunnel_byte(tunnel_bytes_++)) return wrong("a tunnel's byte");
            }
            return;
        }
        if (current_ == plans_.size() && !bytes.empty()) {
            return wrong("an answer to nothing: " + std::string(bytes.substr(0, 200)));
        }
        switch (parser_.next(bytes)) {
        case h1::Event::need_input: return;
        case h1::Event::head: on_head(); break;
        case h1::Event::body: on_body(parser_.body()); break;
        case h1::Event::end: on_end(); break;
        case h1::Event::error:
            return wrong(std::string(parser_.refusal().reason) + " <" +
                         std::string(bytes.substr(0, 300)) + ">");
        }
    }
}

void Answers::on_head() {
    const http::HeadView& head = parser_.head();
    if (last_) return wrong("an answer behind the last");
    continued_ = true;
    interim_ = head.status < 200;
    if (head.status == 101) {
        if (plan().answer != Plan::Answer::tunnel) wrong("a tunnel that nobody meant");
        tunnel_ = true;
        return;
    }
    if (head.status == 100 && !plan().expect) wrong("100 Continue that nobody expects");
    if (head.status == 103 && !plan().hints) wrong("hints that nobody gave");
    if (interim_ && plan().old) wrong("an interim answer to an old client");
    if (!interim_) on_final_head(head);
}

void Answers::on_final_head(const http::HeadView& head) {
    in_answer_ = true;
    got_ = 0;
    until_close_ = parser_.framing().body == h1::BodyKind::until_close;
    closes_ = !parser_.framing().keep_alive;
    const auto number = head.find("x-number");
    own_ = !number.has_value();
    if (own_) return check_own(head);
    if (*number != std::to_string(plan().number)) return wrong("an answer out of order");
    if (head.status != plan().status) return wrong("another status");
    if (plan().target != Plan::Target::route) return wrong("a handler that was not asked");
    if (plan().fault != Plan::Fault::none && plan().fault != Plan::Fault::bad_chunk) {
        return wrong("a handler for a broken head");
    }
    const bool why = plan().may_close() || excuses_.draining || left_early_ ||
                     (excuses_.requests_max != 0 && current_ + 1 >= excuses_.requests_max);
    if (closes_ && !why) return wrong("the connection closes for no reason");
    const h1::Framing& framing = parser_.framing();
    if (framing.body == h1::BodyKind::length && framing.content_length != plan().answer_size) {
        return wrong("another length");
    }
    if (plan().old && framing.body == h1::BodyKind::chunked) wrong("chunks for an old client");
}

/// An answer of the library's own needs a reason.
void Answers::check_own(const http::HeadView& head) {
    bool why = false;
    bool lasts = false; // the connection may be kept
    switch (head.status) {
    case 404: why = lasts = plan().target == Plan::Target::no_path; break;
    case 405: why = lasts = plan().target == Plan::Target::no_method; break;
    case 400: why = plan().fault != Plan::Fault::none; break;
    case 408: why = excuses_.late || left_early_; break;
    case 413: why = excuses_.body_max != 0 && plan().body_size > excuses_.body_max; break;
    case 431: why = plan().fault == Plan::Fault::long_head; break;
    case 500: why = plan().answer == Plan::Answer::given_up && !plan().begun; break;
    case 503: why = lasts = excuses_.busy || excuses_.late; break;
    case 505: why = plan().fault == Plan::Fault::bad_version; break;
    default: break;
    }
    if (!why)
        wrong("an answer of the library's own without a reason, " + std::to_string(head.status));
    if (!lasts && !closes_) wrong("the library's last answer keeps the connection");
    // A connection or a head that is refused gets an answer with a body before anybody knows that
    // the request is HEAD.
    const bool known = head.status == 404 || head.status == 405 || head.status == 500;
    deaf_ = closes_ && !known && plan().method == "HEAD";
    ++report_.answers_own;
}

void Answers::on_body(std::string_view bytes) {
    if (own_) return;
    for (const char c : bytes) {
        if (got_ >= plan().answer_size) return wrong("more than was meant");
        if (c != plan().answer_byte(got_++)) return wrong("a wrong byte");
    }
    const bool cut =
        plan().answer == Plan::Answer::aborted || plan().answer == Plan::Answer::given_up;
    if (cut && got_ > plan().cut_at) wrong("more than was sent");
}

void Answers::on_end() {
    if (interim_) {
        interim_ = false;
        return;
    }
    if (!own_) {
        const bool cut =
            plan().answer == Plan::Answer::aborted || plan().answer == Plan::Answer::given_up;
        if (cut && !plan().bodiless()) return wrong("a whole answer where none was meant");
        if (!plan().bodiless() && got_ != plan().answer_size) return wrong("less than was meant");
        ++report_.answers_whole;
    }
    report_.note("r");
    in_answer_ = continued_ = false;
    last_ = closes_;
    ++current_;
    if (current_ < plans_.size()) {
        parser_.expect_response_to(http::lookup_method(plans_[current_].method));
    }
}

void Answers::end(bool in_order) {
    if (failed_ || deaf_ || tunnel_) return;
    if (in_answer_ && until_close_ && in_order) {
        if (parser_.finish() == h1::Event::end) on_end();
        return;
    }
    if (!in_answer_) return;
    ++report_.answers_cut;
    if (in_order && !left_early_) wrong("an orderly end in the middle of an answer");
}

} // namespace hc::simtest
