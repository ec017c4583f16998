// The h1 parser under libFuzzer. The first byte chooses the role, the second seeds the cuts; the
// rest is input. Invariants: the events do not depend on the cuts, every offset lies within the
// head, every count and size within its limit.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "core/base/random.hpp"
#include "core/proto/h1/parser.hpp"

using namespace hc;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

void put(std::string& out, const http::HeadView& head, const ConnectionLimits& limits) {
    require(head.size <= limits.header_bytes_max + limits.trailer_bytes_max);
    require(head.field_count <= limits.header_count_max);
    const auto text = [&](std::uint64_t offset, std::uint64_t size) {
        require(offset + size <= head.size);
        out.append(head.base + offset, size).append(1, '\n');
    };
    for (const http::Span s : {head.method_name, head.target, head.scheme, head.authority,
                               head.path, head.query, head.protocol, head.reason}) {
        text(s.offset, s.size);
    }
    require(head.target.size <= limits.target_bytes_max);
    for (const http::FieldRef& f : head.list()) {
        text(f.name, f.name_size);
        text(f.value, f.value_size);
        require(http::lookup_field(head.name(f)) == f.known && http::is_field_name(head.name(f)));
        require(http::is_field_value(head.value(f)));
    }
}

std::string run(std::string_view input, h1::Role role, std::uint64_t cuts) {
    ConnectionLimits limits;
    limits.header_bytes_max = 400;
    limits.header_count_max = 6;
    limits.target_bytes_max = 60;
    limits.body_bytes_max = 300;
    limits.trailer_bytes_max = 50;
    limits.chunk_extension_bytes_max = 30;
    h1::HeadScratch scratch;
    h1::Parser parser(role, limits, scratch);
    Random random(cuts);
    std::string out;
    std::uint64_t body = 0;
    while (!input.empty()) {
        const std::size_t size =
            cuts == 0 ? input.size() : 1 + random.below(input.size() < 9 ? input.size() : 9);
        const std::unique_ptr<char[]> copy(new char[size]); // so that reading too far is seen
        std::memcpy(copy.get(), input.data(), size);
        input.remove_prefix(size);
        std::string_view slice(copy.get(), size);
        for (h1::Event event; (event = parser.next(slice)) != h1::Event::need_input;) {
            if (event == h1::Event::body) {
                body += parser.body().size();
                require(role == h1::Role::client || body <= limits.body_bytes_max);
                out += parser.body();
                continue;
            }
            out += static_cast<char>('0' + static_cast<int>(event));
            if (event == h1::Event::error) return out + std::to_string(parser.refusal().status);
            if (event == h1::Event::head) put(out, parser.head(), limits);
            if (event == h1::Event::end) put(out, parser.trailers(), limits);
            body = 0;
        }
        require(slice.empty());
    }
    return out + "|" + std::to_string(static_cast<int>(parser.finish()));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const auto role = data[0] % 2 == 0 ? h1::Role::server : h1::Role::client;
    const std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
    const std::string whole = run(input, role, 0);
    const std::string cut = run(input, role, 1 + data[1]);
    if (whole != cut) {
        std::fprintf(stderr, "whole: %s\ncut:   %s\n", whole.c_str(), cut.c_str());
        std::abort();
    }
    return 0;
}
