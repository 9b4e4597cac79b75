package io.kvtier.flight;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.client.ClientOptions;
import io.kvtier.client.KvtierClient;
import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.storage.Blob;
import io.kvtier.storage.BlobPool;
import io.kvtier.storage.BlobPoolOptions;
import io.kvtier.storage.ChunkStore;
import io.kvtier.storage.Durability;
import io.kvtier.storage.HotTier;
import io.kvtier.storage.HotTierOptions;
import io.kvtier.storage.NanoClock;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.BiFunction;
import java.util.function.UnaryOperator;
import org.awaitility.Awaitility;

/** A node in memory with its clients; its close is the leak check of all of them. */
final class TestNode implements AutoCloseable {
    final BlobPool pool = new BlobPool(new BlobPoolOptions(256L << 20, 8L << 20, 8L << 20, true));
    final ChunkStore store;
    final FlightNode node;
    private final List<KvtierClient> clients = new ArrayList<>();

    TestNode(Path folder) {
        this(folder, UnaryOperator.identity(), UnaryOperator.identity(), Authenticator.anonymous());
    }

    TestNode(
            Path folder,
            UnaryOperator<FlightOptions> options,
            UnaryOperator<ChunkStore> wrap,
            Authenticator authenticator) {
        this(folder, options, (store, memory) -> wrap.apply(store), authenticator);
    }

    TestNode(
            Path folder,
            UnaryOperator<FlightOptions> options,
            BiFunction<ChunkStore, BlobPool, ChunkStore> wrap,
            Authenticator authenticator) {
        this(folder, options, wrap, authenticator, Optional.empty());
    }

    TestNode(
            Path folder,
            UnaryOperator<FlightOptions> options,
            BiFunction<ChunkStore, BlobPool, ChunkStore> wrap,
            Authenticator authenticator,
            Optional<TlsFiles> tls) {
        HotTier hot = new HotTier(pool, HotTierOptions.ofBytesMax(128L << 20), NanoClock.system());
        store = wrap.apply(hot, pool);
        node =
                FlightNode.start(
                        options.apply(FlightOptions.loopback(0)),
                        new FlightNode.Parts(
                                store,
                                pool,
                                new FolderProfileStore(folder, 64L << 20),
                                service -> "{\"entries\":" + store.stats().entries() + "}",
                                authenticator,
                                ControlService.alone(),
                                TimesToLive.NONE,
                                tls));
    }

    KvtierClient client() {
        return client(node.port(), ClientOptions.defaults());
    }

    KvtierClient client(int port, ClientOptions options) {
        KvtierClient client = KvtierClient.connect("127.0.0.1:" + port, options);
        clients.add(client);
        return client;
    }

    /** Puts frames straight into the store, in the place of what is there. */
    void replace(List<byte[]> frames) {
        for (byte[] frame : frames) {
            FrameHeader header = TestFrames.header(frame);
            boolean _ = store.remove(Tenant.NONE.keyOf(header.key()));
            try (Blob blob = pool.copyOf(MemorySegment.ofArray(frame))) {
                var _ =
                        store.put(
                                Tenant.NONE.keyOf(header.key()),
                                HeldFrame.meta(header, frame.length),
                                blob,
                                Durability.MEMORY);
            }
        }
    }

    /** Waits until the node has nothing under way. */
    void awaitQuiet() {
        Awaitility.await()
                .atMost(Duration.ofSeconds(10))
                .untilAsserted(
                        () -> {
                            assertThat(node.streams()).isZero();
                            assertThat(node.openCalls()).isZero();
                            assertThat(node.inFlightBytes()).isZero();
                        });
    }

    @Override
    public void close() {
        clients.forEach(KvtierClient::close);
        awaitQuiet();
        node.close();
        store.close();
        assertThat(pool.outstandingBytes()).isZero();
        pool.close();
    }
}
