package io.kvtier.storage;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.zip.CRC32C;

/**
 * What a cold store keeps with a value, little-endian:
 *
 * <table>
 * <caption>Record, version 1, and 2 for a value that expires</caption>
 * <tr><th>offset</th><th>field</th><th>type</th></tr>
 * <tr><td>0</td><td>version</td><td>u16, 1 or 2</td></tr>
 * <tr><td>2</td><td>cuts</td><td>u16, count</td></tr>
 * <tr><td>4</td><td>quality</td><td>u32</td></tr>
 * <tr><td>8</td><td>generation</td><td>u64, names the value in the value column</td></tr>
 * <tr><td>16</td><td>bytes</td><td>u64, length of the value</td></tr>
 * <tr><td>24</td><td>valueCrc</td><td>u32, CRC32C of scope, key, generation (big-endian), value</td></tr>
 * <tr><td>28</td><td>tokens</td><td>u32</td></tr>
 * <tr><td>32</td><td>encodingId</td><td>32 bytes</td></tr>
 * <tr><td>64</td><td>summaryBytes</td><td>u32</td></tr>
 * <tr><td>68</td><td>expiryMillis</td><td>i64, in version 2 only</td></tr>
 * <tr><td></td><td>cuts</td><td>u64 each</td></tr>
 * <tr><td></td><td>summary</td><td>bytes</td></tr>
 * <tr><td>end − 4</td><td>crc32c</td><td>u32, of scope, key and all bytes before it</td></tr>
 * </table>
 *
 * @param meta what the caller gave
 * @param generation which put of this store wrote the value
 * @param valueCrc of the value and its full name, so that a value in another's place is seen, too
 */
public record MetaRecord(ChunkMeta meta, long generation, int valueCrc) {
    private static final int VERSION = 1;
    private static final int EXPIRING_VERSION = 2;
    private static final int FIXED_BYTES = 68;
    private static final int CRC_BYTES = 4;

    /** The record's bytes, which only this key can decode. */
    public byte[] encode(StoreKey key) {
        long[] cuts = meta.cuts();
        ByteBuffer summary = meta.summaryView();
        boolean expires = meta.expiryMillis() != ChunkMeta.NEVER;
        int words = cuts.length + (expires ? 1 : 0);
        ByteBuffer target =
                ByteBuffer.allocate(FIXED_BYTES + 8 * words + summary.remaining() + CRC_BYTES)
                        .order(ByteOrder.LITTLE_ENDIAN);
        target.putShort((short) (expires ? EXPIRING_VERSION : VERSION))
                .putShort((short) cuts.length)
                .putInt(meta.quality())
                .putLong(generation)
                .putLong(meta.bytes())
                .putInt(valueCrc)
                .putInt(meta.tokens())
                .put(meta.encodingId())
                .putInt(summary.remaining());
        if (expires) {
            target.putLong(meta.expiryMillis());
        }
        for (long cut : cuts) {
            target.putLong(cut);
        }
        target.put(summary);
        target.putInt(crc(key, target.duplicate().flip()));
        return target.array();
    }

    /**
     * Reads a record back.
     *
     * @throws CorruptChunkException if it is not exactly what {@link #encode} wrote for this key
     */
    public static MetaRecord decode(StoreKey key, byte[] bytes) throws CorruptChunkException {
        if (bytes.length < FIXED_BYTES + CRC_BYTES) {
            throw corrupt(key, "at least " + (FIXED_BYTES + CRC_BYTES) + " bytes", bytes.length);
        }
        ByteBuffer source = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        int stored = source.getInt(bytes.length - CRC_BYTES);
        int actual = crc(key, source.duplicate().limit(bytes.length - CRC_BYTES));
        if (stored != actual) {
            throw corrupt(key, "crc " + stored, actual);
        }
        int version = source.getShort();
        if (version != VERSION && version != EXPIRING_VERSION) {
            throw corrupt(key, "version " + VERSION + " or " + EXPIRING_VERSION, version);
        }
        int words = version == VERSION ? 0 : 1;
        int cutCount = Short.toUnsignedInt(source.getShort());
        int quality = source.getInt();
        long generation = source.getLong();
        long valueBytes = source.getLong();
        int valueCrc = source.getInt();
        int tokens = source.getInt();
        byte[] encodingId = new byte[ChunkMeta.ENCODING_ID_BYTES];
        source.get(encodingId);
        int summaryBytes = source.getInt();
        long expected = FIXED_BYTES + 8L * (words + cutCount) + summaryBytes + CRC_BYTES;
        if (summaryBytes < 0 || expected != bytes.length) {
            throw corrupt(key, expected + " bytes", bytes.length);
        }
        long expiryMillis = words == 0 ? ChunkMeta.NEVER : source.getLong();
        long[] cuts = new long[cutCount];
        source.asLongBuffer().get(cuts);
        source.position(source.position() + 8 * cutCount);
        byte[] summary = new byte[summaryBytes];
        source.get(summary);
        try {
            ChunkMeta meta =
                    new ChunkMeta(
                            encodingId, valueBytes, quality, tokens, cuts, summary, expiryMillis);
            return new MetaRecord(meta, generation, valueCrc);
        } catch (InvalidRequestException e) {
            throw new CorruptChunkException(key, "meta", "a valid record", e.toString());
        }
    }

    /** Name of a value in the value column: scope ‖ key ‖ generation, big-endian. */
    static void writeValueName(StoreKey key, long generation, ByteBuffer target) {
        key.write(target);
        target.order(ByteOrder.BIG_ENDIAN).putLong(generation);
    }

    /** CRC32C of a value and its name. */
    public static int valueCrc(StoreKey key, long generation, ByteBuffer value) {
        CRC32C crc = startValueCrc(key, generation);
        crc.update(value);
        return (int) crc.getValue();
    }

    /** A checksum that has taken a value's name, and now wants the value piece by piece. */
    public static CRC32C startValueCrc(StoreKey key, long generation) {
        ByteBuffer name = ByteBuffer.allocate(StoreKey.BYTES + Long.BYTES);
        writeValueName(key, generation, name);
        CRC32C crc = new CRC32C();
        crc.update(name.flip());
        return crc;
    }

    private static int crc(StoreKey key, ByteBuffer bytes) {
        ByteBuffer name = ByteBuffer.allocate(StoreKey.BYTES);
        key.write(name);
        CRC32C crc = new CRC32C();
        crc.update(name.flip());
        crc.update(bytes);
        return (int) crc.getValue();
    }

    private static CorruptChunkException corrupt(StoreKey key, String expected, long actual) {
        return new CorruptChunkException(key, "meta", expected, Long.toString(actual));
    }
}
