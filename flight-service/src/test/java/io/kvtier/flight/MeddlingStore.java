package io.kvtier.flight;

import io.kvtier.storage.Blob;
import io.kvtier.storage.ChunkMeta;
import io.kvtier.storage.ChunkStore;
import io.kvtier.storage.Durability;
import io.kvtier.storage.PutOutcome;
import io.kvtier.storage.StoreKey;
import io.kvtier.storage.StoreStats;
import io.kvtier.storage.StoredChunk;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;

/** A store in which something happens just before the n-th read. */
final class MeddlingStore implements ChunkStore {
    private final ChunkStore inner;
    private final AtomicInteger opens = new AtomicInteger();
    private volatile int at = -1;
    private volatile Runnable meddling = () -> {};

    MeddlingStore(ChunkStore inner) {
        this.inner = inner;
    }

    /** Runs something before the {@code n}-th read from now on, counted from 0. */
    void before(int n, Runnable what) {
        opens.set(0);
        meddling = what;
        at = n;
    }

    int opens() {
        return opens.get();
    }

    @Override
    public PutOutcome put(StoreKey key, ChunkMeta meta, Blob value, Durability durability) {
        return inner.put(key, meta, value, durability);
    }

    @Override
    public Optional<ChunkMeta> find(StoreKey key) {
        return inner.find(key);
    }

    @Override
    public Optional<StoredChunk> open(StoreKey key) {
        if (opens.getAndIncrement() == at) {
            meddling.run();
        }
        return inner.open(key);
    }

    @Override
    public boolean remove(StoreKey key) {
        return inner.remove(key);
    }

    @Override
    public StoreStats stats() {
        return inner.stats();
    }

    @Override
    public void close() {
        inner.close();
    }
}
