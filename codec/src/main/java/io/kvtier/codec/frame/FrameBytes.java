package io.kvtier.codec.frame;

import static io.kvtier.codec.error.CorruptChunkException.check;

import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.Dtype;
import io.kvtier.codec.identity.Namespace;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.CRC32C;

/** Reads, writes and verifies frames: headers first, then segments by their checksums. */
public final class FrameBytes {
    /** Format version that this code reads and writes. */
    public static final int VERSION = 1;

    private static final int MAGIC = 0x3154564b; // "KVT1", little-endian
    private static final int FIXED_BYTES = 168;
    private static final int PART_BYTES = 4;
    private static final int CRC_BYTES = 4;
    private static final int HEADER_BYTES_AT = 8;

    private FrameBytes() {}

    /**
     * Bytes that a reader needs before it knows {@link #headerBytes(MemorySegment, DecodeLimits)}.
     */
    public static int bytesToKnowHeader() {
        return HEADER_BYTES_AT + 4;
    }

    /** Length of the header that begins at the segment's start, checked against the limit. */
    public static int headerBytes(MemorySegment start, DecodeLimits limits) {
        check(start.byteSize() >= 12, "frame bytes", "at least 12", start.byteSize());
        ByteBuffer in = start.asSlice(0, 12).asByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
        checkMagicAndVersion(in);
        int bytes = in.getInt(HEADER_BYTES_AT);
        check(
                bytes >= FIXED_BYTES + PART_BYTES + CRC_BYTES && bytes <= limits.headerBytesMax(),
                "headerBytes",
                "up to " + limits.headerBytesMax(),
                Integer.toUnsignedString(bytes));
        return bytes;
    }

    /**
     * The header at the start of {@code frame}, which may be longer.
     *
     * @throws io.kvtier.codec.error.CorruptChunkException when a byte is not what it should be
     * @throws InvalidRequestException when a newer version wrote it: another version, unknown
     *     flags, or a reserved field that is not 0
     */
    public static FrameHeader readHeader(MemorySegment frame, DecodeLimits limits) {
        int bytes = headerBytes(frame, limits);
        check(frame.byteSize() >= bytes, "frame bytes", "header of " + bytes, frame.byteSize());
        ByteBuffer in = frame.asSlice(0, bytes).asByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
        int crc = in.getInt(bytes - CRC_BYTES);
        int actual = crc32c(frame.asSlice(0, bytes - CRC_BYTES));
        check(crc == actual, "header crc32c", Integer.toHexString(crc), hex(actual));
        return parse(in, bytes, limits);
    }

    /**
     * Verifies a whole frame, cut after a part or not, against the namespace that it is put under:
     * identity, geometry, directory, and the checksum of every segment held.
     */
    public static FrameHeader verify(
            MemorySegment frame, Namespace namespace, Digest digest, DecodeLimits limits) {
        check(
                frame.byteSize() <= limits.frameBytesMax(),
                "frame bytes",
                "up to " + limits.frameBytesMax(),
                frame.byteSize());
        FrameHeader header = readHeader(frame, limits);
        verifyIdentity(header, namespace, digest);
        check(
                header.cuts().contains(frame.byteSize()),
                "frame bytes",
                "one of its cuts " + header.cuts(),
                frame.byteSize());
        long at = header.headerBytes();
        for (int i = 0; at < frame.byteSize(); i++) {
            int bytes = header.segments().get(i).bytes();
            verifySegment(header, i, frame.asSlice(at, bytes));
            at += bytes;
        }
        return header;
    }

