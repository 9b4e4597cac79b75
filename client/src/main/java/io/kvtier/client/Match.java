package io.kvtier.client;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.Namespace;
import io.kvtier.codec.wire.ChunkDirectory;
import java.util.Arrays;
import java.util.List;

/**
 * The longest prefix that a node holds.
 *
 * @param namespace of the chunks
 * @param keys asked for, in chain order
 * @param tokenDigests of the chunks asked for, empty when only keys were given
 * @param tokenIds of all chunks asked for, lent, empty when only keys were given
 * @param chunks directories of the matched chunks, the first {@code chunks.size()} of the keys
 * @param bytesPerSecond the node's hint, 0 = unknown
 * @param holders of each matched chunk, the one to ask first, whose directory is in {@code chunks},
 *     first; empty = whichever node the client asked
 */
@SuppressWarnings("ArrayRecordComponent") // lent, and matches are never compared
public record Match(
        Namespace namespace,
        List<Digest> keys,
        List<Digest> tokenDigests,
        int[] tokenIds,
        List<ChunkDirectory> chunks,
        long bytesPerSecond,
        List<List<Holder>> holders) {
    /** A match by one node. */
    public Match(
            Namespace namespace,
            List<Digest> keys,
            List<Digest> tokenDigests,
            int[] tokenIds,
            List<ChunkDirectory> chunks,
            long bytesPerSecond) {
        this(namespace, keys, tokenDigests, tokenIds, chunks, bytesPerSecond, List.of());
    }

    /** Checks that the lists belong together. */
    public Match {
        keys = List.copyOf(keys);
        tokenDigests = List.copyOf(tokenDigests);
        chunks = List.copyOf(chunks);
        holders = List.copyOf(holders);
        check(
                holders.isEmpty() || holders.size() == chunks.size(),
                "holders",
                holders.size(),
                chunks.size());
        check(chunks.size() <= keys.size(), "matched chunks", chunks.size(), keys.size());
        check(
                tokenDigests.isEmpty() || tokenDigests.size() == keys.size(),
                "token digests",
                tokenDigests.size(),
                keys.size());
    }

    /** Ids of a chunk's tokens, none when only keys were given. */
    int[] tokenIds(int chunk) {
        int size = namespace.chunkTokens();
        int from = Math.min(chunk * size, tokenIds.length);
        return Arrays.copyOfRange(tokenIds, from, Math.min(from + size, tokenIds.length));
    }

    /** Some of the chunks, from one holder, as a match of its own. */
    Match part(List<Integer> indexes, List<ChunkDirectory> directories) {
        return new Match(
                namespace,
                indexes.stream().map(keys::get).toList(),
                tokenDigests.isEmpty()
                        ? List.of()
                        : indexes.stream().map(tokenDigests::get).toList(),
                new int[0],
                directories,
                0);
    }

    /** Tokens of the matched chunks; of a state, those that it stands for. */
    public int tokens() {
        if (namespace.geometry().isState() && !chunks.isEmpty()) {
            ChunkDirectory state = chunks.getLast();
            return state.firstPosition() + state.tokens();
        }
        return chunks.stream().mapToInt(ChunkDirectory::tokens).sum();
    }

    /** Tokens of the whole prompt, those of the matched chunks when only keys were given. */
    public int promptTokens() {
        return Math.max(tokens(), tokenIds.length);
    }

    /** Whether nothing matched. */
    public boolean isMiss() {
        return chunks.isEmpty();
    }
}
