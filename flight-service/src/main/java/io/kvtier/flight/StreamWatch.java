package io.kvtier.flight;

import io.kvtier.storage.NanoClock;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Cuts streams whose client says nothing for too long: the thread that waits for it is interrupted,
 * since Arrow's reader knows no timeout.
 */
final class StreamWatch implements AutoCloseable {
    private static final long TICK_MILLIS = 25;

    private final NanoClock clock;
    private final Set<Watched> streams = ConcurrentHashMap.newKeySet();
    private final ScheduledExecutorService ticker =
            Executors.newSingleThreadScheduledExecutor(
                    Thread.ofPlatform().daemon().name("kvtier-stream-watch").factory());

    /** One stream, until it is closed. */
    final class Watched implements AutoCloseable {
        private final Thread thread = Thread.currentThread();
        private final long idleNanosMax;
        private final AtomicBoolean cut = new AtomicBoolean();
        private volatile long touchedNanos = clock.nanoTime();

        Watched(long idleNanosMax) {
            this.idleNanosMax = idleNanosMax;
        }

        /** Something happened on the stream. */
        void touch() {
            touchedNanos = clock.nanoTime();
        }

        /** Whether the stream was cut. */
        boolean wasCut() {
            return cut.get();
        }

        /** Cuts the stream now. */
        synchronized void cut() {
            if (streams.contains(this) && cut.compareAndSet(false, true)) {
                thread.interrupt();
            }
        }

        private void check(long now) {
            if (now - touchedNanos > idleNanosMax) {
                cut();
            }
        }

        @Override
        public synchronized void close() {
            streams.remove(this);
            if (cut.get()) {
                // The interrupt was for the stream, not for what this thread does next.
                var _ = Thread.interrupted();
            }
        }
    }

    /** Ticks until closed; each tick also runs {@code onTick}. */
    StreamWatch(NanoClock clock, Runnable onTick) {
        this.clock = clock;
        var _ =
                ticker.scheduleWithFixedDelay(
                        () -> {
                            long now = clock.nanoTime();
                            streams.forEach(stream -> stream.check(now));
                            onTick.run();
                        },
                        TICK_MILLIS,
                        TICK_MILLIS,
                        TimeUnit.MILLISECONDS);
    }

    /** Watches the calling thread's stream. */
    Watched watch(long idleNanosMax) {
        Watched watched = new Watched(idleNanosMax);
        streams.add(watched);
        return watched;
    }

    /** Cuts all streams. */
    void cutAll() {
        streams.forEach(Watched::cut);
    }

    /** Streams under way. */
    int streams() {
        return streams.size();
    }

    @Override
    public void close() {
        ticker.shutdownNow();
    }
}
