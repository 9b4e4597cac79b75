package io.kvtier.client;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;

/** Requests of a stream that are under way, by number, with what is missing of them. */
final class PendingRequests {
    private final GoodputEstimator estimator;
    private final NanoClock clock;
    private final Map<Integer, Pending> requests = new HashMap<>();
    private final Map<Integer, Long> received = new HashMap<>();
    private final Set<Integer> retracted = new HashSet<>();
    private long bytes;
    private long bytesHere;

    /**
     * One request.
     *
     * @param chunk index in the match
     * @param bytes of its parts
     */
    record Pending(int chunk, int partFrom, int partTo, long bytes) {}

    PendingRequests(GoodputEstimator estimator, NanoClock clock) {
        this.estimator = estimator;
        this.clock = clock;
    }

    boolean isEmpty() {
        return requests.isEmpty();
    }

    StreamPlan.UnderWay underWay() {
        return new StreamPlan.UnderWay(Math.max(0, bytes - bytesHere), bytesHere);
    }

    void add(int number, Pending request) {
        requests.put(number, request);
        received.put(number, 0L);
        bytes += request.bytes();
        estimator.sent(clock.nanoTime());
    }

    /** Counts bytes of a reply; a request that was given up has none. */
    Optional<Pending> arrived(int number, long size, boolean last) {
        if (size > 0) {
            estimator.arrived(size, clock.nanoTime());
        }
        Pending request = requests.get(number);
        if (request == null) {
            if (last && retracted.remove(number)) {
                estimator.ended();
            }
            return Optional.empty();
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
    void retract(int number) {
        if (drop(number)) {
            retracted.add(number);
        }
    }

    /** Gives up a request, one that was retracted, too. */
    void remove(int number) {
        if (drop(number) || retracted.remove(number)) {
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
    List<Integer> numbers(Predicate<Pending> test) {
        return requests.entrySet().stream()
                .filter(entry -> test.test(entry.getValue()))
                .map(Map.Entry::getKey)
                .toList();
    }

    /** Of a request that is under way. */
    Pending get(int number) {
        return Objects.requireNonNull(requests.get(number));
    }

    /** Gives up everything; returns the numbers that replies may still come to. */
    List<Integer> clear() {
        List<Integer> all = new ArrayList<>(requests.keySet());
        all.addAll(retracted);
        all.forEach(this::remove);
        return all;
    }
}
