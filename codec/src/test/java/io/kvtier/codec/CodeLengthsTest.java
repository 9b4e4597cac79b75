package io.kvtier.codec;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

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
import java.util.Random;
import org.junit.jupiter.api.Test;

class CodeLengthsTest {
    private static final int TOKENS = 256;
    private static final Geometry GEOMETRY =
            Geometry.uniform(6, 4, 4, 32, Dtype.F32, Rope.rotateHalf(32, 10_000));
    private static final Namespace NAMESPACE = Namespace.adaptive(Digest.ZERO, GEOMETRY);

    private final byte[] bytes = encode();
    private final FrameHeader header =
            FrameBytes.readHeader(MemorySegment.ofArray(bytes), DecodeLimits.defaults());

    @Test
    void allParts_segmentsAreWithinThreePercentOfTheCodeLength() {
        CodeLengths lengths = decode(header.parts().size());
        double ideal = 0;
        for (int part = 0; part < header.parts().size(); part++) {
            for (int group = 0; group < 6; group++) {
                ideal += lengths.bits(part, group) + lengths.side(part, group);
            }
        }
        double real = 8.0 * (bytes.length - header.headerBytes());
        assertTrue(real > ideal && real < 1.03 * ideal, real + " bits against " + ideal);
    }

    @Test
    void tokens_areTheSumOfTheirGroups_andTheFirstIsRaw() {
        CodeLengths lengths = decode(header.parts().size());
        double byToken = 0;
        double byGroup = 0;
        for (int token = 0; token < TOKENS; token++) {
            byToken += lengths.ofToken(0, token);
        }
        for (int group = 0; group < 6; group++) {
            byGroup += lengths.bits(0, group);
            assertTrue(lengths.ofKeys(0, group) < lengths.bits(0, group));
            assertEquals(0, lengths.tokenClass(group, 7));
        }
        assertEquals(byGroup, byToken, 1e-6 * byGroup);
        assertEquals(32.0 * GEOMETRY.elementsPerToken(), lengths.ofToken(0, 0), 1e-6);
    }

    @Test
    void partsThatDidNotArrive_haveNoBits() {
        CodeLengths lengths = decode(1);
        assertTrue(lengths.bits(0, 3) > 0);
        assertEquals(0, lengths.bits(1, 3));
        assertEquals(0, lengths.ofToken(3, 10));
    }

    private CodeLengths decode(int parts) {
        ChunkDecoder decoder = new ChunkDecoder(NAMESPACE, DataFree.of(GEOMETRY));
        decoder.begin(header);
        for (int s = 0; s < header.firstSegment(parts); s++) {
            int length = header.segments().get(s).bytes();
            MemorySegment frame = MemorySegment.ofArray(bytes);
            decoder.accept(s, frame.asSlice(header.offset(s), length));
        }
        return decoder.codeLengths(header);
    }

    private static byte[] encode() {
        Random random = new Random(11);
        KvBlock block = KvBlock.allocate(GEOMETRY, 0, TOKENS);
        for (MemorySegment tensor : new MemorySegment[] {block.keys(), block.values()}) {
            for (long at = 0; at < tensor.byteSize(); at += 4) {
                float value = (float) random.nextGaussian();
                tensor.set(ValueLayout.JAVA_FLOAT_UNALIGNED, at, value);
            }
        }
        ChunkEncoder encoder = new ChunkEncoder(NAMESPACE, DataFree.of(GEOMETRY));
        return encoder.encode(Digest.ZERO, Digest.ZERO, block);
    }
}
