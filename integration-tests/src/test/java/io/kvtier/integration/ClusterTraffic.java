package io.kvtier.integration;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.client.Deadline;
import io.kvtier.client.Delivery;
import io.kvtier.client.FrameCollector;
import io.kvtier.client.KvtierClient;
import io.kvtier.client.Match;
import io.kvtier.client.PutOptions;
import io.kvtier.client.StreamOptions;
import io.kvtier.codec.error.KvtierException;
import io.kvtier.codec.wire.Persistence;
import io.kvtier.codec.wire.PutReply;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Puts and gets beside a fault: what is put follows from its number, what was acknowledged with all
 * copies is remembered here, outside of the victims, and every byte that comes back is compared.
 */
final class ClusterTraffic implements AutoCloseable {
    private static final Duration CALL = Duration.ofSeconds(10);
    private static final long SLACK_MILLIS = 250;
    private static final int CHUNKS = 4;
    private static final int PROMPTS_MAX = 400;
    private static final int TRIES_MAX = 50;
    private static final long FRAMES_BYTES_MAX = 16L << 20;

    private final int copies;
    private final long seed;
    private final List<Long> acknowledged = new CopyOnWriteArrayList<>();
    private final List<String> failures = new CopyOnWriteArrayList<>();
    private final List<String> wrong = new CopyOnWriteArrayList<>();
    private final AtomicBoolean stopped = new AtomicBoolean();
    private final Map<String, AtomicLong> cuts = new ConcurrentHashMap<>();
    private final AtomicLong expected = new AtomicLong();
    private final AtomicLong hits = new AtomicLong();
    private final AtomicLong gets = new AtomicLong();
    private final AtomicLong puts = new AtomicLong();
    private final AtomicLong late = new AtomicLong();
    private final AtomicLong longestMillis = new AtomicLong();
    private final List<Thread> threads = new ArrayList<>();
    private final KvtierClient client;

    /** What readers saw in some time. */
    record Tally(long gets, long expected, long hits) {
        double ratio() {
            return expected == 0 ? 1 : (double) hits / expected;
        }
    }

    ClusterTraffic(ClusterProcesses cluster, int copies, long seed) {
        this.copies = copies;
        this.seed = seed;
        this.client = cluster.client();
    }

    /** Puts some prompts until each has reached all copies; the first map may lack a node. */
    void fill(int prompts) {
        for (int i = 0; i < prompts; i++) {
            for (int tries = 0; acknowledged.size() <= i && tries < TRIES_MAX; tries++) {
                put(client, i);
            }
        }
        assertThat(acknowledged).as("prompts that reached all copies").hasSize(prompts);
    }

    /** One writer and some readers, until this is closed. */
    void start(int readers) {
        threads.add(
                Thread.ofVirtual()
                        .start(
                                () -> {
                                    long next = acknowledged.size();
                                    while (!stopped.get() && next < PROMPTS_MAX) {
                                        put(client, next++);
                                    }
                                }));
        for (int reader = 0; reader < readers; reader++) {
            Random random = new Random(seed + reader);
            threads.add(
                    Thread.ofVirtual()
                            .start(
                                    () -> {
                                        while (!stopped.get()) {
                                            int at = random.nextInt(acknowledged.size());
                                            get(client, acknowledged.get(at));
                                        }
                                    }));
        }
    }

    /** What was read since the last call. */
    Tally tally() {
        return new Tally(gets.getAndSet(0), expected.getAndSet(0), hits.getAndSet(0));
    }

    /** Reads all that was acknowledged, once. */
    Tally readAll() {
        Tally _ = tally();
        acknowledged.forEach(prompt -> get(client, prompt));
        return tally();
    }

    /** Gets since the last tally. */
    long gets() {
        return gets.get();
    }

    /** Calls that ended with an error. */
    List<String> failures() {
        return failures;
    }

    /** Bytes that were not those put. */
    List<String> wrong() {
        return wrong;
    }

