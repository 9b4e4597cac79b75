package io.kvtier.node.admin;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.storage.Blob;
import io.kvtier.storage.BlobPool;
import io.kvtier.storage.BlobPoolOptions;
import io.kvtier.storage.ChunkMeta;
import io.kvtier.storage.ChunkStore;
import io.kvtier.storage.Durability;
import io.kvtier.storage.OverloadedException;
import io.kvtier.storage.PutOutcome;
import io.kvtier.storage.StoreKey;
import io.kvtier.storage.StoreStats;
import io.kvtier.storage.StoredChunk;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class ReadinessTest {
    private static final long SECOND = 1_000_000_000L;

    private final BlobPool pool = new BlobPool(BlobPoolOptions.ofBytesMax(64L << 20));
    private final AtomicLong nanos = new AtomicLong();
    private final FakeStore store = new FakeStore();
    private final CountDownLatch free = new CountDownLatch(1);

    @AfterEach
    void close() {
        assertThat(pool.outstandingBytes()).isZero();
        pool.close();
    }

    @Test
    void storeTakesPuts_isReady_andNothingIsLeft() {
        try (Readiness readiness = readiness(Duration.ofSeconds(60))) {
            assertThat(readiness.verdict()).isEqualTo(new Readiness.Verdict(true, ""));
            assertThat(store.puts.get()).isEqualTo(1);
            assertThat(store.held).isEmpty();
        }
    }

    @Test
    void storeRefuses_isNotReady_untilItTakesPutsAgain() {
        try (Readiness readiness = readiness(Duration.ofSeconds(60))) {
            store.refuses = true;
            assertThat(readiness.verdict())
                    .isEqualTo(new Readiness.Verdict(false, "the disk is full"));
            store.refuses = false;
            assertThat(readiness.verdict().ready()).as("within the same second").isFalse();
            nanos.addAndGet(SECOND);
            assertThat(readiness.verdict().ready()).isTrue();
        }
    }

    @Test
    void askedOften_putsOnceASecond() {
        try (Readiness readiness = readiness(Duration.ofSeconds(60))) {
            for (int i = 0; i < 10; i++) {
                assertThat(readiness.verdict().ready()).isTrue();
            }
            assertThat(store.puts.get()).isEqualTo(1);
        }
    }

    @Test
    void putHangs_isNotReady_andNoOtherIsBegun() {
        try (Readiness readiness = readiness(Duration.ofMillis(1))) {
            store.waitsFor = free;
            for (int i = 0; i < 3; i++) {
                assertThat(readiness.verdict().why()).contains("has not ended");
                nanos.addAndGet(SECOND);
            }
            assertThat(store.puts.get()).isLessThanOrEqualTo(1);
            free.countDown();
        }
    }

    private Readiness readiness(Duration patience) {
        return new Readiness(store, pool, nanos::get, patience);
    }

    /** Holds nothing but the key of the last put. */
    private static final class FakeStore implements ChunkStore {
        private volatile Optional<ChunkMeta> held = Optional.empty();
        private volatile boolean refuses;
        private volatile CountDownLatch waitsFor = new CountDownLatch(0);
        private final AtomicInteger puts = new AtomicInteger();

        @Override
        public PutOutcome put(StoreKey key, ChunkMeta meta, Blob value, Durability durability) {
            int _ = puts.incrementAndGet();
            try {
                waitsFor.await();
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
            if (refuses) {
                throw new OverloadedException("the disk is full", Duration.ofSeconds(1));
            }
            held = Optional.of(meta);
            return new PutOutcome.Stored(meta);
        }

        @Override
        public Optional<ChunkMeta> find(StoreKey key) {
            return held;
        }

        @Override
        public Optional<StoredChunk> open(StoreKey key) {
            return Optional.empty();
        }

        @Override
        public boolean remove(StoreKey key) {
            boolean was = held.isPresent();
            held = Optional.empty();
            return was;
        }

        @Override
        public StoreStats stats() {
            return new StoreStats("fake", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, List.of());
        }

        @Override
        public void close() {}
    }
}
