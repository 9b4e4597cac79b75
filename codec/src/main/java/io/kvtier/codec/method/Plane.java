package io.kvtier.codec.method;

/**
 * A matrix on its way through the stages: of one layer's keys or values, tokens by channels.
 *
 * @param <T> what its elements are held in
 * @param shape what it is of
 * @param data row-major elements, or bytes of a coder; lent
 */
public record Plane<T>(Shape shape, T data) {
    /**
     * What a matrix is of.
     *
     * @param layer index among the stored layers
     * @param head KV head; −1 = all heads side by side
     * @param rows tokens, or what a stage made of them
     * @param columns channels, or what a stage made of them
     * @param levels of symbols, each below it; 0 for floats
     */
    public record Shape(Kind kind, int layer, int head, int rows, int columns, int levels) {
        /** Elements. */
        public int size() {
            return Math.multiplyExact(rows, columns);
        }

        /** The same matrix with other rows and columns. */
        public Shape sized(int newRows, int newColumns) {
            return new Shape(kind, layer, head, newRows, newColumns, levels);
        }

        /** The same matrix as symbols below {@code count}; 0 = as floats. */
        public Shape withLevels(int count) {
            return new Shape(kind, layer, head, rows, columns, count);
        }
    }
}
