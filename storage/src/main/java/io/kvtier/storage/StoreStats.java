package io.kvtier.storage;

import java.util.List;

/**
 * Sizes of a store now, and counts since it was opened.
 *
 * @param name of the store: {@code tiered}, {@code hot}, {@code rocks} or {@code log}
 * @param entries values held
 * @param bytes what they are charged with against {@code bytesMax}
 * @param bytesMax the budget
 * @param hits values opened
 * @param misses opens that found nothing (or nothing sound)
 * @param stored puts of new keys
 * @param alreadyPresent puts of what was held
 * @param replaced puts that took the place of a value with fewer parts
 * @param keptOther puts that lost to another encoding
 * @param refused puts that failed because a limit was reached or the store could not write
 * @param evicted values dropped to stay within the budget
 * @param shrunk values that lost parts to stay within the budget
 * @param quarantined values set aside because a check failed
 * @param tiers of which the store is made, fastest first; empty for a single one
 */
public record StoreStats(
        String name,
        long entries,
        long bytes,
        long bytesMax,
        long hits,
        long misses,
        long stored,
        long alreadyPresent,
        long replaced,
        long keptOther,
        long refused,
        long evicted,
        long shrunk,
        long quarantined,
        List<StoreStats> tiers) {
    public StoreStats {
        tiers = List.copyOf(tiers);
    }
}
