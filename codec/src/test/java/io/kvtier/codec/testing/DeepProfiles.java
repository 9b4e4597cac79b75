package io.kvtier.codec.testing;

import io.kvtier.codec.identity.Geometry;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Random;
import java.util.zip.CRC32C;

/** Files of random deep profiles, as docs/format.md section 4 lays them out. */
public final class DeepProfiles {
    /** Ids from here on have no features. */
    public static final int VOCABULARY = 50;

    private static final int FEATURES = 3;

    private final Random random;
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    private DeepProfiles(Random random) {
        this.random = random;
    }

    /**
     * A profile of one group a stored layer, whose matrices are identities: components are channels
     * less a mean.
     *
     * @param leading components that each group shares
     * @param lags tokens that predict, 0 for no prediction
     */
    public static byte[] file(Geometry geometry, int leading, int lags, Random random) {
        return new DeepProfiles(random).write(geometry, leading, lags);
    }

    /** Sets the checksum right again. */
    public static byte[] sealed(byte[] file) {
        CRC32C crc = new CRC32C();
        crc.update(file, 0, file.length - 4);
        littleEndian(file).putInt(file.length - 4, (int) crc.getValue());
        return file;
    }

    private byte[] write(Geometry geometry, int leading, int lags) {
        List<Integer> layers = geometry.storedLayers();
        int width = geometry.kvHeads() * (geometry.keyDim() + geometry.valueDim());
        out.writeBytes("KVP1".getBytes(StandardCharsets.US_ASCII));
        u16(1);
        bytes(4, 3);
        out.writeBytes(geometry.shapeDigest().toBytes());
        f32(0.5f);
        bytes(3, 32);
        u16(layers.size());
        u16(1);
        bytes(-4, 4, 0, 26);
        u16(1);
        u32(0); // levels, loss points
        u16(0);
        u16(0); // provenance
        for (int i = 0; i < 64 * 4; i++) {
            f32(0.1f * (i % 4));
        }
        u32(0);
        f32(-0.5f);
        layers.forEach(layer -> group(layer, geometry.kvHeads(), width));
        deep(leading, leading * layers.size(), lags);
        u32(0);
        return sealed(out.toByteArray());
    }

    private void group(int layer, int heads, int width) {
        u16(1);
        u16(heads);
        u16(layer);
        for (int head = 0; head < heads; head++) {
            u16(head);
        }
        u32(width);
        u32(width);
        for (int i = 0; i < width; i++) {
            f32(random.nextFloat());
        }
        components(width);
        for (int i = 0; i <= width; i++) {
            f32(0.02f * (float) random.nextGaussian());
        }
        identity(width);
        identity(width);
    }

    private void deep(int leading, int width, int lags) {
        u32(leading);
        u32(width);
        components(width);
        identity(width);
        if (lags == 0) {
            u32(0);
            u32(0);
            return;
        }
        u32(VOCABULARY);
        u16(FEATURES);
        bytes(lags, 0);
        for (int i = 0; i < FEATURES; i++) {
            f32(0.01f);
        }
        for (int i = 0; i < VOCABULARY * FEATURES; i++) {
            out.write(random.nextInt(255) - 127);
        }
        for (int i = 0; i < width * lags * FEATURES; i++) {
            f16((float) random.nextGaussian());
        }
    }

    private void components(int count) {
        for (int i = 0; i < count; i++) {
            f32(8f / (i + 1));
        }
        for (int i = 0; i < count; i++) {
            out.write(Math.max(40 - i, 16));
        }
    }

    private void identity(int size) {
        for (int i = 0; i < size * size; i++) {
            f16(i / size == i % size ? 1 : 0);
        }
    }

    private void bytes(int... values) {
        for (int value : values) {
            out.write(value);
        }
    }

    private void u16(int value) {
        bytes(value, value >> 8);
    }

    private void u32(int value) {
        u16(value);
        u16(value >>> 16);
    }

    private void f32(float value) {
        u32(Float.floatToRawIntBits(value));
    }

    private void f16(float value) {
        u16(Float.floatToFloat16(value));
    }

    private static ByteBuffer littleEndian(byte[] bytes) {
        return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }
}
