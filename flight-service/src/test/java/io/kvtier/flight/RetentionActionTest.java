package io.kvtier.flight;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.kvtier.client.KvtierClient;
import io.kvtier.client.PutOptions;
import io.kvtier.codec.error.AccessDeniedException;
import io.kvtier.codec.error.OverloadedException;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.Namespace;
import io.kvtier.codec.wire.Persistence;
import io.kvtier.codec.wire.PutReply;
import io.kvtier.codec.wire.RetentionCommand;
import io.kvtier.codec.wire.RetentionCommand.Verb;
import io.kvtier.codec.wire.RetentionReply;
import io.kvtier.codec.wire.RetentionReply.Status;
import io.kvtier.storage.BlobPool;
import io.kvtier.storage.ChunkStore;
import io.kvtier.storage.HotTier;
import io.kvtier.storage.LossCause;
import io.kvtier.storage.NanoClock;
import io.kvtier.storage.Retention;
import io.kvtier.storage.RetentionOptions;
import io.kvtier.storage.RocksChunkStore;
import io.kvtier.storage.RocksStoreOptions;
import io.kvtier.storage.TieredChunkStore;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Pins, times to live and removals, from a client to the store. */
class RetentionActionTest {
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    @TempDir Path folder;

    private final Namespace namespace = TestFrames.namespace(1);
    private final int[] tokens = TestFrames.tokens(3);
    private final List<byte[]> frames = TestFrames.frames(namespace, tokens, 1, 3000);
    private final List<Digest> keys =
            frames.stream().map(frame -> TestFrames.header(frame).key()).toList();
    private final AtomicLong nanos = new AtomicLong();
    private long pinnedBytesMax = 1L << 20;
    private Caller caller = Caller.ANYONE;

    private TestNode node() {
        return new TestNode(folder, options -> options, this::tiered, _ -> caller);
    }

    private ChunkStore tiered(ChunkStore hot, BlobPool pool) {
        NanoClock clock = nanos::get;
        Retention retention =
                Retention.inMemory(RetentionOptions.ofPinnedBytesMax(pinnedBytesMax), clock);
        return new TieredChunkStore(
                (HotTier) hot,
                new RocksChunkStore(
                        pool,
                        RocksStoreOptions.of(folder.resolve("cold"), 64L << 20),
                        clock,
                        InstantSource.system(),
                        retention),
                retention);
    }

    private void put(KvtierClient client, Duration ttl) {
        List<MemorySegment> segments = frames.stream().map(MemorySegment::ofArray).toList();
        PutOptions options = PutOptions.of(Persistence.MEMORY).withTtl(ttl);
        assertThat(client.put(namespace, segments, options, client.within(PATIENCE)))
                .extracting(PutReply::status)
                .containsOnly(PutReply.Status.STORED);
    }

    private RetentionReply retain(KvtierClient client, Verb verb, Duration ttl, List<Digest> of) {
        RetentionCommand command =
                new RetentionCommand(verb, ttl.toMillis(), namespace.digest(), of);
        return client.retain(command, client.within(PATIENCE));
    }

    private RetentionReply retain(KvtierClient client, Verb verb) {
        return retain(client, verb, Duration.ZERO, keys);
    }

    private int held(KvtierClient client) {
        return client.match(namespace, tokens, client.within(PATIENCE)).chunks().size();
    }

    private void pass(Duration time) {
        var _ = nanos.addAndGet(time.toNanos());
    }

    @Test
    void put_withTtl_isAMissAfterwardsAndTheStoreSaysWhy() {
        try (TestNode node = node()) {
            KvtierClient client = node.client();
            put(client, Duration.ofMinutes(5));
            assertThat(held(client)).isEqualTo(3);
            pass(Duration.ofMinutes(5));
            assertThat(held(client)).isZero();
            assertThat(node.store.lossOf(Tenant.NONE.keyOf(keys.getFirst())).orElseThrow().cause())
                    .isEqualTo(LossCause.EXPIRED);
        }
    }

