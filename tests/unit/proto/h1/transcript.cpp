#include "tests/unit/proto/h1/transcript.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "core/base/random.hpp"

namespace hc::h1::test {

namespace {

void add_fields(std::string& out, const http::HeadView& head, char mark) {
    for (const http::FieldRef& field : head.list()) {
        out += mark;
        out += " [" + std::string(head.name(field)) + "]=[" + std::string(head.value(field)) +
               "] " + std::to_string(static_cast<int>(field.known)) + "\n";
    }
}

std::string describe_head(const Parser& parser, Role role) {
    const http::HeadView& head = parser.head();
    const Framing& framing = parser.framing();
    std::string out = "head " + std::string(http::version_text(head.version));
    if (role == Role::server) {
        const auto part = [&](const char* name, http::Span span) {
            out += std::string(" ") + name + "=" + std::string(head.text(span));
        };
        part("method", head.method_name);
        part("target", head.target);
        part("scheme", head.scheme);
        part("authority", head.authority);
        part("path", head.path);
        if (head.has_query) part("query", head.query);
        part("protocol", head.protocol);
        EXPECT_EQ(http::lookup_method(head.text(head.method_name)), head.method);
    } else {
        out += " status=" + std::to_string(head.status) +
               " reason=" + std::string(head.text(head.reason));
    }
    out += " body=" + std::to_string(static_cast<int>(framing.body)) + ":" +
           std::to_string(framing.content_length) + (framing.keep_alive ? " keep" : " close") +
           (framing.expect_continue ? " expect" : "") + (framing.upgrade ? " upgrade" : "") +
           (framing.connect ? " connect" : "") + "\n";
    add_fields(out, head, ' ');
    return out;
}

/// Traffic of another connection on the same thread: uses the same scratch between any two slices.
class Neighbour {
public:
    Neighbour(const ConnectionLimits& limits, HeadScratch& scratch)
        : parser_(Role::server, limits, scratch) {}
    void step() {
        static constexpr std::string_view text =
            "POST /neighbour?x HTTP/1.1\r\nHost: n\r\nX-A: 1\r\nX-B: 2\r\nX-C: 3\r\nX-D: 4\r\n"
            "Transfer-Encoding: chunked\r\n\r\n3;e\r\nabc\r\n0\r\nX-T: t\r\n\r\n";
        const std::string slice(text.substr(at_, 7));
        at_ = at_ + 7 >= text.size() ? 0 : at_ + 7;
        std::string_view rest = slice;
        for (Event event = Event::end; event != Event::need_input && event != Event::error;) {
            event = parser_.next(rest);
        }
    }

private:
    Parser parser_;
    std::size_t at_ = 0;
};

class Run {
public:
    Run(const Scenario& setup) : setup_(setup), parser_(setup.role, setup_.limits, scratch_) {
        parser_.expect_response_to(setup.response_to);
    }
    /// False when the parser wants no more.
    bool slice(std::string_view bytes) {
        // An allocation of its own, so that a sanitizer sees every byte that is read too far or
        // late.
        const std::unique_ptr<char[]> copy(new char[bytes.size()]);
        std::memcpy(copy.get(), bytes.data(), bytes.size());
        std::string_view rest(copy.get(), bytes.size());
        for (;;) {
            const Event event = parser_.next(rest);
            if (event == Event::need_input) {
                EXPECT_TRUE(rest.empty());
                return true;
            }
            if (!report(event)) return false;
        }
    }
    Transcript done(bool finished) {
        if (finished && setup_.finish) {
            const Event event = parser_.finish();
            if (event == Event::need_input) out_.text += "clean\n";
            else report(event);
        }
        return std::move(out_);
    }
    HeadScratch& scratch() { return scratch_; }

private:
    bool report(Event event) {
        switch (event) {
        case Event::need_input: return true;
        case Event::head:
            out_.heads.push_back(describe_head(parser_, setup_.role));
            out_.bodies.emplace_back();
            out_.text += out_.heads.back();
            return true;
        case Event::body:
            EXPECT_FALSE(parser_.body().empty());
            if (!in_body_) out_.text += "body ";
            in_body_ = true;
            out_.bodies.back() += parser_.body();
            out_.text += parser_.body();
            return true;
        case Event::end:
            if (in_body_) out_.text += "\n";
            in_body_ = false;
            out_.text += "end\n";
            ++out_.ends;
            add_fields(out_.text, parser_.trailers(), 't');
            return true;
        case Event::error:
            if (in_body_) out_.text += "\n";
            out_.status = parser_.refusal().status;
            out_.reason = parser_.refusal().reason;
            EXPECT_FALSE(out_.reason.empty());
            out_.text += "error " + std::to_string(out_.status) + "\n";
            std::string_view more = "x";
            EXPECT_EQ(parser_.next(more), Event::error) << "a failed parser stays failed";
            return false;
        }
        return false;
    }

    Scenario setup_;
    HeadScratch scratch_;
    Parser parser_;
    Transcript out_;
    bool in_body_ = false;
};

} // namespace

Transcript feed(std::string_view input, const Scenario& setup,
                const std::function<std::size_t(std::size_t)>& next_cut) {
    Run run(setup);
    const ConnectionLimits usual;
    Neighbour neighbour(usual, run.scratch());
    bool more = true;
    while (more && !input.empty()) {
        const std::size_t size = std::clamp<std::size_t>(next_cut(input.size()), 1, input.size());
        more = run.slice(input.substr(0, size));
        input.remove_prefix(size);
        neighbour.step();
    }
    return run.done(more);
}

Transcript feed_whole(std::string_view input, const Scenario& setup) {
    return feed(input, setup, [](std::size_t left) { return left; });
}
Transcript feed_bytes(std::string_view input, const Scenario& setup) {
    return feed(input, setup, [](std::size_t) { return std::size_t{1}; });
}
Transcript feed_split(std::string_view input, std::size_t first, const Scenario& setup) {
    return feed(input, setup,
                [&](std::size_t left) { return left == input.size() ? first : left; });
}

Transcript feed_every_way(std::string_view input, const Scenario& setup, int rounds) {
    const Transcript whole = feed_whole(input, setup);
    for (std::size_t at = 1; at < input.size(); ++at) {
        const Transcript split = feed_split(input, at, setup);
        EXPECT_EQ(split.text, whole.text) << "cut at " << at << " of " << quoted(input);
        if (!(split == whole)) return whole;
    }
    EXPECT_EQ(feed_bytes(input, setup).text, whole.text) << "byte by byte: " << quoted(input);
    for (int seed = 1; seed <= rounds; ++seed) {
        Random random(static_cast<std::uint64_t>(seed));
        const auto cut = [&](std::size_t left) {
            return 1 + random.below(std::min<std::size_t>(left, 20));
        };
        EXPECT_EQ(feed(input, setup, cut).text, whole.text)
            << "seed " << seed << ": " << quoted(input);
    }
    return whole;
}

std::string quoted(std::string_view bytes) {
    std::string out = "\"";
    for (char c : bytes.substr(0, 2000)) {
        if (c == '\r') out += "\\r";
        else if (c == '\n') out += "\\n";
        else if (c >= 0x20 && c < 0x7f) out += c;
        else {
            char hex[5];
            std::snprintf(hex, sizeof hex, "\\x%02x", static_cast<unsigned char>(c));
            out += hex;
        }
    }
    return out + "\"";
}

} // namespace hc::h1::test
