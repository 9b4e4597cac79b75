package io.kvtier.codec.method.attention;

import static io.kvtier.codec.error.InvalidRequestException.check;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/**
 * Attention of a batch of sequences that share chunks, each chunk read and decoded once for all of
 * them: first every chunk against the queries of all its sequences, then each sequence merges its
 * parts. L. Ye et al., ChunkAttention, ACL 2024, arXiv 2402.15220, section 3.3.
 */
public final class SharedAttention {
    private SharedAttention() {}

    /**
     * What one sequence asks of one layer.
     *
     * @param <K> identifies a chunk
     * @param queries of the sequence
     * @param chunks that it has behind it, each once
     */
    public record Sequence<K>(Queries queries, List<K> chunks) {
        /** Copies the list. */
        public Sequence {
            chunks = List.copyOf(chunks);
        }
    }

    /**
     * The state of each sequence over its chunks.
     *
     * @param read decodes a chunk; asked once for each chunk, whoever shares it
     */
    public static <K> List<AttentionState> attend(
            Collection<Sequence<K>> batch, int valueDim, Function<K, KeyBlock> read) {
        List<Sequence<K>> sequences = List.copyOf(batch);
        Map<K, List<Integer>> readers = new LinkedHashMap<>();
        List<AttentionState> out = new ArrayList<>();
        for (int s = 0; s < sequences.size(); s++) {
            Queries queries = sequences.get(s).queries();
            out.add(AttentionState.empty(queries.heads() * queries.count(), valueDim));
            for (K chunk : sequences.get(s).chunks()) {
                readers.computeIfAbsent(chunk, k -> new ArrayList<>()).add(s);
            }
        }
        readers.forEach(
                (chunk, who) -> {
                    KeyBlock block = read.apply(chunk);
                    check(
                            block.kv().geometry().valueDim() == valueDim,
                            "value dim of a chunk",
                            block.kv().geometry().valueDim(),
                            valueDim);
                    for (int s : who) {
                        AttentionState part =
                                BlockAttention.attend(sequences.get(s).queries(), block);
                        out.set(s, out.get(s).merge(part));
                    }
                });
        return out;
    }
}
