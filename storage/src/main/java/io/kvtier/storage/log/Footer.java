package io.kvtier.storage.log;

import io.kvtier.storage.StoreKey;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * What a sealed segment ends with: a list of its records, so that a start reads no heads.
 *
 * <p>Payload, little-endian, {@value #ENTRY_BYTES} bytes a record: offset u32, recordBytes u32,
 * kind u32, zero u32, generation u64, key 48 bytes (zeros for deaths). The last {@value
 * #TRAILER_BYTES} bytes of the file, behind the padding, are the offset of the footer (u64) and its
 * complement.
 */
final class Footer {
    static final int ENTRY_BYTES = 24 + StoreKey.BYTES;
    static final int TRAILER_BYTES = 16;

    private static final StoreKey NO_KEY =
            StoreKey.of(new byte[StoreKey.SCOPE_BYTES], new byte[StoreKey.KEY_BYTES]);

    /** One record: a chunk, or deaths. */
    record Entry(
            RecordHead.Kind kind, StoreKey key, long generation, int offset, int recordBytes) {}

    private Footer() {}

    static Entry deaths(int offset, int recordBytes) {
        return new Entry(RecordHead.Kind.DEATHS, NO_KEY, 0, offset, recordBytes);
    }

    /** Bytes that a footer of so many records takes at the end of a segment. */
    static long bytes(long entries) {
        long payload = entries * ENTRY_BYTES;
        return RecordHead.align(RecordHead.FIXED_BYTES + 4 + payload + TRAILER_BYTES);
    }

    /** The whole end of a segment whose records end at {@code offset}. */
    static ByteBuffer encode(Segment segment, int offset, List<Entry> entries) {
        ByteBuffer payload =
                ByteBuffer.allocate(entries.size() * ENTRY_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        for (Entry entry : entries) {
            payload.putInt(entry.offset())
                    .putInt(entry.recordBytes())
                    .putInt(entry.kind().ordinal())
                    .putInt(0)
                    .putLong(entry.generation());
            entry.key().write(payload);
        }
        ByteBuffer head =
                RecordHead.encode(RecordHead.Kind.FOOTER, segment, offset, 0, payload.flip());
        int bytes = Math.toIntExact(bytes(entries.size()));
        ByteBuffer end = ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN).put(head);
        end.putLong(bytes - TRAILER_BYTES, offset).putLong(bytes - 8, ~(long) offset);
        return end.clear();
    }

    /** Where the footer starts, by the last bytes of a file; nothing if they do not say. */
    static Optional<Long> offset(ByteBuffer trailer, long fileBytes) {
        ByteBuffer source = trailer.duplicate().order(ByteOrder.LITTLE_ENDIAN);
        long offset = source.getLong();
        boolean sound =
                offset == ~source.getLong()
                        && offset >= RecordHead.ALIGN_BYTES
                        && offset % RecordHead.ALIGN_BYTES == 0
                        && offset < fileBytes;
        return sound ? Optional.of(offset) : Optional.empty();
    }

    /** The records of a footer whose checksum is right. */
    static List<Entry> entries(RecordHead footer) {
        ByteBuffer payload = footer.payload().duplicate().order(ByteOrder.LITTLE_ENDIAN);
        List<Entry> entries = new ArrayList<>(payload.remaining() / ENTRY_BYTES);
        while (payload.remaining() >= ENTRY_BYTES) {
            int offset = payload.getInt();
            int recordBytes = payload.getInt();
            RecordHead.Kind kind = RecordHead.Kind.values()[payload.getInt()];
            int _ = payload.getInt();
            long generation = payload.getLong();
            entries.add(new Entry(kind, StoreKey.read(payload), generation, offset, recordBytes));
        }
        return entries;
    }
}
