package io.kvtier.codec.frame;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.kvtier.codec.error.CorruptChunkException;
import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.error.KvtierException;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.Dtype;
import io.kvtier.codec.identity.Namespace;
import io.kvtier.codec.testing.Frames;
import io.kvtier.codec.testing.Property;
import io.kvtier.codec.testing.Samples;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

class FrameRefusalTest {
    private static final DecodeLimits LIMITS = DecodeLimits.defaults();

    @Test
    void readHeader_anyBitFlipped_refuses() {
        for (FrameHeader header : Samples.headers().values()) {
            byte[] good = header.toBytes();
            for (int bit = 0; bit < 8 * good.length; bit++) {
                byte[] bad = flipped(good, bit);
                assertThatThrownBy(() -> read(bad))
                        .as("bit %d", bit)
                        .isInstanceOf(KvtierException.class);
            }
        }
    }

    /** With the checksum made to fit, each bit still means something or is refused. */
    @Test
    void readHeader_anyBitFlippedAndSealedAgain_isRefusedOrAnotherEncoding() {
        int refused = 0;
        int bits = 0;
        for (FrameHeader header : Samples.headers().values()) {
            byte[] good = header.toBytes();
            for (int bit = 0; bit < 8 * (good.length - 4); bit++) {
                byte[] bad = sealed(flipped(good, bit));
                bits++;
                try {
                    FrameHeader other = read(bad);
                    assertThat(other.toBytes()).as("bit %d", bit).isEqualTo(bad);
                    assertThat(other.encodingId()).isNotEqualTo(header.encodingId());
                } catch (KvtierException e) {
                    refused++;
                }
            }
        }
        assertThat(refused).isBetween(bits / 10, bits - 1);
    }

    @Test
    void readHeader_cutAnywhere_refuses() {
        byte[] good = Samples.header("default parts").toBytes();
        for (int length = 0; length < good.length; length++) {
            byte[] bad = Arrays.copyOf(good, length);
            assertThatThrownBy(() -> read(bad))
                    .as("%d bytes", length)
                    .isInstanceOf(CorruptChunkException.class);
        }
    }

    @Test
    void readHeader_countsBeyondLimits_allocatesNothingForThem() {
        byte[] good = Samples.header("default parts").toBytes();
        com.sun.management.ThreadMXBean threads =
                (com.sun.management.ThreadMXBean)
                        java.lang.management.ManagementFactory.getThreadMXBean();
        for (int at : new int[] {8, 12, 160, 164}) {
            for (int value : new int[] {-1, Integer.MAX_VALUE, Integer.MIN_VALUE, (1 << 30) + 1}) {
                byte[] bad = good.clone();
                ByteBuffer.wrap(bad).order(ByteOrder.LITTLE_ENDIAN).putInt(at, value);
                byte[] sealed = sealed(bad);
                long before = threads.getCurrentThreadAllocatedBytes();
                assertThatThrownBy(() -> read(sealed))
                        .as("%d at offset %d", value, at)
                        .isInstanceOf(CorruptChunkException.class);
                long allocated = threads.getCurrentThreadAllocatedBytes() - before;
                assertThat(allocated).as("bytes allocated").isLessThan(1 << 20);
            }
        }
    }

    @Test
    void readHeader_reservedFieldOrUnknownFlag_saysThatALaterVersionWroteIt() {
        for (FrameHeader header : Samples.headers().values()) {
            byte[] good = header.toBytes();
            int segments = 168 + 4 * header.parts().size();
            for (int at : new int[] {7, 158, 159, 170, 171, segments + 7, segments + 24 + 7}) {
                byte[] bad = good.clone();
                bad[at] |= (byte) 0x80;
                assertThatThrownBy(() -> read(sealed(bad)))
                        .as("offset %d", at)
                        .isInstanceOf(InvalidRequestException.class)
                        .hasMessageContaining("a newer kvtier wrote it");
            }
        }
    }

    @Test
    void readHeader_distortionOfTokensThatThePartDoesNotCover_refuses() {
        FrameHeader tails = Samples.header("default parts");
        int segments = 168 + 4 * tails.parts().size();
        for (int i = 0; i < tails.segments().size(); i++) {
            Span span = tails.parts().get(tails.segments().get(i).part()).span();
            int at = segments + 24 * i + 16;
            refusesFloat(tails, at, span.coversHead(), "segment " + i + " distortion");
            refusesFloat(tails, at + 4, span.coversTail(), "segment " + i + " tailDistortion");
        }
        FrameHeader exact = Samples.header("exact");
        refusesFloat(exact, 172 + 16, false, "segment 0 distortion");
        refusesFloat(exact, 172 + 24 + 20, false, "segment 1 tailDistortion");
    }

    private static void refusesFloat(FrameHeader header, int at, boolean isAllowed, String what) {
        byte[] bytes = header.toBytes();
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putFloat(at, 0.5f);
        if (isAllowed) {
            assertThat(read(sealed(bytes)).toBytes()).isEqualTo(bytes);
        } else {
            assertThatThrownBy(() -> read(sealed(bytes)))
                    .isInstanceOf(CorruptChunkException.class)
                    .hasMessage(what + " is 0.5, expected 0");
        }
    }

