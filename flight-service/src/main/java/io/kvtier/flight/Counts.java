package io.kvtier.flight;

import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;

/** A count for each constant of an enum. Thread-safety: all methods. */
final class Counts<E extends Enum<E>> {
    private final Map<E, LongAdder> adders;

    Counts(Class<E> type) {
        adders = new EnumMap<>(type);
        for (E each : type.getEnumConstants()) {
            adders.put(each, new LongAdder());
        }
    }

    void add(E what, long count) {
        LongAdder adder = adders.get(what);
        if (adder != null) {
            adder.add(count);
        }
    }

    /** By the constants' names in lower case, in their order, zeros included. */
    Map<String, Long> report() {
        Map<String, Long> out = new LinkedHashMap<>();
        adders.forEach((what, adder) -> out.put(what.name().toLowerCase(Locale.ROOT), adder.sum()));
        return out;
    }
}
