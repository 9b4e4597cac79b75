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
 * @param distortion mean over the blocks hit of the squared error an element as they were held
 */
public record PolicyRun(
        String policy, int capacityBlocks, double hitRatio, long bytesWritten, double distortion) {
    private static final String DEGRADE = "kvtier-degrade";

    /** Names of all policies, in the order of a table. */
    public static final List<String> POLICIES =
            List.of("lru", "wtinylfu", "s3fifo", "kvtier", DEGRADE, "optimum");

    /**
     * Runs one; the first half of the requests warms it up.
     *
     * @param shape of a block; only {@code kvtier-degrade} ever holds less than all its parts
     * @throws IllegalArgumentException if there is no such policy
     */
    public static PolicyRun of(String policy, int capacityBlocks, Trace trace, BlockShape shape) {
        int half = trace.requests().size() / 2;
        long asked = 0;
        long hit = 0;
        double error = 0;
        try (BlockCache cache = cache(policy, capacityBlocks, trace, shape)) {
            for (int r = 0; r < trace.requests().size(); r++) {
                Trace.Request request = trace.requests().get(r);
                int prefix = cache.serve(request);
                if (r >= half) {
                    asked += request.blocks().length;
                    hit += prefix;
                    error += cache.distortion();
                }
            }
        }
        double ratio = asked == 0 ? 0 : (double) hit / asked;
        boolean cuts = policy.equals(DEGRADE);
        double distortion = cuts ? error / Math.max(1, hit) : shape.distortion().getLast();
        long written = (asked - hit) * shape.fullBytes();
        return new PolicyRun(policy, capacityBlocks, ratio, written, distortion);
    }

    private static BlockCache cache(
            String policy, int capacityBlocks, Trace trace, BlockShape shape) {
        return switch (policy) {
            case "lru" -> TierCache.whole(capacityBlocks, 0, shape);
            case "wtinylfu" -> new TinyLfuCache(capacityBlocks);
            case "s3fifo" -> new S3FifoCache(capacityBlocks);
            case "kvtier" -> TierCache.whole(capacityBlocks, HotTierOptions.HISTORY_ENTRIES, shape);
            case DEGRADE -> TierCache.cutting(capacityBlocks, shape);
            case "optimum" -> new OptimalCache(capacityBlocks, trace);
            default -> throw new IllegalArgumentException(policy + ", expected of " + POLICIES);
        };
    }
}
