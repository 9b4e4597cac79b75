package io.kvtier.codec.wire;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.frame.Part;
import io.kvtier.codec.frame.SegmentEntry;
import io.kvtier.codec.frame.Span;
import io.kvtier.codec.identity.Digest;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * What a planner needs to know of a held chunk: bytes and distortion of each part, summed over its
 * segments. A store keeps these bytes as the chunk's summary and lookups answer with them.
 *
 * @param partsHeld leading parts that the node holds
 */
public record ChunkDirectory(
        Digest encodingId,
        int headerBytes,
        int firstPosition,
        int tokens,
        int tailTokens,
        int partsHeld,
        List<Entry> parts) {
    private static final int FIXED_BYTES = Digest.BYTES + 16;
    private static final int PART_BYTES = 16;

    /**
     * One part: what it costs, and the squared error that is left once it is decoded.
     *
     * @param bytes of all its segments
     * @param distortion left on head tokens, 0 for a tail part
     * @param tailDistortion left on tail tokens, 0 for a head part
     */
    public record Entry(Part part, long bytes, float distortion, float tailDistortion) {
        private static final long BYTES_MAX = 0xffffffffL;

        /** Checks that the figures are such as planners can add up. */
        public Entry {
            check(bytes >= 0 && bytes <= BYTES_MAX, "bytes of a part", bytes, "0..2^32-1");
            check(
                    isError(distortion) && isError(tailDistortion),
                    "distortion",
                    distortion + ", " + tailDistortion,
                    "finite and 0 or more");
        }

        private static boolean isError(float value) {
            return value >= 0 && value < Float.POSITIVE_INFINITY;
        }
    }

    /** Checks the counts. */
    public ChunkDirectory {
        parts = List.copyOf(parts);
        int count = parts.size();
        check(count >= 1 && count <= FrameHeader.PARTS_MAX, "parts", count, "1..16");
        check(partsHeld >= 1 && partsHeld <= count, "partsHeld", partsHeld, "1.." + count);
        check(headerBytes >= 0, "headerBytes", headerBytes, "0..2^31-1");
        check(firstPosition >= 0, "firstPosition", firstPosition, "0..2^31-1");
        check(tokens >= 1, "tokens", tokens, "at least 1");
        check(parts.getFirst().part().equals(Part.BASE), "part 0", parts.getFirst(), Part.BASE);
    }

    /** Sums up a header for a frame of which {@code partsHeld} parts are held. */
    public static ChunkDirectory of(FrameHeader header, int partsHeld) {
        List<Entry> entries = new ArrayList<>();
        for (int part = 0; part < header.parts().size(); part++) {
            long bytes = 0;
            double distortion = 0;
            double tail = 0;
            int end = header.firstSegment(part + 1);
            for (int i = header.firstSegment(part); i < end; i++) {
                SegmentEntry segment = header.segments().get(i);
                bytes += segment.bytes();
                distortion += segment.distortion();
                tail += segment.tailDistortion();
            }
            entries.add(
                    new Entry(header.parts().get(part), bytes, (float) distortion, (float) tail));
        }
        return new ChunkDirectory(
                header.encodingId(),
                header.headerBytes(),
                header.firstPosition(),
                header.tokens(),
                header.tailTokens(),
                partsHeld,
                entries);
    }

    /** The same chunk with fewer or more parts held. */
    public ChunkDirectory withPartsHeld(int held) {
        return new ChunkDirectory(
                encodingId, headerBytes, firstPosition, tokens, tailTokens, held, parts);
    }

    /** Length of {@link #toBytes}. */
    public int byteSize() {
        return FIXED_BYTES + parts.size() * PART_BYTES;
    }

    /** The chunk's bytes in a {@link LookupReply}. */
    public byte[] toBytes() {
        ByteBuffer out = ByteBuffer.allocate(byteSize()).order(ByteOrder.LITTLE_ENDIAN);
        encodingId.write(out);
        out.putInt(headerBytes).putInt(firstPosition);
        out.putShort((short) tokens).putShort((short) tailTokens);
        out.put((byte) parts.size()).put((byte) partsHeld).putShort((short) 0);
        for (Entry entry : parts) {
            out.put((byte) entry.part().rung()).put((byte) entry.part().span().ordinal());
            out.putShort((short) 0).putInt((int) entry.bytes());
            out.putFloat(entry.distortion()).putFloat(entry.tailDistortion());
        }
        return out.array();
    }

    /** Reads one directory from the buffer's position on. */
    public static ChunkDirectory read(ByteBuffer bytes) {
        ByteBuffer in = bytes.slice().order(ByteOrder.LITTLE_ENDIAN);
        Digest encodingId = Digest.read(in);
        int headerBytes = in.getInt();
        int firstPosition = in.getInt();
        int tokens = Wire.u16(in);
        int tailTokens = Wire.u16(in);
        int parts = Wire.u8(in);
        int held = Wire.u8(in);
        Wire.reserved(in, 2, "ChunkDirectory");
        check(parts <= FrameHeader.PARTS_MAX, "parts", parts, "1..16");
        List<Entry> entries = new ArrayList<>(parts);
        for (int i = 0; i < parts; i++) {
            int rung = Wire.u8(in);
            int span = Wire.u8(in);
            check(span <= 2, "span", span, "0..2");
            Wire.reserved(in, 2, "ChunkDirectory");
            long partBytes = Integer.toUnsignedLong(in.getInt());
            float distortion = in.getFloat();
            float tail = in.getFloat();
            Part part = new Part(rung, Span.values()[span]);
            entries.add(new Entry(part, partBytes, distortion, tail));
        }
        bytes.position(bytes.position() + in.position());
        return new ChunkDirectory(
                encodingId, headerBytes, firstPosition, tokens, tailTokens, held, entries);
    }
}
