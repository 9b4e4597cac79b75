package io.kvtier.storage;

import com.github.benmanes.caffeine.cache.Policy.CacheEntry;
import io.kvtier.storage.RecencyMap.Entry;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.function.ToDoubleFunction;
import java.util.function.ToIntFunction;
import java.util.function.ToLongFunction;
import java.util.stream.Stream;

/**
 * Chooses the entries least worth keeping of an order of use, in one pass.
 *
 * <p>Within a class worth does not rise towards the older end, so the oldest of each class come
 * first and the classes' heads are merged by worth. No class needs more than the weight asked for.
 */
final class WorthOrder<V> {
    private final long weight;
    private final Valuation<V> valuation;
    private final List<List<Ranked<V>>> classes = new ArrayList<>();
    private final long[] sums;

    /** An entry and its place in the order of use. */
    private record Ranked<V>(Entry<V> entry, double worth, long freed, int rank) {}

    /**
     * What entries are worth.
     *
     * @param classes how many classes {@code classOf} tells apart, from 0
     * @param worthOf must not rise from newer to older entries of one class
     * @param freedOf what giving up an entry frees
     */
    record Valuation<V>(
            int classes,
            ToIntFunction<V> classOf,
            ToDoubleFunction<V> worthOf,
            ToLongFunction<V> freedOf) {}

    WorthOrder(long weight, Valuation<V> valuation) {
        this.weight = weight;
        this.valuation = valuation;
        for (int c = 0; c < valuation.classes; c++) {
            classes.add(new ArrayList<>());
        }
        sums = new long[valuation.classes];
    }

    /**
     * Chooses those to give up.
     *
     * @param entries oldest first
     * @return least worth first; what they free reaches the weight asked for, if all do
     */
    List<Entry<V>> choose(Stream<CacheEntry<StoreKey, V>> entries) {
        int full = 0;
        int rank = 0;
        for (Iterator<CacheEntry<StoreKey, V>> all = entries.iterator();
                full < sums.length && all.hasNext(); ) {
            CacheEntry<StoreKey, V> next = all.next();
            V value = next.getValue();
            int c = valuation.classOf.applyAsInt(value);
            if (sums[c] < weight) {
                Entry<V> entry = new Entry<>(next.getKey(), value);
                double worth = valuation.worthOf.applyAsDouble(value);
                long freed = valuation.freedOf.applyAsLong(value);
                classes.get(c).add(new Ranked<>(entry, worth, freed, rank++));
                sums[c] += freed;
                full += sums[c] >= weight ? 1 : 0;
            }
        }
        return merge();
    }

    private List<Entry<V>> merge() {
        List<Entry<V>> chosen = new ArrayList<>();
        int[] heads = new int[sums.length];
        for (long sum = 0; sum < weight; ) {
            int least = -1;
            for (int c = 0; c < heads.length; c++) {
                if (heads[c] < classes.get(c).size()
                        && (least < 0 || before(head(c, heads), head(least, heads)))) {
                    least = c;
                }
            }
            if (least < 0) {
                break;
            }
            Ranked<V> next = head(least, heads);
            heads[least]++;
            chosen.add(next.entry());
            sum += next.freed();
        }
        return chosen;
    }

    private Ranked<V> head(int c, int[] heads) {
        return classes.get(c).get(heads[c]);
    }

    private static <V> boolean before(Ranked<V> a, Ranked<V> b) {
        return a.worth() == b.worth() ? a.rank() < b.rank() : a.worth() < b.worth();
    }
}
