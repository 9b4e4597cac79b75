package io.kvtier.storage.policy;

import io.kvtier.storage.HotTierOptions;
import java.util.List;

/**
 * One policy at one capacity over a trace.
 *
 * @param policy its name
 * @param capacityBlocks blocks held at most
 * @param hitRatio blocks hit as part of a prefix ÷ blocks asked, over the trace's second half
 * @param bytesWritten of all blocks that were asked and not hit over that half: each is computed
 *     and offered, also to the optimum, which takes only what is used again
 * @param distortion mean over the blocks hit of what they lost by shrinking; 0 where none shrinks
 */
public record PolicyRun(
        String policy, int capacityBlocks, double hitRatio, long bytesWritten, double distortion) {
    /** Names of all policies, in the order of a table. */
    public static final List<String> POLICIES =
            List.of("lru", "wtinylfu", "s3fifo", "kvtier", "optimum");

    /**
     * Runs one; the first half of the requests warms it up.
     *
     * @param blockBytes stored size of a block
     * @throws IllegalArgumentException if there is no such policy
     */
    public static PolicyRun of(String policy, int capacityBlocks, Trace trace, long blockBytes) {
        int half = trace.requests().size() / 2;
        long asked = 0;
        long hit = 0;
        try (BlockCache cache = cache(policy, capacityBlocks, trace)) {
            for (int r = 0; r < trace.requests().size(); r++) {
                Trace.Request request = trace.requests().get(r);
                int prefix = cache.serve(request);
                if (r >= half) {
                    asked += request.blocks().length;
                    hit += prefix;
                }
            }
        }
        double ratio = asked == 0 ? 0 : (double) hit / asked;
        return new PolicyRun(policy, capacityBlocks, ratio, (asked - hit) * blockBytes, 0);
    }

    private static BlockCache cache(String policy, int capacityBlocks, Trace trace) {
        return switch (policy) {
            case "lru" -> new TierCache(capacityBlocks, 0);
            case "wtinylfu" -> new TinyLfuCache(capacityBlocks);
            case "s3fifo" -> new S3FifoCache(capacityBlocks);
            case "kvtier" -> new TierCache(capacityBlocks, HotTierOptions.HISTORY_ENTRIES);
            case "optimum" -> new OptimalCache(capacityBlocks, trace);
            default -> throw new IllegalArgumentException(policy + ", expected of " + POLICIES);
        };
    }
}