    @Test
    void readHeader_coverageBitBehindTheLastToken_refuses() {
        FrameHeader sparse = Samples.header("dropped tokens");
        assertThat(sparse.tokens()).isEqualTo(10);
        byte[] good = sparse.toBytes();
        int last = good.length - 4 - 1;
        for (int bit = 0; bit < 8; bit++) {
            byte[] other = good.clone();
            other[last] ^= (byte) (1 << bit);
            if (bit < 2) {
                assertThat(read(sealed(other)).isPresent(8 + bit)).isFalse();
            } else {
                assertThatThrownBy(() -> read(sealed(other)))
                        .isInstanceOf(CorruptChunkException.class)
                        .hasMessageContaining("coverage bits behind the last token");
            }
        }
    }

    @Test
    void readHeader_exactWithTailOrProfile_refuses() {
        for (int at : new int[] {80, 150}) {
            byte[] bad = Samples.header("exact").toBytes();
            bad[at] = 8;
            assertThatThrownBy(() -> read(sealed(bad)))
                    .isInstanceOf(CorruptChunkException.class)
                    .hasMessageContaining("of an exact frame");
        }
    }

    @Test
    void verify_anyByteOfABodyFlipped_refuses() {
        Namespace namespace = Frames.namespace();
        Property.forAll(
                20,
                random -> {
                    byte[] good = frame(random);
                    int header = read(good).headerBytes();
                    int bit = 8 * header + random.nextInt(8 * (good.length - header));
                    assertThatThrownBy(() -> verify(flipped(good, bit), namespace))
                            .isInstanceOf(CorruptChunkException.class)
                            .hasMessageContaining("crc32c");
                });
    }

    @Test
    void verify_cutAtAnyByte_takesOnlyTheCutsOfItsParts() {
        Namespace namespace = Frames.namespace();
        byte[] good = frame(new Random(1));
        FrameHeader header = read(good);
        for (int length = header.headerBytes(); length <= good.length; length++) {
            byte[] cut = Arrays.copyOf(good, length);
            if (header.cuts().contains((long) length)) {
                assertThat(verify(cut, namespace)).isEqualTo(header);
                assertThat(header.partsHeld(length)).isGreaterThanOrEqualTo(1);
            } else {
                assertThatThrownBy(() -> verify(cut, namespace))
                        .isInstanceOf(CorruptChunkException.class);
            }
        }
    }

    @Test
    void verify_underAnotherNamespace_saysWhatDiffers() {
        byte[] good = frame(new Random(2));
        assertThatThrownBy(() -> verify(good, Frames.namespace().exact()))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining("namespace");
    }

    /** A header that names our namespace but not its geometry, with a checksum that fits. */
    @Test
    void verify_geometryOfAnother_saysWhichField() {
        byte[] good = frame(new Random(4));
        int tokens = read(good).tokens();
        refusesField(good, 157, Dtype.BF16.code(), "frame's dtype is BF16, expected F16");
        refusesField(good, 12, good[12] ^ 4, "frame's decoded bytes is ");
        refusesField(good, 148, tokens - 1, "frame's decoded bytes is ");
        assertThatThrownBy(() -> verify(good, withDtype(Frames.namespace(), Dtype.F32)))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining("frame's namespace");
    }

    private static void refusesField(byte[] good, int at, int value, String message) {
        byte[] bad = good.clone();
        bad[at] = (byte) value;
        byte[] header = sealed(Arrays.copyOf(bad, read(good).headerBytes()));
        System.arraycopy(header, 0, bad, 0, header.length);
        assertThatThrownBy(() -> verify(bad, Frames.namespace()))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining(message)
                .hasMessageContaining("expected");
    }

    private static Namespace withDtype(Namespace namespace, Dtype dtype) {
        return Namespace.adaptive(namespace.model(), namespace.geometry().withDtype(dtype));
    }

    @Test
    void verify_longerThanTheLimit_refusesBeforeReading() {
        byte[] good = frame(new Random(3));
        DecodeLimits tight = new DecodeLimits(good.length - 1, 1 << 20, 1 << 20, 100, 100);
        Namespace namespace = Frames.namespace();
        assertThatThrownBy(
                        () ->
                                FrameBytes.verify(
                                        MemorySegment.ofArray(good),
                                        namespace,
                                        namespace.digest(),
                                        tight))
                .isInstanceOf(CorruptChunkException.class)
                .hasMessageContaining("frame bytes");
    }

    @Test
    void encodingId_isTheDigestOfTheHeadersBytes() {
        for (FrameHeader header : Samples.headers().values()) {
            assertThat(header.encodingId()).isEqualTo(Digest.sha256(header.toBytes()));
        }
    }

    private static byte[] frame(Random random) {
        return Frames.frame(Frames.namespace(), Samples.tokens(64), random);
    }

    private static FrameHeader read(byte[] bytes) {
        return FrameBytes.readHeader(MemorySegment.ofArray(bytes), LIMITS);
    }

    private static FrameHeader verify(byte[] bytes, Namespace namespace) {
        MemorySegment frame = MemorySegment.ofArray(bytes);
        return FrameBytes.verify(frame, namespace, namespace.digest(), LIMITS);
    }

    private static byte[] flipped(byte[] good, int bit) {
        byte[] bad = good.clone();
        bad[bit / 8] ^= (byte) (1 << bit % 8);
        return bad;
    }

    private static byte[] sealed(byte[] header) {
        int end = header.length - 4;
        int crc = FrameBytes.crc32c(MemorySegment.ofArray(header).asSlice(0, end));
        ByteBuffer.wrap(header).order(ByteOrder.LITTLE_ENDIAN).putInt(end, crc);
        return header;
    }
}
