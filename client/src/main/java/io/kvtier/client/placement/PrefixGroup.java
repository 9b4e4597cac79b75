package io.kvtier.client.placement;

import io.kvtier.codec.wire.ClusterMap;
import java.util.ArrayList;
import java.util.List;

/**
 * A run of chunks of one chain that is placed as a whole, by the key of its first chunk.
 *
 * @param from index of its first chunk
 * @param to behind its last one
 */
public record PrefixGroup(int from, int to) {
    /* Groups grow to their full size: 1, 1, 2, 4, ... chunks, then `groupTokens` each. Prompts have
     * beginnings in common, and fork soon behind them. A first group of full size would put what
     * follows a system prompt on the owner of that prompt: on the Mooncake conversation trace one
     * of ten nodes would serve 2.4 times the mean, with growing groups 1.35 times.
     */

    /** Chunks of a group of full size. */
    public static int chunksMax(ClusterMap map, int chunkTokens) {
        return Math.max(1, map.groupTokens() / chunkTokens);
    }

    /** Index of the first chunk of the group that a chunk belongs to. */
    public static int start(int chunk, int chunksMax) {
        return chunk >= chunksMax ? chunk - chunk % chunksMax : Integer.highestOneBit(chunk);
    }

    /** The groups of a chain, in order. */
    public static List<PrefixGroup> of(int chunks, int chunksMax) {
        List<PrefixGroup> out = new ArrayList<>();
        int from = 0;
        for (int i = 1; i <= chunks; i++) {
            if (i == chunks || start(i, chunksMax) == i) {
                out.add(new PrefixGroup(from, i));
                from = i;
            }
        }
        return out;
    }

    /** Chunks in it. */
    public int chunks() {
        return to - from;
    }
}
