package io.kvtier.storage;

import java.util.List;
import java.util.concurrent.atomic.LongAdder;

/** What every store counts. */
public final class StoreCounters {
    /** Values opened. */
    public final LongAdder hits = new LongAdder();

    /** Opens that found nothing. */
    public final LongAdder misses = new LongAdder();

    /** Puts that failed. */
    public final LongAdder refused = new LongAdder();

    /** Values dropped for the budget. */
    public final LongAdder evicted = new LongAdder();

    /** Values that lost parts to stay within the budget. */
    public final LongAdder shrunk = new LongAdder();

    /** Values set aside because a check failed. */
    public final LongAdder quarantined = new LongAdder();

    private final LongAdder stored = new LongAdder();
    private final LongAdder alreadyPresent = new LongAdder();
    private final LongAdder replaced = new LongAdder();
    private final LongAdder keptOther = new LongAdder();

    /** Counts and passes on. */
    public PutOutcome count(PutOutcome outcome) {
        switch (outcome) {
            case PutOutcome.Stored s -> stored.increment();
            case PutOutcome.AlreadyPresent a -> alreadyPresent.increment();
            case PutOutcome.Replaced r -> replaced.increment();
            case PutOutcome.KeptOther k -> keptOther.increment();
        }
        return outcome;
    }

    /** All of it, with the sizes that only the store knows. */
    public StoreStats stats(
            String name, long entries, long bytes, long bytesMax, List<StoreStats> tiers) {
        return new StoreStats(
                name,
                entries,
                bytes,
                bytesMax,
                hits.sum(),
                misses.sum(),
                stored.sum(),
                alreadyPresent.sum(),
                replaced.sum(),
                keptOther.sum(),
                refused.sum(),
                evicted.sum(),
                shrunk.sum(),
                quarantined.sum(),
                tiers);
    }

    /** Checks what every store asks of a put. */
    public static void requireMatch(ChunkMeta meta, Blob value) {
        if (meta.bytes() != value.bytes()) {
            throw new InvalidRequestException(
                    "put: the value has "
                            + value.bytes()
                            + " bytes, its meta says "
                            + meta.bytes());
        }
    }
}
