package io.kvtier.client;

import io.kvtier.codec.error.OverloadedException;
import io.kvtier.codec.frame.FrameHeader;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/**
 * Keeps what a stream delivers, each segment at its place in the chunk's frame.
 *
 * <p>Ownership: memory comes from the caller's arena, and lives as long as it. Limits: holds at
 * most {@code bytesMax}. Thread-safety: none; it lives on the thread of its stream.
 */
public final class FrameCollector implements SegmentSink {
    private final Arena arena;
    private final long bytesMax;
    private final Map<Integer, Collected> chunks = new HashMap<>();
    private long bytes;

    /**
     * One chunk.
     *
     * @param header of the frame
     * @param frame the frame's bytes; what did not arrive is zero, see {@link Delivery.Chunk#parts}
     */
    public record Collected(FrameHeader header, MemorySegment frame) {}

    /** Collects into the arena, up to a limit. */
    public FrameCollector(Arena arena, long bytesMax) {
        this.arena = arena;
        this.bytesMax = bytesMax;
    }

    @Override
    public void begin(int chunk, FrameHeader header) {
        long size = header.frameBytes();
        if (bytes + size > bytesMax) {
            throw new OverloadedException(
                    "frames of " + (bytes + size) + " bytes exceed the collector's " + bytesMax,
                    Duration.ofMillis(100));
        }
        bytes += size;
        MemorySegment frame = arena.allocate(size, Long.BYTES);
        byte[] head = header.toBytes();
        MemorySegment.copy(MemorySegment.ofArray(head), 0, frame, 0, head.length);
        chunks.put(chunk, new Collected(header, frame));
    }

    @Override
    public void segment(int chunk, int segment, MemorySegment from) {
        Collected collected = chunks.get(chunk);
        if (collected == null) {
            throw new IllegalStateException("segment of chunk " + chunk + " before its header");
        }
        long offset = collected.header().offset(segment);
        MemorySegment.copy(from, 0, collected.frame(), offset, from.byteSize());
    }

    /** What has come of a chunk, by its index in the match. */
    public Optional<Collected> chunk(int index) {
        return Optional.ofNullable(chunks.get(index));
    }
}
