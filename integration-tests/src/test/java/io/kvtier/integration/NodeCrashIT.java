package io.kvtier.integration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import io.kvtier.client.ClientOptions;
import io.kvtier.client.Delivery;
import io.kvtier.client.FrameCollector;
import io.kvtier.client.KvtierClient;
import io.kvtier.client.Match;
import io.kvtier.client.SegmentSink;
import io.kvtier.client.StreamOptions;
import io.kvtier.client.link.ThrottlingProxy;
import io.kvtier.codec.error.KvtierException;
import io.kvtier.codec.wire.Persistence;
import io.kvtier.codec.wire.PutReply;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A real node process: what it acknowledged on disk outlives SIGKILL, encodings never mix. */
@Timeout(120)
class NodeCrashIT {
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    private static final int CHUNKS_SWITCHED = 4;
    private static final double SLOW_MEGABITS = 5;

    @TempDir Path data;

    private final int[] tokens = StoredFrames.tokens(6);

    @ParameterizedTest
    @ValueSource(strings = {"log", "blob"})
    void put_ackedOnDisk_isServedByteForByteAfterSigkill(String layout) throws Exception {
        List<byte[]> frames = StoredFrames.encoding(tokens, 1);
        try (CommandProcess node = CommandProcess.start(data, layout);
                KvtierClient client = connect(node)) {
            assertThat(put(client, frames, Persistence.DISK))
                    .extracting(PutReply::status, PutReply::durability)
                    .containsOnly(tuple(PutReply.Status.STORED, Persistence.DISK));
            node.kill();
        }
        for (int restart = 0; restart < 2; restart++) {
            try (CommandProcess node = CommandProcess.start(data, layout);
                    KvtierClient client = connect(node)) {
                assertThat(get(client)).containsExactlyElementsOf(frames);
                node.kill();
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"log", "blob"})
    void node_sigterm_stopsInTimeAndKeepsWhatItHeld(String layout) throws Exception {
        List<byte[]> frames = StoredFrames.encoding(tokens, 2);
        try (CommandProcess node = CommandProcess.start(data, layout);
                KvtierClient client = connect(node)) {
            List<PutReply> _ = put(client, frames, Persistence.DISK);
            assertThat(node.stop()).as("stopped in 10 s").isTrue();
        }
        try (CommandProcess node = CommandProcess.start(data, layout);
                KvtierClient client = connect(node)) {
            assertThat(get(client)).containsExactlyElementsOf(frames);
        }
    }

    /** Killed in the middle of puts, again and again: what was acknowledged is there, unharmed. */
    @ParameterizedTest
    @ValueSource(strings = {"log", "blob"})
    void node_killedWhilePutting_losesNothingAcknowledged(String layout) throws Exception {
        List<byte[]> acknowledged = new ArrayList<>();
        List<byte[]> frames = StoredFrames.encoding(tokens, 5);
        for (int round = 0; round < frames.size(); round++) {
            try (CommandProcess node = CommandProcess.start(data, layout);
                    KvtierClient client = connect(node)) {
                if (round > 0) {
                    assertThat(get(client)).startsWith(acknowledged.toArray(byte[][]::new));
                }
                List<byte[]> next = List.of(frames.get(round));
                assertThat(put(client, next, Persistence.DISK))
                        .extracting(PutReply::durability)
                        .containsOnly(Persistence.DISK);
                acknowledged.addAll(next);
                List<byte[]> others = StoredFrames.encoding(StoredFrames.tokens(40), round);
                KvtierClient cut = connect(node);
                Thread unfinished =
                        Thread.ofVirtual()
                                .start(
                                        () -> {
                                            try {
                                                var _ = put(cut, others, Persistence.DISK);
                                            } catch (KvtierException e) {
                                                // the node is gone: that is the point
                                            }
                                        });
                node.kill();
                unfinished.join();
                closeAfterKill(cut);
            }
        }
        try (CommandProcess node = CommandProcess.start(data, layout);
                KvtierClient client = connect(node)) {
            assertThat(get(client)).containsExactlyElementsOf(frames);
        }
    }

    /**
     * At each segment of a running stream in turn, a better encoding of all chunks is put. The link
     * is slow and the client knows it from a stream before, so that its window stays narrower than
     * the chunks and requests come before and after the switch, however fast the node answers.
     */
    @Test
    void open_switchedAtEverySegment_deliversWholePartsOfOneEncodingEach() throws Exception {
        int mixed = 0;
        int replaced = 0;
        try (CommandProcess node = CommandProcess.start(data);
                ThrottlingProxy slow =
                        ThrottlingProxy.start(port(node), SLOW_MEGABITS, Duration.ZERO);
                KvtierClient writing = connect(node);
                KvtierClient reading =
                        KvtierClient.connect(slow.endpoint(), ClientOptions.defaults())) {
            int[] before = StoredFrames.tokens(CHUNKS_SWITCHED, 1000);
            List<PutReply> _ = put(writing, StoredFrames.encoding(before, 3), Persistence.MEMORY);
            assertThat(open(reading, before, new SwitchingSink(-1, () -> {})).delivered())
                    .isEqualTo(CHUNKS_SWITCHED);
            int segments = 3 * CHUNKS_SWITCHED * 2; // of three parts, two segments each
            for (int at = 0; at < segments; at++) {
                int[] prompt = StoredFrames.tokens(CHUNKS_SWITCHED, at);
                List<byte[]> first = StoredFrames.encoding(prompt, 3);
                List<byte[]> second = StoredFrames.encoding(prompt, 4);
                List<PutReply> _ = put(writing, cut(first, 3), Persistence.MEMORY);
                SwitchingSink sink =
                        new SwitchingSink(
                                at,
                                () ->
                                        assertThat(put(writing, second, Persistence.MEMORY))
                                                .extracting(PutReply::status)
                                                .containsOnly(PutReply.Status.REPLACED));
                Delivery delivery = open(reading, prompt, sink);
                assertThat(sink.hasSwitched()).as("switch at segment %d", at).isTrue();
                assertThat(delivery.delivered()).isEqualTo(CHUNKS_SWITCHED);
                int ofSecond = sink.assertSound(delivery, first, second);
                mixed += ofSecond > 0 && ofSecond < CHUNKS_SWITCHED ? 1 : 0;
                replaced += ofSecond > 0 ? 1 : 0;
            }
        }
        assertThat(replaced).as("streams that saw the switch").isPositive();
        assertThat(mixed).as("streams of chunks of both encodings").isPositive();
    }

    /** What gRPC was sending when the connection broke may not have been given back yet. */
    private static void closeAfterKill(KvtierClient client) {
        try {
            client.close();
        } catch (IllegalStateException e) {
            assertThat(e).hasMessageContaining("leaked");
        }
    }

    private static int port(CommandProcess node) {
        return Integer.parseInt(node.endpoint().substring(node.endpoint().lastIndexOf(':') + 1));
    }

    private static KvtierClient connect(CommandProcess node) {
        return KvtierClient.connect(node.endpoint(), ClientOptions.defaults());
    }

    private static List<byte[]> cut(List<byte[]> frames, int parts) {
        return frames.stream().map(frame -> StoredFrames.cut(frame, parts)).toList();
    }

    private static List<PutReply> put(
            KvtierClient client, List<byte[]> frames, Persistence durability) {
        List<MemorySegment> segments = frames.stream().map(MemorySegment::ofArray).toList();
        return client.put(StoredFrames.NAMESPACE, segments, durability, client.within(PATIENCE));
    }

    private static Delivery open(KvtierClient client, int[] prompt, SegmentSink sink) {
        Match match = client.match(StoredFrames.NAMESPACE, prompt, client.within(PATIENCE));
        return client.open(match, client.within(PATIENCE), StreamOptions.defaults(), sink);
    }

    /** The delivered prefix, each chunk's frame cut behind the last part that came in order. */
    private List<byte[]> get(KvtierClient client) {
        Match match = client.match(StoredFrames.NAMESPACE, tokens, client.within(PATIENCE));
        try (Arena arena = Arena.ofConfined()) {
            FrameCollector sink = new FrameCollector(arena, 64L << 20);
            Delivery delivery =
                    client.open(match, client.within(PATIENCE), StreamOptions.defaults(), sink);
            List<byte[]> out = new ArrayList<>();
            for (int i = 0; i < delivery.delivered(); i++) {
                FrameCollector.Collected chunk = sink.chunk(i).orElseThrow();
                assertThat(chunk.header().encodingId())
                        .isEqualTo(delivery.chunks().get(i).encodingId());
                byte[] frame = chunk.frame().toArray(ValueLayout.JAVA_BYTE);
                int bits = delivery.chunks().get(i).parts().bits();
                int parts = Integer.numberOfTrailingZeros(~bits);
                out.add(
                        Arrays.copyOf(
                                frame, Math.toIntExact(chunk.header().cuts().get(parts - 1))));
            }
            return out;
        }
    }
}