    @Override
    public String toString() {
        return "puts=%d acknowledged=%d failures=%d wrong=%d longestMs=%d late=%d cuts=%s seed=%d"
                .formatted(
                        puts.get(),
                        acknowledged.size(),
                        failures.size(),
                        wrong.size(),
                        longestMillis.get(),
                        late.get(),
                        cuts,
                        seed);
    }

    void stop() throws InterruptedException {
        stopped.set(true);
        for (Thread thread : threads) {
            thread.join();
        }
    }

    @Override
    public void close() throws InterruptedException {
        stop();
        client.close(); // fails when anything leaked
    }

    private void put(KvtierClient through, long prompt) {
        long start = System.nanoTime();
        List<MemorySegment> frames = frames(prompt).stream().map(MemorySegment::ofArray).toList();
        PutOptions options = PutOptions.of(Persistence.DISK).withCopies(copies);
        Deadline deadline = through.within(CALL);
        try {
            List<PutReply> replies = through.put(StoredFrames.NAMESPACE, frames, options, deadline);
            puts.incrementAndGet();
            if (replies.stream().allMatch(reply -> reply.copies() >= copies)) {
                acknowledged.add(prompt);
            }
        } catch (KvtierException e) {
            failures.add("put of " + prompt + ": " + e.getMessage());
        } catch (RuntimeException e) {
            wrong.add("put of " + prompt + " ended without a type: " + e);
        }
        time(start);
    }

    private void get(KvtierClient through, long prompt) {
        long start = System.nanoTime();
        try (Arena arena = Arena.ofConfined()) {
            Deadline deadline = through.within(CALL);
            Match match = through.match(StoredFrames.NAMESPACE, tokens(prompt), deadline);
            FrameCollector sink = new FrameCollector(arena, FRAMES_BYTES_MAX);
            Delivery delivery = through.open(match, deadline, StreamOptions.defaults(), sink);
            compare(prompt, delivery, sink);
            expected.addAndGet(CHUNKS);
            hits.addAndGet(delivery.delivered());
            if (delivery.delivered() < CHUNKS) {
                String why = match.isMiss() ? "MISS" : delivery.end().name();
                cuts.computeIfAbsent(why, _ -> new AtomicLong()).incrementAndGet();
            }
            gets.incrementAndGet();
        } catch (KvtierException e) {
            failures.add("get of " + prompt + ": " + e.getMessage());
        } catch (RuntimeException e) {
            wrong.add("get of " + prompt + " ended without a type: " + e);
        }
        time(start);
    }

    private void time(long start) {
        long millis = (System.nanoTime() - start) / 1_000_000;
        longestMillis.accumulateAndGet(millis, Math::max);
        if (millis > CALL.toMillis() + SLACK_MILLIS) {
            late.incrementAndGet();
        }
    }

    /** Whatever parts of a chunk came, they are those that were put. */
    private void compare(long prompt, Delivery delivery, FrameCollector sink) {
        List<byte[]> put = frames(prompt);
        for (int i = 0; i < delivery.delivered(); i++) {
            FrameCollector.Collected chunk = sink.chunk(i).orElseThrow();
            int parts = Integer.numberOfTrailingZeros(~delivery.chunks().get(i).parts().bits());
            long bytes = chunk.header().cuts().get(parts - 1);
            MemorySegment expectedBytes = MemorySegment.ofArray(put.get(i)).asSlice(0, bytes);
            if (chunk.frame().asSlice(0, bytes).mismatch(expectedBytes) >= 0) {
                wrong.add("prompt " + prompt + ", chunk " + i);
            }
        }
    }

    private int[] tokens(long prompt) {
        return StoredFrames.tokens(CHUNKS, seed * PROMPTS_MAX + prompt);
    }

    private List<byte[]> frames(long prompt) {
        return StoredFrames.encoding(tokens(prompt), prompt);
    }
}
