package io.kvtier.flight;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.identity.Namespace;
import io.kvtier.codec.wire.SegmentReply;
import io.kvtier.codec.wire.SegmentReply.Status;
import io.kvtier.codec.wire.SegmentRequest;
import io.kvtier.flight.share.LinkBroker;
import io.kvtier.flight.share.LinkShare;
import io.kvtier.storage.NanoClock;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Executors;
import org.apache.arrow.flight.FlightProducer.ServerStreamListener;
import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.VarBinaryVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.dictionary.DictionaryProvider;
import org.apache.arrow.vector.ipc.message.IpcOption;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A node's answers while another encoding takes the place of every chunk, at each reply of a stream
 * in turn. A reply holds one segment (or the header), so no segment is left out.
 */
class SegmentSwitchTest {
    private static final int CHUNKS = 3;
    private static final int PARTS = 4;

    @TempDir Path folder;

    private final Namespace namespace = TestFrames.namespace(1);
    private final int[] tokens = TestFrames.tokens(CHUNKS);
    private final List<byte[]> first = TestFrames.frames(namespace, tokens, 1, 3000);
    private final List<byte[]> second = TestFrames.frames(namespace, tokens, 2, 2500);

    private record Answer(SegmentReply reply, ByteBuffer data) {}

    @Test
    void run_switchedAtEverySegment_eachAnswerIsOfOneEncodingByteForByte() throws Exception {
        List<SegmentRequest> requests = requests();
        List<Integer> lengths = new ArrayList<>(); // replies of each request when nothing switches
        List<Answer> calm = run(requests, Integer.MAX_VALUE);
        for (SegmentRequest request : requests) {
            lengths.add(of(calm, request).size());
            assertWhole(request, of(calm, request));
        }
        // A header and two segments of each base; six segments of each refinement.
        assertThat(lengths).containsExactly(3, 3, 3, 6, 6, 6);
        for (int at = 0; at < calm.size(); at++) {
            List<Answer> answers = run(requests, at);
            int begin = 0;
            for (int i = 0; i < requests.size(); i++) {
                SegmentRequest request = requests.get(i);
                List<Answer> answer = of(answers, request);
                // Opened before the switch: answered to its end from the frame that it had.
                if (begin <= at) {
                    assertWhole(request, answer);
                } else {
                    assertRefused(request, answer);
                }
                begin += lengths.get(i);
            }
        }
    }

    /** The bases of all chunks, then their refinements, all under the first encoding's id. */
    private List<SegmentRequest> requests() {
        List<SegmentRequest> out = new ArrayList<>();
        for (int part = 0; part < 2; part++) {
            for (byte[] frame : first) {
                FrameHeader header = TestFrames.header(frame);
                int to = part == 0 ? 1 : PARTS;
                out.add(
                        new SegmentRequest(
                                out.size(),
                                header.key(),
                                header.encodingId(),
                                part,
                                to,
                                part == 0,
                                SegmentRequest.ALL_HEADS,
                                0));
            }
        }
        return out;
    }

    private void assertWhole(SegmentRequest request, List<Answer> answer) {
        byte[] frame = first.get(request.request() % CHUNKS);
        FrameHeader header = TestFrames.header(frame);
        assertThat(answer)
                .allSatisfy(
                        each -> {
                            assertThat(each.reply.status()).isEqualTo(Status.DATA);
                            assertThat(each.reply.encodingId()).isEqualTo(header.encodingId());
                            assertThat(each.reply.segments()).isLessThanOrEqualTo(1);
                        });
        assertThat(answer.stream().map(each -> each.reply.last()).toList())
                .containsOnlyOnce(true)
                .endsWith(true);
        int from = request.withHeader() ? 0 : (int) header.offset(header.firstSegment(1));
        int to = (int) header.offset(header.firstSegment(request.partTo()));
        ByteBuffer bytes = ByteBuffer.allocate(to - from);
        answer.forEach(each -> bytes.put(each.data.duplicate()));
        assertThat(bytes.array()).isEqualTo(Arrays.copyOfRange(frame, from, to));
    }

