// Sec-WebSocket-Extensions (RFC 6455, section 9.1; RFC 7692, section 7.1).
#include <algorithm>

#include "core/base/ascii.hpp"
#include "core/proto/ws/deflate.hpp"

namespace hc::ws {

namespace {

constexpr std::string_view deflate_name = "permessage-deflate";

/// Reads the items of a list of extensions.
class Reader {
public:
    explicit Reader(std::string_view text) noexcept : rest_(text) {}

    void skip_space() noexcept {
        while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t')) {
            rest_.remove_prefix(1);
        }
    }
    bool at_end() noexcept {
        skip_space();
        return rest_.empty();
    }
    bool take(char c) noexcept {
        skip_space();
        if (rest_.empty() || rest_.front() != c) return false;
        rest_.remove_prefix(1);
        return true;
    }
    /// Empty when there is none.
    std::string_view token() noexcept {
        skip_space();
        std::size_t n = 0;
        while (n < rest_.size() && ascii::is_token_char(rest_[n])) ++n;
        const std::string_view found = rest_.substr(0, n);
        rest_.remove_prefix(n);
        return found;
    }
    /// A token, maybe in quotes; false when it is none. What is quoted has to be a token, too.
    bool value(std::string& out) {
        if (!take('"')) {
            out = token();
            return !out.empty();
        }
        out.clear();
        while (!rest_.empty() && rest_.front() != '"') {
            if (rest_.front() == '\\') rest_.remove_prefix(1);
            if (rest_.empty() || !ascii::is_token_char(rest_.front())) return false;
            out += rest_.front();
            rest_.remove_prefix(1);
        }
        return take('"') && !out.empty();
    }

private:
    std::string_view rest_;
};

/// The four parameters, as they stood in one offer or answer.
struct Parameters {
    bool good = true; // known, once each, with values that they may have
    bool server_alone = false;
    bool client_alone = false;
    bool has_client_bits = false;
    std::uint8_t server_bits = 0; // 0: absent
    std::uint8_t client_bits = 0; // 0: absent, or without a value
};

/// 8 to 15, in decimal digits without a zero in front.
std::uint8_t window_bits(std::string_view text) noexcept {
    const auto n = ascii::parse_decimal(text);
    const bool good = n && *n >= 8 && *n <= 15 && text.front() != '0';
    return good ? static_cast<std::uint8_t>(*n) : 0;
}

void note(Parameters& all, std::string_view name, bool has_value, std::string_view value) noexcept {
    const auto flag = [&](bool& seen) {
        if (seen || has_value) all.good = false;
        seen = true;
    };
    if (name == "server_no_context_takeover") {
        flag(all.server_alone);
    } else if (name == "client_no_context_takeover") {
        flag(all.client_alone);
    } else if (name == "server_max_window_bits") {
        if (all.server_bits != 0) all.good = false;
        all.server_bits = has_value ? window_bits(value) : 0;
        if (all.server_bits == 0) all.good = false;
    } else if (name == "client_max_window_bits") {
        if (all.has_client_bits) all.good = false;
        all.has_client_bits = true;
        all.client_bits = has_value ? window_bits(value) : 0;
        if (has_value && all.client_bits == 0) all.good = false;
    } else {
        all.good = false;
    }
}

/// One extension with its parameters; false when it is malformed.
bool read_extension(Reader& reader, std::string_view& name, Parameters& parameters) {
    name = reader.token();
    if (name.empty()) return false;
    std::string value;
    while (reader.take(';')) {
        const std::string_view parameter = reader.token();
        if (parameter.empty()) return false;
        const bool has_value = reader.take('=');
        if (has_value && !reader.value(value)) return false;
        note(parameters, parameter, has_value, value);
    }
    return true;
}

/// Takes the offer when it can be kept.
void consider(const Parameters& offer, const DeflateSettings& settings, Extensions& found) {
    if (!offer.good || found.deflate.agreed() || !settings.enabled) return;
    // Fewer bits than zlib can compress with.
    if (offer.server_bits != 0 && offer.server_bits < window_bits_min) return;
    Deflate& agreed = found.deflate;
    const auto allowed = static_cast<std::uint8_t>(settings.window_bits);
    agreed.server.bits = allowed;
    if (offer.server_bits != 0)
        agreed.server.bits = std::min(agreed.server.bits, offer.server_bits);
    agreed.server.takeover = settings.context_takeover && !offer.server_alone;
    agreed.client.takeover = settings.context_takeover && !offer.client_alone;
    // Only a client that knows the parameter can be told to keep to a smaller window.
    agreed.client.bits = window_bits_max;
    // What is named must be no more than it has offered; a smaller window needs no agreement.
    const std::uint8_t most = offer.client_bits == 0 ? window_bits_max : offer.client_bits;
    found.client_bits_offered = offer.has_client_bits && most >= window_bits_min;
    if (found.client_bits_offered) agreed.client.bits = std::min(most, allowed);
}

void add_bits(std::string& out, std::string_view name, std::uint8_t bits) {
    out.append("; ").append(name).append("=").append(std::to_string(bits));
}

} // namespace

