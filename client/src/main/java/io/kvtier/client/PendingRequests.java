package io.kvtier.client;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Predicate;

/**
 * Requests of a stream that are under way, by number, with what is missing of them.
 *
 * <p>Thread-safety: none; it lives on the thread of its stream.
 */
public final class PendingRequests {
    private final GoodputEstimator estimator;
    private final NanoClock clock;
    private final Map<Integer, Pending> requests = new HashMap<>();
    private final Map<Integer, Long> received = new HashMap<>();
    private final Map<Integer, Pending> retracted = new HashMap<>();
    private long bytes;
    private long bytesHere;

    /**
     * One request.
     *
     * @param chunk index in the match
     * @param bytes of its parts
     */
    public record Pending(int chunk, int partFrom, int partTo, long bytes) {}

    /** Nothing yet; what comes is told to the estimator. */
    public PendingRequests(GoodputEstimator estimator, NanoClock clock) {
        this.estimator = estimator;
        this.clock = clock;
    }

    /** Whether nothing is under way. */
    public boolean isEmpty() {
        return requests.isEmpty();
    }

    /** Bytes under way. */
    public StreamPlan.UnderWay underWay() {
        return new StreamPlan.UnderWay(Math.max(0, bytes - bytesHere), bytesHere);
    }

    /** A request has left. */
    public void add(int number, Pending request) {
        requests.put(number, request);
        received.put(number, 0L);
        bytes += request.bytes();
        estimator.sent(clock.nanoTime());
    }

    /**
     * Counts bytes of a reply and says whose they are. One that was taken back may still be
     * answered; one that was given up is nobody's.
     */
    public Optional<Pending> arrived(int number, long size, boolean last) {
        if (size > 0) {
            estimator.arrived(size, clock.nanoTime());
        }
        Pending request = requests.get(number);
        if (request == null) {
            Pending late = last ? retracted.remove(number) : retracted.get(number);
            if (last && late != null) {
                estimator.ended();
            }
            return Optional.ofNullable(late);
        }
        long before = received.getOrDefault(number, 0L);
        long now = Math.min(request.bytes(), before + size);
        received.put(number, now);
        bytesHere += now - before;
        if (last) {
            remove(number);
        }
        return Optional.of(request);
    }

    /** Wants a request no more, but goes on listening: its bytes still tell of the link. */
    public void retract(int number) {
        Pending request = requests.get(number);
        if (drop(number) && request != null) {
            retracted.put(number, request);
        }
    }

    /** Whether a request is awaited, neither taken back nor given up. */
    public boolean isAwaited(int number) {
        return requests.containsKey(number);
    }

    /** Gives up a request, one that was retracted, too. */
    public void remove(int number) {
        if (drop(number) || retracted.remove(number) != null) {
            estimator.ended();
        }
    }

    private boolean drop(int number) {
        Pending request = requests.remove(number);
        if (request == null) {
            return false;
        }
        bytes -= request.bytes();
        Long here = received.remove(number);
        bytesHere -= here == null ? 0 : here;
        return true;
    }

    /** Numbers of the requests that a test is true of. */
    public List<Integer> numbers(Predicate<Pending> test) {
        return requests.entrySet().stream()
                .filter(entry -> test.test(entry.getValue()))
                .map(Map.Entry::getKey)
                .toList();
    }

    /** Of a request that is under way. */
    public Pending get(int number) {
        return Objects.requireNonNull(requests.get(number));
    }

    /** Gives up everything; returns the numbers that replies may still come to. */
    public List<Integer> clear() {
        List<Integer> all = new ArrayList<>(requests.keySet());
        all.addAll(retracted.keySet());
        all.forEach(this::remove);
        return all;
    }
}
