package io.kvtier.flight.share;

import io.kvtier.codec.wire.StreamClaim;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * One exchange's part of a node's link, and what the streams on it claim.
 *
 * <p>Thread-safety: public methods; all else under the broker's lock.
 */
public final class LinkShare implements AutoCloseable {
    /** Claims of one exchange; the eldest goes when there are more. */
    private static final int CLAIMS_MAX = 64;

    private final LinkBroker broker;
    private final Map<Integer, Claimed> claims = new LinkedHashMap<>();
    double rate;
    double lastTag;
    private long unclaimedNanos;
    private boolean unclaimed;

    private static final class Claimed {
        long needBytes;
        long wantBytes;
        long sentBytes;
        long deadlineNanos;
    }

    LinkShare(LinkBroker broker) {
        this.broker = broker;
    }

    /**
     * Takes in what a request says of its stream.
     *
     * @param deadlineNanos of the stream, by the broker's clock
     * @return of a stream that is refused, after how long it may come again
     */
    public Optional<Duration> claim(StreamClaim claim, long deadlineNanos) {
        return broker.isShared() && claim.stream() != 0
                ? broker.claim(this, claim, deadlineNanos)
                : Optional.empty();
    }

    /** Waits until it is this share's turn to send so many bytes of a stream. */
    public void take(int stream, long bytes) throws InterruptedException {
        if (broker.isShared()) {
            broker.take(this, stream, bytes);
        }
    }

    /** What the link has for this share, 0 = not known. */
    public long bytesPerSecond() {
        return broker.isShared() ? (long) broker.rate(this) : 0;
    }

    @Override
    public void close() {
        broker.close(this);
    }

    boolean knows(int stream, long now) {
        Claimed claimed = claims.get(stream);
        return claimed != null && claimed.deadlineNanos - now > 0;
    }

    void note(StreamClaim claim, long deadlineNanos) {
        Claimed claimed = claims.computeIfAbsent(claim.stream(), _ -> new Claimed());
        claimed.needBytes = claim.needBytes();
        claimed.wantBytes = claim.wantBytes();
        claimed.deadlineNanos = deadlineNanos;
        if (claims.size() > CLAIMS_MAX) {
            Iterator<Integer> eldest = claims.keySet().iterator();
            int _ = eldest.next();
            eldest.remove();
        }
    }

    void sent(int stream, long bytes, long now) {
        Claimed claimed = claims.get(stream);
        if (claimed != null) {
            claimed.sentBytes += bytes;
        } else {
            unclaimed = true;
            unclaimedNanos = now;
        }
    }

    /** What its streams still have to get, and one of which nothing is known if one sends. */
    List<Demand> demands(long now) {
        claims.values().removeIf(each -> each.deadlineNanos - now <= 0);
        List<Demand> out = new ArrayList<>(claims.size());
        for (Claimed each : claims.values()) {
            long need = Math.max(0, each.needBytes - each.sentBytes);
            long want = Math.max(need, each.wantBytes - each.sentBytes);
            if (want > 0) {
                out.add(new Demand(need, want, each.deadlineNanos - now));
            }
        }
        if (unclaimed && now - unclaimedNanos < Demand.NANOS_UNKNOWN) {
            out.add(Demand.unknown());
        }
        return out;
    }
}