    @Test
    void expire_sooner_endsTheTail() {
        try (TestNode node = node()) {
            KvtierClient client = node.client();
            put(client, Duration.ZERO);
            List<Digest> tail = List.of(keys.get(2), Digest.sha256(new byte[1]));
            assertThat(retain(client, Verb.EXPIRE, Duration.ofMinutes(1), tail).statuses())
                    .containsExactly(Status.DONE, Status.ABSENT);
            pass(Duration.ofMinutes(2));
            assertThat(held(client)).isEqualTo(2);
        }
    }

    @Test
    void evict_removesWhatIsNotPinned() {
        try (TestNode node = node()) {
            KvtierClient client = node.client();
            put(client, Duration.ZERO);
            assertThat(retain(client, Verb.PIN, Duration.ZERO, keys.subList(0, 1)).statuses())
                    .containsExactly(Status.DONE);
            assertThat(retain(client, Verb.EVICT).statuses())
                    .containsExactly(Status.PINNED, Status.DONE, Status.DONE);
            assertThat(held(client)).isEqualTo(1);
            assertThat(retain(client, Verb.UNPIN).statuses())
                    .containsExactly(Status.DONE, Status.ABSENT, Status.ABSENT);
            assertThat(retain(client, Verb.EVICT).count(Status.DONE)).isEqualTo(1);
            assertThat(held(client)).isZero();
        }
    }

    @Test
    void pin_overTheLimit_isOverloadedAndPinsNone() {
        pinnedBytesMax = (long) frames.get(1).length + frames.get(2).length;
        try (TestNode node = node()) {
            KvtierClient client = node.client();
            put(client, Duration.ZERO);
            assertThatThrownBy(() -> retain(client, Verb.PIN))
                    .isInstanceOf(OverloadedException.class)
                    .hasMessageContaining("pinnedBytes=" + pinnedBytesMax);
            keys.forEach(key -> assertThat(node.store.isPinned(Tenant.NONE.keyOf(key))).isFalse());
            assertThat(retain(client, Verb.PIN, Duration.ZERO, keys.subList(1, 3)).statuses())
                    .containsExactly(Status.DONE, Status.DONE);
        }
    }

    @Test
    void otherNamespaceAndOtherTenant_areAbsent() {
        try (TestNode node = node()) {
            KvtierClient client = node.client();
            put(client, Duration.ZERO);
            Digest other = TestFrames.namespace(2).digest();
            RetentionCommand command = new RetentionCommand(Verb.EVICT, 0, other, keys);
            assertThat(client.retain(command, client.within(PATIENCE)).statuses())
                    .containsOnly(Status.ABSENT);
            caller = new Caller(new Tenant("b", "1".repeat(32)), Role.NODE);
            assertThat(retain(node.client(), Verb.EVICT).statuses()).containsOnly(Status.ABSENT);
            caller = Caller.ANYONE;
            assertThat(held(client)).isEqualTo(3);
        }
    }

    @Test
    void roles_pinTakesAnAdministratorTheOthersAWriter() {
        try (TestNode node = node()) {
            KvtierClient client = node.client();
            put(client, Duration.ZERO);
            caller = new Caller(Tenant.NONE, Role.READER);
            for (Verb verb : Verb.values()) {
                assertThatThrownBy(() -> retain(client, verb))
                        .isInstanceOf(AccessDeniedException.class)
                        .hasMessageContaining("reader");
            }
            caller = new Caller(Tenant.NONE, Role.WRITER);
            assertThatThrownBy(() -> retain(client, Verb.PIN))
                    .isInstanceOf(AccessDeniedException.class)
                    .hasMessageContaining("admin");
            assertThat(retain(client, Verb.EXPIRE, Duration.ofHours(1), keys).statuses())
                    .containsOnly(Status.DONE);
            assertThat(retain(client, Verb.EVICT).statuses()).containsOnly(Status.DONE);
        }
    }
}
