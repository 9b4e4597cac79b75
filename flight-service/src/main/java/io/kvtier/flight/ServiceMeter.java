package io.kvtier.flight;

import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.wire.PutReply;
import io.kvtier.storage.NanoClock;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;

/**
 * What a service counts: by tenant and namespace within a limit, and of the streams under way.
 *
 * <p>A namespace gets a series of its own with the first chunk of it that is held, so that nobody
 * makes series by asking for what does not exist. Thread-safety: all methods.
 */
final class ServiceMeter {
    /** Series at most: all tenants and namespaces above share one. */
    static final int SERIES_MAX = 256;

    /** Of one tenant: another's must not be crowded out. */
    static final int SERIES_PER_TENANT_MAX = 32;

    private static final int RUNNING_MAX = 64;
    private static final String UNKNOWN = "unknown";
    private static final String OTHER = "other";

    private final NanoClock clock;
    private final ConcurrentHashMap<Name, Series> series = new ConcurrentHashMap<>();
    private final Set<Running> running = ConcurrentHashMap.newKeySet();
    private final LongAdder met = new LongAdder();
    private final LongAdder missed = new LongAdder();
    private final TimeCounts queueTime = new TimeCounts();
    private final TimeCounts answerTime = new TimeCounts();
    private final ByteRate rate;

    private record Name(String tenant, String namespace) {}

    /** A segment stream, until it is closed. */
    final class Running implements AutoCloseable {
        private final Tenant tenant;
        private final Digest namespace;
        private final RequestQueue queue;
        private final long startNanos = clock.nanoTime();
        private final RungCounts sent = new RungCounts();
        private final ByteRate streamRate = new ByteRate(clock);
        private volatile long deadlineNanos;

        Running(Tenant tenant, Digest namespace, RequestQueue queue) {
            this.tenant = tenant;
            this.namespace = namespace;
            this.queue = queue;
        }

        /** An answer begins. */
        void begins(RequestQueue.Waiting request) {
            deadlineNanos = request.request().budgetNanos();
            queueTime.add(clock.nanoTime() - request.sinceNanos());
        }

        /** A reply was handed to the network. */
        void sends(FrameHeader header, FrameSlice slice) {
            sent.add(header, slice);
            streamRate.add(slice.bytes());
            ServiceMeter.this.sends(tenant, namespace, header, slice);
        }

        /** An answer has ended. */
        void ends(RequestQueue.Waiting request, Series.Answered result) {
            long took = clock.nanoTime() - request.sinceNanos();
            long budget = request.request().budgetNanos();
            Name name = name(tenant, namespace);
            Series counts = series.get(name);
            if (counts == null) {
                counts = of(new Name(name.tenant(), UNKNOWN));
            }
            counts.answered(result);
            if (result == Series.Answered.SENT) {
                answerTime.add(took);
            }
            if (budget > 0 && result == Series.Answered.SENT && took <= budget) {
                met.increment();
            } else if (result == Series.Answered.LATE || (budget > 0 && took > budget)) {
                missed.increment();
            }
        }

        @Override
        public void close() {
            running.remove(this);
        }

        StreamReport report() {
            return new StreamReport(
                    label(tenant),
                    label(namespace),
                    (clock.nanoTime() - startNanos) / 1e9,
                    sent.report(),
                    streamRate.bytesPerSecond(),
                    queue.size(),
                    deadlineNanos / 1e9);
        }
    }

    ServiceMeter(NanoClock clock) {
        this.clock = clock;
        this.rate = new ByteRate(clock);
    }

    /** A stream begins; its close ends it. */
    Running running(Tenant tenant, Digest namespace, RequestQueue queue) {
        Running stream = new Running(tenant, namespace, queue);
        running.add(stream);
        return stream;
    }

    /** A lookup was answered: so many chunks are held, and the next one is not, for a reason. */
    void looked(Tenant tenant, Digest namespace, int asked, int held, Series.Looked why) {
        Name name = name(tenant, namespace);
        Series counts = series.get(name);
        if (counts == null) {
            counts = held > 0 ? of(name) : of(new Name(name.tenant(), UNKNOWN));
        }
        counts.looked(Series.Looked.HELD, held);
        if (held < asked) {
            counts.looked(why, 1);
            counts.looked(Series.Looked.BEHIND_A_MISS, asked - held - 1L);
        }
    }

    /** The counts of a tenant's namespace of which something is held, or is about to be. */
    Series held(Tenant tenant, Digest namespace) {
        return of(name(tenant, namespace));
    }

    /** A put of a tenant was no frame of its namespace. */
    void rejected(Tenant tenant) {
        of(new Name(label(tenant), UNKNOWN)).put(PutReply.Status.REJECTED);
    }

    /** A reply of any kind of stream was handed to the network. */
    void sends(Tenant tenant, Digest namespace, FrameHeader header, FrameSlice slice) {
        rate.add(slice.bytes());
        held(tenant, namespace).sent().add(header, slice);
    }

    ServiceReport report(
            StreamWatch watch, CallMemory memory, InFlightBudget budget, long inFlightBytesMax) {
        List<StreamReport> streams =
                running.stream()
                        .map(Running::report)
                        .sorted(Comparator.comparingDouble(StreamReport::seconds))
                        .limit(RUNNING_MAX)
                        .toList();
        return new ServiceReport(
                watch.streams(),
                running.stream().mapToInt(each -> each.queue.size()).sum(),
                memory.openCalls(),
                memory.leaks(),
                budget.bytes(),
                inFlightBytesMax,
                rate.bytesPerSecond(),
                met.sum(),
                missed.sum(),
                queueTime.report(),
                answerTime.report(),
                series.values().stream()
                        .map(Series::report)
                        .sorted(
                                Comparator.comparing(SeriesReport::tenant)
                                        .thenComparing(SeriesReport::namespace))
                        .toList(),
                streams);
    }

    private Series of(Name name) {
        Series known = series.get(name);
        if (known != null) {
            return known;
        }
        synchronized (series) {
            boolean full =
                    series.size() >= SERIES_MAX || seriesOf(name.tenant()) >= SERIES_PER_TENANT_MAX;
            Name fits = full && !isCommon(name) ? new Name(OTHER, OTHER) : name;
            return series.computeIfAbsent(fits, n -> new Series(n.tenant(), n.namespace()));
        }
    }

    private long seriesOf(String tenant) {
        return series.keySet().stream().filter(name -> name.tenant().equals(tenant)).count();
    }

    private static boolean isCommon(Name name) {
        return name.namespace().equals(UNKNOWN) || name.namespace().equals(OTHER);
    }

    private static Name name(Tenant tenant, Digest namespace) {
        return new Name(label(tenant), label(namespace));
    }

    private static String label(Tenant tenant) {
        return tenant.name().isEmpty() ? "none" : tenant.name();
    }

    private static String label(Digest namespace) {
        return namespace.brief();
    }
}
