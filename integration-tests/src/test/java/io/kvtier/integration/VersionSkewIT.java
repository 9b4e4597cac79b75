package io.kvtier.integration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.kvtier.client.ClientOptions;
import io.kvtier.client.KvtierClient;
import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.KeyChain;
import io.kvtier.codec.wire.ClusterMap;
import io.kvtier.codec.wire.GetTicket;
import io.kvtier.codec.wire.GroupLookup;
import io.kvtier.codec.wire.LookupCommand;
import io.kvtier.codec.wire.LookupReply;
import io.kvtier.codec.wire.Member;
import io.kvtier.codec.wire.MemberCommand;
import io.kvtier.codec.wire.Persistence;
import io.kvtier.codec.wire.PutCommand;
import io.kvtier.codec.wire.PutReply;
import io.kvtier.codec.wire.SegmentRequest;
import io.kvtier.codec.wire.StreamCommand;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.arrow.flight.Action;
import org.apache.arrow.flight.FlightClient;
import org.apache.arrow.flight.FlightDescriptor;
import org.apache.arrow.flight.FlightRuntimeException;
import org.apache.arrow.flight.FlightServer;
import org.apache.arrow.flight.FlightStatusCode;
import org.apache.arrow.flight.FlightStream;
import org.apache.arrow.flight.Location;
import org.apache.arrow.flight.NoOpFlightProducer;
import org.apache.arrow.flight.Result;
import org.apache.arrow.flight.Ticket;
import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Row 18 of the fault matrix: messages and frames whose version is the next one are refused in
 * words by a node of this version, which goes on; and a client of this version that meets a node of
 * the next one takes it for one that holds nothing. There is no earlier release to be held against.
 */
@Timeout(120)
class VersionSkewIT {
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final int VERSION_AT = 1;
    private static final int FRAME_VERSION_AT = 4;

    @TempDir Path folder;

    private final int[] tokens = StoredFrames.tokens(3);
    private final List<byte[]> frames = StoredFrames.encoding(tokens, 1);
    private final List<Digest> keys = KeyChain.of(StoredFrames.NAMESPACE, tokens);
    private final Digest namespace = StoredFrames.NAMESPACE.digest();

    @Test
    void row18_messagesOfTheNextVersion_areRefusedAndTheNodeGoesOn() throws Exception {
        try (CommandProcess node = CommandProcess.start(folder, "log");
                KvtierClient client =
                        KvtierClient.connect(node.endpoint(), ClientOptions.defaults());
                BufferAllocator allocator = new RootAllocator(64 << 20);
                FlightClient raw = raw(allocator, node.endpoint())) {
            List<PutReply> _ = put(client, frames);
            actions()
                    .forEach(
                            (action, body) -> {
                                assertRefused(
                                        action,
                                        () ->
                                                raw.doAction(new Action(action, raised(body)))
                                                        .forEachRemaining(_ -> {}));
                                assertServes(client);
                            });
            GetTicket ticket = new GetTicket(namespace, 1_000_000_000, 0, 2, keys);
            assertRefused("get", () -> drain(raw.getStream(new Ticket(raised(ticket.toBytes())))));
            byte[] stream = new StreamCommand(namespace).toBytes();
            assertRefused("exchange", () -> exchange(raw, allocator, raised(stream), stream));
            SegmentRequest request =
                    new SegmentRequest(
                            1,
                            keys.getFirst(),
                            Digest.ZERO,
                            0,
                            1,
                            true,
                            SegmentRequest.ALL_HEADS,
                            0);
            assertRefused(
                    "segment", () -> exchange(raw, allocator, stream, raised(request.toBytes())));
            byte[] put = new PutCommand(Persistence.DISK, 1, StoredFrames.NAMESPACE).toBytes();
            assertThat(put[VERSION_AT]).isEqualTo((byte) 1);
            assertServes(client);
            assertThat(node.stop()).isTrue();
        }
        assertNoErrors();
    }

    @Test
    void row18_aFrameOfTheNextVersion_isRejectedAloneAndItsNeighboursAreStored() throws Exception {
        byte[] newer = frames.get(1).clone();
        newer[FRAME_VERSION_AT]++;
        try (CommandProcess node = CommandProcess.start(folder, "log");
                KvtierClient client =
                        KvtierClient.connect(node.endpoint(), ClientOptions.defaults())) {
            List<PutReply> replies = put(client, List.of(frames.get(0), newer, frames.get(2)));
            assertThat(replies)
                    .extracting(PutReply::status)
                    .containsExactly(
                            PutReply.Status.STORED,
                            PutReply.Status.REJECTED,
                            PutReply.Status.STORED);
            assertThat(replies.get(1).message()).contains("version", "a newer kvtier wrote it");
            assertThat(held(client)).as("the prefix ends before it").isEqualTo(1);
        }
        assertNoErrors();
    }

