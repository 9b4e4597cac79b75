package io.kvtier.client;

import io.kvtier.codec.frame.FrameHeader;
import java.lang.foreign.MemorySegment;

/**
 * Takes what a stream delivers, already verified. Called from the thread that opened the stream,
 * whose deadline it uses up.
 */
public interface SegmentSink {
    /**
     * The header of a chunk, before any of its segments. Coming again for the same chunk it voids
     * all that came before: the node's encoding has changed, and encodings never mix.
     *
     * @param chunk index in the match
     */
    void begin(int chunk, FrameHeader header);

    /**
     * One segment of the encoding that began last.
     *
     * @param segment index in the header's directory
     * @param bytes read-only and lent: gone after the call
     */
    void segment(int chunk, int segment, MemorySegment bytes);
}
