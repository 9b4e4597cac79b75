package io.kvtier.storage;

import java.util.Optional;

/** What became of a put, with what the store holds for the key now. */
public sealed interface PutOutcome {
    /** What the store holds for the key after the put. */
    ChunkMeta held();

    /** The key was new. */
    record Stored(ChunkMeta held) implements PutOutcome {}

    /** The same encoding is held in this quality or a better one, as durable as was asked. */
    record AlreadyPresent(ChunkMeta held) implements PutOutcome {}

    /** The value took the place of one with fewer parts. */
    record Replaced(ChunkMeta held) implements PutOutcome {}

    /** Another encoding with as many parts or more was there first and stays. */
    record KeptOther(ChunkMeta held) implements PutOutcome {}

    /**
     * Decides what a put of {@code incoming} means where {@code held} is.
     *
     * <p>Pure: the one place where this rule is written.
     */
    static PutOutcome decide(Optional<ChunkMeta> held, ChunkMeta incoming) {
        if (held.isEmpty()) {
            return new Stored(incoming);
        }
        ChunkMeta kept = held.get();
        if (incoming.quality() > kept.quality()) {
            return new Replaced(incoming);
        }
        return kept.hasEncodingOf(incoming) ? new AlreadyPresent(kept) : new KeptOther(kept);
    }
}
