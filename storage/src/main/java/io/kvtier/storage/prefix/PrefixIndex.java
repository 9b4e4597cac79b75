package io.kvtier.storage.prefix;

import io.kvtier.storage.InvalidRequestException;
import io.kvtier.storage.StoreKey;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Which chunks the sequences of a worker or a node share, by the keys of their chains.
 *
 * <p>A chunk is held once, whoever put it: its key is a digest of its parent's key and its own
 * tokens, so the tree of prefixes is implied by the keys, and the longest match is a linear scan of
 * a chain (after SGLang's RadixAttention, arXiv 2312.07104, whose tree this replaces by a map). A
 * sequence holds its chain by one reference to the last chunk, and its partial chunk, the
 * <em>tail</em>, of its own; branches share the tail until one of them appends, which copies that
 * one chunk at most (after vLLM, arXiv 2309.06180).
 *
 * <p>Chunks that no sequence holds stay until {@link #evict}: the least recently used first and
 * never a parent before its child. A use is a sequence's, not a {@link #match}.
 *
 * <p>Not thread-safe.
 */
public final class PrefixIndex {
    /** Names a chunk. */
    @FunctionalInterface
    public interface KeyScheme {
        /**
         * The key of a chunk.
         *
         * @param parent key of the chunk before it, null for the first one
         * @param tokens exactly its tokens; not to be changed or kept
         */
        StoreKey keyOf(@Nullable StoreKey parent, int[] tokens);
    }

    private final int chunkTokens;
    private final KeyScheme keys;
    private final Map<StoreKey, Chunk> chunks = new HashMap<>();

    /** Chunks without child and sequence; of equal use, which one chain has, the deepest first. */
    private final TreeSet<Chunk> evictable =
            new TreeSet<>(
                    Comparator.<Chunk>comparingLong(chunk -> chunk.lastUse)
                            .thenComparingInt(chunk -> -chunk.depth)
                            .thenComparing(chunk -> chunk.key));

    private long uses;
    private long copies;
    private long sequences;
    private long tailTokens;
    private long tailRoom;

    /** A full chunk, which is never changed. */
    static final class Chunk {
        final StoreKey key;
        final @Nullable Chunk parent;
        final int depth;

        /** Children and sequences that end here. */
        int references;

        long lastUse;

        Chunk(StoreKey key, @Nullable Chunk parent) {
            this.key = key;
            this.parent = parent;
            this.depth = parent == null ? 1 : parent.depth + 1;
        }
    }

    /**
     * @param chunkTokens tokens of a full chunk
     */
    public PrefixIndex(int chunkTokens, KeyScheme keys) {
        if (chunkTokens < 1) {
            throw new InvalidRequestException(
                    "chunkTokens is " + chunkTokens + ", expected at least 1");
        }
        this.chunkTokens = chunkTokens;
        this.keys = keys;
    }

    /** Tokens of the longest held prefix, in whole chunks; no use. */
    public int match(int[] tokens) {
        Chunk last = longest(tokens);
        return last == null ? 0 : last.depth * chunkTokens;
    }

    /**
     * A sequence of these tokens: shares what is held of them, and adds the rest.
     *
     * <p>Ownership: the caller closes it.
     */
    public Sequence open(int[] tokens) {
        Sequence sequence = new Sequence(this, longest(tokens), new Tail());
        sequence.append(Arrays.copyOfRange(tokens, sequence.tokens(), tokens.length));
        return sequence;
    }

    /**
     * Lets go of chunks that no sequence holds, tails first.
     *
     * @return how many, {@code count} or as many as there are
     */
    public int evict(int count) {
        int evicted = 0;
        while (evicted < count && !evictable.isEmpty()) {
            Chunk least = evictable.removeFirst();
            chunks.remove(least.key);
            release(least.parent);
            evicted++;
        }
        return evicted;
    }

    /** Whether a chunk is held. */
    public boolean holds(StoreKey key) {
        return chunks.containsKey(key);
    }

    /** Tokens held, each shared one once: those of chunks and of tails. */
    public long storedTokens() {
        return (long) chunks.size() * chunkTokens + tailTokens;
    }

    /** Tokens that there is room for: tails grow in steps, and the rest of a step is waste. */
    public long allocatedTokens() {
        return (long) chunks.size() * chunkTokens + tailRoom;
    }

    /** Full chunks held. */
    public int chunks() {
        return chunks.size();
    }

    /** Tails that were copied at a divergence so far. */
    public long copies() {
        return copies;
    }

    /** Sequences that are open: 0 when nothing leaks. */
    public long sequences() {
        return sequences;
    }

    int chunkTokens() {
        return chunkTokens;
    }

    private @Nullable Chunk longest(int[] tokens) {
        Chunk last = null;
        for (int end = chunkTokens; end <= tokens.length; end += chunkTokens) {
            int[] next = Arrays.copyOfRange(tokens, end - chunkTokens, end);
            Chunk found = chunks.get(keys.keyOf(last == null ? null : last.key, next));
            if (found == null) {
                break;
            }
            last = found;
        }
        return last;
    }

    /** The chunk of these tokens behind {@code parent}, held already or new. */
    Chunk chunk(@Nullable Chunk parent, int[] tokens) {
        StoreKey key = keys.keyOf(parent == null ? null : parent.key, tokens);
        Chunk found = chunks.get(key);
        if (found != null) {
            return found;
        }
        Chunk added = new Chunk(key, parent);
        retain(parent);
        chunks.put(key, added);
        evictable.add(added);
        return added;
    }

    void retain(@Nullable Chunk chunk) {
        if (chunk != null && chunk.references++ == 0) {
            evictable.remove(chunk);
        }
    }

    void release(@Nullable Chunk chunk) {
        if (chunk != null && --chunk.references == 0) {
            evictable.add(chunk);
        }
    }

    /** The whole chain counts as used now. */
    void use(@Nullable Chunk last) {
        long now = ++uses;
        for (Chunk chunk = last; chunk != null; chunk = chunk.parent) {
            boolean waits = evictable.remove(chunk);
            chunk.lastUse = now;
            if (waits) {
                evictable.add(chunk);
            }
        }
    }

    void count(int newSequences, int newCopies, int newTailTokens, int newTailRoom) {
        sequences += newSequences;
        copies += newCopies;
        tailTokens += newTailTokens;
        tailRoom += newTailRoom;
    }

    /** Tokens behind the last full chunk, shared by branches that have not diverged. */
    static final class Tail {
        /** Room is added by so many tokens. */
        static final int STEP = 16;

        int[] tokens = new int[0];
        int length;
        int owners = 1;
    }
}
