package io.kvtier.storage.policy;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;

/** Caffeine as it comes: Window TinyLFU (Einziger et al., ACM ToS 2017), bounded by size. */
final class TinyLfuCache implements BlockCache {
    private final Cache<Long, Boolean> cache;

    TinyLfuCache(int capacityBlocks) {
        cache = Caffeine.newBuilder().maximumSize(capacityBlocks).executor(Runnable::run).build();
    }

    @Override
    public int serve(Trace.Request request) {
        long[] blocks = request.blocks();
        int held = 0;
        while (held < blocks.length && cache.policy().getIfPresentQuietly(blocks[held]) != null) {
            held++;
        }
        for (int i = blocks.length - 1; i >= 0; i--) {
            if (cache.getIfPresent(blocks[i]) == null) {
                cache.put(blocks[i], true);
            }
        }
        cache.cleanUp();
        return held;
    }
}
