package io.kvtier.codec.method;

import static io.kvtier.codec.error.InvalidRequestException.check;

import java.util.EnumMap;
import java.util.Map;
import java.util.Set;

/**
 * The hints that came with a put, each as one row-major array.
 *
 * @param values by hint; absent = not sent
 */
@SuppressWarnings("ArrayRecordComponent")
public record Hints(Map<Hint, float[]> values) {
    /** Takes a copy of the map. */
    public Hints {
        values = values.isEmpty() ? Map.of() : Map.copyOf(new EnumMap<>(values));
    }

    /** No hints. */
    public static Hints none() {
        return new Hints(Map.of());
    }

    /** Whether all of these came. */
    public boolean has(Set<Hint> needed) {
        return values.keySet().containsAll(needed);
    }

    /** A hint of a known length; refuses one that is missing or of another length. */
    public float[] get(Hint hint, int length) {
        check(values.containsKey(hint), "hint " + hint, "missing", "sent with the put");
        float[] out = values.getOrDefault(hint, new float[0]);
        check(out.length == length, "length of hint " + hint, out.length, length);
        return out;
    }
}
