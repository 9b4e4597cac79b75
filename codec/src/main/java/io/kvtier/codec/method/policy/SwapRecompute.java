package io.kvtier.codec.method.policy;

import static io.kvtier.codec.error.InvalidRequestException.check;

import java.util.BitSet;
import java.util.Comparator;
import java.util.stream.IntStream;

/**
 * Splits missing chunks into those that are loaded and those that are computed again, both at once,
 * so that the later of the two ends as early as can be. LLMS: W. Yin et al., arXiv 2403.11805,
 * section 3.3, with its linear models of both.
 *
 * @param bytesPerSecond of loading
 * @param loadSeconds before the first byte, if anything is loaded
 * @param chunkSeconds to compute a chunk
 */
public record SwapRecompute(double bytesPerSecond, double loadSeconds, double chunkSeconds) {
    /** Checks the ranges. */
    public SwapRecompute {
        check(bytesPerSecond > 0, "bytes per second", bytesPerSecond, "above 0");
        check(loadSeconds >= 0, "seconds before loading", loadSeconds, "0 or more");
        check(chunkSeconds >= 0, "seconds to compute a chunk", chunkSeconds, "0 or more");
    }

    /**
     * What to compute; the other chunks are loaded.
     *
     * @param seconds until both ended
     */
    public record Split(BitSet computed, double seconds) {}

    /**
     * The best split, exactly: computing costs the same for every chunk, so that a set of a given
     * size should hold the largest. Of equal times the one that computes least.
     *
     * @param bytes of each missing chunk
     */
    public Split split(long[] bytes) {
        int[] largestFirst =
                IntStream.range(0, bytes.length)
                        .boxed()
                        .sorted(Comparator.comparingLong((Integer i) -> bytes[i]).reversed())
                        .mapToInt(Integer::intValue)
                        .toArray();
        long left = 0;
        for (long size : bytes) {
            left += size;
        }
        int best = 0;
        double least = seconds(left, bytes.length, 0);
        for (int computed = 1; computed <= bytes.length; computed++) {
            left -= bytes[largestFirst[computed - 1]];
            double seconds = seconds(left, bytes.length - computed, computed);
            if (seconds < least) {
                least = seconds;
                best = computed;
            }
        }
        BitSet out = new BitSet(bytes.length);
        IntStream.range(0, best).forEach(n -> out.set(largestFirst[n]));
        return new Split(out, least);
    }

    /** Seconds until a split is done. */
    double seconds(long loadedBytes, int loaded, int computed) {
        double load = loaded == 0 ? 0 : loadSeconds + loadedBytes / bytesPerSecond;
        return Math.max(load, computed * chunkSeconds);
    }
}
