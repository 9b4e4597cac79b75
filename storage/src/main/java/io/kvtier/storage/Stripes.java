package io.kvtier.storage;

import java.util.concurrent.locks.ReentrantLock;

/** Locks for keys: writers of one key take turns, readers never wait. */
public final class Stripes {
    private static final int COUNT = 64;

    private final ReentrantLock[] locks = new ReentrantLock[COUNT];

    /** All open. */
    public Stripes() {
        for (int i = 0; i < COUNT; i++) {
            locks[i] = new ReentrantLock();
        }
    }

    /** The lock of a key. Nobody holds two of one instance at a time. */
    public ReentrantLock of(StoreKey key) {
        int hash = key.hashCode() * 0x9E3779B9;
        return locks[hash >>> (Integer.SIZE - 6)];
    }

    /** Returns when everybody who holds a lock now has let go of it. */
    @SuppressWarnings("LockNotBeforeTry") // nothing happens in between
    void awaitHolders() {
        for (ReentrantLock lock : locks) {
            lock.lock();
            lock.unlock();
        }
    }
}
