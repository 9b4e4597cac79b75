package io.kvtier.storage;

import com.github.benmanes.caffeine.cache.Policy.CacheEntry;
import io.kvtier.storage.RecencyMap.Entry;
import io.kvtier.storage.RecencyMap.Weighed;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.function.ToDoubleFunction;
import java.util.function.ToIntFunction;
import java.util.stream.Stream;

/**
 * Chooses the entries least worth keeping of an order of use, in one pass.
 *
 * <p>Within a class worth does not rise towards the older end, so the oldest of each class come
 * first and the classes' heads are merged by worth. No class needs more than the weight asked for.
 */
final class WorthOrder<V extends Weighed> {
    private final long weight;
    private final ToIntFunction<V> classOf;
    private final ToDoubleFunction<V> worthOf;
    private final List<List<Ranked<V>>> classes = new ArrayList<>();
    private final long[] sums;

    /** An entry and its place in the order of use. */
    private record Ranked<V>(Entry<V> entry, double worth, int rank) {}

    WorthOrder(long weight, int classes, ToIntFunction<V> classOf, ToDoubleFunction<V> worthOf) {
        this.weight = weight;
        this.classOf = classOf;
        this.worthOf = worthOf;
        for (int c = 0; c < classes; c++) {
            this.classes.add(new ArrayList<>());
        }
        sums = new long[classes];
    }

    /**
     * Chooses those to give up.
     *
     * @param entries oldest first
     * @return least worth first; their weights reach the weight asked for, if all do
     */
    List<Entry<V>> choose(Stream<CacheEntry<StoreKey, V>> entries) {
        int full = 0;
        int rank = 0;
        for (Iterator<CacheEntry<StoreKey, V>> all = entries.iterator();
                full < sums.length && all.hasNext(); ) {
            CacheEntry<StoreKey, V> next = all.next();
            V value = next.getValue();
            int c = classOf.applyAsInt(value);
            if (sums[c] < weight) {
                Entry<V> entry = new Entry<>(next.getKey(), value);
                classes.get(c).add(new Ranked<>(entry, worthOf.applyAsDouble(value), rank++));
                sums[c] += value.weight();
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
            Entry<V> entry = head(least, heads).entry();
            heads[least]++;
            chosen.add(entry);
            sum += entry.value().weight();
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
