package io.kvtier.node.methods;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.method.stage.PcaBasis;
import io.kvtier.node.tensors.SafetensorsFile;
import io.kvtier.node.tensors.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * A {@link PcaBasis} in a file: F32 tensors {@code mean} {@code [2 · layers, columns]} and {@code
 * components} {@code [2 · layers, columns, columns]}, as {@code tools/methods/judge.py} makes it.
 */
public final class BasisFile {
    private BasisFile() {}

    /** Reads it. */
    public static PcaBasis read(Path path) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            SafetensorsFile file = SafetensorsFile.read(path, arena);
            Tensor mean = file.tensor("mean");
            check(mean.shape().size() == 2, "shape of 'mean'", mean.shape(), "[matrices, columns]");
            int columns = mean.shape().get(1);
            return new PcaBasis(
                    columns,
                    rows(mean, columns),
                    rows(file.tensor("components"), columns * columns));
        }
    }

    private static float[][] rows(Tensor tensor, int size) {
        float[] all = tensor.floats();
        check(
                all.length % size == 0,
                "elements of " + tensor.name(),
                all.length,
                "rows of " + size);
        float[][] out = new float[all.length / size][];
        for (int r = 0; r < out.length; r++) {
            out[r] = Arrays.copyOfRange(all, r * size, (r + 1) * size);
        }
        return out;
    }
}
