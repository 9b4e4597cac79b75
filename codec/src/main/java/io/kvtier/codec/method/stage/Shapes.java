package io.kvtier.codec.method.stage;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import io.kvtier.codec.error.CorruptChunkException;
import io.kvtier.codec.method.Plane;

/** Refuses planes of shapes that a stage cannot have been given or have made. */
final class Shapes {
    private Shapes() {}

    static void check(Plane.Shape shape, int rows, int columns) {
        boolean same = shape.rows() == rows && shape.columns() == columns;
        CorruptChunkException.check(same, "shape of a plane", rows + " by " + columns, shape);
    }

    /** Columns that must fall into whole groups. */
    @CanIgnoreReturnValue
    static int groups(Plane.Shape shape, int width) {
        boolean whole = shape.columns() % width == 0;
        CorruptChunkException.check(whole, "columns of a plane", "a multiple of " + width, shape);
        return shape.columns() / width;
    }
}
