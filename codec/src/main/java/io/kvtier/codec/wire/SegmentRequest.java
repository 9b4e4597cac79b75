package io.kvtier.codec.wire;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.identity.Digest;
import java.nio.ByteBuffer;

/**
 * Asks for all segments of some parts of one chunk.
 *
 * @param encodingId the encoding to stay with, zeros = whichever is held
 * @param partFrom first part
 * @param partTo behind the last part
 * @param withHeader whether the frame's header comes first
 * @param headGroups bit mask of head groups, all ones = all
 * @param budgetNanos time that the client has left, 0 = none given
 * @param claim of the stream that it belongs to
 */
public record SegmentRequest(
        int request,
        Digest key,
        Digest encodingId,
        int partFrom,
        int partTo,
        boolean withHeader,
        long headGroups,
        long budgetNanos,
        StreamClaim claim)
        implements StreamRequest {
    /** Mask of all head groups. */
    public static final long ALL_HEADS = -1;

    static final int TYPE = 6;

    /** Checks the range of parts. */
    public SegmentRequest {
        check(
                partFrom >= 0 && partFrom <= partTo && partTo <= FrameHeader.PARTS_MAX,
                "parts",
                partFrom + ".." + partTo,
                "an ascending range within 0..16");
        check(budgetNanos >= 0, "budgetNanos", budgetNanos, "0 or more");
    }

    /** A request of a client that claims nothing. */
    public SegmentRequest(
            int request,
            Digest key,
            Digest encodingId,
            int partFrom,
            int partTo,
            boolean withHeader,
            long headGroups,
            long budgetNanos) {
        this(
                request,
                key,
                encodingId,
                partFrom,
                partTo,
                withHeader,
                headGroups,
                budgetNanos,
                StreamClaim.NONE);
    }

    @Override
    public byte[] toBytes() {
        ByteBuffer out = Wire.begin(TYPE, 24 + 2 * Digest.BYTES + StreamClaim.BYTES);
        out.putInt(request);
        key.write(out);
        encodingId.write(out);
        out.put((byte) partFrom).put((byte) partTo);
        out.put((byte) (withHeader ? 1 : 0)).put((byte) 0);
        out.putLong(headGroups).putLong(budgetNanos);
        claim.write(out);
        return out.array();
    }

    static SegmentRequest parse(ByteBuffer bytes) {
        return Wire.parse(
                bytes,
                TYPE,
                "SegmentRequest",
                in -> {
                    int request = in.getInt();
                    Digest key = Digest.read(in);
                    Digest encodingId = Digest.read(in);
                    int from = Wire.u8(in);
                    int to = Wire.u8(in);
                    int header = Wire.u8(in);
                    check(header <= 1, "withHeader", header, "0 or 1");
                    Wire.reserved(in, 1, "SegmentRequest");
                    return new SegmentRequest(
                            request,
                            key,
                            encodingId,
                            from,
                            to,
                            header == 1,
                            in.getLong(),
                            in.getLong(),
                            StreamClaim.read(in));
                });
    }
}
