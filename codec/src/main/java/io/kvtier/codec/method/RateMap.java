package io.kvtier.codec.method;

import static io.kvtier.codec.error.CorruptChunkException.check;

import io.kvtier.codec.identity.Geometry;
import java.util.Arrays;
import java.util.BitSet;

/**
 * Bits an element for each layer, KV head and token, keys apart from values: what every policy
 * writes and every stage may read. 0 = the token is dropped from that head; 16 = as it is.
 *
 * @param keys for each stored layer {@code [kvHeads, tokens]}
 * @param values the same shape
 */
@SuppressWarnings("ArrayRecordComponent") // one byte a head and token, lent
public record RateMap(int kvHeads, int tokens, byte[][] keys, byte[][] values) {
    /** Bits of what is not quantized. */
    public static final int RAW = 16;

    /** The same bits everywhere. */
    public static RateMap uniform(Geometry geometry, int tokens, int bits) {
        int layers = geometry.storedLayers().size();
        RateMap out =
                new RateMap(
                        geometry.kvHeads(),
                        tokens,
                        new byte[layers][geometry.kvHeads() * tokens],
                        new byte[layers][geometry.kvHeads() * tokens]);
        for (int layer = 0; layer < layers; layer++) {
            Arrays.fill(out.keys[layer], (byte) bits);
            Arrays.fill(out.values[layer], (byte) bits);
        }
        return out;
    }

    /** Bits of keys or values by layer. */
    public byte[][] plane(Kind kind) {
        return kind == Kind.KEYS ? keys : values;
    }

    /** Layers of the map. */
    public int layers() {
        return keys.length;
    }

    /** Bits of an element. */
    public int bits(Kind kind, int layer, int head, int token) {
        return plane(kind)[layer][head * tokens + token];
    }

    /** The tokens that a head keeps, ascending. */
    public BitSet kept(Kind kind, int layer, int head) {
        BitSet out = new BitSet(tokens);
        for (int t = 0; t < tokens; t++) {
            out.set(t, bits(kind, layer, head, t) != 0);
        }
        return out;
    }

    /** Whether any head drops any token. */
    public boolean drops() {
        for (Kind kind : Kind.values()) {
            for (byte[] layer : plane(kind)) {
                for (byte bits : layer) {
                    if (bits == 0) {
                        return true;
                    }
                }
            }
        }
        return false;
    }

    /** Bytes of the elements at these rates, without side information. */
    public long bytes(Geometry geometry) {
        long bits = 0;
        for (Kind kind : Kind.values()) {
            int dim = kind == Kind.KEYS ? geometry.keyDim() : geometry.valueDim();
            for (byte[] layer : plane(kind)) {
                for (byte b : layer) {
                    bits += (long) b * dim;
                }
            }
        }
        return (bits + 7) / 8;
    }

    /** A copy, to be changed by who made it. */
    public RateMap copy() {
        return new RateMap(kvHeads, tokens, deep(keys), deep(values));
    }

    /** Appends the map as runs of equal bits: (bits u8, length varint) for each layer. */
    void write(SideWriter out) {
        for (Kind kind : Kind.values()) {
            for (byte[] layer : plane(kind)) {
                for (int at = 0; at < layer.length; ) {
                    int end = at + 1;
                    while (end < layer.length && layer[end] == layer[at]) {
                        end++;
                    }
                    out.u8(layer[at]);
                    out.varint(end - at);
                    at = end;
                }
            }
        }
    }

    /** Reads what {@link #write} wrote, refusing runs that do not fill the shape exactly. */
    static RateMap read(Geometry geometry, int tokens, SideReader in) {
        RateMap out = uniform(geometry, tokens, 0);
        for (Kind kind : Kind.values()) {
            for (byte[] layer : out.plane(kind)) {
                for (int at = 0; at < layer.length; ) {
                    int bits = in.u8();
                    int run = in.varint();
                    check(bits <= RAW, "bits of a rate map", "0.." + RAW, bits);
                    check(run >= 1 && run <= layer.length - at, "run of rates", "1..", run);
                    Arrays.fill(layer, at, at + run, (byte) bits);
                    at += run;
                }
            }
        }
        return out;
    }

    private static byte[][] deep(byte[][] from) {
        byte[][] out = new byte[from.length][];
        for (int i = 0; i < out.length; i++) {
            out[i] = from[i].clone();
        }
        return out;
    }
}
