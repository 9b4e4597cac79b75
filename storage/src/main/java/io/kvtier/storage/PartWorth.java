package io.kvtier.storage;

import java.util.concurrent.atomic.LongAdder;

/**
 * What a value's last parts are worth against the rest of it, by the byte.
 *
 * <p>A value that was cut still saves computing what it stands for, if its readers take it as it
 * is. That they do not shows when a put with more parts takes its place: then the parts that were
 * given up were worth a whole hit. So the share of an average hit that hangs on last parts is
 * {@link #QUALITY} at least, which is what better quality is worth by itself, and otherwise the
 * share of cut values that were replaced among those that were asked for. Where it is so large that
 * last parts are worth more by the byte than the rest, values go whole.
 *
 * <p>Bytes are those of an average value, so that the order of worth is that of the chance of
 * reuse, and a parent goes after its child.
 *
 * <p>Thread-safety: as {@link ReuseModel}.
 */
final class PartWorth {
    /** What quality alone is worth, as a share of a hit. */
    static final double QUALITY = 0.1;

    /** Uses of cut values that are taken for granted before any was seen. */
    private static final double PRIOR_USES = 4;

    private final LongAdder fullBytes = new LongAdder();
    private final LongAdder firstBytes = new LongAdder();
    private final LongAdder used = new LongAdder();
    private final LongAdder replaced = new LongAdder();
    private volatile double part = QUALITY / 0.5;
    private volatile double rest = (1 - QUALITY) / 0.5;

    /** A value that can be cut was put. */
    void put(ChunkMeta meta) {
        fullBytes.add(meta.bytes());
        firstBytes.add(meta.bytesAt(0));
    }

    /** A value that was cut was used. */
    void used() {
        used.increment();
    }

    /** A value that was cut was asked for, found wanting and put again. */
    void replaced() {
        replaced.increment();
    }

    /** Takes what was counted since into account. */
    void fit() {
        double full = fullBytes.sum();
        double first = full == 0 ? 0.5 : firstBytes.sum() / full;
        double failed = replaced.sum() / (used.sum() + replaced.sum() + PRIOR_USES);
        double share = Math.max(QUALITY, failed);
        part = share / (1 - first);
        rest = (1 - share) / first;
    }

    /** Forgets half of what was counted, so that what once failed is tried again. */
    void forget() {
        for (LongAdder count : new LongAdder[] {fullBytes, firstBytes, used, replaced}) {
            count.add(-(count.sum() >> 1));
        }
    }

    /** Whether last parts go before whole values do. */
    boolean partsFirst() {
        return part < rest;
    }

    /** Worth of a byte of the last parts, where one of a whole value is worth 1. */
    double ofPart() {
        return part;
    }

    /** The same of a byte of what was cut. */
    double ofRest() {
        return rest;
    }
}
