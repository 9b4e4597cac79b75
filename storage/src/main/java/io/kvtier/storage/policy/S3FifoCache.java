package io.kvtier.storage.policy;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.Map;

/**
 * S3-FIFO (Yang et al., SOSP 2023, algorithm 1): a small queue for what is new, a main queue for
 * what was used again, and a ghost queue of what the small one gave up.
 *
 * <p>The small queue takes a tenth of the capacity, the ghost queue as many entries as the main
 * one.
 */
final class S3FifoCache implements BlockCache {
    private static final int USES_MAX = 3;

    private final int capacity;
    private final int smallMax;
    private final Map<Long, Integer> uses = new HashMap<>(); // of what is held
    private final Deque<Long> small = new ArrayDeque<>();
    private final Deque<Long> main = new ArrayDeque<>();
    private final LinkedHashSet<Long> ghost = new LinkedHashSet<>();

    S3FifoCache(int capacityBlocks) {
        capacity = capacityBlocks;
        smallMax = Math.max(1, capacityBlocks / 10);
    }

    @Override
    public int serve(Trace.Request request) {
        long[] blocks = request.blocks();
        int held = 0;
        while (held < blocks.length && uses.containsKey(blocks[held])) {
            held++;
        }
        for (int i = blocks.length - 1; i >= 0; i--) {
            if (uses.computeIfPresent(blocks[i], (b, n) -> Math.min(n + 1, USES_MAX)) == null) {
                insert(blocks[i]);
            }
        }
        return held;
    }

    private void insert(long block) {
        while (uses.size() >= capacity) {
            if (small.size() >= smallMax || main.isEmpty()) {
                evictSmall();
            } else {
                evictMain();
            }
        }
        (ghost.remove(block) ? main : small).addLast(block);
        uses.put(block, 0);
    }

    private void evictSmall() {
        while (!small.isEmpty()) {
            long oldest = small.removeFirst();
            if (uses.getOrDefault(oldest, 0) > 1) {
                main.addLast(oldest);
                uses.put(oldest, 0);
            } else {
                uses.remove(oldest);
                ghost.add(oldest);
                if (ghost.size() > capacity - smallMax) {
                    ghost.removeFirst();
                }
                return;
            }
        }
    }

    private void evictMain() {
        while (!main.isEmpty()) {
            long oldest = main.removeFirst();
            int count = uses.getOrDefault(oldest, 0);
            if (count == 0) {
                uses.remove(oldest);
                return;
            }
            main.addLast(oldest);
            uses.put(oldest, count - 1);
        }
    }
}
