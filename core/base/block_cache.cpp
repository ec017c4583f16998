#include "core/base/block_cache.hpp"

namespace hc {

#if defined(__SANITIZE_ADDRESS__)
#define HC_KEEPS_BLOCKS false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define HC_KEEPS_BLOCKS false
#endif
#endif
#ifndef HC_KEEPS_BLOCKS
#define HC_KEEPS_BLOCKS true
#endif

/// When the thread ends.
struct BlockCache::Flush {
    ~Flush() {
        here_.ended = true;
        for (Class& blocks : here_.classes) {
            blocks.room = 0;
            while (Block* block = blocks.first) {
                blocks.first = block->next;
                ::operator delete(block);
            }
        }
    }
};

void* BlockCache::take_new(std::size_t size) {
    // The whole block, since it will be kept for others of its class.
    return ::operator new(size > largest ? size : (index(size) + 1) * step);
}

void BlockCache::give_rest(void* memory, std::size_t size) noexcept {
    if (!HC_KEEPS_BLOCKS || size > largest || here_.begun || here_.ended) {
        ::operator delete(memory);
        return;
    }
    static thread_local Flush flush; // its destructor is registered here
    here_.begun = true;
    for (std::size_t i = 0; i < largest / step; ++i) {
        here_.classes[i].room = kept_bytes / ((i + 1) * step);
    }
    give(memory, size);
    (void)flush;
}

} // namespace hc
