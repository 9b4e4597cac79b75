package io.kvtier.flight.share;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.error.OverloadedException;
import io.kvtier.codec.wire.StreamClaim;
import io.kvtier.storage.NanoClock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Shares a node's outgoing link between the exchanges of its clients: lets a stream in when its
 * need fits beside that of those that were let in before, and sends in turns by {@link FairShares}.
 *
 * <p>Thread-safety: all methods. A link of rate 0 is not known, so nobody waits and nobody is
 * refused but by the number of exchanges.
 */
public final class LinkBroker {
    /* design
     *
     * Turns are self-clocked fair queueing (Golestani, INFOCOM 1994): a reply is tagged with the
     * time at which it would be over if its exchange had its share alone, and the least tag is
     * next. So shares hold among those who have something to send, and the link never idles while
     * somebody has. Rates of shares are made anew when they are older than a few milliseconds.
     */
    private static final long RATES_AGE_NANOS = TimeUnit.MILLISECONDS.toNanos(5);

    /** Threads wake up late: so much of the link's time may be made up for. */
    private static final long LATE_NANOS = TimeUnit.MILLISECONDS.toNanos(10);

    /** What surrounds the bytes of a reply: metadata, Arrow's message, frames of HTTP/2 and TCP. */
    private static final int REPLY_BYTES = 600;

    private static final long RETRY_MILLIS_MIN = 10;
    private static final long RETRY_MILLIS_MAX = 5_000;

    private final double bytesPerSecond;
    private final int exchangesMax;
    private final NanoClock clock;
    private final ReentrantLock lock = new ReentrantLock();
    private final Set<LinkShare> shares = new HashSet<>();
    private final LinkTurns turns;
    private long ratesNanos;
    private boolean ratesMade;

    /**
     * A link that nobody uses yet.
     *
     * @param bytesPerSecond of the link, 0 = not known
     * @param exchangesMax exchanges and gets at once
     */
    public LinkBroker(double bytesPerSecond, int exchangesMax, NanoClock clock) {
        check(bytesPerSecond >= 0, "bytesPerSecond", bytesPerSecond, "0 or more");
        check(exchangesMax >= 1, "exchangesMax", exchangesMax, "1 or more");
        this.bytesPerSecond = bytesPerSecond;
        this.exchangesMax = exchangesMax;
        this.clock = clock;
        this.turns = new LinkTurns(bytesPerSecond, LATE_NANOS, lock, clock);
    }

    /**
     * A share for one more exchange, to be closed at its end.
     *
     * @throws OverloadedException when there are too many
     */
    public LinkShare open() {
        lock.lock();
        try {
            if (shares.size() >= exchangesMax) {
                throw new OverloadedException(
                        shares.size() + " exchanges are open, streams=" + exchangesMax,
                        Duration.ofMillis(retryMillis(0)));
            }
            LinkShare share = new LinkShare(this);
            shares.add(share);
            ratesMade = false;
            return share;
        } finally {
            lock.unlock();
        }
    }

    /** Exchanges that are open. */
    public int exchanges() {
        lock.lock();
        try {
            return shares.size();
        } finally {
            lock.unlock();
        }
    }

    /** What a stream that comes now would have: what nobody needs, or else an equal part. */
    public long offerBytesPerSecond() {
        lock.lock();
        try {
            long now = clock.nanoTime();
            double busy = 0;
            int streams = 1;
            for (LinkShare share : shares) {
                List<Demand> demands = share.demands(now);
                busy += demands.stream().mapToDouble(Demand::floor).sum();
                streams += demands.size();
            }
            return (long) Math.max(bytesPerSecond - busy, bytesPerSecond / streams);
        } finally {
            lock.unlock();
        }
    }

    boolean isShared() {
        return bytesPerSecond > 0;
    }

    void close(LinkShare share) {
        lock.lock();
        try {
            shares.remove(share);
            ratesMade = false;
        } finally {
            lock.unlock();
        }
    }

    /** Notes a claim; of a stream that is refused, after how long it may come again. */
    Optional<Duration> claim(LinkShare share, StreamClaim claim, long deadlineNanos) {
        lock.lock();
        try {
            long now = clock.nanoTime();
            if (!share.knows(claim.stream(), now)) {
                double others = 0;
                for (LinkShare each : shares) {
                    others += each.demands(now).stream().mapToDouble(Demand::floor).sum();
                }
                long left = Math.max(1, deadlineNanos - now);
                double wanted = new Demand(claim.needBytes(), claim.wantBytes(), left).floor();
                if (others > 0 && others + wanted > bytesPerSecond) {
                    return Optional.of(Duration.ofMillis(retryMillis(wanted)));
                }
            }
            share.note(claim, deadlineNanos);
            ratesMade = false;
            return Optional.empty();
        } finally {
            lock.unlock();
        }
    }

    /** Waits until it is the share's turn to send so many bytes. */
    void take(LinkShare share, int stream, long bytes) throws InterruptedException {
        lock.lockInterruptibly();
        try {
            share.sent(stream, bytes, clock.nanoTime());
            makeRates();
            turns.take(share, bytes + REPLY_BYTES);
        } finally {
            lock.unlock();
        }
    }

    /** Bytes a second of the share now. */
    double rate(LinkShare share) {
        lock.lock();
        try {
            makeRates();
            return share.rate;
        } finally {
            lock.unlock();
        }
    }

    private void makeRates() {
        long now = clock.nanoTime();
        if (ratesMade && now - ratesNanos < RATES_AGE_NANOS) {
            return;
        }
        List<LinkShare> owners = new ArrayList<>();
        List<Demand> demands = new ArrayList<>();
        for (LinkShare share : shares) {
            share.rate = 0;
            for (Demand demand : share.demands(now)) {
                owners.add(share);
                demands.add(demand);
            }
        }
        FairShares fair = FairShares.of(bytesPerSecond, demands);
        for (int i = 0; i < demands.size(); i++) {
            owners.get(i).rate += fair.bytesPerSecond(i);
        }
        ratesNanos = now;
        ratesMade = true;
    }

    /** When so much of the link will be free, by the deadlines of those who have it. */
    private long retryMillis(double wanted) {
        long now = clock.nanoTime();
        List<Demand> running = new ArrayList<>();
        shares.forEach(share -> running.addAll(share.demands(now)));
        running.sort(java.util.Comparator.comparingLong(Demand::nanosLeft));
        double busy = running.stream().mapToDouble(Demand::floor).sum();
        long nanos = 0;
        for (Demand each : running) {
            if (busy > 0 && busy + wanted <= bytesPerSecond) {
                break;
            }
            busy -= each.floor();
            nanos = each.nanosLeft();
        }
        return Math.clamp(nanos / 1_000_000, RETRY_MILLIS_MIN, RETRY_MILLIS_MAX);
    }
}
