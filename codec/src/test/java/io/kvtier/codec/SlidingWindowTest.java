package io.kvtier.codec;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.codec.frame.DecodeLimits;
import io.kvtier.codec.frame.FrameBytes;
import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.Dtype;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.identity.Namespace;
import io.kvtier.codec.identity.Rope;
import io.kvtier.codec.profile.DataFree;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Readers leave out layers whose window has passed a chunk: segments must let them. */
class SlidingWindowTest {
    private static final Geometry GEOMETRY =
            new Geometry(
                    2,
                    1,
                    16,
                    16,
                    Dtype.F16,
                    Geometry.Kind.ATTENTION,
                    0,
                    List.of(Rope.rotateHalf(16, 10_000)),
                    List.of(0, 0, 0, 0, 0),
                    List.of(0, 1, 2, 3, 4),
                    List.of(64, 64, -1, 64, 128));

    @Test
    void segments_neverMixWindows() {
        Namespace namespace = Namespace.adaptive(Digest.ZERO, GEOMETRY);
        KvBlock block = KvBlock.allocate(GEOMETRY, 0, 64);
        for (int i = 0; i < block.keys().byteSize() / 2; i++) {
            short value = Float.floatToFloat16((float) Math.sin(i));
            block.keys().set(ValueLayout.JAVA_SHORT_UNALIGNED, 2L * i, value);
        }
        byte[] frame =
                new ChunkEncoder(namespace, DataFree.of(GEOMETRY))
                        .encode(Digest.ZERO, Digest.ZERO, block);
        FrameHeader header =
                FrameBytes.readHeader(MemorySegment.ofArray(frame), DecodeLimits.defaults());
        for (int part = 0; part < header.parts().size(); part++) {
            int index = part;
            assertThat(header.segments().stream().filter(entry -> entry.part() == index))
                    .extracting(entry -> entry.firstLayerGroup() + "+" + entry.layerGroups())
                    .containsExactly("0+2", "2+1", "3+1", "4+1");
        }
    }
}
