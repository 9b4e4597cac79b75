package io.kvtier.node.admin;

import io.kvtier.storage.Blob;
import io.kvtier.storage.BlobPool;
import io.kvtier.storage.ChunkMeta;
import io.kvtier.storage.ChunkStore;
import io.kvtier.storage.Durability;
import io.kvtier.storage.NanoClock;
import io.kvtier.storage.StorageException;
import io.kvtier.storage.StoreKey;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Whether a node would take a put, found out by a put: a few kilobytes that last, are looked for,
 * and are removed again, under a scope that no tenant has.
 *
 * <p>Asked more often than once a second it says again what it said before. A put that does not end
 * in time is a no, and until it ends nothing more is put. Ownership: store and pool are lent.
 * Thread-safety: all methods.
 */
public final class Readiness implements AutoCloseable {
    private static final Duration PATIENCE = Duration.ofSeconds(2);
    private static final long FRESH_NANOS = TimeUnit.SECONDS.toNanos(1);
    private static final int BYTES = 4096;

    private final ChunkStore store;
    private final BlobPool pool;
    private final NanoClock clock;
    private final Duration patience;
    private final ExecutorService putting =
            Executors.newSingleThreadExecutor(
                    Thread.ofPlatform().name("kvtier-readiness").daemon().factory());
    private CompletableFuture<Verdict> newest = CompletableFuture.completedFuture(Verdict.YES);
    private long begunNanos;
    private long puts;

    /**
     * What was found.
     *
     * @param ready whether a put would be taken
     * @param why it would not, else empty
     */
    public record Verdict(boolean ready, String why) {
        private static final Verdict YES = new Verdict(true, "");

        static Verdict no(String why) {
            return new Verdict(false, why);
        }
    }

    /** Puts to a store, from memory of a pool. */
    public Readiness(ChunkStore store, BlobPool pool, NanoClock clock) {
        this(store, pool, clock, PATIENCE);
    }

    Readiness(ChunkStore store, BlobPool pool, NanoClock clock, Duration patience) {
        this.store = store;
        this.pool = pool;
        this.clock = clock;
        this.patience = patience;
    }

    /** Whether a put would be taken, as it is now or was a second ago. */
    public Verdict verdict() {
        CompletableFuture<Verdict> put = putting();
        try {
            return put.get(patience.toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            return Verdict.no("a put of " + BYTES + " bytes has not ended after " + patience);
        } catch (ExecutionException e) {
            return Verdict.no("a put failed: " + e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return Verdict.no("the node stops");
        }
    }

    @Override
    public void close() {
        putting.shutdown();
        try {
            boolean _ = putting.awaitTermination(PATIENCE.toMillis(), TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** The put that is under way or fresh, or a new one. */
    private synchronized CompletableFuture<Verdict> putting() {
        boolean fresh = puts > 0 && clock.nanoTime() - begunNanos < FRESH_NANOS;
        if (newest.isDone() && !fresh) {
            begunNanos = clock.nanoTime();
            long number = ++puts;
            newest = CompletableFuture.supplyAsync(() -> put(number), putting);
        }
        return newest;
    }

    private Verdict put(long number) {
        // A key of its own: what a failed removal left behind must not pass for this put.
        byte[] name = ByteBuffer.allocate(StoreKey.KEY_BYTES).putLong(number).array();
        byte[] scope = new byte[StoreKey.SCOPE_BYTES];
        Arrays.fill(scope, (byte) 0xff);
        StoreKey key = StoreKey.of(scope, name);
        ChunkMeta meta =
                new ChunkMeta(
                        new byte[ChunkMeta.ENCODING_ID_BYTES],
                        BYTES,
                        1,
                        0,
                        new long[] {BYTES},
                        new byte[0]);
        try (Blob blob = pool.copyOf(MemorySegment.ofArray(new byte[BYTES]))) {
            var _ = store.put(key, meta, blob, Durability.DISK);
            boolean found = store.find(key).isPresent();
            boolean _ = store.remove(key);
            return found ? Verdict.YES : Verdict.no("what was put was not found");
        } catch (StorageException e) {
            return Verdict.no(String.valueOf(e.getMessage()));
        }
    }
}
