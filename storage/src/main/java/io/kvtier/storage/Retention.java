package io.kvtier.storage;

import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * How long values stay, shared by the tiers of a store: which are pinned, when the others expire,
 * and what became of those that are gone.
 *
 * <p>A value expires when its meta says, or what was said of its key afterwards. While it is
 * pinned, it does not. Pins and later words are kept in a file, and survive a restart; metas lie
 * with their values.
 *
 * <p>Thread-safety: all methods; those that change something wait for the disk.
 */
public final class Retention implements AutoCloseable {
    private static final Duration RETRY_AFTER = Duration.ofSeconds(1);

    private final RetentionOptions options;
    private final EpochClock clock;
    private final LossLog losses;
    private final ConcurrentHashMap<StoreKey, Term> terms = new ConcurrentHashMap<>();
    private final ConcurrentHashMap<StoreKey, Integer> holds = new ConcurrentHashMap<>();
    private final @Nullable TermFile file;
    private final ReentrantLock changing = new ReentrantLock();

    /** Changed under the lock. */
    private volatile long pinnedBytes;

    private volatile int pins;

    private Retention(
            RetentionOptions options,
            @Nullable Path folder,
            NanoClock clock,
            InstantSource instants,
            LossLog losses) {
        this.options = options;
        this.clock = new EpochClock(clock, instants);
        this.losses = losses;
        this.file = folder == null ? null : TermFile.open(folder, terms);
        terms.values().forEach(term -> count(Term.NONE, term));
    }

    /**
     * Reads back what was said.
     *
     * @param folder of its own, which is made if it is missing; one process at a time
     * @param clock by which values expire
     * @param instants is asked once, what time it is
     * @throws UnavailableException if the folder cannot be used
     */
    public static Retention open(
            RetentionOptions options,
            Path folder,
            NanoClock clock,
            InstantSource instants,
            LossLog losses) {
        return new Retention(options, folder, clock, instants, losses);
    }

    /** One that forgets all at its end: for stores that are measured or tested. */
    public static Retention inMemory(RetentionOptions options, NanoClock clock) {
        LossLog losses = new LossLog(LossLog.ENTRIES, clock);
        return new Retention(options, null, clock, InstantSource.system(), losses);
    }

    /** Milliseconds since 1970, by which values expire. */
    public long nowMillis() {
        return clock.millis();
    }

    /** What became of values. */
    public LossLog losses() {
        return losses;
    }

    /** Takes note of a value that is let go. */
    public void lost(StoreKey key, LossCause cause) {
        losses.add(key, cause);
    }

    /** Whether a value has to stay on disk, with all its parts. */
    public boolean isPinned(StoreKey key) {
        return pins > 0 && term(key).isPinned();
    }

    /**
     * Whether a value must not be evicted or cut on disk now: it is pinned, or held by a ticket.
     */
    public boolean mustStay(StoreKey key) {
        return isPinned(key) || (!holds.isEmpty() && holds.containsKey(key));
    }

    /** Keeps a value on disk until {@link #letGo}; several may. */
    void hold(StoreKey key) {
        var _ = holds.merge(key, 1, Integer::sum);
    }

    /** Ends one {@link #hold}. */
    void letGo(StoreKey key) {
        var _ = holds.computeIfPresent(key, (k, count) -> count == 1 ? null : count - 1);
    }

    /** Whether the time of a value is over. */
    public boolean isOver(StoreKey key, ChunkMeta meta) {
        if (meta.expiryMillis() == ChunkMeta.NEVER && terms.isEmpty()) {
            return false;
        }
        Term term = term(key);
        return !term.isPinned() && expiryMillis(term, meta) <= clock.millis();
    }

    /** When a value expires if it is not pinned; {@link ChunkMeta#NEVER} if it does not. */
    public long expiryMillis(StoreKey key, ChunkMeta meta) {
        return expiryMillis(term(key), meta);
    }

    private static long expiryMillis(Term term, ChunkMeta meta) {
        return term.expiryMillis() == Term.UNSAID ? meta.expiryMillis() : term.expiryMillis();
    }

    /**
     * Pins a key, or says that its value has come to have other bytes.
     *
     * @throws OverloadedException if that is more than may be pinned
     */
    void pin(StoreKey key, long bytes) {
        changing.lock();
        try {
            Term before = term(key);
            long sum = pinnedBytes - before.pinnedBytes() + bytes;
            if (sum > options.pinnedBytesMax()) {
                throw new OverloadedException(
                        "pinned chunks would have "
                                + sum
                                + " bytes with these "
                                + bytes
                                + ", pinnedBytes="
                                + options.pinnedBytesMax()
                                + ": unpin others first",
                        RETRY_AFTER);
            }
            if (before.pinnedBytes() != bytes) {
                change(key, before, new Term(before.expiryMillis(), bytes));
            }
        } finally {
            changing.unlock();
        }
    }

    /** Takes a pin away; false if there was none. */
    boolean unpin(StoreKey key) {
        changing.lock();
        try {
            Term before = term(key);
            if (before.isPinned()) {
                change(key, before, new Term(before.expiryMillis(), 0));
            }
            return before.isPinned();
        } finally {
            changing.unlock();
        }
    }

    /** Says when a value expires, whatever its meta says; {@link Term#UNSAID} takes it back. */
    void setExpiry(StoreKey key, long expiryMillis) {
        changing.lock();
        try {
            Term before = term(key);
            if (before.expiryMillis() != expiryMillis) {
                change(key, before, new Term(expiryMillis, before.pinnedBytes()));
            }
        } finally {
            changing.unlock();
        }
    }

    /** Whether no other key can be spoken of before {@link #keepOnly} found some that are gone. */
    boolean isFull() {
        return terms.size() >= options.termsMax();
    }

    /** Forgets what was said of values that are not held any more. */
    void keepOnly(Predicate<StoreKey> isHeld) {
        changing.lock();
        try {
            for (Map.Entry<StoreKey, Term> each : terms.entrySet()) {
                if (!isHeld.test(each.getKey())) {
                    change(each.getKey(), each.getValue(), Term.NONE);
                }
            }
        } finally {
            changing.unlock();
        }
    }

    /** Values that are pinned. */
    public int pins() {
        return pins;
    }

    /** Bytes of the values that are pinned. */
    public long pinnedBytes() {
        return pinnedBytes;
    }

    private void change(StoreKey key, Term before, Term after) {
        if (before.equals(Term.NONE) && isFull()) {
            throw new OverloadedException(
                    "pins and changed times of " + options.termsMax() + " chunks are all there are",
                    RETRY_AFTER);
        }
        TermFile.put(terms, key, after);
        try {
            if (file != null) {
                file.write(key, after, terms);
            }
        } catch (UnavailableException e) {
            TermFile.put(terms, key, before);
            throw e;
        }
        count(before, after);
    }

    @SuppressWarnings("NonAtomicVolatileUpdate") // under the lock; readers want the last value
    private void count(Term before, Term after) {
        pinnedBytes += after.pinnedBytes() - before.pinnedBytes();
        pins += (after.isPinned() ? 1 : 0) - (before.isPinned() ? 1 : 0);
    }

    private Term term(StoreKey key) {
        return terms.getOrDefault(key, Term.NONE);
    }

    @Override
    public void close() {
        if (file != null) {
            file.close();
        }
    }
}
