package io.kvtier.integration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import io.kvtier.client.ClientOptions;
import io.kvtier.client.Delivery;
import io.kvtier.client.FrameCollector;
import io.kvtier.client.KvtierClient;
import io.kvtier.client.Match;
import io.kvtier.client.StreamOptions;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.wire.Persistence;
import io.kvtier.codec.wire.PutReply;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A real node process: what it acknowledged on disk outlives SIGKILL, encodings never mix. */
@Timeout(120)
class NodeCrashIT {
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    @TempDir Path data;

    private final int[] tokens = StoredFrames.tokens(6);

    @Test
    void put_ackedOnDisk_isServedByteForByteAfterSigkill() throws Exception {
        List<byte[]> frames = StoredFrames.encoding(tokens, 1);
        try (CommandProcess node = CommandProcess.start(data);
                KvtierClient client = connect(node)) {
            assertThat(put(client, frames, Persistence.DISK))
                    .extracting(PutReply::status, PutReply::durability)
                    .containsOnly(tuple(PutReply.Status.STORED, Persistence.DISK));
            node.kill();
        }
        for (int restart = 0; restart < 2; restart++) {
            try (CommandProcess node = CommandProcess.start(data);
                    KvtierClient client = connect(node)) {
                assertThat(get(client)).containsExactlyElementsOf(frames);
                node.kill();
            }
        }
    }

    @Test
    void node_sigterm_stopsInTimeAndKeepsWhatItHeld() throws Exception {
        List<byte[]> frames = StoredFrames.encoding(tokens, 2);
        try (CommandProcess node = CommandProcess.start(data);
                KvtierClient client = connect(node)) {
            List<PutReply> _ = put(client, frames, Persistence.DISK);
            assertThat(node.stop()).as("stopped in 10 s").isTrue();
        }
        try (CommandProcess node = CommandProcess.start(data);
                KvtierClient client = connect(node)) {
            assertThat(get(client)).containsExactlyElementsOf(frames);
        }
    }

    @Test
    void get_whileAnotherEncodingReplaces_deliversWholeChunksOfOneEncoding() throws Exception {
        List<byte[]> first = StoredFrames.encoding(tokens, 3);
        List<byte[]> second = StoredFrames.encoding(tokens, 4);
        Map<Digest, byte[]> known = new HashMap<>();
        for (int chunk = 0; chunk < first.size(); chunk++) {
            for (byte[] frame : List.of(first.get(chunk), second.get(chunk))) {
                known.put(StoredFrames.header(frame).encodingId(), frame);
            }
        }
        try (CommandProcess node = CommandProcess.start(data);
                KvtierClient writing = connect(node);
                KvtierClient reading = connect(node)) {
            List<PutReply> _ = put(writing, cut(first, 1), Persistence.MEMORY);
            Thread writer =
                    Thread.ofVirtual()
                            .start(
                                    () -> {
                                        for (int parts = 2; parts <= 4; parts++) {
                                            List<byte[]> next = parts % 2 == 0 ? second : first;
                                            List<PutReply> _ =
                                                    put(
                                                            writing,
                                                            cut(next, parts),
                                                            Persistence.MEMORY);
                                        }
                                    });
            int rounds = 0;
            while (writer.isAlive() || rounds < 5) {
                List<byte[]> got = get(reading);
                assertThat(got).isNotEmpty();
                for (byte[] frame : got) {
                    Digest encoding = StoredFrames.header(frame).encodingId();
                    byte[] whole = known.get(encoding);
                    assertThat(whole).isNotNull().startsWith(frame);
                }
                rounds++;
            }
            writer.join();
            assertThat(get(reading)).containsExactlyElementsOf(second);
        }
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
