package io.kvtier.benchmarks;

import io.kvtier.codec.KvBlock;
import io.kvtier.codec.identity.Dtype;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.identity.Rope;
import io.kvtier.codec.profile.Profile;
import io.kvtier.codec.profile.ProfileFile;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Random;
import java.util.zip.CRC32C;

/**
 * A model of Llama-3-8B's shape whose components are Gaussian, with sigma/step falling by the same
 * ratio from 2 to 0.02, and are turned to channels by Hadamard matrices; and its profile of kind
 * head (docs/format.md section 4).
 */
final class SyntheticModel {
    private static final int LAYERS = 32;
    private static final int HEADS = 8;
    private static final int DIM = 128;
    private static final double THETA = 500_000;
    private static final float STEP = 0.5f;
    private static final int FIXED_BYTES = 4096;
    private static final float[] CENTROIDS = {0, 0.08f, 0.06f, 0.05f};
    private static final ValueLayout.OfShort U16 =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Geometry geometry =
            Geometry.uniform(LAYERS, 32, HEADS, DIM, Dtype.F16, Rope.rotateHalf(DIM, THETA));
    private final int groupLayers;
    private final int width;

    /** A model whose groups are of one head and {@code groupLayers} layers, a power of 2. */
    SyntheticModel(int groupLayers) {
        this.groupLayers = groupLayers;
        width = 2 * DIM * groupLayers;
    }

    private float sigma(int component) {
        return (float) (STEP * 2 * Math.pow(0.01, (double) component / width));
    }

    Profile profile() {
        int groups = LAYERS / groupLayers * HEADS;
        int groupBytes = FIXED_BYTES + 13 * width + 4 * width * width;
        ByteBuffer out =
                ByteBuffer.allocate(FIXED_BYTES + groups * groupBytes)
                        .order(ByteOrder.LITTLE_ENDIAN);
        out.put("KVP1".getBytes(StandardCharsets.US_ASCII)).putShort((short) 1);
        out.put((byte) 3).put((byte) 1).put(geometry.shapeDigest().toBytes());
        out.putFloat(STEP).put((byte) 3).put((byte) 32);
        out.putShort((short) (LAYERS / groupLayers)).putShort((short) HEADS);
        out.put(new byte[] {-6, 6, 0, 26}).put(new byte[3 * 2 + 2 + 2]);
        for (int i = 0; i < 64 * CENTROIDS.length; i++) {
            out.putFloat(CENTROIDS[i % CENTROIDS.length]);
        }
        for (int layer = 0; layer < LAYERS; layer += groupLayers) {
            for (int head = 0; head < HEADS; head++) {
                putGroup(out, layer, head);
            }
        }
        CRC32C crc = new CRC32C();
        crc.update(out.array(), 0, out.position());
        out.putInt((int) crc.getValue()).flip();
        byte[] file = new byte[out.remaining()];
        out.get(file);
        return ProfileFile.read(file, geometry);
    }

    private void putGroup(ByteBuffer out, int layer, int head) {
        out.putShort((short) groupLayers).putShort((short) 1);
        for (int i = 0; i < groupLayers; i++) {
            out.putShort((short) (layer + i));
        }
        out.putShort((short) head).putInt(width).putInt(width);
        out.put(new byte[4 * width]); // means
        for (int c = 0; c < width; c++) {
            out.putFloat(sigma(c));
        }
        for (int c = 0; c < width; c++) {
            double quarters = 4 * Math.log(sigma(c) / STEP) / Math.log(2);
            out.put((byte) Math.clamp(Math.round(quarters) + 24, 0, 63));
        }
        for (int c = 0; c < width; c++) {
            out.putFloat((float) (0.5 / Math.sqrt(width))); // classes of half an octave's deviation
        }
        out.putFloat(0);
        short plus = Float.floatToFloat16((float) (1 / Math.sqrt(width)));
        for (int i = 0; i < 2 * width * width; i++) { // analysis, synthesis
            boolean odd = Integer.bitCount(i / width % width & i % width) % 2 == 1;
            out.putShort(odd ? (short) (plus ^ 0x8000) : plus);
        }
    }

    KvBlock block(int firstPosition, int tokens) {
        KvBlock block = KvBlock.allocate(geometry, firstPosition, tokens);
        Random random = new Random(1);
        float[] x = new float[width];
        for (int layer = 0; layer < LAYERS; layer += groupLayers) {
            for (int token = 0; token < tokens; token++) {
                for (int head = 0; head < HEADS; head++) {
                    draw(random, x);
                    for (int i = 0; i < groupLayers; i++) {
                        int row = ((layer + i) * tokens + token) * HEADS + head;
                        rotate(x, 2 * DIM * i, firstPosition + token);
                        put(block.keys(), row, x, 2 * DIM * i);
                        put(block.values(), row, x, 2 * DIM * i + DIM);
                    }
                }
            }
        }
        return block;
    }

    /** Components, then channels by the fast transform. */
    private void draw(Random random, float[] x) {
        for (int c = 0; c < width; c++) {
            x[c] = (float) (sigma(c) * random.nextGaussian() / Math.sqrt(width));
        }
        for (int half = 1; half < width; half *= 2) {
            for (int i = 0; i < width; i++) {
                if ((i & half) == 0) {
                    float a = x[i];
                    x[i] = a + x[i + half];
                    x[i + half] = a - x[i + half];
                }
            }
        }
    }

    private static void rotate(float[] x, int at, int position) {
        for (int pair = 0; pair < DIM / 2; pair++) {
            double angle = position * Math.pow(THETA, -2.0 * pair / DIM);
            float a = x[at + pair];
            float b = x[at + pair + DIM / 2];
            x[at + pair] = (float) (a * Math.cos(angle) - b * Math.sin(angle));
            x[at + pair + DIM / 2] = (float) (b * Math.cos(angle) + a * Math.sin(angle));
        }
    }

    private static void put(MemorySegment tensor, int row, float[] x, int at) {
        for (int i = 0; i < DIM; i++) {
            short half = Float.floatToFloat16(x[at + i]);
            tensor.setAtIndex(U16, (long) row * DIM + i, half);
        }
    }
}
