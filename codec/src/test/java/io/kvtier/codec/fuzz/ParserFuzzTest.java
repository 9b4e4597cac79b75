package io.kvtier.codec.fuzz;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.error.KvtierException;
import io.kvtier.codec.frame.DecodeLimits;
import io.kvtier.codec.frame.FrameBytes;
import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.identity.Namespace;
import io.kvtier.codec.testing.Messages;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * Whatever the bytes, a parser gives a value or a refusal of its own; and a value writes the bytes
 * that it was read from, so that no byte of a digest goes unread.
 */
class ParserFuzzTest {
    private static final ValueLayout.OfInt LE_INT =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    @FuzzTest(maxDuration = "20s")
    void namespace(byte[] data) {
        try {
            Namespace parsed = Namespace.parse(ByteBuffer.wrap(data));
            assertThat(parsed.toBytes()).isEqualTo(data);
        } catch (InvalidRequestException e) {
            assertThat(e).hasMessageContaining("expected");
        }
    }

    /** The checksum is set right first: it would turn every mutation away. */
    @FuzzTest(maxDuration = "20s")
    void header(byte[] data) {
        byte[] bytes = data.clone();
        if (bytes.length >= 4) {
            MemorySegment all = MemorySegment.ofArray(bytes);
            int crc = FrameBytes.crc32c(all.asSlice(0, bytes.length - 4));
            all.set(LE_INT, bytes.length - 4, crc);
        }
        try {
            MemorySegment frame = MemorySegment.ofArray(bytes);
            FrameHeader parsed = FrameBytes.readHeader(frame, DecodeLimits.defaults());
            assertThat(parsed.toBytes()).isEqualTo(Arrays.copyOf(bytes, parsed.headerBytes()));
        } catch (KvtierException e) {
            assertThat(e).hasMessageContaining("expected");
        }
    }

    @FuzzTest(maxDuration = "20s")
    void message(byte[] data) {
        Record parsed;
        try {
            parsed = Messages.parse(data);
        } catch (InvalidRequestException e) {
            assertThat(e.getMessage()).isNotEmpty();
            return;
        }
        assertThat(Messages.parse(Messages.toBytes(parsed))).isEqualTo(parsed);
    }
}
