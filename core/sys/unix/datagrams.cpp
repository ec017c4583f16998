// Trains on the way out. A kernel that knows UDP_SEGMENT cuts a train itself, but not for every
// device, route or size; it says so by an error, with nothing sent. Then the rest of that call goes
// out datagram by datagram: whoever calls again may have better luck, and a device that never can
// costs one system call in vain for each call here. A kernel that does not know the option would
// take the whole train for one datagram, so that is found out first, once.
#include "core/sys/unix/datagrams.hpp"

#include <netinet/udp.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "core/sys/unix/socket_address.hpp"

// Older headers do not name them; a kernel that does not know them refuses them.
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

namespace hc::sys {

namespace {

/// So many go into one system call.
constexpr std::size_t batch_max = 32;
/// What kernels take of a train: 64 datagrams, and what fits an IP packet with room for headers.
constexpr std::size_t train_segments_max = 64;
constexpr std::size_t train_bytes_max = 65'000;

/// Room for all the control messages of one datagram, in either direction.
constexpr std::size_t control_bytes =
    CMSG_SPACE(sizeof(int)) * 3 + CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(in_pktinfo));

struct Slot {
    SocketAddress address;
    iovec vector;
    alignas(cmsghdr) std::array<char, control_bytes> control;
};

Io failure(int code) noexcept {
    if (code == EAGAIN || code == EWOULDBLOCK) return {.status = Io::Status::would_block};
    return {.status = Io::Status::failed, .code = code};
}

// -- making --------------------------------------------------------------------------------------

bool set_option(int fd, int level, int option, int value) noexcept {
    return ::setsockopt(fd, level, option, &value, sizeof value) == 0;
}

/// What a socket must have.
bool set_up(int fd, bool v6, const UdpOptions& options) noexcept {
    if (v6 && !set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, options.only_v6 ? 1 : 0)) return false;
    if (options.reuse_port && !set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1)) return false;
    // A dual-stack socket reports IPv4 datagrams by the options of IPv4.
    const bool v4 = !v6 || !options.only_v6;
    if (v4 && (!set_option(fd, IPPROTO_IP, IP_PKTINFO, 1) ||
               !set_option(fd, IPPROTO_IP, IP_RECVTOS, 1))) {
        return false;
    }
    if (v6 && (!set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) ||
               !set_option(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1))) {
        return false;
    }
    if (!options.dont_fragment) return true;
    return (!v4 || set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE)) &&
           (!v6 || set_option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE));
}

/// What is only asked for.
void ask_for(int fd, const UdpOptions& options) noexcept {
    if (options.coalesce) set_option(fd, SOL_UDP, UDP_GRO, 1);
    if (options.receive_buffer_bytes != 0) {
        set_option(fd, SOL_SOCKET, SO_RCVBUF, static_cast<int>(options.receive_buffer_bytes));
    }
    if (options.send_buffer_bytes != 0) {
        set_option(fd, SOL_SOCKET, SO_SNDBUF, static_cast<int>(options.send_buffer_bytes));
    }
}

// -- sending -------------------------------------------------------------------------------------

enum class Known : std::uint8_t { unasked, yes, no };
constinit std::atomic<Known> kernel_segments{Known::unasked};

bool can_segment(int fd) noexcept {
    Known known = kernel_segments.load(std::memory_order_relaxed);
    if (known == Known::unasked) {
        int value = 0;
        socklen_t size = sizeof value;
        const bool can = ::getsockopt(fd, SOL_UDP, UDP_SEGMENT, &value, &size) == 0;
        if (!can && errno != ENOPROTOOPT) return false; // not a UDP socket, say: that tells nothing
        known = can ? Known::yes : Known::no;
        kernel_segments.store(known, std::memory_order_relaxed);
    }
    return known == Known::yes;
}

template <class T>
void put_control(msghdr& message, int level, int type, const T& value) noexcept {
    auto* const at = static_cast<char*>(message.msg_control) + message.msg_controllen;
    auto* const header = reinterpret_cast<cmsghdr*>(at);
    header->cmsg_level = level;
    header->cmsg_type = type;
    header->cmsg_len = CMSG_LEN(sizeof value);
    std::memcpy(CMSG_DATA(header), &value, sizeof value);
    message.msg_controllen += CMSG_SPACE(sizeof value);
}

void put_source(msghdr& message, const Address& from) noexcept {
    if (from.family == Address::Family::v4) {
        in_pktinfo info{};
        std::memcpy(&info.ipi_spec_dst, from.ip.data(), sizeof info.ipi_spec_dst);
        put_control(message, IPPROTO_IP, IP_PKTINFO, info);
    } else if (from.family == Address::Family::v6) {
        in6_pktinfo info{};
        std::memcpy(&info.ipi6_addr, from.ip.data(), sizeof info.ipi6_addr);
        info.ipi6_ifindex = from.scope;
        put_control(message, IPPROTO_IPV6, IPV6_PKTINFO, info);
    }
}

