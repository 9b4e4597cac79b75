package io.kvtier.flight;

import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.wire.ChunkDirectory;
import io.kvtier.codec.wire.LookupCommand;
import io.kvtier.storage.ChunkMeta;
import io.kvtier.storage.ChunkStore;
import io.kvtier.storage.Loss;
import io.kvtier.storage.StoreKey;
import io.kvtier.storage.StoredChunk;
import java.util.Optional;

/**
 * Whether a lookup would find a chunk, and if not, why: one line of the action {@code explain}.
 *
 * <p>Everything is asked under the caller's own keys, so of another tenant's chunk it knows what it
 * knows of one that nobody ever put.
 */
final class KeyExplanation {
    private final ChunkStore store;
    private final TenantKeys keys;
    private final Digest namespace;

    KeyExplanation(ChunkStore store, Tenant tenant, Digest namespace) {
        this.store = store;
        this.keys = new TenantKeys(store, tenant);
        this.namespace = namespace;
    }

    /** A JSON array, one object for each key. */
    static String of(ChunkStore store, Tenant tenant, LookupCommand command) {
        KeyExplanation explanation = new KeyExplanation(store, tenant, command.namespace());
        StringBuilder out = new StringBuilder("[");
        for (Digest key : command.keys()) {
            out.append(out.length() == 1 ? "" : ",").append(explanation.of(key));
        }
        return out.append(']').toString();
    }

    /** Names and numbers only: nothing that JSON would have to escape. */
    private String of(Digest chunk) {
        StoreKey key = keys.toRead(chunk);
        String name = "{\"key\":\"" + chunk + "\",";
        Optional<ChunkMeta> meta = store.find(key);
        if (meta.isEmpty()) {
            return name + lost(store.lossOf(key));
        }
        Digest of = HeldFrame.namespace(meta.get());
        Optional<ChunkDirectory> directory = HeldFrame.directory(meta.get(), of);
        if (directory.isEmpty()) {
            return name + "\"state\":\"not_held\"}";
        }
        boolean any = namespace.equals(Digest.ZERO);
        String state = any || of.equals(namespace) ? "held" : "other_namespace";
        return name
                + "\"state\":\""
                + state
                + "\",\"tier\":\""
                + tier(key)
                + "\",\"namespace\":\""
                + of
                + "\","
                + parts(directory.get())
                + "}";
    }

    private String tier(StoreKey key) {
        try (StoredChunk held = store.hold(key).orElse(null)) {
            return held == null ? "cold" : "hot";
        }
    }

    private static String parts(ChunkDirectory chunk) {
        long bytes = chunk.headerBytes();
        int rung = 0;
        for (ChunkDirectory.Entry part : chunk.parts().subList(0, chunk.partsHeld())) {
            bytes += part.bytes();
            rung = Math.max(rung, part.part().rung());
        }
        return "\"tokens\":%d,\"partsHeld\":%d,\"parts\":%d,\"rungMax\":%d,\"bytes\":%d"
                .formatted(chunk.tokens(), chunk.partsHeld(), chunk.parts().size(), rung, bytes);
    }

    private static String lost(Optional<Loss> loss) {
        return loss.map(
                        what ->
                                "\"state\":\"%s\",\"secondsAgo\":%d}"
                                        .formatted(what.cause().label(), what.ago().toSeconds()))
                .orElse("\"state\":\"not_held\"}");
    }
}
