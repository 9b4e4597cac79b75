package io.kvtier.config;

import static io.kvtier.config.OutOfRangeException.check;

import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * How long chunks stay.
 *
 * @param pinnedBytes most bytes of pinned chunks; of {@code coldBytes} a quarter counts at most
 * @param ttl after which chunks expire whose put names no time; 0s = never
 * @param namespaces that keep theirs for another time
 */
public record RetentionConfig(long pinnedBytes, Duration ttl, List<NamespaceTtl> namespaces) {
    /**
     * A namespace's own time.
     *
     * @param namespace its digest, 64 hexadecimal digits, as {@code kvtier match --json} shows it
     * @param ttl after which its chunks expire; 0s = never
     */
    public record NamespaceTtl(String namespace, Duration ttl) {
        /** Checks that it is a digest. */
        public NamespaceTtl {
            check(
                    namespace.isEmpty() || namespace.matches("[0-9a-f]{64}"),
                    "namespace",
                    "'" + namespace + "'",
                    "a digest of 64 hexadecimal digits");
        }

        /** No namespace: what a list's entry has that names none, and is refused for. */
        public static NamespaceTtl defaults() {
            return new NamespaceTtl("", Duration.ZERO);
        }
    }

    /** Checks that no namespace is there twice. */
    public RetentionConfig {
        namespaces = List.copyOf(namespaces);
        Set<String> seen = new HashSet<>();
        for (NamespaceTtl each : namespaces) {
            check(
                    !each.namespace().isEmpty() && seen.add(each.namespace()),
                    "namespaces",
                    "'" + each.namespace() + "' missing or twice",
                    "each namespace once");
        }
    }

    static RetentionConfig defaults() {
        return new RetentionConfig(4L << 30, Duration.ZERO, List.of());
    }
}
