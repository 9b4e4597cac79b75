package io.kvtier.client;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.Namespace;
import io.kvtier.codec.wire.ChunkDirectory;
import java.util.List;

/**
 * The longest prefix that a node holds.
 *
 * @param namespace of the chunks
 * @param keys asked for, in chain order
 * @param tokenDigests of the chunks asked for, empty when only keys were given
 * @param chunks directories of the matched chunks, the first {@code chunks.size()} of the keys
 * @param bytesPerSecond the node's hint, 0 = unknown
 */
public record Match(
        Namespace namespace,
        List<Digest> keys,
        List<Digest> tokenDigests,
        List<ChunkDirectory> chunks,
        long bytesPerSecond) {
    /** Checks that the lists belong together. */
    public Match {
        keys = List.copyOf(keys);
        tokenDigests = List.copyOf(tokenDigests);
        chunks = List.copyOf(chunks);
        check(chunks.size() <= keys.size(), "matched chunks", chunks.size(), keys.size());
        check(
                tokenDigests.isEmpty() || tokenDigests.size() == keys.size(),
                "token digests",
                tokenDigests.size(),
                keys.size());
    }

    /** Tokens of the matched chunks. */
    public int tokens() {
        return chunks.stream().mapToInt(ChunkDirectory::tokens).sum();
    }

    /** Whether nothing matched. */
    public boolean isMiss() {
        return chunks.isEmpty();
    }
}
