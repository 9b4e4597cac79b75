package io.kvtier.flight;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.kvtier.client.KvtierClient;
import io.kvtier.client.link.ThrottlingProxy;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.Namespace;
import io.kvtier.codec.wire.Persistence;
import io.kvtier.codec.wire.PutReply;
import io.kvtier.codec.wire.SegmentReply;
import io.kvtier.codec.wire.SegmentRequest;
import io.kvtier.codec.wire.StreamCommand;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.apache.arrow.flight.Action;
import org.apache.arrow.flight.CallOptions;
import org.apache.arrow.flight.FlightClient;
import org.apache.arrow.flight.FlightClient.ExchangeReaderWriter;
import org.apache.arrow.flight.FlightDescriptor;
import org.apache.arrow.flight.FlightRuntimeException;
import org.apache.arrow.flight.FlightStatusCode;
import org.apache.arrow.flight.Location;
import org.apache.arrow.flight.Ticket;
import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.RootAllocator;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Clients that speak Flight but not our manners: refused by type, cut in time, nothing leaks. */
class HostileClientTest {
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    @TempDir Path folder;

    private final Namespace namespace = TestFrames.namespace(1);
    private final int[] tokens = TestFrames.tokens(4);
    private final List<byte[]> frames = TestFrames.frames(namespace, tokens, 1, 300_000);
    private final RootAllocator allocator = new RootAllocator(256L << 20);
    private TestNode node;
    private FlightClient raw;

    @BeforeEach
    void start() {
        node =
                new TestNode(
                        folder,
                        options ->
                                options.withPatience(
                                        Duration.ofMillis(700), Duration.ofMillis(500)),
                        store -> store,
                        Authenticator.anonymous());
        KvtierClient client = node.client();
        List<PutReply> _ =
                client.put(
                        namespace,
                        TestFrames.segments(frames),
                        Persistence.MEMORY,
                        client.within(PATIENCE));
        raw =
                FlightClient.builder(
                                allocator, Location.forGrpcInsecure("127.0.0.1", node.node.port()))
                        .build();
    }

    @AfterEach
    void stop() throws InterruptedException {
        raw.close();
        node.close();
        allocator.close();
    }

    private FlightClient raw(int port) {
        return FlightClient.builder(allocator, Location.forGrpcInsecure("127.0.0.1", port)).build();
    }

    private ExchangeReaderWriter exchange() {
        return exchange(raw);
    }

    private ExchangeReaderWriter exchange(FlightClient client) {
        byte[] command = new StreamCommand(namespace.digest()).toBytes();
        return client.doExchange(FlightDescriptor.command(command));
    }

    private void send(ExchangeReaderWriter exchange, byte[] message) {
        ArrowBuf buffer = allocator.buffer(message.length);
        buffer.writeBytes(message);
        exchange.getWriter().putMetadata(buffer);
    }

    private SegmentRequest request(int number, int chunk, int from, int to) {
        Digest key = TestFrames.header(frames.get(chunk)).key();
        return new SegmentRequest(
                number, key, Digest.ZERO, from, to, true, SegmentRequest.ALL_HEADS, 0);
    }

    private static SegmentReply next(ExchangeReaderWriter exchange) {
        assertThat(exchange.getReader().next()).isTrue();
        ArrowBuf metadata = exchange.getReader().getLatestMetadata();
        byte[] bytes = new byte[(int) metadata.readableBytes()];
        metadata.getBytes(0, bytes);
        return SegmentReply.parse(ByteBuffer.wrap(bytes));
    }

    private static FlightStatusCode codeOf(Throwable error) {
        return ((FlightRuntimeException) error).status().code();
    }

    @Test
    void exchange_garbage_isInvalidArgument() throws Exception {
        try (ExchangeReaderWriter exchange = exchange()) {
            send(exchange, new byte[] {6, 1, 2, 3});
            assertThatThrownBy(() -> exchange.getReader().next())
                    .isInstanceOfSatisfying(
                            FlightRuntimeException.class,
                            e ->
                                    assertThat(codeOf(e))
                                            .isEqualTo(FlightStatusCode.INVALID_ARGUMENT));
        }
        try (ExchangeReaderWriter exchange =
                raw.doExchange(FlightDescriptor.command(new byte[] {5, 9}))) {
            assertThatThrownBy(() -> exchange.getReader().next())
                    .isInstanceOf(FlightRuntimeException.class)
                    .hasMessageContaining("version");
        }
        node.awaitQuiet();
    }

