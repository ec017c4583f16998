// Small blocks of memory that come and go all the time (tasks, frames of coroutines), kept by the
// thread that frees them.
//
// The general allocator keeps only a few freed blocks of a size where they are quick to get; a
// worker that spawns hundreds of tasks and lets them go would leave that quick way each time. Here
// a thread keeps up to `kept_bytes` of each size, last in, first out, so that what it gets is warm.
// A block may be given back on any thread. Larger ones go to the general allocator.
//
// Built with AddressSanitizer nothing is kept: else it could not see the use of what was freed.
#pragma once

#include <cstddef>
#include <new>

namespace hc {

class BlockCache {
public:
    static constexpr std::size_t step = 64;
    static constexpr std::size_t largest = 1024;
    static constexpr std::size_t kept_bytes = 64 * 1024; // of one size

    /// Throws std::bad_alloc.
    static void* take(std::size_t size) {
        if (size <= largest) {
            Class& blocks = here_.classes[index(size)];
            if (Block* block = blocks.first) {
                blocks.first = block->next;
                ++blocks.room;
                return block;
            }
        }
        return take_new(size);
    }
    /// `size` as it was asked for.
    static void give(void* memory, std::size_t size) noexcept {
        if (size <= largest) {
            Class& blocks = here_.classes[index(size)];
            if (blocks.room > 0) {
                --blocks.room;
                blocks.first = new (memory) Block{blocks.first};
                return;
            }
        }
        give_rest(memory, size);
    }

private:
    struct Block {
        Block* next;
    };
    struct Class {
        Block* first;
        std::size_t room; // blocks that it may still keep
    };
    struct Here {
        Class classes[largest / step];
        bool begun;
        bool ended;
    };
    struct Flush;

    static constexpr std::size_t index(std::size_t size) noexcept {
        return size == 0 ? 0 : (size - 1) / step;
    }
    static void* take_new(std::size_t size);
    static void give_rest(void* memory, std::size_t size) noexcept;

    // All zero until something is first given back on the thread.
    static inline constinit thread_local Here here_ __attribute__((tls_model("initial-exec"))) = {};
};

/// Derive from it to have objects of a class come from there.
class Cached {
public:
    static void* operator new(std::size_t size) { return BlockCache::take(size); }
    static void operator delete(void* memory, std::size_t size) noexcept {
        BlockCache::give(memory, size);
    }
};

} // namespace hc
