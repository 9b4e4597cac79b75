package io.kvtier.flight;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.client.Delivery;
import io.kvtier.client.SegmentSink;
import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.identity.Digest;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/** Keeps what a stream delivers and compares it with the frames that were put. */
class RecordingSink implements SegmentSink {
    final Map<Integer, FrameHeader> headers = new HashMap<>();
    final Map<Integer, Map<Integer, byte[]>> segments = new HashMap<>();
    int segmentCount;

    @Override
    public void begin(int chunk, FrameHeader header) {
        headers.put(chunk, header);
        segments.put(chunk, new HashMap<>());
    }

    @Override
    public void segment(int chunk, int segment, MemorySegment bytes) {
        byte[] copy = bytes.toArray(ValueLayout.JAVA_BYTE);
        Objects.requireNonNull(segments.get(chunk)).put(segment, copy);
        segmentCount++;
    }

    /** Every delivered part is, byte for byte, that of one of the encodings, by its id. */
    void assertSound(Delivery delivery, List<List<byte[]>> encodings) {
        for (int i = 0; i < delivery.delivered(); i++) {
            Delivery.Chunk chunk = delivery.chunks().get(i);
            byte[] frame = frameOf(chunk.encodingId(), i, encodings);
            FrameHeader header = TestFrames.header(frame);
            assertThat(headers.get(i)).isEqualTo(header);
            for (int part = 0; part < header.parts().size(); part++) {
                if (chunk.parts().has(part)) {
                    assertPart(i, part, header, frame);
                }
            }
        }
    }

    private void assertPart(int chunk, int part, FrameHeader header, byte[] frame) {
        for (int s = header.firstSegment(part); s < header.firstSegment(part + 1); s++) {
            int from = (int) header.offset(s);
            byte[] expected =
                    Arrays.copyOfRange(frame, from, from + header.segments().get(s).bytes());
            assertThat(Objects.requireNonNull(segments.get(chunk)).get(s)).isEqualTo(expected);
        }
    }

    private static byte[] frameOf(Digest id, int chunk, List<List<byte[]>> encodings) {
        return encodings.stream()
                .map(frames -> frames.get(chunk))
                .filter(frame -> TestFrames.header(frame).encodingId().equals(id))
                .findFirst()
                .orElseThrow(() -> new AssertionError("nobody put encoding " + id.brief()));
    }
}