/// How many of the front bytes go as one message to the kernel.
std::size_t portion(const DatagramsOut& message, std::size_t bytes, bool segment) noexcept {
    const std::size_t each = message.segment_bytes;
    if (each == 0 || bytes <= each) return bytes;
    if (!segment) return each;
    constexpr std::size_t one = 1;
    return std::min(bytes, std::clamp(train_bytes_max / each, one, train_segments_max) * each);
}

void fill(const DatagramsOut& message, std::string_view part, Slot& slot, msghdr& out) noexcept {
    out = {};
    slot.control.fill(0);
    slot.vector = {const_cast<char*>(part.data()), part.size()};
    out.msg_iov = &slot.vector;
    out.msg_iovlen = 1;
    if (message.to != nullptr) {
        out.msg_name = &slot.address;
        out.msg_namelen = to_kernel(*message.to, slot.address);
    }
    out.msg_control = slot.control.data();
    if (message.ecn != Ecn::none) {
        // The kernel passes over the one that is not of the datagram's own protocol.
        const int value = static_cast<int>(message.ecn);
        put_control(out, IPPROTO_IP, IP_TOS, value);
        put_control(out, IPPROTO_IPV6, IPV6_TCLASS, value);
    }
    if (message.from != nullptr) put_source(out, *message.from);
    if (message.segment_bytes != 0 && part.size() > message.segment_bytes) {
        put_control(out, SOL_UDP, UDP_SEGMENT, static_cast<std::uint16_t>(message.segment_bytes));
    }
    if (out.msg_controllen == 0) out.msg_control = nullptr;
}

struct Batch {
    std::array<Slot, batch_max> slots;
    std::array<mmsghdr, batch_max> headers;
    std::size_t size = 0;

    /// The next of `messages`, from the front, as many as there is room for.
    void fill_from(std::span<const DatagramsOut> messages, bool segment) noexcept {
        size = 0;
        for (const DatagramsOut& message : messages) {
            std::string_view left = message.bytes;
            do {
                if (size == batch_max) return;
                const std::size_t bytes = portion(message, left.size(), segment);
                const std::string_view part = left.substr(0, bytes);
                fill(message, part, slots[size], headers[size].msg_hdr);
                left.remove_prefix(part.size());
                ++size;
            } while (!left.empty());
        }
    }
    bool first_is_train(const DatagramsOut& message) const noexcept {
        return message.segment_bytes != 0 && slots[0].vector.iov_len > message.segment_bytes;
    }
};

int send_batch(int fd, Batch& batch) noexcept {
    for (;;) {
        const int sent = ::sendmmsg(fd, batch.headers.data(), static_cast<unsigned>(batch.size),
                                    MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0 || errno != EINTR) return sent;
    }
}

/// Takes what was sent from the front of `messages`; gives how many are done.
std::size_t take_sent(std::span<DatagramsOut> messages, const Batch& batch, std::size_t sent) {
    std::size_t done = 0;
    for (std::size_t i = 0; i < sent; ++i) {
        messages[done].bytes.remove_prefix(batch.slots[i].vector.iov_len);
        if (messages[done].bytes.empty()) ++done;
    }
    return done;
}

bool refuses_trains(int code) noexcept {
    return code == EIO || code == EINVAL || code == EMSGSIZE || code == ENOPROTOOPT ||
           code == EOPNOTSUPP;
}

// -- receiving -----------------------------------------------------------------------------------

void read_control(const cmsghdr& header, DatagramsIn& out) noexcept {
    const auto read = [&header](auto& value) noexcept {
        std::memcpy(&value, CMSG_DATA(&header), sizeof value);
    };
    if (header.cmsg_level == IPPROTO_IP && header.cmsg_type == IP_TOS) {
        std::uint8_t tos = 0;
        read(tos);
        out.ecn = static_cast<Ecn>(tos & 3);
    } else if (header.cmsg_level == IPPROTO_IPV6 && header.cmsg_type == IPV6_TCLASS) {
        int traffic_class = 0;
        read(traffic_class);
        out.ecn = static_cast<Ecn>(traffic_class & 3);
    } else if (header.cmsg_level == IPPROTO_IP && header.cmsg_type == IP_PKTINFO) {
        if (out.to.family == Address::Family::v6) return; // as ::ffff:a.b.c.d
        in_pktinfo info{};
        read(info);
        out.to.family = Address::Family::v4;
        std::memcpy(out.to.ip.data(), &info.ipi_addr, sizeof info.ipi_addr);
    } else if (header.cmsg_level == IPPROTO_IPV6 && header.cmsg_type == IPV6_PKTINFO) {
        in6_pktinfo info{};
        read(info);
        out.to.family = Address::Family::v6;
        std::memcpy(out.to.ip.data(), &info.ipi6_addr, sizeof info.ipi6_addr);
        if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) out.to.scope = info.ipi6_ifindex;
    } else if (header.cmsg_level == SOL_UDP && header.cmsg_type == UDP_GRO) {
        int segment = 0;
        read(segment);
        if (segment > 0) out.segment_bytes = static_cast<std::uint32_t>(segment);
    }
}