    /** Two nodes by the map: one of this version, and one whose answers are of the next. */
    @Test
    void row18_aNodeOfTheNextVersion_isAsOneThatHoldsNothing() throws Exception {
        try (CommandProcess node = CommandProcess.start(folder, "log");
                KvtierClient old = KvtierClient.connect(node.endpoint(), ClientOptions.defaults());
                BufferAllocator allocator = new RootAllocator(64 << 20)) {
            List<PutReply> _ = put(old, frames);
            NextVersion producer = new NextVersion(node.endpoint());
            try (FlightServer next =
                    FlightServer.builder(
                                    allocator, Location.forGrpcInsecure("127.0.0.1", 0), producer)
                            .build()
                            .start()) {
                producer.endpoint = "127.0.0.1:" + next.getPort();
                try (KvtierClient client =
                        KvtierClient.connect(producer.endpoint, ClientOptions.defaults())) {
                    assertThat(client.map(client.within(PATIENCE)).members()).hasSize(2);
                    assertThat(held(client)).as("chunks, all on the older node").isEqualTo(3);
                    assertThat(producer.lookups).as("lookups of the newer node").hasPositiveValue();
                }
            }
        }
    }

    @Test
    void row18_replyOfTheNextVersion_isNamedAsSuch() {
        byte[] reply = new LookupReply(0, List.of()).toBytes();
        assertThatThrownBy(() -> LookupReply.parse(java.nio.ByteBuffer.wrap(raised(reply))))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining("LookupReply version is 2, expected 1");
    }

    private Map<String, byte[]> actions() {
        Map<String, byte[]> out = new LinkedHashMap<>();
        out.put("lookup", new LookupCommand(namespace, keys).toBytes());
        out.put("lookup-groups", new GroupLookup(namespace, List.of(keys)).toBytes());
        out.put("control", new MemberCommand(MemberCommand.Verb.DRAIN, "a").toBytes());
        return out;
    }

    private static void assertRefused(String what, ThrowingCallable call) {
        assertThatThrownBy(call)
                .as(what)
                .isInstanceOfSatisfying(
                        FlightRuntimeException.class,
                        e -> {
                            assertThat(e.status().code())
                                    .isEqualTo(FlightStatusCode.INVALID_ARGUMENT);
                            assertThat(e).hasMessageContaining("version is 2, expected 1");
                        });
    }

    private void assertServes(KvtierClient client) {
        assertThat(held(client)).isEqualTo(frames.size());
    }

    private int held(KvtierClient client) {
        return client.match(StoredFrames.NAMESPACE, tokens, client.within(PATIENCE))
                .chunks()
                .size();
    }

    private static void drain(FlightStream stream) throws Exception {
        try (stream) {
            while (stream.next()) {
                stream.getRoot().clear();
            }
        }
    }

    private static void exchange(
            FlightClient raw, BufferAllocator allocator, byte[] command, byte[] message)
            throws Exception {
        try (FlightClient.ExchangeReaderWriter exchange =
                raw.doExchange(FlightDescriptor.command(command))) {
            ArrowBuf buffer = allocator.buffer(message.length);
            buffer.writeBytes(message);
            exchange.getWriter().putMetadata(buffer);
            while (exchange.getReader().next()) {
                exchange.getReader().getRoot().clear();
            }
        }
    }

    private static byte[] raised(byte[] message) {
        byte[] out = message.clone();
        out[VERSION_AT]++;
        return out;
    }

    private static FlightClient raw(BufferAllocator allocator, String endpoint) {
        int port = Integer.parseInt(endpoint.substring(endpoint.lastIndexOf(':') + 1));
        return FlightClient.builder(allocator, Location.forGrpcInsecure("127.0.0.1", port)).build();
    }

    private static List<PutReply> put(KvtierClient client, List<byte[]> frames) {
        return client.put(
                StoredFrames.NAMESPACE,
                frames.stream().map(MemorySegment::ofArray).toList(),
                Persistence.DISK,
                client.within(PATIENCE));
    }

    private void assertNoErrors() throws Exception {
        assertThat(Files.readAllLines(folder.resolve("node.log")))
                .noneMatch(line -> line.contains(" ERROR "));
    }

    /** Tells a map of this version, since epochs outlive versions, and all else of the next. */
    private static final class NextVersion extends NoOpFlightProducer {
        private final String older;
        private volatile String endpoint = "";
        private final AtomicInteger lookups = new AtomicInteger();

        NextVersion(String older) {
            this.older = older;
        }

        @Override
        public void doAction(CallContext context, Action action, StreamListener<Result> results) {
            if (action.getType().equals("map")) {
                List<Member> members =
                        List.of(
                                Member.up("newer", endpoint, "", 100),
                                Member.up("older", older, "", 100));
                results.onNext(new Result(new ClusterMap(7, 1, 2, 2048, members).toBytes()));
            } else {
                int _ = lookups.incrementAndGet();
                results.onNext(new Result(raised(new LookupReply(0, List.of()).toBytes())));
            }
            results.onCompleted();
        }
    }
}
