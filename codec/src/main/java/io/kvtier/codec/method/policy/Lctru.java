package io.kvtier.codec.method.policy;

import static io.kvtier.codec.error.InvalidRequestException.check;

import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;

/**
 * The queue by which memory is taken back from chunks of several rates: least compression-tolerable
 * first (the most bits), then least recently used; a chunk goes down one rate before it is dropped.
 * LLMS: W. Yin et al., arXiv 2403.11805, section 3.4.
 *
 * @param rates bits a chunk may have, falling, 8, 4, 2 in the paper
 */
public record Lctru(List<Integer> rates) {
    /** Checks the rates. */
    public Lctru {
        rates = List.copyOf(rates);
        check(
                !rates.isEmpty()
                        && rates.getLast() >= 1
                        && rates.stream()
                                .distinct()
                                .sorted(Comparator.reverseOrder())
                                .toList()
                                .equals(rates),
                "rates",
                rates,
                "falling numbers above 0");
    }

    /**
     * A chunk in memory.
     *
     * @param <K> identifies it
     * @param bits one of the rates
     * @param bytes at that rate
     * @param lastUse grows with every use
     */
    public record Entry<K>(K key, int bits, long bytes, long lastUse) {}

    /** Whom to take from first. */
    public static <K> Comparator<Entry<K>> order() {
        return Comparator.<Entry<K>>comparingInt(Entry::bits)
                .reversed()
                .thenComparingLong(Entry::lastUse);
    }

    /** The rate below, 0 = dropped. */
    public int below(int bits) {
        int at = rates.indexOf(bits);
        check(at >= 0, "bits of a chunk", bits, rates);
        return at + 1 < rates.size() ? rates.get(at + 1) : 0;
    }

    /**
     * The new bits of the chunks that have to give way, 0 = dropped, until at least {@code need}
     * bytes are free or nothing is left.
     */
    public <K> Map<K, Integer> reclaim(Collection<Entry<K>> entries, long need) {
        PriorityQueue<Entry<K>> queue = new PriorityQueue<>(Lctru.<K>order());
        queue.addAll(entries);
        Map<K, Integer> out = new LinkedHashMap<>();
        long free = 0;
        while (free < need && !queue.isEmpty()) {
            Entry<K> first = queue.remove();
            int bits = below(first.bits);
            long bytes = first.bytes * bits / first.bits;
            free += first.bytes - bytes;
            out.put(first.key, bits);
            if (bits > 0) {
                queue.add(new Entry<>(first.key, bits, bytes, first.lastUse));
            }
        }
        return out;
    }
}
