package io.kvtier.codec.frame;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.kvtier.codec.error.CorruptChunkException;
import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.error.KvtierException;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.Namespace;
import io.kvtier.codec.testing.Frames;
import io.kvtier.codec.testing.Property;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;

class FrameBytesTest {
    private static final DecodeLimits LIMITS = DecodeLimits.defaults();
    private static final Namespace NAMESPACE = Frames.namespace();
    private static final Digest DIGEST = NAMESPACE.digest();
    private static final int[] TOKENS = IntStream.range(0, 256).toArray();

    @Test
    void header_writtenAndRead_isTheSame() {
        byte[] frame = frame();
        FrameHeader header = read(frame);
        assertThat(header.toBytes()).isEqualTo(Arrays.copyOf(frame, header.headerBytes()));
        assertThat(header.frameBytes()).isEqualTo(frame.length);
        assertThat(header.encodingId()).isEqualTo(Digest.sha256(header.toBytes()));
        assertThat(header.tokensOf(Span.TAIL)).isEqualTo(32);
        assertThat(header.tokensOf(Span.HEAD)).isEqualTo(224);
    }

    @Test
    void verify_eachCut_passesAndHoldsItsParts() {
        byte[] frame = frame();
        FrameHeader header = read(frame);
        for (int parts = 1; parts <= 4; parts++) {
            byte[] cut = Arrays.copyOf(frame, header.cuts().get(parts - 1).intValue());
            FrameHeader verified = verify(cut);
            assertThat(verified.partsHeld(cut.length)).isEqualTo(parts);
            assertThat(verified.encodingId()).isEqualTo(header.encodingId());
        }
    }

    @Test
    void verify_anyFlippedBit_isRefused() {
        byte[] frame = frame();
        Property.forAll(
                2000,
                random -> {
                    byte[] damaged = frame.clone();
                    int bit = random.nextInt(8 * frame.length);
                    damaged[bit / 8] ^= (byte) (1 << bit % 8);
                    assertThatThrownBy(() -> verify(damaged)).isInstanceOf(KvtierException.class);
                });
    }

    @Test
    void verify_anyLengthButACut_isRefused() {
        byte[] frame = frame();
        FrameHeader header = read(frame);
        for (int length = 0; length < frame.length; length++) {
            byte[] cut = Arrays.copyOf(frame, length);
            if (!header.cuts().contains((long) length)) {
                assertThatThrownBy(() -> verify(cut)).isInstanceOf(CorruptChunkException.class);
            }
        }
    }

    @Test
    void header_anyByteForgedWithItsChecksum_isRefusedOrHangsTogether() {
        byte[] frame = frame();
        int headerBytes = read(frame).headerBytes();
        Property.forAll(
                3000,
                random -> {
                    byte[] forged = frame.clone();
                    for (int i = 0; i < 1 + random.nextInt(3); i++) {
                        forged[random.nextInt(headerBytes - 4)] = (byte) random.nextInt(256);
                    }
                    forgeChecksum(forged, headerBytes);
                    try {
                        FrameHeader header = read(forged);
                        assertThat(header.frameBytes()).isPositive();
                        assertThat(header.cuts()).hasSameSizeAs(header.parts());
                    } catch (KvtierException e) {
                        assertThat(e.getMessage()).contains("expected");
                    }
                });
    }

    @Test
    void verify_ofAnotherNamespace_saysWhatDiffers() {
        byte[] frame = frame();
        Namespace other = NAMESPACE.exact();
        assertThatThrownBy(
                        () ->
                                FrameBytes.verify(
                                        MemorySegment.ofArray(frame),
                                        other,
                                        other.digest(),
                                        LIMITS))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining("frame's namespace")
                .hasMessageContaining(other.digest().toString());
    }

    @Test
    void header_ofANewerVersion_isRefusedAsSuch() {
        byte[] frame = frame();
        frame[4] = 2;
        assertThatThrownBy(() -> read(frame))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining("newer");
    }

    @Test
    void header_longerThanTheLimit_isRefusedBeforeItIsRead() {
        byte[] frame = frame();
        DecodeLimits small = new DecodeLimits(1 << 20, 100, 1 << 20, 100, 256);
        assertThatThrownBy(() -> FrameBytes.readHeader(MemorySegment.ofArray(frame), small))
                .isInstanceOf(CorruptChunkException.class)
                .hasMessageContaining("headerBytes");
    }

    private static byte[] frame() {
        return Frames.frame(NAMESPACE, TOKENS, new Random(11));
    }

    private static FrameHeader read(byte[] frame) {
        return FrameBytes.readHeader(MemorySegment.ofArray(frame), LIMITS);
    }

    private static FrameHeader verify(byte[] frame) {
        return FrameBytes.verify(MemorySegment.ofArray(frame), NAMESPACE, DIGEST, LIMITS);
    }

    private static void forgeChecksum(byte[] frame, int headerBytes) {
        CRC32C crc = new CRC32C();
        crc.update(frame, 0, headerBytes - 4);
        for (int i = 0; i < 4; i++) {
            frame[headerBytes - 4 + i] = (byte) (crc.getValue() >>> (8 * i));
        }
    }
}
