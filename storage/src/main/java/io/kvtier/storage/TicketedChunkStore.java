package io.kvtier.storage;

import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Protects what a lookup found in memory until it is read: for a few seconds, evicted or not.
 *
 * <p>A ticket is a handle on the value, taken when a client asks for it. It ends when the value is
 * opened and still held (then it is the most recently used one), with its lifetime, with its
 * client, by a removal, and when memory runs short. If the value was evicted meanwhile, opens find
 * it until then: a stream opens a value for each range that it sends. So nothing is held for long,
 * and nothing at all when nobody is between a lookup and a read. A value on disk alone is not
 * evicted or cut there meanwhile.
 *
 * <p>Ownership: owns the store and closes it; the pool is its maker's. Thread-safety: all methods.
 */
public final class TicketedChunkStore implements ChunkStore {
    private final ChunkStore store;
    private final TicketOptions options;
    private final NanoClock clock;
    private final BlobPool pool;
    private final BlobPool.Reclaimer reclaimer = this::reclaim;
    private final ReentrantLock lock = new ReentrantLock();

    /** All but the emptiness of the second are guarded by the lock. */
    private final LinkedHashSet<Ticket> byAge = new LinkedHashSet<>();

    private final ConcurrentHashMap<StoreKey, ArrayDeque<Ticket>> byKey = new ConcurrentHashMap<>();
    private final Map<Object, Client> clients = new HashMap<>();
    private long bytes;

    /** Compared by identity. */
    private static final class Ticket {
        final Object client;
        final StoreKey key;

        /** Null where the value is on disk alone, and kept from being evicted there. */
        final @Nullable StoredChunk chunk;

        final long bytes;
        final long endNanos;

        Ticket(
                Object client,
                StoreKey key,
                @Nullable StoredChunk chunk,
                long bytes,
                long endNanos) {
            this.client = client;
            this.key = key;
            this.chunk = chunk;
            this.bytes = bytes;
            this.endNanos = endNanos;
        }
    }

    /** Lets go of what a ticket protected that is in no list any more. */
    private void close(Ticket ticket) {
        if (ticket.chunk == null) {
            store.letGoOnDisk(ticket.key);
        } else {
            ticket.chunk.close();
        }
    }

    private static final class Client {
        final Map<StoreKey, Ticket> tickets = new HashMap<>();
        long bytes;
    }

    /**
     * @param store is owned from now on
     * @param pool of the values; when it runs short, tickets end
     */
    public TicketedChunkStore(
            ChunkStore store, BlobPool pool, TicketOptions options, NanoClock clock) {
        this.store = store;
        this.pool = pool;
        this.options = options;
        this.clock = clock;
        pool.addReclaimer(reclaimer);
    }

    @Override
    public void protect(Object client, List<StoreKey> keys) {
        lock.lock();
        try {
            Client of = clients.computeIfAbsent(client, c -> new Client());
            for (StoreKey key : keys) {
                if (!protect(client, of, key)) {
                    break;
                }
            }
            if (of.tickets.isEmpty()) {
                clients.remove(client);
            }
        } finally {
            lock.unlock();
        }
    }

    /** False when a limit is reached; a chain is of use from its head on only. */
    private boolean protect(Object client, Client of, StoreKey key) {
        Ticket before = of.tickets.get(key);
        if (before != null) {
            close(end(before));
            clients.put(client, of);
        }
        StoredChunk chunk = store.hold(key).orElse(null);
        long more = chunk == null ? store.holdOnDisk(key) : chunk.blob().bytes();
        if (more == 0) {
            return true;
        }
        long end = clock.nanoTime() + options.lifetime().toNanos();
        Ticket ticket = new Ticket(client, key, chunk, more, end);
        if (of.bytes + more > options.bytesPerClientMax() || bytes + more > options.bytesMax()) {
            close(ticket);
            return false;
        }
        byAge.add(ticket);
        byKey.computeIfAbsent(key, k -> new ArrayDeque<>()).add(ticket);
        of.tickets.put(key, ticket);
        of.bytes += more;
        bytes += more;
        return true;
    }

    @Override
    public void unprotect(Object client) {
        lock.lock();
        try {
            Client of = clients.get(client);
            if (of != null) {
                List.copyOf(of.tickets.values()).forEach(each -> close(end(each)));
            }
        } finally {
            lock.unlock();
        }
    }

    /** Ends what has expired; to be called several times a second. */
    public void sweep() {
        lock.lock();
        try {
            long now = clock.nanoTime();
            while (!byAge.isEmpty() && byAge.getFirst().endNanos - now <= 0) {
                close(end(byAge.getFirst()));
            }
        } finally {
            lock.unlock();
        }
    }

