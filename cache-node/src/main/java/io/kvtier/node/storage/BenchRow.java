package io.kvtier.node.storage;

import com.fasterxml.jackson.annotation.JsonInclude;
import org.jspecify.annotations.Nullable;

/**
 * One measurement.
 *
 * @param layout {@code raw}, {@code log} or {@code blob}
 * @param op what was done
 * @param chunkBytes of one value
 * @param megabytesPerSecond of values, in 10^6 bytes; null where it says nothing
 * @param writeAmplification bytes that the process wrote to the medium by a byte of values; null
 *     where the system does not count, and for reads
 * @param p99Millis of single reads, where that is what the op is for
 * @param millis of the whole, where that is
 * @param indexBytesPerChunk on the heap, where that is
 * @param hitRatio of what was asked for, where that is
 */
public record BenchRow(
        String layout,
        String op,
        long chunkBytes,
        @Nullable Double megabytesPerSecond,
        @Nullable Double writeAmplification,
        @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable Double p99Millis,
        @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable Double millis,
        @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable Double indexBytesPerChunk,
        @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable Double hitRatio) {
    static BenchRow rate(
            String layout,
            String op,
            long chunkBytes,
            double megabytesPerSecond,
            @Nullable Double writeAmplification) {
        return new BenchRow(
                layout,
                op,
                chunkBytes,
                megabytesPerSecond,
                writeAmplification,
                null,
                null,
                null,
                null);
    }

    BenchRow withP99Millis(double p99) {
        return new BenchRow(
                layout,
                op,
                chunkBytes,
                megabytesPerSecond,
                writeAmplification,
                p99,
                millis,
                indexBytesPerChunk,
                hitRatio);
    }

    BenchRow withHitRatio(double hits) {
        return new BenchRow(
                layout,
                op,
                chunkBytes,
                megabytesPerSecond,
                writeAmplification,
                p99Millis,
                millis,
                indexBytesPerChunk,
                hits);
    }

    static BenchRow start(String op, long chunkBytes, double millis, double indexBytesPerChunk) {
        return new BenchRow(
                "log", op, chunkBytes, null, null, null, millis, indexBytesPerChunk, null);
    }
}
