package io.kvtier.codec.identity;

import static io.kvtier.codec.error.InvalidRequestException.check;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * The chain of chunk keys of a token sequence: each key is SHA-256(parent ‖ tokens as u32 LE ‖
 * extra), the first parent being the namespace digest, so that one key stands for the whole prefix
 * that it ends.
 */
public final class KeyChain {
    private KeyChain() {}

    /** Keys of the full chunks that {@code tokens} begin with; a rest is left out. */
    public static List<Digest> of(Namespace namespace, int[] tokens) {
        int size = namespace.chunkTokens();
        List<Digest> keys = new ArrayList<>(tokens.length / size);
        Digest parent = namespace.digest();
        for (int from = 0; from + size <= tokens.length; from += size) {
            parent = next(parent, tokens, from, size, new byte[0]);
            keys.add(parent);
        }
        return keys;
    }

    /** The same with a last, shorter chunk for the rest. */
    public static List<Digest> withRest(Namespace namespace, int[] tokens) {
        List<Digest> keys = new ArrayList<>(of(namespace, tokens));
        int from = keys.size() * namespace.chunkTokens();
        if (from < tokens.length) {
            Digest parent = keys.isEmpty() ? namespace.digest() : keys.getLast();
            keys.add(next(parent, tokens, from, tokens.length - from, new byte[0]));
        }
        return keys;
    }

    /** Key of the chunk that holds {@code tokens[from .. from + count)} after {@code parent}. */
    public static Digest next(Digest parent, int[] tokens, int from, int count, byte[] extra) {
        return Digest.sha256(parent.toBytes(), tokenBytes(tokens, from, count), extra);
    }

    /** SHA-256 of the tokens alone, which a frame carries to prove what it was made from. */
    public static Digest tokenDigest(int[] tokens, int from, int count) {
        return Digest.sha256(tokenBytes(tokens, from, count));
    }

    private static byte[] tokenBytes(int[] tokens, int from, int count) {
        ByteBuffer out = ByteBuffer.allocate(4 * count).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = from; i < from + count; i++) {
            check(tokens[i] >= 0, "token id at " + i, tokens[i], "0 or more");
            out.putInt(tokens[i]);
        }
        return out.array();
    }
}
