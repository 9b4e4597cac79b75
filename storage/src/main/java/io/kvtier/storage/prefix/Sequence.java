package io.kvtier.storage.prefix;

import io.kvtier.storage.StoreKey;
import io.kvtier.storage.prefix.PrefixIndex.Chunk;
import io.kvtier.storage.prefix.PrefixIndex.Tail;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One sequence that grows, a beam or a sample of a request: full chunks that it shares, and a tail
 * of its own.
 *
 * <p>Ownership: whoever opened or branched it closes it; what it held may then be evicted. Not
 * thread-safe, as its index.
 */
public final class Sequence implements AutoCloseable {
    private final PrefixIndex index;
    private @Nullable Chunk last;
    private Tail tail;
    private boolean closed;

    /** Shares a chain, and takes over one ownership of a tail. */
    Sequence(PrefixIndex index, @Nullable Chunk last, Tail tail) {
        this.index = index;
        this.last = last;
        this.tail = tail;
        index.retain(last);
        index.use(last);
        index.count(1, 0, 0, 0);
    }

    /** Another sequence of the same tokens, which copies nothing; the caller closes it. */
    public Sequence branch() {
        requireOpen();
        tail.owners++;
        return new Sequence(index, last, tail);
    }

    /** Adds tokens; chunks that become full are shared from then on. */
    public void append(int... tokens) {
        requireOpen();
        int from = 0;
        while (from < tokens.length) {
            own();
            int count = Math.min(tokens.length - from, index.chunkTokens() - tail.length);
            extend(tokens, from, count);
            from += count;
            if (tail.length == index.chunkTokens()) {
                seal();
            }
        }
        index.use(last);
    }

    /** Length. */
    public int tokens() {
        return fullTokens() + tail.length;
    }

    /** Keys of its full chunks, first one first. */
    public List<StoreKey> chain() {
        List<StoreKey> chain = new ArrayList<>();
        for (Chunk chunk = last; chunk != null; chunk = chunk.parent) {
            chain.add(chunk.key);
        }
        return chain.reversed();
    }

    /** A copy of the tokens behind the last full chunk. */
    public int[] tail() {
        return Arrays.copyOf(tail.tokens, tail.length);
    }

    /** Equal for sequences that share their tail. */
    Object tailIdentity() {
        return tail;
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        index.release(last);
        leaveTail();
        index.count(-1, 0, 0, 0);
    }

    private int fullTokens() {
        return last == null ? 0 : last.depth * index.chunkTokens();
    }

    /** Before it changes: the tail that others read, too, is copied. */
    private void own() {
        if (tail.owners > 1) {
            tail.owners--;
            Tail copy = new Tail();
            copy.tokens = tail.tokens.clone();
            copy.length = tail.length;
            tail = copy;
            index.count(0, copy.length > 0 ? 1 : 0, copy.length, copy.tokens.length);
        }
    }

    private void extend(int[] tokens, int from, int count) {
        int length = tail.length + count;
        if (length > tail.tokens.length) {
            int room = Math.ceilDiv(length, Tail.STEP) * Tail.STEP;
            int before = tail.tokens.length;
            tail.tokens = Arrays.copyOf(tail.tokens, Math.min(room, index.chunkTokens()));
            index.count(0, 0, 0, tail.tokens.length - before);
        }
        System.arraycopy(tokens, from, tail.tokens, tail.length, count);
        tail.length = length;
        index.count(0, 0, count, 0);
    }

    /** The full tail becomes a chunk, or gives way to the same one that is there. */
    private void seal() {
        Chunk chunk = index.chunk(last, tail.tokens);
        index.retain(chunk);
        index.release(last);
        last = chunk;
        leaveTail();
        tail = new Tail();
    }

    private void leaveTail() {
        if (--tail.owners == 0) {
            index.count(0, 0, -tail.length, -tail.tokens.length);
        }
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("sequence used after its close");
        }
    }
}
