// What the writer writes, the parser reads back; and the reader of common heads says what llhttp
// says.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/base/random.hpp"
#include "core/proto/h1/plain.hpp"
#include "core/proto/h1/writer.hpp"
#include "tests/unit/proto/h1/transcript.hpp"

namespace hc::h1 {
namespace {

using namespace std::string_view_literals;
using http::Field;
using http::FieldName;
using test::feed;
using test::feed_whole;
using test::Scenario;
using test::Transcript;

struct Made {
    std::vector<std::pair<std::string, std::string>> texts;
    std::vector<Field> fields() const {
        std::vector<Field> list;
        for (const auto& [name, value] : texts) list.emplace_back(name, value);
        return list;
    }
};

std::string random_text(Random& random, std::string_view alphabet, std::size_t size) {
    std::string out;
    while (out.size() < size) out += alphabet[random.below(alphabet.size())];
    return out;
}

constexpr std::string_view token =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_!#$%&'*+.^`|~";
constexpr std::string_view path = "abcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/%?";

std::string random_value(Random& random) {
    std::string out;
    for (std::size_t size = random.below(40); out.size() < size;) {
        const auto c = static_cast<char>(random.below(256));
        if (c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f)) out += c;
    }
    while (!out.empty() && (out.front() == ' ' || out.front() == '\t')) out.erase(0, 1);
    while (!out.empty() && (out.back() == ' ' || out.back() == '\t')) out.pop_back();
    return out;
}

Made random_fields(Random& random, bool trailers) {
    Made made;
    for (std::uint64_t n = random.below(8); n > 0; --n) {
        std::string name = random_text(random, token, 1 + random.below(30));
        if (random.below(3) == 0) {
            const auto known = static_cast<FieldName>(
                1 + random.below(static_cast<std::uint64_t>(FieldName::count_) - 1));
            name = http::field_text(known);
        }
        // Only fields of the user's own come back as they were.
        switch (http::lookup_field(name)) {
        case FieldName::connection:
        case FieldName::keep_alive:
        case FieldName::proxy_connection:
        case FieldName::transfer_encoding:
        case FieldName::te:
        case FieldName::upgrade:
        case FieldName::host:
        case FieldName::content_length:
        case FieldName::expect:
        case FieldName::date:
        case FieldName::server: continue;
        default: break;
        }
        if (trailers && !http::may_be_trailer(http::lookup_field(name))) continue;
        made.texts.emplace_back(name, random_value(random));
    }
    return made;
}

/// The fields as the transcript shows them.
std::string shown(const Made& made, char mark) {
    std::string out;
    for (const auto& [name, value] : made.texts) {
        out += mark + (" [" + name) + "]=[" + value + "] " +
               std::to_string(static_cast<int>(http::lookup_field(name))) + "\n";
    }
    return out;
}

template <class Write>
std::string written(std::size_t bound, Write write) {
    const std::unique_ptr<char[]> out(new char[bound]);
    char* end = write(out.get());
    EXPECT_LE(end, out.get() + bound);
    return {out.get(), end};
}

/// A body in chunks of random sizes with trailers.
std::string in_chunks(Random& random, std::string_view body, const Made& trailers) {
    std::string out;
    while (!body.empty()) {
        const std::size_t size = 1 + random.below(body.size());
        out += written(chunk_head_bound, [&](char* p) { return write_chunk_head(p, size); });
        out += body.substr(0, size);
        out += "\r\n";
        body.remove_prefix(size);
    }
    const auto fields = trailers.fields();
    return out +
           written(last_chunk_bound(fields), [&](char* p) { return write_last_chunk(p, fields); });
}

struct Message {
    std::string bytes;
    std::string head_part; // must be in the transcript's head
    std::string body;
    std::string trailers;
};

Message random_request(Random& random) {
    Message m;
    const char* methods[] = {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"};
    const std::string method = methods[random.below(7)];
    const std::string target = "/" + random_text(random, path, random.below(60));
    const Made made = random_fields(random, false);
    const auto fields = made.fields();
    const auto facts = examine(fields);
    EXPECT_TRUE(facts);
    const auto kind = static_cast<BodyKind>(random.below(3));
    if (kind != BodyKind::none)
        m.body = random_text(random, "\0\r\nabc0;"sv, 1 + random.below(300));
    m.bytes = written(request_head_bound(method, target, "h:1", *facts), [&](char* p) {
        return write_request_head(p, method, target, "h:1", fields, *facts, kind, m.body.size());
    });
    m.head_part = " method=" + method + " target=" + target + " ";
    const Made trailers = kind == BodyKind::chunked ? random_fields(random, true) : Made{};
    m.bytes += kind == BodyKind::chunked ? in_chunks(random, m.body, trailers) : m.body;
    m.trailers = shown(trailers, 't');
    m.head_part += "|" + shown(made, ' ');
    return m;
}

Message random_response(Random& random) {
    Message m;
    const int statuses[] = {200, 201, 404, 500, 599, 299};
    const int status = statuses[random.below(6)];
    const Made made = random_fields(random, false);
    const auto fields = made.fields();
    const auto facts = examine(fields);
    m.body = random_text(random, "abc\r\n0", random.below(300));
    const bool known = random.below(2) == 0;
    const auto plan = plan_answer(
        {}, status, *facts, known ? std::optional<std::uint64_t>(m.body.size()) : std::nullopt);
    EXPECT_TRUE(plan);
    m.bytes = written(response_head_bound(status, *facts, "hc"), [&](char* p) {
        return write_response_head(p, status, fields, *facts, *plan,
                                   "Sun, 06 Nov 1994 08:49:37 GMT", "hc");
    });
    const bool chunked = plan->body == BodyKind::chunked;
    EXPECT_EQ(chunked, !known);
    const Made trailers = chunked ? random_fields(random, true) : Made{};
    m.bytes += chunked ? in_chunks(random, m.body, trailers) : m.body;
    m.head_part = " status=" + std::to_string(status) + " |" + shown(made, ' ');
    m.trailers = shown(trailers, 't');
    return m;
}

template <class Make>
void round_trip(Role role, Make make) {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        Random random(seed);
        std::vector<Message> messages;
        std::string input;
        for (std::uint64_t n = 1 + random.below(3); n > 0; --n) {
            messages.push_back(make(random));
            input += messages.back().bytes;
        }
        const Scenario s{.role = role};
        const Transcript whole = feed_whole(input, s);
        const Transcript cut = feed(input, s, [&](std::size_t) { return 1 + random.below(50); });
        ASSERT_EQ(whole.text, cut.text) << "seed " << seed;
        ASSERT_EQ(whole.status, -1)
            << "seed " << seed << " " << whole.reason << " " << test::quoted(input);
        ASSERT_EQ(whole.heads.size(), messages.size()) << "seed " << seed;
        std::size_t at = 0;
        for (std::size_t i = 0; i < messages.size(); ++i) {
            const Message& m = messages[i];
            const std::size_t bar = m.head_part.find('|');
            EXPECT_NE(whole.heads[i].find(m.head_part.substr(0, bar)), std::string::npos)
                << "seed " << seed;
            EXPECT_NE(whole.heads[i].find(m.head_part.substr(bar + 1)), std::string::npos)
                << "seed " << seed << "\n"
                << whole.heads[i] << "wanted\n"
                << m.head_part;
            EXPECT_EQ(whole.bodies[i], m.body) << "seed " << seed;
            at = whole.text.find("end\n" + m.trailers, at);
            ASSERT_NE(at, std::string::npos) << "seed " << seed << "\n" << whole.text << m.trailers;
            at += 4;
        }
    }
}

TEST(H1Property, RequestsReadBack) { round_trip(Role::server, random_request); }
TEST(H1Property, ResponsesReadBack) { round_trip(Role::client, random_response); }

// The first slice decides who reads: a whole head may be read by the plain reader, one in two
// pieces is always read by llhttp. Heads with a little damage are where the two could differ.
TEST(H1Property, ThePlainReaderAgreesWithLlhttp) {
    int plain = 0, damaged = 0;
    for (std::uint64_t seed = 1; seed <= 4000; ++seed) {
        Random random(seed);
        std::string input = random_request(random).bytes;
        for (std::uint64_t n = random.below(3); n > 0; --n) {
            constexpr std::string_view odd = "\0\t\n\r \"#%:;/?@\x7f\x80\xff*azAZ09,"sv;
            const std::size_t at = random.below(std::min<std::size_t>(input.size(), 200));
            switch (random.below(3)) {
            case 0: input[at] = odd[random.below(odd.size())]; break;
            case 1: input.insert(at, 1, odd[random.below(odd.size())]); break;
            default: input.erase(at, 1 + random.below(3)); break;
            }
        }
        Scenario s;
        s.limits.header_count_max = 6;
        s.limits.target_bytes_max = 50;
        http::HeadView head;
        http::FieldRef fields[7];
        const std::size_t line = read_plain_line(input, s.limits, head);
        const std::size_t size =
            line == 0 ? 0 : read_plain_fields(input, line, s.limits, head, fields);
        plain += size > 0;
        const Transcript whole = feed_whole(input, s);
        damaged += whole.status > 0;
        ASSERT_EQ(whole.text, test::feed_split(input, 1, s).text)
            << "seed " << seed << " " << test::quoted(input);
        if (size > 0) {
            EXPECT_EQ(std::string_view(input).substr(size - 4, 4), "\r\n\r\n")
                << test::quoted(input);
        }
    }
    EXPECT_GT(plain, 500) << "the test looks at the plain reader";
    EXPECT_GT(damaged, 500) << "the test looks at damage";
}

// Requests of one connection mostly repeat their fields; what the parser keeps of them must never
// show. In two pieces each head is read anew.
TEST(H1Property, FieldsThatComeAgainAreReadTheSame) {
    int heads = 0;
    for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
        Random random(seed);
        std::vector<std::string> sections;
        for (int i = 0; i < 3; ++i) {
            std::string section = "Host: h" + std::to_string(random.below(3)) + "\r\n";
            for (const auto& [name, value] : random_fields(random, false).texts) {
                section += name + ": " + value + "\r\n";
            }
            constexpr std::string_view odd[] = {"",
                                                "Content-Length: 2\r\n",
                                                "Upgrade: x\r\nConnection: upgrade\r\n",
                                                "Expect: 100-continue\r\n",
                                                "Connection: close\r\n",
                                                "Host: twice\r\n"};
            if (i == 2) section += odd[random.below(std::size(odd))];
            section += "\r\n";
            if (section.find("Content-Length: 2") != std::string::npos) section += "ab";
            sections.push_back(section);
        }
        std::string input;
        for (int i = 0; i < 12; ++i) {
            input += random.below(4) == 0 ? "HEAD /" : "GET /";
            input += random_text(random, "abc", random.below(5));
            input += random.below(50) == 0 ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n";
            input += sections[random.below(12) == 0 ? 2 : random.below(2)];
        }
        const Transcript whole = feed_whole(input);
        heads += static_cast<int>(whole.heads.size());
        ASSERT_EQ(whole.text, test::feed_bytes(input).text)
            << "seed " << seed << " " << test::quoted(input);
    }
    EXPECT_GT(heads, 3000) << "the test looks at many requests on one connection";
}

} // namespace
} // namespace hc::h1