    @Test
    void exchange_oddRequests_areAnsweredAndTheStreamGoesOn() throws Exception {
        try (ExchangeReaderWriter exchange = exchange()) {
            send(exchange, request(1, 0, 0, 9).toBytes());
            assertThat(next(exchange).status()).isEqualTo(SegmentReply.Status.BAD_REQUEST);
            SegmentRequest unknown =
                    new SegmentRequest(2, Digest.ZERO, Digest.ZERO, 0, 1, true, -1, 0);
            send(exchange, unknown.toBytes());
            assertThat(next(exchange).status()).isEqualTo(SegmentReply.Status.MISS);
            SegmentRequest late =
                    new SegmentRequest(
                            3, request(3, 0, 0, 1).key(), Digest.ZERO, 0, 1, true, -1, 1);
            send(exchange, late.toBytes());
            assertThat(next(exchange).status()).isEqualTo(SegmentReply.Status.CANCELLED);
            SegmentRequest nothing =
                    new SegmentRequest(
                            4, request(4, 0, 0, 1).key(), Digest.ZERO, 1, 1, false, -1, 0);
            send(exchange, nothing.toBytes());
            assertThat(next(exchange).status()).isEqualTo(SegmentReply.Status.BAD_REQUEST);
            SegmentRequest other =
                    new SegmentRequest(
                            5,
                            request(5, 0, 0, 1).key(),
                            Digest.sha256(new byte[1]),
                            0,
                            1,
                            true,
                            -1,
                            0);
            send(exchange, other.toBytes());
            SegmentReply reply = next(exchange);
            assertThat(reply.status()).isEqualTo(SegmentReply.Status.OTHER_ENCODING);
            assertThat(reply.encodingId()).isEqualTo(TestFrames.header(frames.get(0)).encodingId());
            send(exchange, request(6, 0, 0, 1).toBytes());
            assertThat(next(exchange).status()).isEqualTo(SegmentReply.Status.DATA);
        }
        node.awaitQuiet();
    }

    @Test
    void exchange_readerThatStops_isCutAndEverythingComesBack() throws Exception {
        // Arrow's client reads ahead without limit, so it is the link that stops.
        try (ThrottlingProxy proxy = ThrottlingProxy.start(node.node.port(), 0.1, Duration.ZERO);
                FlightClient slow = raw(proxy.port());
                ExchangeReaderWriter exchange = exchange(slow)) {
            for (int i = 0; i < 40; i++) {
                send(exchange, request(i, i % 4, 0, 4).toBytes());
            }
            Awaitility.await()
                    .atMost(Duration.ofSeconds(10))
                    .untilAsserted(() -> assertThat(node.node.inFlightBytes()).isPositive());
            assertThat(node.node.inFlightBytes()).isLessThan(4L << 20);
            Awaitility.await()
                    .atMost(Duration.ofSeconds(10))
                    .untilAsserted(() -> assertThat(node.node.streams()).isZero());
            node.awaitQuiet();
            proxy.cutConnections();
        }
    }

    @Test
    void exchange_idle_isCutWithAStatus() throws Exception {
        try (ExchangeReaderWriter exchange = exchange()) {
            assertThatThrownBy(() -> exchange.getReader().next())
                    .isInstanceOfSatisfying(
                            FlightRuntimeException.class,
                            e -> assertThat(codeOf(e)).isEqualTo(FlightStatusCode.UNAVAILABLE));
        }
        node.awaitQuiet();
    }

    @Test
    void exchange_clientVanishes_nothingLeaks() throws Exception {
        for (int round = 0; round < 20; round++) {
            ExchangeReaderWriter exchange = exchange();
            for (int i = 0; i < 8; i++) {
                send(exchange, request(i, i % 4, 0, 4).toBytes());
            }
            for (int i = 0; i < round % 4; i++) {
                SegmentReply _ = next(exchange);
            }
            exchange.getReader().cancel("vanished", null);
            exchange.close();
        }
        node.awaitQuiet();
    }

    @Test
    void doGet_clientVanishes_nothingLeaks() throws Exception {
        var keys = frames.stream().map(frame -> TestFrames.header(frame).key()).toList();
        byte[] ticket =
                new io.kvtier.codec.wire.GetTicket(namespace.digest(), 0, 0, 3, keys).toBytes();
        for (int round = 0; round < 10; round++) {
            try (var stream = raw.getStream(new Ticket(ticket))) {
                for (int i = 0; i < round % 4; i++) {
                    assertThat(stream.next()).isTrue();
                }
                stream.cancel("vanished", null);
            } catch (FlightRuntimeException e) {
                assertThat(codeOf(e)).isEqualTo(FlightStatusCode.CANCELLED);
            }
        }
        node.awaitQuiet();
    }

    @Test
    void actions_garbage_areInvalidArgument() {
        for (Action action :
                List.of(
                        new Action("lookup", new byte[] {3, 1}),
                        new Action("lookup", new byte[0]),
                        new Action("get-profile", new byte[5]),
                        new Action("put-profile", new byte[] {10, 1, 0}),
                        new Action("launch", new byte[0]))) {
            assertThatThrownBy(
                            () ->
                                    raw.doAction(
                                                    action,
                                                    CallOptions.timeout(
                                                            5,
                                                            java.util.concurrent.TimeUnit.SECONDS))
                                            .hasNext())
                    .as(action.getType())
                    .isInstanceOfSatisfying(
                            FlightRuntimeException.class,
                            e ->
                                    assertThat(codeOf(e))
                                            .isEqualTo(FlightStatusCode.INVALID_ARGUMENT));
        }
    }
}
