package io.kvtier.node.methods;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.method.stage.PcaBasis;
import io.kvtier.node.tensors.SafetensorsFile;
import io.kvtier.node.tensors.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;

/**
 * A {@link PcaBasis} in a file: F32 tensors {@code mean} {@code [2 · layers, columns]} and {@code
 * components} {@code [2 · layers, columns, columns]}, as {@code tools/methods/judge.py} makes it.
 */
public final class BasisFile {
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

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
        check(tensor.dtype().equals("F32"), "dtype of " + tensor.name(), tensor.dtype(), "F32");
        long elements = tensor.data().byteSize() / Float.BYTES;
        check(elements % size == 0, "elements of " + tensor.name(), elements, "rows of " + size);
        float[][] out = new float[(int) (elements / size)][size];
        for (int r = 0; r < out.length; r++) {
            for (int i = 0; i < size; i++) {
                out[r][i] = tensor.data().get(FLOAT, Float.BYTES * ((long) r * size + i));
            }
        }
        return out;
    }
}
