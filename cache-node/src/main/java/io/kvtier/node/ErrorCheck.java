package io.kvtier.node;

import io.kvtier.codec.DecodedChunk;
import io.kvtier.codec.identity.Dtype;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.node.tensors.CacheFile;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.List;

/**
 * How far decoded tensors are from the original, against what the decoder promised of each layer.
 *
 * @param maxError largest |decoded − original| over all keys and values
 * @param maxBound largest promise
 * @param within whether every element kept the promise of its chunk and layer
 */
record ErrorCheck(double maxError, double maxBound, boolean within) {
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Compares the decoded prefix with the original, element by element. */
    static ErrorCheck of(CacheFile original, CacheFile decoded, List<DecodedChunk> chunks) {
        Geometry geometry = original.namespace().geometry();
        double error = 0;
        double bound = 0;
        boolean within = !chunks.isEmpty();
        for (int i = 0; i < chunks.size(); i++) {
            MemorySegment keys = original.chunk(i).keys();
            MemorySegment values = original.chunk(i).values();
            for (int layer = 0; layer < geometry.layers(); layer++) {
                double key = error(keys, decoded.chunk(i).keys(), layer, geometry);
                double value = error(values, decoded.chunk(i).values(), layer, geometry);
                double keyBound = chunks.get(i).keyErrorMax().get(layer);
                double valueBound = chunks.get(i).valueErrorMax().get(layer);
                within &= key <= keyBound && value <= valueBound; // false for NaN, too
                error = Math.max(error, Math.max(key, value));
                bound = Math.max(bound, Math.max(keyBound, valueBound));
            }
        }
        return new ErrorCheck(error, bound, within);
    }

    private static double error(MemorySegment a, MemorySegment b, int layer, Geometry geometry) {
        long bytes = a.byteSize() / geometry.layers();
        Dtype dtype = geometry.dtype();
        double max = 0;
        for (long at = layer * bytes; at < (layer + 1) * bytes; at += dtype.bytes()) {
            double difference = Math.abs((double) element(a, at, dtype) - element(b, at, dtype));
            max = Double.isNaN(difference) ? Double.POSITIVE_INFINITY : Math.max(max, difference);
        }
        return max;
    }

    private static float element(MemorySegment tensor, long at, Dtype dtype) {
        return dtype.toFloat(dtype.bytes() == 2 ? tensor.get(SHORT, at) : tensor.get(INT, at));
    }
}
