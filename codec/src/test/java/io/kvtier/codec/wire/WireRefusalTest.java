package io.kvtier.codec.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.frame.Part;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.testing.Messages;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class WireRefusalTest {
    @Test
    void parse_anyBitFlipped_refusesOrIsAnotherMessage() {
        for (Record message : Messages.all()) {
            byte[] good = Messages.toBytes(message);
            for (int bit = 0; bit < 8 * good.length; bit++) {
                byte[] bad = good.clone();
                bad[bit / 8] ^= (byte) (1 << bit % 8);
                try {
                    Record other = Messages.parse(bad);
                    assertThat(other).as("%s, bit %d", message, bit).isNotEqualTo(message);
                    assertThat(Messages.parse(Messages.toBytes(other))).isEqualTo(other);
                } catch (InvalidRequestException e) {
                    assertThat(e.getMessage()).isNotEmpty();
                }
            }
        }
    }

    @Test
    void parse_cutOrLengthened_refuses() {
        for (Record message : Messages.all()) {
            byte[] good = Messages.toBytes(message);
            for (int length = 0; length <= good.length + 1; length++) {
                if (length != good.length) {
                    byte[] bad = Arrays.copyOf(good, length);
                    assertThatThrownBy(() -> Messages.parse(bad))
                            .as("%s, %d bytes", message, length)
                            .isInstanceOf(InvalidRequestException.class);
                }
            }
        }
    }

    @Test
    void parse_moreKeysThanBytes_refusesBeforeAllocating() {
        byte[] bytes = new LookupCommand(Digest.ZERO, List.of()).toBytes();
        for (int count : new int[] {1, 4096, 4097, Integer.MAX_VALUE, -1}) {
            ByteBuffer in = ByteBuffer.wrap(bytes.clone()).order(ByteOrder.LITTLE_ENDIAN);
            in.putInt(bytes.length - 4, count);
            assertThatThrownBy(() -> LookupCommand.parse(in))
                    .isInstanceOf(InvalidRequestException.class)
                    .hasMessageContaining("keys of LookupCommand");
        }
    }

    @Test
    void parse_atAnOffset_leavesTheBufferAsItWas() {
        byte[] message = new CancelRequest(5).toBytes();
        ByteBuffer in = ByteBuffer.allocate(20).position(7);
        in.put(message).flip().position(7);
        assertThat(StreamRequest.parse(in)).isEqualTo(new CancelRequest(5));
        assertThat(in.position()).isEqualTo(7);
    }

    @Test
    void directory_withFiguresThatNoFrameHas_isRefused() {
        assertThatThrownBy(() -> directory(-1, 0, 0)).hasMessageContaining("headerBytes");
        assertThatThrownBy(() -> directory(1, -1, 0)).hasMessageContaining("bytes of a part");
        assertThatThrownBy(() -> directory(1, 1L << 32, 0)).hasMessageContaining("bytes of a part");
        assertThatThrownBy(() -> directory(1, 1, Float.POSITIVE_INFINITY))
                .hasMessageContaining("distortion");
        assertThatThrownBy(() -> directory(1, 1, Float.NaN)).hasMessageContaining("distortion");
    }

    @Test
    void directory_readBehindAnother_movesThePosition() {
        List<ChunkDirectory> directories = Messages.directories();
        ByteBuffer in = ByteBuffer.allocate(4096);
        directories.forEach(directory -> in.put(directory.toBytes()));
        in.flip();
        for (ChunkDirectory directory : directories) {
            assertThat(ChunkDirectory.read(in)).isEqualTo(directory);
        }
        assertThat(in.hasRemaining()).isFalse();
    }

    private static ChunkDirectory directory(int headerBytes, long bytes, float distortion) {
        ChunkDirectory.Entry base = new ChunkDirectory.Entry(Part.BASE, bytes, distortion, 0);
        return new ChunkDirectory(Digest.ZERO, headerBytes, 0, 256, 32, 1, List.of(base));
    }
}
