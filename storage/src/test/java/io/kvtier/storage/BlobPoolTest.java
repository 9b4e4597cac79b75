package io.kvtier.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class BlobPoolTest {
    private static final long BYTES_MAX = 4L << 20;

    private final BlobPool pool = TestChunks.pool(BYTES_MAX);

    @AfterEach
    void nothingLeaks() {
        assertThat(pool.outstandingBytes()).isZero();
        assertThat(pool.outstandingBlobs()).isZero();
        pool.close();
        assertThat(pool.mappedBytes()).isZero();
    }

    private Blob blob(long bytes, long seed) {
        try (WritableBlob target = pool.allocate(bytes)) {
            TestChunks.fill(target.segment(), seed);
            return target.seal();
        }
    }

    @Test
    void segment_hasExactlyTheBytes_andIsReadOnly() {
        try (Blob blob = blob(5_001, 1)) {
            assertThat(blob.bytes()).isEqualTo(5_001);
            assertThat(blob.segment().byteSize()).isEqualTo(5_001);
            assertThat(blob.segment().isReadOnly()).isTrue();
            assertThat(pool.outstandingBytes()).isEqualTo(8_192);
            assertThat(TestChunks.firstDifference(blob.segment(), 1)).isEqualTo(-1);
            assertThatThrownBy(() -> blob.segment().get(ValueLayout.JAVA_BYTE, 5_001))
                    .isInstanceOf(IndexOutOfBoundsException.class);
        }
    }

    @Test
    void use_afterClose_throws() {
        Blob blob = blob(100, 1);
        blob.close();

        assertThatThrownBy(blob::segment).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(blob::retain).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void close_twice_doesNotTakeAnothersReference() {
        Blob first = blob(100, 1);
        try (Blob second = first.retain()) {
            first.close();
            first.close();

            assertThat(TestChunks.firstDifference(second.segment(), 1)).isEqualTo(-1);
            assertThatThrownBy(first::segment).isInstanceOf(IllegalStateException.class);
            assertThat(pool.outstandingBlobs()).isEqualTo(1);
        }
    }

    @Test
    void seal_endsTheWriting() {
        WritableBlob target = pool.allocate(10);
        try (Blob blob = target.seal()) {
            target.close();
            assertThat(blob.segment().byteSize()).isEqualTo(10);
            assertThatThrownBy(target::segment).isInstanceOf(IllegalStateException.class);
            assertThatThrownBy(target::seal).isInstanceOf(IllegalStateException.class);
        }
    }

    @Test
    void close_unsealed_givesTheMemoryBack() {
        WritableBlob target = pool.allocate(10);
        target.close();

        assertThat(pool.outstandingBytes()).isZero();
        assertThatThrownBy(target::seal).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void allocate_overTheLimit_isOverloadedUntilSomethingIsClosed() {
        Blob half = blob(BYTES_MAX / 2, 1);
        try (Blob quarter = blob(BYTES_MAX / 4, 2)) {
            assertThatThrownBy(() -> pool.allocate(BYTES_MAX / 2))
                    .isInstanceOf(OverloadedException.class)
                    .hasMessageContaining("bytesMax=" + BYTES_MAX)
                    .satisfies(
                            e -> assertThat(((OverloadedException) e).retryAfter()).isPositive());
            half.close();
            try (Blob other = blob(BYTES_MAX / 2, 3)) {
                assertThat(TestChunks.firstDifference(quarter.segment(), 2)).isEqualTo(-1);
                assertThat(TestChunks.firstDifference(other.segment(), 3)).isEqualTo(-1);
            }
        }
        assertThatThrownBy(() -> pool.allocate(BYTES_MAX + 1))
                .isInstanceOf(OverloadedException.class);
        assertThatThrownBy(() -> pool.allocate(0)).isInstanceOf(InvalidRequestException.class);
    }

    @Test
    void close_withOpenBlobs_throwsAndNamesTheirOrigin() {
        BlobPool leaky = TestChunks.pool(BYTES_MAX);
        WritableBlob open = leaky.allocate(100);
        Blob leaked = open.seal();

        assertThatThrownBy(leaky::close)
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("1 blobs of 4096 bytes")
                .satisfies(
                        e ->
                                assertThat(e.getSuppressed()[0].getStackTrace())
                                        .anyMatch(
                                                frame ->
                                                        frame.getMethodName()
                                                                .startsWith("close_withOpen")));
        assertThat(leaked.segment().byteSize()).as("still readable").isEqualTo(100);
        assertThatThrownBy(() -> leaky.allocate(1)).isInstanceOf(UnavailableException.class);

        leaked.close();
        leaky.close();
        assertThat(leaky.mappedBytes()).isZero();
    }

    @Test
    void free_memoryOfManySizes_mergesAgain() {
        SplittableRandom random = new SplittableRandom(7);
        List<Blob> blobs = new ArrayList<>();
        for (int round = 0; round < 2_000; round++) {
            if (!blobs.isEmpty() && (random.nextInt(5) < 2 || blobs.size() > 30)) {
                blobs.remove(random.nextInt(blobs.size())).close();
            } else {
                blobs.add(blob(1 + random.nextInt(60_000), round));
            }
            assertThat(pool.mappedBytes()).isLessThanOrEqualTo(BYTES_MAX);
        }
        blobs.forEach(Blob::close);

        try (Blob whole = blob(BYTES_MAX, 1)) {
            assertThat(pool.outstandingBytes()).isEqualTo(whole.bytes());
        }
    }

    @Test
    void allocate_distinctBlobs_neverOverlap() {
        SplittableRandom random = new SplittableRandom(11);
        record Filled(Blob blob, long seed) {}
        List<Filled> held = new ArrayList<>();
        for (int round = 0; round < 400; round++) {
            held.add(new Filled(blob(1 + random.nextInt(20_000), round), round));
            if (held.size() > 60) {
                Filled gone = held.remove(random.nextInt(held.size()));
                assertThat(TestChunks.firstDifference(gone.blob().segment(), gone.seed()))
                        .isEqualTo(-1);
                gone.blob().close();
            }
        }
        for (Filled each : held) {
            assertThat(TestChunks.firstDifference(each.blob().segment(), each.seed()))
                    .isEqualTo(-1);
            each.blob().close();
        }
    }

    @Test
    void free_idleSlabs_goBackToTheSystem() {
        List<Blob> blobs = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            blobs.add(blob(1L << 20, i));
        }
        assertThat(pool.mappedBytes()).isEqualTo(4L << 20);

        MemorySegment stale = blobs.getFirst().segment();
        blobs.forEach(Blob::close);

        assertThat(pool.mappedBytes()).isLessThanOrEqualTo(pool.options().idleBytesMax());
        assertThat(pool.outstandingBytes()).isZero();
        assertThat(stale.byteSize()).isEqualTo(1L << 20);
    }

    @Test
    void copyOf_holdsTheSameBytes() {
        byte[] bytes = {1, 2, 3, 4, 5};
        try (Blob copy = pool.copyOf(MemorySegment.ofArray(bytes))) {
            assertThat(copy.segment().toArray(ValueLayout.JAVA_BYTE)).isEqualTo(bytes);
        }
    }

    @Test
    void allocate_whileAnotherMapsTheLastSlab_isNotRefused() throws Exception {
        CyclicBarrier start = new CyclicBarrier(2);
        try (ExecutorService threads = Executors.newFixedThreadPool(2)) {
            for (int round = 0; round < 100; round++) {
                try (BlobPool small = TestChunks.pool(1L << 20)) {
                    Callable<Boolean> take =
                            () -> {
                                int _ = start.await();
                                try (WritableBlob blob = small.allocate(4096)) {
                                    return blob.segment().byteSize() == 4096;
                                }
                            };
                    for (Future<Boolean> done : threads.invokeAll(List.of(take, take))) {
                        assertThat(done.get()).isTrue();
                    }
                }
            }
        }
    }
}
