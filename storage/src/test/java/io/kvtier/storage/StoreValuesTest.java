package io.kvtier.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;

/** {@link StoreKey}, {@link ChunkMeta} and {@link MetaRecord}. */
class StoreValuesTest {
    private static byte[] bytes(int from, int count) {
        byte[] bytes = new byte[count];
        for (int i = 0; i < count; i++) {
            bytes[i] = (byte) (from + i);
        }
        return bytes;
    }

    @Test
    void storeKey_roundTrips_inAnyByteOrder() {
        StoreKey key = StoreKey.of(bytes(200, 16), bytes(240, 32));

        assertThat(key.scope()).isEqualTo(bytes(200, 16));
        assertThat(key.key()).isEqualTo(bytes(240, 32));
        for (ByteOrder order : List.of(ByteOrder.BIG_ENDIAN, ByteOrder.LITTLE_ENDIAN)) {
            ByteBuffer buffer = ByteBuffer.allocate(50).order(order);
            key.write(buffer);
            assertThat(buffer.position()).isEqualTo(StoreKey.BYTES);
            assertThat(HexFormat.of().formatHex(buffer.array()))
                    .startsWith("c8c9cacb")
                    .endsWith("0d0e0f0000");
            assertThat(StoreKey.read(buffer.flip())).isEqualTo(key).hasSameHashCodeAs(key);
        }
        assertThat(key.toString()).isEqualTo("f0f1f2f3");
    }

    @Test
    void storeKey_differsByScopeAndByEveryKeyByte() {
        StoreKey key = StoreKey.of(new byte[16], new byte[32]);
        for (int i = 0; i < StoreKey.BYTES; i++) {
            byte[] changed = new byte[StoreKey.BYTES];
            changed[i] = 1;
            StoreKey other = StoreKey.read(ByteBuffer.wrap(changed));
            assertThat(other).isNotEqualTo(key).isGreaterThan(key);
        }
    }

    @Test
    void storeKey_order_isThatOfUnsignedBytes() {
        List<StoreKey> keys = new ArrayList<>();
        for (int i = 0; i < 200; i++) {
            keys.add(TestChunks.key(i));
        }
        Collections.sort(keys);
        for (int i = 1; i < keys.size(); i++) {
            assertThat(HexFormat.of().formatHex(keys.get(i - 1).key()))
                    .isLessThan(HexFormat.of().formatHex(keys.get(i).key()));
        }
    }

    @Test
    void storeKey_wrongLengths_areRefused() {
        assertThatThrownBy(() -> StoreKey.of(new byte[15], new byte[32]))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining("15");
        assertThatThrownBy(() -> StoreKey.read(ByteBuffer.allocate(47)))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining("47");
    }

    @Test
    void chunkMeta_arrays_areCopiedBothWays() {
        byte[] id = bytes(0, 32);
        long[] cuts = {10, 20};
        byte[] summary = {1};
        ChunkMeta meta = new ChunkMeta(id, 20, 2, 256, cuts, summary);
        id[0] = 9;
        cuts[0] = 9;
        summary[0] = 9;
        meta.encodingId()[1] = 99;
        meta.cuts()[1] = 99;
        meta.summary()[0] = 99;

        assertThat(meta)
                .isEqualTo(
                        new ChunkMeta(
                                bytes(0, 32), 20, 2, 256, new long[] {10, 20}, new byte[] {1}));
        assertThat(meta.summaryView().isReadOnly()).isTrue();
    }

    @Test
    void chunkMeta_outOfRange_namesTheField() {
        byte[] id = new byte[32];
        byte[] none = {};
        assertRefused("encodingId", new byte[31], 1, 1, new long[] {1}, none);
        assertRefused("bytes", id, 0, 1, new long[] {1}, none);
        assertRefused("bytes", id, ChunkMeta.BYTES_MAX + 1, 1, new long[] {1}, none);
        assertRefused("quality", id, 1, 0, new long[] {1}, none);
        assertRefused("cuts", id, 5, 1, new long[] {}, none);
        assertRefused("cuts", id, 5, 1, new long[] {1, 5}, none);
        assertRefused("cut", id, 5, 2, new long[] {5, 5}, none);
        assertRefused("last cut", id, 5, 2, new long[] {1, 4}, none);
        assertRefused("summary", id, 5, 1, new long[] {5}, new byte[65_537]);
    }

    private static void assertRefused(
            String field, byte[] id, long bytes, int quality, long[] cuts, byte[] summary) {
        assertThatThrownBy(() -> new ChunkMeta(id, bytes, quality, 1, cuts, summary))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining(field);
    }

    @Test
    void metaRecord_roundTrips_andEveryFlippedBitIsSeen() throws CorruptChunkException {
        ChunkMeta meta =
                new ChunkMeta(bytes(7, 32), 300, 3, 99, new long[] {1, 20, 300}, bytes(1, 50));
        MetaRecord record = new MetaRecord(meta, 0x1122334455667788L, 0xCAFEBABE);
        StoreKey key = TestChunks.key(1);
        byte[] encoded = record.encode(key);

        assertThat(encoded).hasSize(68 + 3 * 8 + 50 + 4);
        assertThat(MetaRecord.decode(key, encoded)).isEqualTo(record);
        for (int bit = 0; bit < 8 * encoded.length; bit++) {
            byte[] flipped = encoded.clone();
            flipped[bit / 8] ^= (byte) (1 << bit % 8);
            assertThatThrownBy(() -> MetaRecord.decode(key, flipped))
                    .isInstanceOf(CorruptChunkException.class);
        }
        assertThatThrownBy(() -> MetaRecord.decode(TestChunks.key(2), encoded))
                .as("a record in another's place")
                .isInstanceOf(CorruptChunkException.class);
        for (int length = 0; length < encoded.length; length++) {
            byte[] cut = Arrays.copyOf(encoded, length);
            assertThatThrownBy(() -> MetaRecord.decode(key, cut))
                    .isInstanceOf(CorruptChunkException.class);
        }
    }
}
