package io.kvtier.flight;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.identity.Digest;
import java.time.Duration;
import java.util.Map;

/**
 * After which time chunks expire whose put names none.
 *
 * @param usual of all other namespaces; zero = never
 * @param byNamespace by the namespace's digest; zero = never
 */
public record TimesToLive(Duration usual, Map<Digest, Duration> byNamespace) {
    /** Nothing expires by itself. */
    public static final TimesToLive NONE = new TimesToLive(Duration.ZERO, Map.of());

    /** Copies the map and checks the times. */
    public TimesToLive {
        byNamespace = Map.copyOf(byNamespace);
        check(!usual.isNegative(), "time to live", usual, "zero or more");
        byNamespace
                .values()
                .forEach(each -> check(!each.isNegative(), "ttl", each, "zero or more"));
    }

    /** Milliseconds; 0 = never. */
    long millis(Digest namespace) {
        return byNamespace.getOrDefault(namespace, usual).toMillis();
    }
}
