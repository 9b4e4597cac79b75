package io.kvtier.storage;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import com.github.benmanes.caffeine.cache.Policy;
import com.github.benmanes.caffeine.cache.Policy.CacheEntry;
import com.github.benmanes.caffeine.cache.Ticker;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A concurrent map that knows the order of use and the sum of weights, and evicts nothing by
 * itself.
 *
 * <p>Caffeine is the map and keeps the order; its own eviction is off, because W-TinyLFU admission
 * hits far less than LRU where reuse comes with recency, as in conversations, and because whoever
 * removes an entry has to close it: here that is always the caller to whom a method returned it.
 *
 * <p>Thread-safety: all methods. An entry leaves the map once, and goes to one caller.
 *
 * @param <V> compared by identity
 */
final class RecencyMap<V extends RecencyMap.Weighed> {
    /** Something that counts against a budget. */
    interface Weighed {
        /** Bytes, the same at every call but for what {@link #lighten} was told of. */
        long weight();
    }

    /** An entry as it was when looked at. */
    record Entry<V>(StoreKey key, V value) {}

    private final Cache<StoreKey, V> cache;
    private final ConcurrentMap<StoreKey, V> map;
    private final Policy.FixedExpiration<StoreKey, V> order;
    private final AtomicLong bytes = new AtomicLong();

    RecencyMap() {
        // Expiry after access is what keeps the access order; with a ticker that stands still
        // nothing ever expires.
        cache =
                Caffeine.newBuilder()
                        .expireAfterAccess(Duration.ofDays(1))
                        .ticker(Ticker.disabledTicker())
                        .executor(Runnable::run)
                        .build();
        map = cache.asMap();
        order = cache.policy().expireAfterAccess().orElseThrow();
    }

    /** The value, which becomes the most recently used one. */
    @Nullable V touch(StoreKey key) {
        return cache.getIfPresent(key);
    }

    /** The value, without counting as use. */
    @Nullable V peek(StoreKey key) {
        return cache.policy().getIfPresentQuietly(key);
    }

    /** Puts a value and returns the one it replaced. */
    @Nullable V put(StoreKey key, V value) {
        bytes.addAndGet(value.weight());
        V old = map.put(key, value);
        if (old != null) {
            bytes.addAndGet(-old.weight());
        }
        return old;
    }

    /** Removes whatever is there. */
    @Nullable V remove(StoreKey key) {
        V old = map.remove(key);
        if (old != null) {
            bytes.addAndGet(-old.weight());
        }
        return old;
    }

    /** Removes exactly this value; false if it is not there (any more). */
    boolean remove(StoreKey key, V value) {
        boolean removed = map.remove(key, value);
        if (removed) {
            bytes.addAndGet(-value.weight());
        }
        return removed;
    }

    /** Takes note that a value that is in the map weighs less by so many bytes. */
    void lighten(long by) {
        bytes.addAndGet(-by);
    }

    /** The least recently used entries, oldest first, until their weights reach {@code weight}. */
    List<Entry<V>> oldest(long weight) {
        return order.oldest(entries -> take(entries, weight));
    }

    /**
     * The entries least worth keeping, until what giving them up frees reaches {@code weight}.
     *
     * <p>One pass over all entries, in order of use; entries of equal worth in that order.
     */
    List<Entry<V>> leastWorth(long weight, WorthOrder.Valuation<V> valuation) {
        return order.oldest(entries -> new WorthOrder<>(weight, valuation).choose(entries));
    }

    /** Sum of weights. */
    long bytes() {
        return bytes.get();
    }

    long size() {
        return map.size();
    }

    /** Keys of now; weakly consistent. */
    List<StoreKey> keys() {
        return List.copyOf(map.keySet());
    }

    private static <V extends Weighed> List<Entry<V>> take(
            Stream<CacheEntry<StoreKey, V>> entries, long weight) {
        List<Entry<V>> taken = new ArrayList<>();
        long sum = 0;
        for (Iterator<CacheEntry<StoreKey, V>> all = entries.iterator();
                sum < weight && all.hasNext(); ) {
            CacheEntry<StoreKey, V> entry = all.next();
            taken.add(new Entry<>(entry.getKey(), entry.getValue()));
            sum += entry.getValue().weight();
        }
        return taken;
    }
}
