package io.kvtier.codec.method.stage;

import io.kvtier.codec.error.CorruptChunkException;
import io.kvtier.codec.method.Chunk;
import io.kvtier.codec.method.Coder;
import io.kvtier.codec.method.Plane;
import io.kvtier.codec.method.Planes;
import io.kvtier.codec.method.SideReader;
import io.kvtier.codec.method.SideWriter;
import java.io.ByteArrayOutputStream;
import java.util.Arrays;

/**
 * Entropy coding with one table for each channel of each plane, counted on the chunk and sent with
 * it, as CacheGen's public code does (arXiv 2310.07240; its tables are distributions of 16 bits,
 * strictly monotone). The coder is rANS (J. Duda, arXiv 1311.2540) instead of theirs: the same
 * length to within a state.
 *
 * <p>Side information: 16 bits a level and channel: at 256 tokens and 32 levels as much as the
 * symbols.
 */
public record ChannelRans() implements Coder {
    private static final int TOTAL = 1 << 16;
    private static final long LOW = 1L << 31;

    @Override
    public String name() {
        return "channel-rans";
    }

    @Override
    public Planes encode(Planes in, Chunk chunk, SideWriter side) {
        return new Planes.Bytes(EachPlane.map(in.symbols(), plane -> encode(plane, side)));
    }

    @Override
    public Planes decode(Planes in, Chunk chunk, SideReader side) {
        return new Planes.Symbols(EachPlane.map(in.bytes(), plane -> decode(plane, side)));
    }

    private static Plane<byte[]> encode(Plane<int[]> plane, SideWriter side) {
        Plane.Shape shape = plane.shape();
        int[][] starts = new int[shape.columns()][];
        for (int c = 0; c < shape.columns(); c++) {
            int[] counts = new int[shape.levels()];
            for (int r = 0; r < shape.rows(); r++) {
                counts[plane.data()[r * shape.columns() + c]]++;
            }
            starts[c] = starts(counts);
            for (int level = 0; level < shape.levels(); level++) {
                side.u16(starts[c][level + 1] - starts[c][level] - 1);
            }
        }
        ByteArrayOutputStream words = new ByteArrayOutputStream();
        long state = LOW;
        for (int i = shape.size() - 1; i >= 0; i--) {
            int[] start = starts[i % shape.columns()];
            int q = plane.data()[i];
            long frequency = (long) start[q + 1] - start[q];
            if (Long.compareUnsigned(state, ((LOW >>> 16) * frequency) << 32) >= 0) {
                word(words, (int) state);
                state >>>= 32;
            }
            state = ((state / frequency) << 16) + state % frequency + start[q];
        }
        word(words, (int) state);
        word(words, (int) (state >>> 32));
        byte[] bytes = words.toByteArray();
        reverseWords(bytes);
        return new Plane<>(shape, bytes);
    }

    private static Plane<int[]> decode(Plane<byte[]> plane, SideReader side) {
        Plane.Shape shape = plane.shape();
        int levels = shape.levels();
        CorruptChunkException.check(levels >= 1, "levels", "at least 1", levels);
        side.expect(2L * shape.columns() * levels); // what is said is there before it is believed
        int[][] starts = new int[shape.columns()][levels + 1];
        for (int[] start : starts) {
            for (int level = 0; level < levels; level++) {
                start[level + 1] = start[level] + side.u16() + 1;
            }
            CorruptChunkException.check(
                    start[levels] == TOTAL, "sum of a table", TOTAL, start[levels]);
        }
        SideReader in = new SideReader(plane.data());
        long high = in.u32();
        long state = (high << 32) | (in.u32() & 0xffffffffL);
        int[] q = new int[shape.size()];
        for (int i = 0; i < q.length; i++) {
            int[] start = starts[i % shape.columns()];
            int slot = (int) state & (TOTAL - 1);
            int found = Arrays.binarySearch(start, slot);
            q[i] = found >= 0 ? found : -found - 2;
            state = (start[q[i] + 1] - start[q[i]]) * (state >>> 16) + slot - start[q[i]];
            if (state >= 0 && state < LOW) {
                state = (state << 32) | (in.u32() & 0xffffffffL);
            }
        }
        in.end();
        CorruptChunkException.check(state == LOW, "last state", LOW, state);
        return new Plane<>(shape, q);
    }

    /** Cumulative frequencies of 16 bits, each level at least 1. */
    private static int[] starts(int[] counts) {
        long sum = Arrays.stream(counts).asLongStream().sum();
        int room = TOTAL - counts.length;
        int[] frequencies = new int[counts.length];
        int given = 0;
        int largest = 0;
        for (int i = 0; i < counts.length; i++) {
            frequencies[i] = 1 + (sum == 0 ? 0 : (int) (counts[i] * (long) room / sum));
            given += frequencies[i];
            largest = counts[i] > counts[largest] ? i : largest;
        }
        frequencies[largest] += TOTAL - given;
        int[] out = new int[counts.length + 1];
        for (int i = 0; i < counts.length; i++) {
            out[i + 1] = out[i] + frequencies[i];
        }
        return out;
    }

    private static void word(ByteArrayOutputStream out, int word) {
        for (int shift = 24; shift >= 0; shift -= 8) {
            out.write(word >>> shift);
        }
    }

    /** Words were written last first, high byte first: turned round they read little-endian. */
    private static void reverseWords(byte[] bytes) {
        for (int i = 0, j = bytes.length - 1; i < j; i++, j--) {
            byte b = bytes[i];
            bytes[i] = bytes[j];
            bytes[j] = b;
        }
    }
}