void take_received(const Slot& slot, mmsghdr& from, DatagramsIn& out) noexcept {
    out.bytes = from.msg_len;
    out.segment_bytes = from.msg_len;
    out.ecn = Ecn::none;
    out.truncated = (from.msg_hdr.msg_flags & MSG_TRUNC) != 0;
    out.from = from_kernel(slot.address, from.msg_hdr.msg_namelen);
    out.to = {};
    for (cmsghdr* each = CMSG_FIRSTHDR(&from.msg_hdr); each != nullptr;
         each = CMSG_NXTHDR(&from.msg_hdr, each)) {
        read_control(*each, out);
    }
}

} // namespace

Result<Socket> bind_datagrams(const Address& address, const UdpOptions& options) {
    const bool v6 = address.family == Address::Family::v6;
    if (!v6 && address.family != Address::Family::v4) {
        return fail(ErrorKind::invalid, address.to_string() + " is not a UDP address");
    }
    SocketAddress at;
    const socklen_t length = to_kernel(address, at);
    const int fd = ::socket(at.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return fail(system_error(errno, "making a socket"));
    if (!set_up(fd, v6, options) || ::bind(fd, &at.any, length) != 0) {
        Error error = system_error(errno, "binding to " + address.to_string());
        ::close(fd);
        return fail(std::move(error));
    }
    ask_for(fd, options);
    return Socket{fd};
}

Result<void> connect_datagrams(int fd, const Address& peer) {
    SocketAddress to;
    const socklen_t length = to_kernel(peer, to);
    if (length == 0) return fail(ErrorKind::invalid, "an address of no family to connect to");
    if (::connect(fd, &to.any, length) == 0) return {};
    return fail(system_error(errno, "connecting to " + peer.to_string()));
}

Io send_datagrams(int fd, std::span<DatagramsOut> messages) noexcept {
    const bool trains = std::ranges::any_of(messages, [](const DatagramsOut& message) {
        return message.segment_bytes != 0 && message.bytes.size() > message.segment_bytes;
    });
    bool segment = trains && can_segment(fd);
    bool any = false;
    std::size_t done = 0;
    Batch batch;
    while (done < messages.size()) {
        batch.fill_from(messages.subspan(done), segment);
        const int sent = send_batch(fd, batch);
        if (sent < 0) {
            const int code = errno;
            if (segment && batch.first_is_train(messages[done]) && refuses_trains(code)) {
                segment = false;
                continue;
            }
            // What was taken before counts; the error shows itself in the next call.
            return any ? Io{.bytes = done} : failure(code);
        }
        any = true;
        done += take_sent(messages.subspan(done), batch, static_cast<std::size_t>(sent));
    }
    return {.bytes = done};
}

Io receive_datagrams(int fd, std::span<DatagramsIn> messages) noexcept {
    const std::size_t count = std::min(messages.size(), batch_max);
    if (count == 0) return {};
    std::array<Slot, batch_max> slots;
    std::array<mmsghdr, batch_max> headers;
    for (std::size_t i = 0; i < count; ++i) {
        slots[i].vector = {messages[i].into.data(), messages[i].into.size()};
        msghdr& header = headers[i].msg_hdr;
        header = {};
        header.msg_name = &slots[i].address;
        header.msg_namelen = sizeof slots[i].address;
        header.msg_iov = &slots[i].vector;
        header.msg_iovlen = 1;
        header.msg_control = slots[i].control.data();
        header.msg_controllen = slots[i].control.size();
    }
    int got = 0;
    do {
        got = ::recvmmsg(fd, headers.data(), static_cast<unsigned>(count), MSG_DONTWAIT, nullptr);
    } while (got < 0 && errno == EINTR);
    if (got < 0) return failure(errno);
    for (std::size_t i = 0; i < static_cast<std::size_t>(got); ++i) {
        take_received(slots[i], headers[i], messages[i]);
    }
    return {.bytes = static_cast<std::size_t>(got)};
}

} // namespace hc::sys
