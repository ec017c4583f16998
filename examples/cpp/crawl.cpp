// crawl PORT [PATH]: follows the links of a web server on this machine and says what it found.
//
// Every page is a child of one scope, which is done when the last page is: nothing is counted, and
// nothing is forgotten. A page that cannot be had is told and followed no further. At most eight
// pages are fetched at a time, and 1000 in all.
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/net/tcp.hpp"
#include "core/runtime/io/read_ext.hpp"
#include "core/runtime/io/write_ext.hpp"
#include "core/runtime/runtime.hpp"
#include "core/runtime/scope.hpp"
#include "core/runtime/sleep.hpp"
#include "core/runtime/sync/mutex.hpp"
#include "core/runtime/sync/semaphore.hpp"
#include "examples/cpp/example.hpp"

namespace {

using namespace hc;
using namespace hc::runtime;
using namespace std::chrono_literals;

constexpr std::size_t page_bytes_max = 1'000'000;
constexpr std::size_t pages_max = 1000;

struct Page {
    int status = 0;
    std::string body;
};

/// One page, by HTTP/1.0: its end is the connection's.
Task<Result<Page>> fetch(std::uint16_t port, std::string path) {
    const auto address = net::Address::parse("127.0.0.1:" + std::to_string(port));
    auto stream = co_await net::TcpStream::connect(*address);
    if (!stream) co_return fail(std::move(stream.error()));
    const std::string request = "GET " + path + " HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n";
    if (auto sent = co_await write_all(*stream, request); !sent) {
        co_return fail(std::move(sent.error()));
    }
    auto text = co_await read_to_end(*stream, page_bytes_max);
    if (!text) co_return fail(std::move(text.error()));
    const std::size_t body = text->find("\r\n\r\n");
    const std::size_t status = text->find(' ');
    if (body == std::string::npos || status == std::string::npos) {
        co_return fail(ErrorKind::protocol, "no HTTP response");
    }
    co_return Page{std::atoi(text->c_str() + status), text->substr(body + 4)};
}

/// The paths of this server that a page links to.
std::vector<std::string> links(std::string_view html) {
    constexpr std::string_view mark = "href=\"/";
    std::vector<std::string> found;
    for (std::size_t at = 0; (at = html.find(mark, at)) != html.npos; at += mark.size()) {
        const std::size_t begin = at + mark.size() - 1;
        const std::size_t end = html.find_first_of("\"#", begin);
        if (end != html.npos) found.emplace_back(html.substr(begin, end - begin));
    }
    return found;
}

class Crawl {
public:
    explicit Crawl(std::uint16_t port) : port_(port) {}

    /// Done when every page that can be reached is.
    Task<Result<void>> from(std::string path) {
        co_return co_await scope(
            [&](Scope& inside) -> Task<void> { co_await follow(inside, path); });
    }
    std::size_t pages() const noexcept { return pages_; }

private:
    Task<void> follow(Scope& inside, std::string path) {
        auto seen = co_await seen_.lock();
        if (seen->size() < pages_max && seen->insert(path).second) {
            inside.spawn(visit(inside, path)).detach();
        }
    }
    Task<void> visit(Scope& inside, std::string path) {
        const auto turn = co_await at_once_.acquire();
        const Result<Result<Page>> fetched = co_await timeout(10s, fetch(port_, path));
        const Result<Page> page = fetched ? *fetched : fail(fetched.error());
        if (!page) {
            example::say(path + ": " + page.error().message);
            co_return;
        }
        example::say(path + ": " + std::to_string(page->status) + ", " +
                     std::to_string(page->body.size()) + " bytes");
        ++pages_;
        for (std::string& link : links(page->body)) co_await follow(inside, std::move(link));
    }

    const std::uint16_t port_;
    Semaphore at_once_{8};
    Mutex<std::set<std::string>> seen_;
    std::atomic<std::size_t> pages_{0};
};

Task<Result<void>> crawl(std::uint16_t port, std::string path) {
    Crawl crawl(port);
    auto done = co_await crawl.from(std::move(path));
    if (done) example::say(std::to_string(crawl.pages()) + " pages");
    co_return done;
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fprintf(stderr, "usage: crawl PORT [PATH]\n");
        return 2;
    }
    return example::run({.workers = 2},
                        crawl(example::port(argc, argv, 80), argc > 2 ? argv[2] : "/"));
}