void choose_extensions(std::string_view value, const DeflateSettings& settings, Extensions& found) {
    Reader reader(value);
    do {
        // Empty elements of a list mean nothing (RFC 9110, section 5.6.1.2).
        while (reader.take(',')) {}
        if (reader.at_end()) return;
        std::string_view name;
        Parameters parameters;
        if (!read_extension(reader, name, parameters)) {
            found.malformed = true;
            return;
        }
        if (name == deflate_name) consider(parameters, settings, found);
    } while (reader.take(','));
    if (!reader.at_end()) found.malformed = true;
}

std::string extensions_answer(const Extensions& chosen) {
    const Deflate& agreed = chosen.deflate;
    if (!agreed.agreed()) return {};
    std::string out(deflate_name);
    if (!agreed.server.takeover) out += "; server_no_context_takeover";
    if (!agreed.client.takeover) out += "; client_no_context_takeover";
    if (agreed.server.bits < window_bits_max) {
        add_bits(out, "server_max_window_bits", agreed.server.bits);
    }
    if (chosen.client_bits_offered && agreed.client.bits < window_bits_max) {
        add_bits(out, "client_max_window_bits", agreed.client.bits);
    }
    return out;
}

std::string extensions_offer(const DeflateSettings& settings) {
    if (!settings.enabled) return {};
    std::string out(deflate_name);
    if (!settings.context_takeover) {
        out += "; server_no_context_takeover; client_no_context_takeover";
    }
    if (settings.window_bits < window_bits_max) {
        const auto bits = static_cast<std::uint8_t>(settings.window_bits);
        add_bits(out, "server_max_window_bits", bits);
        add_bits(out, "client_max_window_bits", bits);
    } else {
        out += "; client_max_window_bits";
    }
    return out;
}

std::optional<Deflate> read_extensions_answer(std::string_view value,
                                              const DeflateSettings& settings) {
    Reader reader(value);
    if (reader.at_end()) return Deflate{};
    std::string_view name;
    Parameters answer;
    // One extension at most was offered, so no other may be answered.
    if (!settings.enabled || !read_extension(reader, name, answer) || !reader.at_end()) {
        return std::nullopt;
    }
    if (name != deflate_name || !answer.good) return std::nullopt;
    if (answer.has_client_bits && answer.client_bits < window_bits_min) return std::nullopt;
    // What was asked of the server has to be in its answer (RFC 7692, sections 7.1.1.1, 7.1.2.1).
    if (!settings.context_takeover && !answer.server_alone) return std::nullopt;
    if (settings.window_bits < window_bits_max &&
        (answer.server_bits == 0 || answer.server_bits > settings.window_bits)) {
        return std::nullopt;
    }
    Deflate agreed;
    agreed.server.bits =
        answer.server_bits == 0 ? window_bits_max : std::max(answer.server_bits, window_bits_min);
    agreed.server.takeover = !answer.server_alone;
    const auto allowed = static_cast<std::uint8_t>(settings.window_bits);
    agreed.client.bits = answer.client_bits == 0 ? allowed : std::min(answer.client_bits, allowed);
    agreed.client.takeover = settings.context_takeover && !answer.client_alone;
    return agreed;
}

} // namespace hc::ws