    /** Refuses a header that is not of this namespace, saying what differs. */
    public static void verifyIdentity(FrameHeader header, Namespace namespace, Digest digest) {
        same("frame's namespace", header.namespace(), digest);
        same("frame's kind", header.kind(), namespace.kind());
        same("frame's dtype", header.dtype(), namespace.geometry().dtype());
        InvalidRequestException.check(
                header.tokens() <= namespace.chunkTokens(),
                "frame's tokens",
                header.tokens(),
                "at most the namespace's " + namespace.chunkTokens());
        same(
                "frame's decoded bytes",
                header.decodedBytes(),
                namespace.geometry().decodedBytes(header.tokens()));
        int stored = namespace.geometry().storedLayers().size();
        InvalidRequestException.check(
                header.layerGroups() <= stored + 1
                        && header.headGroups() <= namespace.geometry().kvHeads(),
                "frame's groups",
                header.layerGroups() + " by " + header.headGroups(),
                "at most "
                        + stored
                        + " layers, one more if deep, by "
                        + namespace.geometry().kvHeads()
                        + " heads");
    }

    /** Checks one segment's bytes against the directory. */
    public static void verifySegment(FrameHeader header, int index, MemorySegment bytes) {
        SegmentEntry entry = header.segments().get(index);
        String where = "segment " + index + " of chunk " + header.key().brief();
        check(bytes.byteSize() == entry.bytes(), where + " bytes", entry.bytes(), bytes.byteSize());
        int crc = crc32c(bytes);
        check(crc == entry.crc32c(), where + " crc32c", hex(entry.crc32c()), hex(crc));
    }

    /** CRC32C of a memory segment of at most 2 GiB. */
    public static int crc32c(MemorySegment bytes) {
        CRC32C crc = new CRC32C();
        crc.update(bytes.asByteBuffer());
        return (int) crc.getValue();
    }

    static int headerBytes(FrameHeader header) {
        return FIXED_BYTES
                + header.parts().size() * PART_BYTES
                + header.segments().size() * SegmentEntry.BYTES
                + header.coverage().size()
                + CRC_BYTES;
    }

    static byte[] write(FrameHeader h) {
        ByteBuffer out = ByteBuffer.allocate(headerBytes(h)).order(ByteOrder.LITTLE_ENDIAN);
        out.putInt(MAGIC).putShort((short) VERSION).put((byte) h.kind().ordinal());
        out.put((byte) (h.coverage().isEmpty() ? 0 : 1));
        out.putInt(out.capacity()).putInt((int) h.decodedBytes());
        h.key().write(out);
        h.namespace().write(out);
        h.profile().write(out);
        h.tokenDigest().write(out);
        out.putInt(h.firstPosition()).putShort((short) h.tokens()).putShort((short) h.tailTokens());
        out.putShort((short) h.layerGroups()).putShort((short) h.headGroups());
        out.put((byte) h.parts().size()).put((byte) h.dtype().code()).putShort((short) 0);
        out.putInt(h.segments().size()).putInt(h.coverage().size());
        for (Part part : h.parts()) {
            out.put((byte) part.rung()).put((byte) part.span().ordinal()).putShort((short) 0);
        }
        for (SegmentEntry e : h.segments()) {
            out.putShort((short) e.firstLayerGroup()).putShort((short) e.layerGroups());
            out.putShort((short) e.headGroup()).put((byte) e.part()).put((byte) 0);
            out.putInt(e.bytes()).putInt(e.crc32c());
            out.putFloat(e.distortion()).putFloat(e.tailDistortion());
        }
        h.coverage().forEach(out::put);
        out.putInt(crc32c(MemorySegment.ofArray(out.array()).asSlice(0, out.position())));
        return out.array();
    }

