package io.kvtier.codec.testing;

import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.wire.CancelRequest;
import io.kvtier.codec.wire.ChunkDirectory;
import io.kvtier.codec.wire.ClusterMap;
import io.kvtier.codec.wire.ControlReply;
import io.kvtier.codec.wire.ControlRequest;
import io.kvtier.codec.wire.GetTicket;
import io.kvtier.codec.wire.GroupLookup;
import io.kvtier.codec.wire.Heartbeat;
import io.kvtier.codec.wire.LookupCommand;
import io.kvtier.codec.wire.LookupReply;
import io.kvtier.codec.wire.Member;
import io.kvtier.codec.wire.MemberCommand;
import io.kvtier.codec.wire.Persistence;
import io.kvtier.codec.wire.PutCommand;
import io.kvtier.codec.wire.PutReply;
import io.kvtier.codec.wire.RetentionCommand;
import io.kvtier.codec.wire.RetentionReply;
import io.kvtier.codec.wire.SegmentReply;
import io.kvtier.codec.wire.SegmentRequest;
import io.kvtier.codec.wire.StreamClaim;
import io.kvtier.codec.wire.StreamCommand;
import io.kvtier.codec.wire.StreamRequest;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Messages of every type, and one way to write and read them all. */
public final class Messages {
    private Messages() {}

    /** At least one message of every type. */
    public static List<Record> all() {
        Digest namespace = Frames.namespace().digest();
        Digest key = Samples.digest("key");
        Digest encoding = Samples.digest("encoding");
        List<Digest> keys = List.of(key, Samples.digest("second"), Samples.digest("third"));
        List<Record> out = new ArrayList<>();
        out.add(new PutCommand(Persistence.DISK, 2, Frames.namespace()));
        for (PutReply.Status status : PutReply.Status.values()) {
            String why =
                    status == PutReply.Status.REJECTED ? "tokens is 0, expected 1 or more" : "";
            out.add(new PutReply(key, encoding, status, Persistence.MEMORY, 1, why));
        }
        out.add(new LookupCommand(namespace, keys));
        out.add(new LookupCommand(namespace, List.of()));
        out.add(new LookupReply(0, List.of()));
        out.add(new LookupReply(125_000_000, directories()));
        out.add(new StreamCommand(namespace));
        out.add(new SegmentRequest(7, key, encoding, 0, 4, true, SegmentRequest.ALL_HEADS, 0));
        out.add(new SegmentRequest(8, key, Digest.ZERO, 1, 3, false, 5, 1_500_000_000L));
        out.add(
                new SegmentRequest(
                        9, key, encoding, 0, 1, true, -1, 1, new StreamClaim(3, 5_000, 9_000)));
        out.add(new CancelRequest(0x01020304));
        out.add(
                new SegmentReply(
                        7,
                        SegmentReply.Status.DATA,
                        true,
                        false,
                        0,
                        8,
                        encoding,
                        25_000_000,
                        0,
                        ""));
        out.add(SegmentReply.overloaded(7, encoding, 250, "the link is full"));
        for (SegmentReply.Status status : SegmentReply.Status.values()) {
            out.add(SegmentReply.end(9, status, encoding, "é: " + status));
        }
        out.add(new GetTicket(namespace, 250_000_000, 1_000_000, 3, keys));
        out.addAll(ofTheCluster(namespace, keys));
        return out;
    }

