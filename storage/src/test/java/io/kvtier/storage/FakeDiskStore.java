package io.kvtier.storage;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;

/** A cold tier on the heap: counts its reads, and lets a test act in the middle of one. */
final class FakeDiskStore implements ChunkStore {
    @SuppressWarnings("ArrayRecordComponent") // never leaves this class
    private record OnDisk(ChunkMeta meta, byte[] bytes) {}

    final AtomicInteger opens = new AtomicInteger();
    final AtomicInteger puts = new AtomicInteger();
    volatile Consumer<StoreKey> duringRead = key -> {};
    private final BlobPool pool;
    private final ConcurrentHashMap<StoreKey, OnDisk> values = new ConcurrentHashMap<>();
    private final StoreCounters counters = new StoreCounters();

    FakeDiskStore(BlobPool pool) {
        this.pool = pool;
    }

    @Override
    public PutOutcome put(StoreKey key, ChunkMeta meta, Blob value, Durability durability) {
        puts.incrementAndGet();
        byte[] bytes = value.segment().toArray(ValueLayout.JAVA_BYTE);
        PutOutcome outcome = PutOutcome.decide(find(key), meta);
        if (outcome.held().equals(meta)) {
            values.put(key, new OnDisk(meta, bytes));
        }
        return outcome;
    }

    @Override
    public Optional<ChunkMeta> find(StoreKey key) {
        return Optional.ofNullable(values.get(key)).map(OnDisk::meta);
    }

    @Override
    public Optional<StoredChunk> open(StoreKey key) {
        OnDisk value = values.get(key);
        if (value == null) {
            return Optional.empty();
        }
        opens.incrementAndGet();
        duringRead.accept(key);
        Blob blob = pool.copyOf(MemorySegment.ofArray(value.bytes()));
        return Optional.of(new StoredChunk(value.meta(), blob));
    }

    @Override
    public boolean remove(StoreKey key) {
        return values.remove(key) != null;
    }

    @Override
    public StoreStats stats() {
        return counters.stats("fake", values.size(), 0, 0, List.of());
    }

    @Override
    public void close() {}
}
