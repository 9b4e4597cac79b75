package io.kvtier.integration;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.client.Delivery;
import io.kvtier.client.SegmentSink;
import io.kvtier.codec.frame.FrameHeader;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;

/** Keeps what a stream delivers, and does something when a given segment arrives. */
final class SwitchingSink implements SegmentSink {
    private final int at;
    private final Runnable what;
    private final Map<Integer, FrameHeader> headers = new HashMap<>();
    private final Map<Integer, Map<Integer, byte[]>> segments = new HashMap<>();
    private int count;

    SwitchingSink(int at, Runnable what) {
        this.at = at;
        this.what = what;
    }

    @Override
    public void begin(int chunk, FrameHeader header) {
        headers.put(chunk, header);
        segments.put(chunk, new HashMap<>());
    }

    @Override
    public void segment(int chunk, int segment, MemorySegment bytes) {
        byte[] copy = bytes.toArray(ValueLayout.JAVA_BYTE);
        Objects.requireNonNull(segments.get(chunk)).put(segment, copy);
        if (count++ == at) {
            what.run();
        }
    }

    boolean hasSwitched() {
        return count > at;
    }

    /** Every chunk is of one encoding, byte for byte; returns how many are of the second. */
    int assertSound(Delivery delivery, List<byte[]> first, List<byte[]> second) {
        int ofSecond = 0;
        for (int i = 0; i < delivery.delivered(); i++) {
            Delivery.Chunk chunk = delivery.chunks().get(i);
            int index = i;
            byte[] frame =
                    Stream.of(first.get(i), second.get(i))
                            .filter(f -> headerOf(f).encodingId().equals(chunk.encodingId()))
                            .findFirst()
                            .orElseThrow(() -> new AssertionError("encoding of chunk " + index));
            FrameHeader header = headerOf(frame);
            assertThat(headers.get(i)).isEqualTo(header);
            Map<Integer, byte[]> got = Objects.requireNonNull(segments.get(i));
            assertThat(chunk.parts().has(0)).isTrue();
            for (int s = 0; s < header.segments().size(); s++) {
                if (chunk.parts().has(header.segments().get(s).part())) {
                    int from = (int) header.offset(s);
                    int to = (int) header.offset(s + 1);
                    assertThat(got.get(s)).isEqualTo(Arrays.copyOfRange(frame, from, to));
                }
            }
            ofSecond += headerOf(second.get(i)).equals(header) ? 1 : 0;
        }
        return ofSecond;
    }

    private static FrameHeader headerOf(byte[] frame) {
        return StoredFrames.header(frame);
    }
}