    private static List<Record> ofTheCluster(Digest namespace, List<Digest> keys) {
        List<Record> out = new ArrayList<>();
        out.add(ClusterMap.alone());
        out.add(new ClusterMap(5, 0, 3, 2048, List.of()));
        out.add(map());
        out.add(new Heartbeat(5, 77, false, "node-1", "10.0.0.1:7420", "rack-2", 100));
        out.add(new Heartbeat(0, 0, true, "b", "[::1]:7420", "", 1));
        for (MemberCommand.Verb verb : MemberCommand.Verb.values()) {
            out.add(new MemberCommand(verb, "node-1"));
        }
        ControlReply.Status done = ControlReply.Status.DONE;
        out.add(new ControlReply(done, "10.0.0.1:7420", "", Optional.of(map())));
        ControlReply.Status refused = ControlReply.Status.REFUSED;
        out.add(new ControlReply(refused, "", "nö: no such node", Optional.empty()));
        out.add(new GroupLookup(namespace, List.of(keys, List.of(), keys.subList(1, 2))));
        for (RetentionCommand.Verb verb : RetentionCommand.Verb.values()) {
            long ttl = verb == RetentionCommand.Verb.EXPIRE ? 3_600_000 : 0;
            out.add(new RetentionCommand(verb, ttl, namespace, keys));
        }
        out.add(new RetentionReply(List.of(RetentionReply.Status.values())));
        out.add(new PutCommand(Persistence.MEMORY, 1, Frames.namespace(), 86_400_000));
        return out;
    }

    /** A map with a member in every state. */
    public static ClusterMap map() {
        List<Member> members = new ArrayList<>();
        for (Member.State state : Member.State.values()) {
            int share = state == Member.State.UP ? 100 : 25 * state.ordinal();
            String id = "node-" + state.ordinal();
            members.add(
                    new Member(
                            id,
                            "10.0.0." + state.ordinal() + ":7420",
                            state.ordinal() == 3 ? "" : "rack-" + state.ordinal() % 2,
                            100,
                            state,
                            List.of(share, 100)));
        }
        return new ClusterMap(0x0102030405060708L, 77, 2, 2048, members);
    }

    /** Directories of the sample frames, the first one cut. */
    public static List<ChunkDirectory> directories() {
        List<ChunkDirectory> out = new ArrayList<>();
        for (FrameHeader header : Samples.headers().values()) {
            int held = out.isEmpty() ? 2 : header.parts().size();
            out.add(ChunkDirectory.of(header, held));
        }
        return out;
    }

    /** Bytes of a message. */
    public static byte[] toBytes(Record message) {
        return switch (message) {
            case PutCommand m -> m.toBytes();
            case PutReply m -> m.toBytes();
            case LookupCommand m -> m.toBytes();
            case LookupReply m -> m.toBytes();
            case StreamCommand m -> m.toBytes();
            case StreamRequest m -> m.toBytes();
            case SegmentReply m -> m.toBytes();
            case GetTicket m -> m.toBytes();
            case ClusterMap m -> m.toBytes();
            case ControlRequest m -> m.toBytes();
            case ControlReply m -> m.toBytes();
            case GroupLookup m -> m.toBytes();
            case RetentionCommand m -> m.toBytes();
            case RetentionReply m -> m.toBytes();
            default -> throw new AssertionError("no message: " + message);
        };
    }

    /** The message of these bytes by their type. */
    public static Record parse(byte[] bytes) {
        ByteBuffer in = ByteBuffer.wrap(bytes);
        int type = bytes.length == 0 ? -1 : bytes[0];
        return switch (type) {
            case 1 -> PutCommand.parse(in);
            case 2 -> PutReply.parse(in);
            case 3 -> LookupCommand.parse(in);
            case 4 -> LookupReply.parse(in);
            case 5 -> StreamCommand.parse(in);
            case 6, 7 -> (Record) StreamRequest.parse(in);
            case 8 -> SegmentReply.parse(in);
            case 9 -> GetTicket.parse(in);
            case 11 -> ClusterMap.parse(in);
            case 12, 13 -> (Record) ControlRequest.parse(in);
            case 14 -> ControlReply.parse(in);
            case 15 -> GroupLookup.parse(in);
            case 16 -> RetentionCommand.parse(in);
            case 17 -> RetentionReply.parse(in);
            default -> throw new InvalidRequestException("message type is " + type);
        };
    }
}