    private static FrameHeader parse(ByteBuffer in, int headerBytes, DecodeLimits limits) {
        int kind = u8(in, 6);
        check(kind <= 1, "frame kind", "0 or 1", kind);
        int flags = u8(in, 7);
        int parts = u8(in, 156);
        int segments = in.getInt(160);
        int coverage = in.getInt(164);
        int tokens = u16(in, 148);
        check(tokens <= limits.tokensMax(), "tokens", "up to " + limits.tokensMax(), tokens);
        long decoded = Integer.toUnsignedLong(in.getInt(12));
        check(
                decoded <= limits.decodedBytesMax(),
                "decodedBytes",
                limits.decodedBytesMax(),
                decoded);
        check(parts <= FrameHeader.PARTS_MAX, "parts", FrameHeader.PARTS_MAX, parts);
        check(segments >= 1 && segments <= limits.segmentsMax(), "segments", "1..", segments);
        check(coverage >= 0 && coverage <= (tokens + 7) / 8, "coverage bytes", "", coverage);
        later(flags <= 1, "frame flags", flags, "0 or 1");
        check(flags == (coverage > 0 ? 1 : 0), "frame flags", coverage > 0 ? 1 : 0, flags);
        later(u16(in, 158) == 0, "reserved frame field", u16(in, 158), 0);
        long expected =
                FIXED_BYTES
                        + (long) parts * PART_BYTES
                        + (long) segments * SegmentEntry.BYTES
                        + coverage
                        + CRC_BYTES;
        check(headerBytes == expected, "headerBytes", expected, headerBytes);
        check(u8(in, 157) < Dtype.values().length, "frame dtype", "0..2", u8(in, 157));
        ByteBuffer digests = in.duplicate().position(16);
        return new FrameHeader(
                Namespace.Kind.values()[kind],
                decoded,
                Digest.read(digests),
                Digest.read(digests),
                Digest.read(digests),
                Digest.read(digests),
                in.getInt(144),
                tokens,
                u16(in, 150),
                u16(in, 152),
                u16(in, 154),
                Dtype.of(u8(in, 157)),
                readParts(in, parts),
                readSegments(in, parts, segments),
                readCoverage(in, headerBytes - CRC_BYTES - coverage, coverage));
    }

    private static List<Part> readParts(ByteBuffer in, int count) {
        List<Part> out = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            int at = FIXED_BYTES + i * PART_BYTES;
            check(u8(in, at) < Part.RUNGS_MAX, "rung of part " + i, "0..3", u8(in, at));
            check(u8(in, at + 1) <= 2, "span of part " + i, "0..2", u8(in, at + 1));
            later(u16(in, at + 2) == 0, "reserved field of part " + i, u16(in, at + 2), 0);
            out.add(new Part(u8(in, at), Span.values()[u8(in, at + 1)]));
        }
        return out;
    }

    private static List<SegmentEntry> readSegments(ByteBuffer in, int parts, int count) {
        List<SegmentEntry> out = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            int at = FIXED_BYTES + parts * PART_BYTES + i * SegmentEntry.BYTES;
            later(u8(in, at + 7) == 0, "reserved field of segment " + i, u8(in, at + 7), 0);
            out.add(
                    new SegmentEntry(
                            u16(in, at),
                            u16(in, at + 2),
                            u16(in, at + 4),
                            u8(in, at + 6),
                            in.getInt(at + 8),
                            in.getInt(at + 12),
                            in.getFloat(at + 16),
                            in.getFloat(at + 20)));
        }
        return out;
    }

    private static List<Byte> readCoverage(ByteBuffer in, int at, int count) {
        List<Byte> out = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            out.add(in.get(at + i));
        }
        return out;
    }

    private static void checkMagicAndVersion(ByteBuffer in) {
        check(in.getInt(0) == MAGIC, "frame magic", hex(MAGIC), hex(in.getInt(0)));
        int version = u16(in, 4);
        InvalidRequestException.check(
                version == VERSION,
                "frame version",
                version,
                VERSION + (version > VERSION ? ": a newer kvtier wrote it" : ""));
    }

    /** What version 1 keeps free is used: by a later version that kept the number. */
    private static void later(boolean holds, String what, Object got, Object expected) {
        InvalidRequestException.check(holds, what, got, expected + ": a newer kvtier wrote it");
    }

    private static void same(String what, Object actual, Object expected) {
        InvalidRequestException.check(actual.equals(expected), what, actual, expected);
    }

    private static int u8(ByteBuffer in, int at) {
        return Byte.toUnsignedInt(in.get(at));
    }

    private static int u16(ByteBuffer in, int at) {
        return Short.toUnsignedInt(in.getShort(at));
    }

    private static String hex(int value) {
        return Integer.toHexString(value);
    }
}
