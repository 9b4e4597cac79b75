package io.kvtier.storage.policy;

import java.util.Comparator;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeSet;

/**
 * The policy that knows the future (Belady, 1966): what is used latest goes first, and what is
 * never used again does not enter.
 *
 * <p>A chain's head is used whenever its tail is, so of equal next uses the deeper block goes.
 */
final class OptimalCache implements BlockCache {
    private static final int NEVER = Integer.MAX_VALUE;

    private final int capacity;
    private final int[][] nextUses;
    private final Map<Long, Entry> held = new HashMap<>();
    private final TreeSet<Entry> order =
            new TreeSet<>(
                    Comparator.comparingInt(Entry::nextUse)
                            .thenComparingInt(Entry::depth)
                            .thenComparingLong(Entry::block));
    private int served;

    private record Entry(long block, int depth, int nextUse) {}

    /**
     * @param trace every request that will be served, in that order
     */
    OptimalCache(int capacityBlocks, Trace trace) {
        capacity = capacityBlocks;
        nextUses = new int[trace.requests().size()][];
        Map<Long, Integer> next = new HashMap<>();
        for (int r = nextUses.length - 1; r >= 0; r--) {
            long[] blocks = trace.requests().get(r).blocks();
            nextUses[r] = new int[blocks.length];
            for (int i = 0; i < blocks.length; i++) {
                nextUses[r][i] = next.getOrDefault(blocks[i], NEVER);
            }
            for (long block : blocks) {
                next.put(block, r);
            }
        }
    }

    @Override
    public int serve(Trace.Request request) {
        long[] blocks = request.blocks();
        int prefix = 0;
        while (prefix < blocks.length && held.containsKey(blocks[prefix])) {
            prefix++;
        }
        int[] next = nextUses[served++];
        for (int i = 0; i < blocks.length; i++) {
            Entry before = held.remove(blocks[i]);
            if (before != null) {
                order.remove(before);
            }
            if (next[i] != NEVER) {
                Entry entry = new Entry(blocks[i], i, next[i]);
                held.put(blocks[i], entry);
                order.add(entry);
            }
        }
        while (held.size() > capacity) {
            held.remove(order.removeLast().block());
        }
        return prefix;
    }
}
