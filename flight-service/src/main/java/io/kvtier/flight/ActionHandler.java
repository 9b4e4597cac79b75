package io.kvtier.flight;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.wire.ChunkDirectory;
import io.kvtier.codec.wire.ControlRequest;
import io.kvtier.codec.wire.GroupLookup;
import io.kvtier.codec.wire.Heartbeat;
import io.kvtier.codec.wire.LookupCommand;
import io.kvtier.codec.wire.LookupReply;
import io.kvtier.codec.wire.MemberCommand;
import io.kvtier.codec.wire.ProfilePiece;
import io.kvtier.codec.wire.RetentionCommand;
import io.kvtier.storage.ChunkMeta;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.apache.arrow.flight.Action;
import org.apache.arrow.flight.ActionType;
import org.apache.arrow.flight.FlightProducer.StreamListener;
import org.apache.arrow.flight.Result;

/** The small calls: lookup, statistics, profiles. */
final class ActionHandler {
    static final List<ActionType> TYPES =
            List.of(
                    new ActionType("lookup", "LookupCommand → LookupReply: longest held prefix"),
                    new ActionType("lookup-groups", "GroupLookup → a LookupReply for each group"),
                    new ActionType("retain", "RetentionCommand → RetentionReply: pins, ends"),
                    new ActionType("explain", "LookupCommand → JSON: why each is held or not"),
                    new ActionType("stats", "→ JSON"),
                    new ActionType("map", "→ ClusterMap"),
                    new ActionType("control", "Heartbeat or MemberCommand → ControlReply"),
                    new ActionType("put-profile", "a file or a piece of one → its id"),
                    new ActionType("get-profile", "an id → the file, in pieces"));

    private static final int PIECE_BYTES = 4 << 20;

    private final NodeContext node;
    private final Caller caller;
    private final Object connection;

    /**
     * @param connection over which the call came
     */
    ActionHandler(NodeContext node, Caller caller, Object connection) {
        this.node = node;
        this.caller = caller;
        this.connection = connection;
    }

    /** Answers one action. */
    void run(Action action, StreamListener<Result> results) {
        ByteBuffer body = ByteBuffer.wrap(action.getBody());
        switch (action.getType()) {
            case "lookup" -> results.onNext(new Result(lookup(LookupCommand.parse(body))));
            case "lookup-groups" -> lookup(GroupLookup.parse(body), results);
            case "map" -> results.onNext(new Result(node.control().map().toBytes()));
            case "control" -> results.onNext(new Result(control(ControlRequest.parse(body))));
            case "retain" -> results.onNext(new Result(retain(RetentionCommand.parse(body))));
            case "explain" -> results.onNext(new Result(explain(LookupCommand.parse(body))));
            case "stats" -> results.onNext(new Result(stats()));
            case "put-profile" -> results.onNext(new Result(putProfile(body)));
            case "get-profile" -> getProfile(action.getBody(), results);
            default ->
                    throw new InvalidRequestException(
                            "action is '"
                                    + action.getType()
                                    + "', expected one of "
                                    + TYPES.stream().map(ActionType::getType).toList());
        }
    }

    private void lookup(GroupLookup command, StreamListener<Result> results) {
        for (List<Digest> keys : command.groups()) {
            byte[] reply = lookup(new LookupCommand(command.namespace(), keys));
            results.onNext(new Result(reply));
        }
    }

    private byte[] lookup(LookupCommand command) {
        TenantKeys keys = new TenantKeys(node.store(), caller.tenant());
        List<ChunkDirectory> held = new ArrayList<>();
        Series.Looked why = Series.Looked.NOT_HELD;
        for (Digest key : command.keys()) {
            Optional<ChunkMeta> meta = node.store().find(keys.toRead(key));
            Optional<ChunkDirectory> directory =
                    meta.flatMap(found -> HeldFrame.directory(found, command.namespace()));
            if (directory.isEmpty()) {
                why = Series.whyMissed(node.store(), keys.toRead(key));
                break;
            }
            held.add(directory.get());
        }
        node.meter()
                .looked(
                        caller.tenant(),
                        command.namespace(),
                        command.keys().size(),
                        held.size(),
                        why);
        // A stream may follow: what was promised to it should still be there.
        node.store()
                .protect(
                        connection,
                        command.keys().subList(0, held.size()).stream().map(keys::toRead).toList());
        return new LookupReply(node.link().offerBytesPerSecond(), held).toBytes();
    }

    private byte[] retain(RetentionCommand command) {
        Tenant tenant = caller.as(RetentionHandler.roleFor(command.verb()));
        return new RetentionHandler(node.store(), tenant).run(command).toBytes();
    }

    private byte[] control(ControlRequest request) {
        var _ =
                switch (request) {
                    case Heartbeat beat -> caller.as(Role.NODE);
                    case MemberCommand command -> caller.as(Role.ADMIN);
                };
        return node.control().handle(request).toBytes();
    }

    private byte[] explain(LookupCommand command) {
        return KeyExplanation.of(node.store(), caller.tenant(), command).getBytes(UTF_8);
    }

    /** Counts of the whole node, so not for every tenant. */
    private byte[] stats() {
        var _ = caller.as(Role.ADMIN);
        return node.stats().get().getBytes(UTF_8);
    }

    private byte[] putProfile(ByteBuffer body) {
        var _ = caller.as(Role.WRITER);
        ProfilePiece piece = ProfilePiece.parse(body);
        boolean complete =
                node.profiles().write(piece.id(), piece.total(), piece.offset(), piece.bytes());
        return complete ? piece.id().toBytes() : new byte[0];
    }

    private void getProfile(byte[] id, StreamListener<Result> results) {
        Optional<ByteBuffer> found = node.profiles().find(Digest.of(id));
        if (found.isEmpty()) {
            return;
        }
        ByteBuffer file = found.get();
        while (file.hasRemaining()) {
            byte[] piece = new byte[Math.min(PIECE_BYTES, file.remaining())];
            file.get(piece);
            results.onNext(new Result(piece));
        }
    }
}