    private void assertRefused(SegmentRequest request, List<Answer> answer) {
        FrameHeader held = TestFrames.header(second.get(request.request() % CHUNKS));
        assertThat(answer).hasSize(1);
        assertThat(answer.getFirst().reply.status()).isEqualTo(Status.OTHER_ENCODING);
        assertThat(answer.getFirst().reply.encodingId()).isEqualTo(held.encodingId());
        assertThat(answer.getFirst().data.remaining()).isZero();
    }

    private static List<Answer> of(List<Answer> answers, SegmentRequest request) {
        return answers.stream().filter(a -> a.reply.request() == request.request()).toList();
    }

    /** Answers the requests; behind reply {@code at} the second encoding replaces the first. */
    private List<Answer> run(List<SegmentRequest> requests, int at) throws Exception {
        NanoClock clock = NanoClock.system();
        try (TestNode held = new TestNode(folder);
                RootAllocator allocator = new RootAllocator(64L << 20);
                StreamWatch watch = new StreamWatch(clock, () -> {});
                var executor = Executors.newVirtualThreadPerTaskExecutor();
                StreamWatch.Watched watched = watch.watch(Long.MAX_VALUE)) {
            CallMemory memory = new CallMemory(allocator, clock);
            InFlightBudget budget = new InFlightBudget(1 << 20);
            NodeContext context =
                    new NodeContext(
                            FlightOptions.loopback(0).withSliceBytes(1024),
                            held.store,
                            held.pool,
                            new FolderProfileStore(folder, 1),
                            () -> "",
                            ControlService.alone(),
                            TimesToLive.NONE,
                            memory,
                            budget,
                            new LinkBroker(0, 8, clock),
                            watch,
                            executor,
                            clock,
                            new ServiceMeter(clock));
            held.replace(first);
            RequestQueue queue = new RequestQueue(requests.size(), clock);
            requests.forEach(queue::add);
            queue.end();
            Listener listener = new Listener(at, () -> held.replace(second));
            try (ReplyWriter writer =
                            new ReplyWriter(
                                    listener, memory, budget, 1_000_000_000L, () -> {}, () -> {});
                    LinkShare share = context.link().open();
                    ServiceMeter.Running meter =
                            context.meter().running(Tenant.NONE, namespace.digest(), queue)) {
                new SegmentStream(
                                context,
                                Tenant.NONE,
                                namespace.digest(),
                                queue,
                                writer,
                                share,
                                meter)
                        .run(watched);
            }
            assertThat(budget.bytes()).isZero();
            assertThat(memory.openCalls()).isZero();
            assertThat(listener.switched).isEqualTo(at < listener.answers.size());
            return listener.answers;
        }
    }

    /** Keeps what is written, and does something behind one of the replies. */
    private static final class Listener implements ServerStreamListener {
        private final List<Answer> answers = new ArrayList<>();
        private final int at;
        private final Runnable what;
        private @Nullable VectorSchemaRoot root;
        private boolean switched;

        Listener(int at, Runnable what) {
            this.at = at;
            this.what = what;
        }

        @Override
        public void start(
                VectorSchemaRoot newRoot,
                @Nullable DictionaryProvider dictionaries,
                @Nullable IpcOption option) {
            root = newRoot;
        }

        @Override
        public void putNext(ArrowBuf metadata) {
            byte[] reply = new byte[(int) metadata.readableBytes()];
            metadata.getBytes(0, reply);
            metadata.close();
            VarBinaryVector data = (VarBinaryVector) Objects.requireNonNull(root).getVector(0);
            answers.add(
                    new Answer(
                            SegmentReply.parse(ByteBuffer.wrap(reply)),
                            ByteBuffer.wrap(data.get(0))));
            if (answers.size() == at + 1) {
                switched = true;
                what.run();
            }
        }

        @Override
        public boolean isCancelled() {
            return false;
        }

        @Override
        public boolean isReady() {
            return true;
        }

        @Override
        public void setOnCancelHandler(Runnable handler) {}

        @Override
        public void setOnReadyHandler(Runnable handler) {}

        @Override
        public void setUseZeroCopy(boolean enabled) {}

        @Override
        public void putNext() {
            throw new AssertionError("a reply without metadata");
        }

        @Override
        public void putMetadata(ArrowBuf metadata) {
            throw new AssertionError("a reply without a row");
        }

        @Override
        public void error(Throwable error) {
            throw new AssertionError(error);
        }

        @Override
        public void completed() {}
    }
}
