package io.kvtier.flight;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.client.ClientOptions;
import io.kvtier.client.Delivery;
import io.kvtier.client.Delivery.Cut;
import io.kvtier.client.KvtierClient;
import io.kvtier.client.Match;
import io.kvtier.client.StreamOptions;
import io.kvtier.client.link.ThrottlingProxy;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Two owners hold different encodings of the same chunks, and the first one goes away. */
class FailoverTest {
    private static final int CHUNKS = 2;
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    @TempDir Path folder;

    private final CodedPrefix prefix = new CodedPrefix(CHUNKS);
    private final List<byte[]> first = prefix.frames(1);
    private final List<byte[]> second = prefix.frames(2);

    /** A node whose replies hold one segment each. */
    private TestNode node(String name) {
        return new TestNode(
                folder.resolve(name),
                options -> options.withSliceBytes(1024),
                store -> store,
                Authenticator.anonymous());
    }

    @Test
    void open_firstOwnerGoesAfterAnySegment_neverGivesAWrongTensor() {
        try (TestNode one = node("one");
                TestNode other = node("other")) {
            one.replace(first);
            other.replace(second);
            int segments = TestFrames.header(first.getFirst()).segments().size() * CHUNKS;
            int changed = 0;
            for (int n = 1; n <= segments; n++) {
                changed += failOver(one, other, n);
            }
            // Behind the last segment nothing is left to be asked of the other owner.
            assertThat(changed).isGreaterThanOrEqualTo(segments / 2);
        }
    }

    /** Returns how many chunks are of the other owner's encoding. */
    private int failOver(TestNode one, TestNode other, int afterSegments) {
        // Slow enough for the cut to come in the middle.
        try (ThrottlingProxy proxy = ThrottlingProxy.start(one.node.port(), 4, Duration.ZERO)) {
            KvtierClient client = one.client(proxy.port(), ClientOptions.defaults());
            Match match = client.match(prefix.namespace, prefix.tokens, client.within(PATIENCE));
            RecordingSink sink =
                    new RecordingSink() {
                        @Override
                        public void segment(int chunk, int segment, MemorySegment bytes) {
                            super.segment(chunk, segment, bytes);
                            if (segmentCount == afterSegments) {
                                proxy.target(other.node.port());
                                proxy.rate(0);
                                proxy.cutConnections();
                            }
                        }
                    };
            Delivery delivery =
                    client.open(match, client.within(PATIENCE), StreamOptions.defaults(), sink);
            prefix.assertSound(delivery, sink, List.of(first, second));
            assertThat(delivery.delivered()).as("cut after %d", afterSegments).isEqualTo(CHUNKS);
            assertThat(delivery.end()).isEqualTo(Cut.NONE);
            Set<Object> others = new HashSet<>();
            second.forEach(frame -> others.add(TestFrames.header(frame).encodingId()));
            return (int)
                    delivery.chunks().stream()
                            .filter(chunk -> others.contains(chunk.encodingId()))
                            .count();
        }
    }
}
