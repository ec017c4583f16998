#include "core/proto/h1/lexer.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <type_traits>

namespace hc::h1 {

namespace {

using Stop = Lexer::Stop;
using Piece = Lexer::Piece;

static_assert(std::is_standard_layout_v<Lexer> && std::is_standard_layout_v<Message>);

Lexer& lexer_of(llhttp_t* machine) noexcept { return *reinterpret_cast<Lexer*>(machine); }
Message& message_of(llhttp_t* machine) noexcept { return *reinterpret_cast<Message*>(machine); }

int pause(Lexer& lexer, Stop why) noexcept {
    lexer.stop = why;
    return HPE_PAUSED;
}
int give_up(Lexer& lexer, Stop why) noexcept {
    lexer.stop = why;
    return HPE_USER;
}

int on_target(llhttp_t* machine, const char* at, std::size_t size) noexcept {
    Lexer& lexer = lexer_of(machine);
    if (lexer.line.size == 0) lexer.line.offset = lexer.offset_of(at);
    lexer.line.size += static_cast<std::uint32_t>(size);
    return lexer.line.size > lexer.target_max ? give_up(lexer, Stop::target) : 0;
}

int on_reason(llhttp_t* machine, const char* at, std::size_t size) noexcept {
    Lexer& lexer = lexer_of(machine);
    if (lexer.line.size == 0) lexer.line.offset = lexer.offset_of(at);
    lexer.line.size += static_cast<std::uint32_t>(size);
    return 0;
}

/// Begins a field at `offset` unless its name has begun; false when there is no room.
bool begin_field(Lexer& lexer, std::uint32_t offset) noexcept {
    if (lexer.piece == Piece::name) return true;
    lexer.close_field();
    if (lexer.field_count == lexer.field_room &&
        !message_of(&lexer.machine).grow_fields()) { // only a Message's table runs out
        return false;
    }
    lexer.fields[lexer.field_count] = {
        .name = offset, .value = offset, .value_size = 0, .name_size = 0};
    lexer.piece = Piece::name;
    return true;
}

/// Adds to the name. Where it is judged must not depend on how the input was cut: a name counts
/// once its colon was seen, which is when the piece ends before the slice does.
int add_to_name(Lexer& lexer, const char* at, std::size_t size) noexcept {
    http::FieldRef& field = lexer.fields[lexer.field_count];
    if (size > std::numeric_limits<std::uint16_t>::max() - std::size_t{field.name_size}) {
        return give_up(lexer, Stop::fields);
    }
    field.name_size = static_cast<std::uint16_t>(field.name_size + size);
    if (at + size != lexer.slice_end) {
        if (lexer.field_count >= lexer.fields_max) return give_up(lexer, Stop::fields);
        field.value = field.name + field.name_size;
        lexer.piece = Piece::value_due;
    }
    return 0;
}

int on_field_name(llhttp_t* machine, const char* at, std::size_t size) noexcept {
    Lexer& lexer = lexer_of(machine);
    if (!begin_field(lexer, lexer.offset_of(at))) return give_up(lexer, Stop::memory);
    return add_to_name(lexer, at, size);
}

int on_field_value(llhttp_t* machine, const char* at, std::size_t size) noexcept {
    Lexer& lexer = lexer_of(machine);
    http::FieldRef& field = lexer.fields[lexer.field_count];
    const std::uint32_t offset = lexer.offset_of(at);
    if (lexer.piece != Piece::value) field.value = offset;
    lexer.piece = Piece::value;
    field.value_size = offset + static_cast<std::uint32_t>(size) - field.value;
    return 0;
}

int on_head_complete(llhttp_t* machine) noexcept {
    Lexer& lexer = lexer_of(machine);
    lexer.close_field();
    return pause(lexer, Stop::head);
}

// Trailer fields are few and small: their bytes are always copied, so that it does not matter where
// the slices end.
int on_trailer_name(llhttp_t* machine, const char* at, std::size_t size) noexcept {
    Message& message = message_of(machine);
    Lexer& lexer = message.lexer;
    const bool room = begin_field(lexer, message.size) && message.append(at, size);
    return room ? add_to_name(lexer, at, size) : give_up(lexer, Stop::memory);
}

int on_trailer_value(llhttp_t* machine, const char* at, std::size_t size) noexcept {
    Message& message = message_of(machine);
    Lexer& lexer = message.lexer;
    if (!message.append(at, size)) return give_up(lexer, Stop::memory);
    lexer.fields[lexer.field_count].value_size += static_cast<std::uint32_t>(size);
    lexer.piece = Piece::value;
    return 0;
}

int on_chunk_header(llhttp_t* machine) noexcept {
    return pause(lexer_of(machine), Stop::chunk_header);
}
int on_body(llhttp_t* machine, const char* at, std::size_t size) noexcept {
    Lexer& lexer = lexer_of(machine);
    lexer.body = {at, size};
    return pause(lexer, Stop::body);
}
int on_message_complete(llhttp_t* machine) noexcept {
    Lexer& lexer = lexer_of(machine);
    lexer.close_field();
    return pause(lexer, Stop::message);
}

constexpr llhttp_settings_t head_settings = [] {
    llhttp_settings_t s{};
    s.on_url = on_target;
    s.on_status = on_reason;
    s.on_header_field = on_field_name;
    s.on_header_value = on_field_value;
    s.on_headers_complete = on_head_complete;
    return s;
}();

constexpr llhttp_settings_t chunk_settings = [] {
    llhttp_settings_t s{};
    s.on_header_field = on_trailer_name;
    s.on_header_value = on_trailer_value;
    s.on_chunk_header = on_chunk_header;
    s.on_body = on_body;
    s.on_message_complete = on_message_complete;
    return s;
}();

} // namespace

Message::~Message() {
    std::free(bytes);
    std::free(lexer.fields);
}

bool Message::append(const char* data, std::size_t count) noexcept {
    if (count > room - size) {
        // Doubling keeps a head that drips in byte by byte linear; the caller bounds the total.
        const std::size_t wanted =
            std::max({std::size_t{size} + count, std::size_t{room} * 2, first_bytes});
        void* memory = std::realloc(bytes, wanted);
        if (memory == nullptr) return false;
        bytes = static_cast<char*>(memory);
        room = static_cast<std::uint32_t>(wanted);
    }
    if (count > 0) std::memcpy(bytes + size, data, count);
    size += static_cast<std::uint32_t>(count);
    return true;
}

bool Message::grow_fields() noexcept {
    const std::uint32_t wanted = std::max(lexer.field_room * 2, first_fields);
    void* memory = std::realloc(lexer.fields, wanted * sizeof(http::FieldRef));
    if (memory == nullptr) return false;
    lexer.fields = static_cast<http::FieldRef*>(memory);
    lexer.field_room = wanted;
    return true;
}

llhttp_t fresh_machine(llhttp_type_t type) noexcept {
    llhttp_t machine;
    llhttp_init(&machine, type, &head_settings);
    return machine;
}

void expect_chunks(Message& message) noexcept {
    message.lexer.machine.settings = const_cast<llhttp_settings_t*>(&chunk_settings);
}

} // namespace hc::h1
