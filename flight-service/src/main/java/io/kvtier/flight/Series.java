package io.kvtier.flight;

import io.kvtier.codec.wire.PutReply;
import io.kvtier.storage.ChunkStore;
import io.kvtier.storage.LossCause;
import io.kvtier.storage.StoreKey;

/** Counts of one tenant and namespace; see {@link SeriesReport}. Thread-safety: all methods. */
final class Series {
    /** What came of a chunk that a lookup asked for. */
    enum Looked {
        HELD,
        /** Not held, and never was as far as is remembered. */
        NOT_HELD,
        /** The others below: not held any more, and what became of it. */
        EVICTED_FROM_MEMORY,
        EVICTED_FROM_DISK,
        EXPIRED,
        REMOVED,
        DAMAGED,
        /** Held, but put under another namespace. */
        OTHER_NAMESPACE,
        /** Not looked at: it lies behind one that is not held. */
        BEHIND_A_MISS
    }

    /** Why a lookup did not find a chunk under a key. */
    static Looked whyMissed(ChunkStore store, StoreKey key) {
        if (store.find(key).isPresent()) {
            return Looked.OTHER_NAMESPACE;
        }
        return store.lossOf(key).map(loss -> of(loss.cause())).orElse(Looked.NOT_HELD);
    }

    private static Looked of(LossCause cause) {
        return switch (cause) {
            case EVICTED_FROM_MEMORY -> Looked.EVICTED_FROM_MEMORY;
            case EVICTED_FROM_DISK -> Looked.EVICTED_FROM_DISK;
            case EXPIRED -> Looked.EXPIRED;
            case REMOVED -> Looked.REMOVED;
            case DAMAGED -> Looked.DAMAGED;
        };
    }

    /** How the answer to a request for parts of a chunk ended. */
    enum Answered {
        SENT,
        MISS,
        OTHER_ENCODING,
        BAD_REQUEST,
        OVERLOADED,
        CANCELLED,
        /** Its deadline had passed. */
        LATE
    }

    private final String tenant;
    private final String namespace;
    private final Counts<Looked> lookups = new Counts<>(Looked.class);
    private final Counts<Answered> requests = new Counts<>(Answered.class);
    private final Counts<PutReply.Status> puts = new Counts<>(PutReply.Status.class);
    private final RungCounts received = new RungCounts();
    private final RungCounts sent = new RungCounts();

    Series(String tenant, String namespace) {
        this.tenant = tenant;
        this.namespace = namespace;
    }

    void looked(Looked result, long chunks) {
        lookups.add(result, chunks);
    }

    void answered(Answered result) {
        requests.add(result, 1);
    }

    void put(PutReply.Status status) {
        puts.add(status, 1);
    }

    RungCounts received() {
        return received;
    }

    RungCounts sent() {
        return sent;
    }

    SeriesReport report() {
        return new SeriesReport(
                tenant,
                namespace,
                lookups.report(),
                requests.report(),
                puts.report(),
                received.report(),
                sent.report());
    }
}
