package io.kvtier.codec.wire;

import static io.kvtier.codec.error.InvalidRequestException.check;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/**
 * What became of each key of a {@link RetentionCommand}.
 *
 * @param statuses in the order of the keys
 */
public record RetentionReply(List<Status> statuses) {
    static final int TYPE = 17;

    /** Of one chunk; the ordinal is its byte on the wire, later ones say more. */
    public enum Status {
        /** The node does not hold it. */
        ABSENT,
        /** It stays although it was to be evicted: it is pinned. */
        PINNED,
        /** Done, or it was so before. */
        DONE
    }

    /** Copies the list. */
    public RetentionReply {
        statuses = List.copyOf(statuses);
    }

    /** So many chunks are of a status. */
    public int count(Status status) {
        return (int) statuses.stream().filter(each -> each == status).count();
    }

    /** What two nodes say of the same chunks: the more of both. */
    public RetentionReply and(RetentionReply other) {
        check(
                other.statuses.size() == statuses.size(),
                "statuses",
                other.statuses.size(),
                statuses.size());
        List<Status> both = new ArrayList<>();
        for (int i = 0; i < statuses.size(); i++) {
            Status mine = statuses.get(i);
            Status theirs = other.statuses.get(i);
            both.add(mine.compareTo(theirs) >= 0 ? mine : theirs);
        }
        return new RetentionReply(both);
    }

    /** Bytes of the reply. */
    public byte[] toBytes() {
        ByteBuffer out = Wire.begin(TYPE, 4 + statuses.size()).putInt(statuses.size());
        statuses.forEach(status -> out.put((byte) status.ordinal()));
        return out.array();
    }

    /** Reads a reply; refuses any other bytes. */
    public static RetentionReply parse(ByteBuffer bytes) {
        return Wire.parse(
                bytes,
                TYPE,
                "RetentionReply",
                in -> {
                    int count = in.getInt();
                    check(count == in.remaining(), "statuses", count, in.remaining());
                    List<Status> statuses = new ArrayList<>(count);
                    for (int i = 0; i < count; i++) {
                        int status = Wire.u8(in);
                        check(status < Status.values().length, "status", status, "0..2");
                        statuses.add(Status.values()[status]);
                    }
                    return new RetentionReply(statuses);
                });
    }
}
