package io.kvtier.flight;

import io.grpc.Attributes;
import io.grpc.ServerTransportFilter;
import io.kvtier.storage.ChunkStore;

/**
 * Gives each connection an identity, and tells the store when one has ended: what was protected for
 * its client is of no use any more.
 */
final class Connections extends ServerTransportFilter {
    private static final Attributes.Key<Object> ID = Attributes.Key.create("kvtier-connection");

    private final ChunkStore store;

    Connections(ChunkStore store) {
        this.store = store;
    }

    /** The identity of the connection that a call came over, by the call's attributes. */
    static Object idOf(Attributes attributes) {
        Object id = attributes.get(ID);
        if (id == null) {
            throw new AssertionError("a call over a connection that was never ready");
        }
        return id;
    }

    @Override
    public Attributes transportReady(Attributes attributes) {
        return attributes.toBuilder().set(ID, new Object()).build();
    }

    @Override
    public void transportTerminated(Attributes attributes) {
        Object id = attributes.get(ID);
        if (id != null) { // else it ended before it was ready
            store.unprotect(id);
        }
    }
}
