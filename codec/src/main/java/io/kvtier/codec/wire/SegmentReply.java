package io.kvtier.codec.wire;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.identity.Digest;
import java.nio.ByteBuffer;

/**
 * Metadata of one batch of a segment stream: which bytes its row holds.
 *
 * @param request number of the request (or, for a DoGet, index of the key) that it answers
 * @param hasHeader whether the row begins with the frame's header
 * @param last whether it is the last reply to this request
 * @param firstSegment index in the directory of the first segment in the row
 * @param segments how many whole segments follow each other in the row
 * @param encodingId of the encoding that they belong to
 * @param bytesPerSecond what the node's link has for this stream now, 0 = unknown
 * @param retryMillis after which a stream that was refused may be let in, 0 = not refused
 * @param message why, in words, when the status is not DATA
 */
public record SegmentReply(
        int request,
        Status status,
        boolean hasHeader,
        boolean last,
        int firstSegment,
        int segments,
        Digest encodingId,
        long bytesPerSecond,
        int retryMillis,
        String message) {
    static final int TYPE = 8;

    /** What a reply says; the ordinal is its byte on the wire. */
    public enum Status {
        DATA,
        /** The chunk is not held (any more). */
        MISS,
        /** Another encoding than the one asked for is held: its id is in the reply. */
        OTHER_ENCODING,
        /** The request cannot be answered as it is: parts that are not held, a wrong range. */
        BAD_REQUEST,
        OVERLOADED,
        CANCELLED
    }

    /** Checks ranges. */
    public SegmentReply {
        check(bytesPerSecond >= 0, "bytesPerSecond", bytesPerSecond, "0 or more");
        check(retryMillis >= 0, "retryMillis", retryMillis, "0 or more");
    }

    /** A reply without bytes, which ends its request. */
    public static SegmentReply end(int request, Status status, Digest encodingId, String message) {
        return new SegmentReply(request, status, false, true, 0, 0, encodingId, 0, 0, message);
    }

    /** A refusal for lack of room, which ends its request. */
    public static SegmentReply overloaded(
            int request, Digest encodingId, int retryMillis, String message) {
        return new SegmentReply(
                request, Status.OVERLOADED, false, true, 0, 0, encodingId, 0, retryMillis, message);
    }

    /** Bytes of the reply. */
    public byte[] toBytes() {
        byte[] text = Wire.utf8(message);
        ByteBuffer out = Wire.begin(TYPE, 30 + Digest.BYTES + text.length);
        out.putInt(request).put((byte) status.ordinal());
        out.put((byte) ((hasHeader ? 1 : 0) | (last ? 2 : 0))).putShort((short) 0);
        out.putInt(firstSegment).putInt(segments);
        encodingId.write(out);
        out.putLong(bytesPerSecond).putInt(retryMillis);
        Wire.writeString(out, text);
        return out.array();
    }

    /** Reads a reply; refuses any other bytes. */
    public static SegmentReply parse(ByteBuffer bytes) {
        return Wire.parse(
                bytes,
                TYPE,
                "SegmentReply",
                in -> {
                    int request = in.getInt();
                    int status = Wire.u8(in);
                    check(status < Status.values().length, "segment status", status, "0..5");
                    int flags = Wire.u8(in);
                    check(flags <= 3, "SegmentReply flags", flags, "0..3");
                    Wire.reserved(in, 2, "SegmentReply");
                    int first = in.getInt();
                    int count = in.getInt();
                    check(first >= 0 && count >= 0, "segments", first + "+" + count, ">= 0");
                    return new SegmentReply(
                            request,
                            Status.values()[status],
                            (flags & 1) != 0,
                            (flags & 2) != 0,
                            first,
                            count,
                            Digest.read(in),
                            in.getLong(),
                            in.getInt(),
                            Wire.readString(in));
                });
    }
}