    /** Tickets of now: 0 when nobody is between a lookup and a read. */
    public int tickets() {
        lock.lock();
        try {
            return byAge.size();
        } finally {
            lock.unlock();
        }
    }

    /** Bytes that they hold. */
    public long ticketBytes() {
        lock.lock();
        try {
            return bytes;
        } finally {
            lock.unlock();
        }
    }

    /** Takes a ticket out of all lists; its handle is the caller's. */
    private Ticket end(Ticket ticket) {
        boolean _ = byAge.remove(ticket);
        ArrayDeque<Ticket> ofKey = byKey.get(ticket.key);
        if (ofKey != null) {
            boolean _ = ofKey.remove(ticket);
            if (ofKey.isEmpty()) {
                byKey.remove(ticket.key);
            }
        }
        Client of = clients.get(ticket.client);
        if (of != null) {
            of.tickets.remove(ticket.key);
            of.bytes -= ticket.bytes;
            if (of.tickets.isEmpty()) {
                clients.remove(ticket.client);
            }
        }
        bytes -= ticket.bytes;
        return ticket;
    }

    /** The ticket of a key that ends first. */
    private @Nullable Ticket oldest(StoreKey key) {
        ArrayDeque<Ticket> ofKey = byKey.get(key);
        return ofKey == null ? null : ofKey.peekFirst();
    }

    /** Another handle on a value that only a ticket holds any more. */
    private Optional<StoredChunk> openEvicted(StoreKey key) {
        lock.lock();
        try {
            Ticket ticket = oldest(key);
            return ticket == null || ticket.chunk == null
                    ? Optional.empty()
                    : Optional.of(
                            new StoredChunk(ticket.chunk.meta(), ticket.chunk.blob().retain()));
        } finally {
            lock.unlock();
        }
    }

    /** Ends one ticket of a key, or all. */
    private void end(StoreKey key, boolean all) {
        lock.lock();
        try {
            Ticket ticket = oldest(key);
            while (ticket != null) {
                close(end(ticket));
                ticket = all ? oldest(key) : null;
            }
        } finally {
            lock.unlock();
        }
    }

    private long reclaim(long wanted) {
        if (!lock.tryLock()) {
            return 0; // whoever holds it may be the one that waits for memory
        }
        try {
            long freed = 0;
            while (freed < wanted && !byAge.isEmpty()) {
                Ticket oldest = end(byAge.getFirst());
                freed += oldest.chunk == null ? 0 : oldest.bytes;
                close(oldest);
            }
            return freed;
        } finally {
            lock.unlock();
        }
    }

    @Override
    public PutOutcome put(StoreKey key, ChunkMeta meta, Blob value, Durability durability) {
        return store.put(key, meta, value, durability);
    }

    @Override
    public Optional<ChunkMeta> find(StoreKey key) {
        return store.find(key);
    }

    @Override
    public Optional<StoredChunk> open(StoreKey key) {
        Optional<StoredChunk> chunk = store.open(key);
        if (!byKey.containsKey(key)) {
            return chunk;
        }
        if (chunk.isEmpty()) {
            return openEvicted(key);
        }
        end(key, false);
        return chunk;
    }

    @Override
    public Optional<StoredChunk> hold(StoreKey key) {
        return store.hold(key);
    }

    @Override
    public List<ChunkMeta> prefix(List<StoreKey> chain) {
        return store.prefix(chain);
    }

    @Override
    public void touch(List<StoreKey> chain) {
        store.touch(chain);
    }

    @Override
    public boolean remove(StoreKey key) {
        boolean removed = store.remove(key);
        end(key, true);
        return removed;
    }

    @Override
    public long nowMillis() {
        return store.nowMillis();
    }

    @Override
    public boolean setExpiry(StoreKey key, long expiryMillis) {
        return store.setExpiry(key, expiryMillis);
    }

    @Override
    public boolean pin(StoreKey key) {
        return store.pin(key);
    }

    @Override
    public boolean unpin(StoreKey key) {
        return store.unpin(key);
    }

    @Override
    public boolean isPinned(StoreKey key) {
        return store.isPinned(key);
    }

    @Override
    public Optional<Loss> lossOf(StoreKey key) {
        return store.lossOf(key);
    }

    @Override
    public StoreStats stats() {
        return store.stats();
    }

    @Override
    public void close() {
        pool.removeReclaimer(reclaimer);
        lock.lock();
        try {
            while (!byAge.isEmpty()) {
                close(end(byAge.getFirst()));
            }
        } finally {
            lock.unlock();
        }
        store.close();
    }
}
