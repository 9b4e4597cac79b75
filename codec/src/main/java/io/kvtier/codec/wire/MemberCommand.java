package io.kvtier.codec.wire;

import static io.kvtier.codec.error.InvalidRequestException.check;

import java.nio.ByteBuffer;
import java.util.List;

/**
 * What an operator wants of a node.
 *
 * @param id of the node
 */
public record MemberCommand(Verb verb, String id) implements ControlRequest {
    static final int TYPE = 13;

    /** What to do; the ordinal is its byte on the wire. */
    public enum Verb {
        /** Place nothing new on it, and let it hand over what is hot. */
        DRAIN,
        /** Take a drained node back in. */
        RESUME,
        /** Forget a node that is down for good. */
        FORGET
    }

    /** Checks the id. */
    public MemberCommand {
        Member _ = new Member(id, "", "", 1, Member.State.UP, List.of(1));
    }

    @Override
    public byte[] toBytes() {
        ByteBuffer out = Wire.begin(TYPE, 4 + id.length());
        out.put((byte) verb.ordinal()).put((byte) 0);
        Member.writeName(out, id);
        return out.array();
    }

    /** Reads a command; refuses any other bytes. */
    static MemberCommand parse(ByteBuffer bytes) {
        return Wire.parse(
                bytes,
                TYPE,
                "MemberCommand",
                in -> {
                    int verb = Wire.u8(in);
                    check(verb < Verb.values().length, "verb", verb, "0..2");
                    Wire.reserved(in, 1, "MemberCommand");
                    return new MemberCommand(Verb.values()[verb], Wire.readString(in));
                });
    }
}
