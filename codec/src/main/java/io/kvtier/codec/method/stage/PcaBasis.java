package io.kvtier.codec.method.stage;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.method.Kind;
import java.nio.ByteBuffer;

/**
 * Means and principal components of every layer's keys (before RoPE) and values, found once on a
 * model's calibration texts: an artefact that both sides hold.
 *
 * @param columns channels of a plane, all heads
 * @param means {@code [2 · layers, columns]}: keys of all layers, then values
 * @param components {@code [2 · layers, columns, columns]}: rows are orthonormal, by falling
 *     variance
 */
@SuppressWarnings("ArrayRecordComponent") // megabytes, lent
public record PcaBasis(int columns, float[][] means, float[][] components) {
    /** Checks the shapes. */
    public PcaBasis {
        check(means.length == components.length, "matrices", components.length, means.length);
        check(means.length % 2 == 0, "matrices", means.length, "one for keys and one for values");
        for (int i = 0; i < means.length; i++) {
            check(means[i].length == columns, "channels of a mean", means[i].length, columns);
            int size = components[i].length;
            check(size == columns * columns, "elements of a matrix", size, columns * columns);
        }
    }

    /** Layers that it covers. */
    public int layers() {
        return means.length / 2;
    }

    /** Index of a layer's keys or values. */
    int at(Kind kind, int layer) {
        return kind.ordinal() * layers() + layer;
    }

    /** The first eight hex digits of its SHA-256, by which containers name it. */
    public String id() {
        ByteBuffer bytes = ByteBuffer.allocate(4 * columns * (1 + columns) * means.length);
        for (int i = 0; i < means.length; i++) {
            for (float[] array : new float[][] {means[i], components[i]}) {
                for (float x : array) {
                    bytes.putFloat(x);
                }
            }
        }
        return Digest.sha256(bytes.array()).toString().substring(0, 8);
    }
}
