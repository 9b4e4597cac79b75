package io.kvtier.flight;

import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.wire.RetentionCommand;
import io.kvtier.codec.wire.RetentionReply;
import io.kvtier.codec.wire.RetentionReply.Status;
import io.kvtier.storage.ChunkMeta;
import io.kvtier.storage.ChunkStore;
import io.kvtier.storage.OverloadedException;
import io.kvtier.storage.StoreKey;
import io.kvtier.storage.UnavailableException;
import java.util.ArrayList;
import java.util.List;

/** Pins chunks, sets when they expire, and removes them, on a caller's behalf. */
final class RetentionHandler {
    private final ChunkStore store;
    private final TenantKeys keys;

    /**
     * @param tenant whose chunks these are: those of others are absent
     */
    RetentionHandler(ChunkStore store, Tenant tenant) {
        this.store = store;
        this.keys = new TenantKeys(store, tenant);
    }

    /** What it takes: pins take room from everybody, the rest concerns the caller's own chunks. */
    static Role roleFor(RetentionCommand.Verb verb) {
        return switch (verb) {
            case PIN, UNPIN -> Role.ADMIN;
            case EXPIRE, EVICT -> Role.WRITER;
        };
    }

    RetentionReply run(RetentionCommand command) {
        List<StoreKey> held = command.keys().stream().map(keys::toRead).toList();
        return switch (command.verb()) {
            case PIN -> pin(held, command.namespace());
            case UNPIN -> each(held, command.namespace(), this::unpin);
            case EXPIRE -> {
                long ttl = command.ttlMillis();
                long end = ttl == 0 ? ChunkMeta.NEVER : store.nowMillis() + ttl;
                yield each(
                        held,
                        command.namespace(),
                        key -> store.setExpiry(key, end) ? Status.DONE : Status.ABSENT);
            }
            case EVICT -> each(held, command.namespace(), this::evict);
        };
    }

    /** All of those that are held, or none. */
    private RetentionReply pin(List<StoreKey> held, Digest namespace) {
        List<StoreKey> pinned = new ArrayList<>();
        try {
            return each(
                    held,
                    namespace,
                    key -> {
                        boolean before = store.isPinned(key);
                        if (!store.pin(key)) {
                            return Status.ABSENT;
                        }
                        if (!before) {
                            pinned.add(key);
                        }
                        return Status.DONE;
                    });
        } catch (OverloadedException | UnavailableException e) {
            for (StoreKey key : pinned) {
                boolean _ = store.unpin(key);
            }
            throw e;
        }
    }

    private Status unpin(StoreKey key) {
        boolean _ = store.unpin(key);
        return Status.DONE;
    }

    private Status evict(StoreKey key) {
        if (store.isPinned(key)) {
            return Status.PINNED;
        }
        return store.remove(key) ? Status.DONE : Status.ABSENT;
    }

    private interface Deed {
        Status on(StoreKey key);
    }

    private RetentionReply each(List<StoreKey> held, Digest namespace, Deed deed) {
        List<Status> statuses = new ArrayList<>(held.size());
        for (StoreKey key : held) {
            boolean visible =
                    store.find(key)
                            .flatMap(meta -> HeldFrame.directory(meta, namespace))
                            .isPresent();
            statuses.add(visible ? deed.on(key) : Status.ABSENT);
        }
        return new RetentionReply(statuses);
    }
}
