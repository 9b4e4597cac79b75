package io.kvtier.codec.method;

import static io.kvtier.codec.error.InvalidRequestException.check;

/**
 * A scorer and an allocator under a name: a way to say where bits go.
 *
 * @param name unique among those that are compared
 * @param paper where it comes from
 * @param scorer may need hints
 * @param fallback takes its place where a hint is missing; needs none
 * @param allocator turns scores into rates
 */
public record Policy(
        String name, String paper, Scorer scorer, Scorer fallback, Allocator allocator) {
    /** Refuses a fallback that could be without its hints too. */
    public Policy {
        check(
                fallback.needs().isEmpty(),
                "hints that the fallback of policy " + name + " needs",
                fallback.needs(),
                "none");
    }

    /** A policy whose scorer needs no hint and thus no fallback. */
    public static Policy alone(String name, String paper, Scorer scorer, Allocator allocator) {
        return new Policy(name, paper, scorer, scorer, allocator);
    }

    /**
     * What was decided, and by which scorer.
     *
     * @param scorer name of the one that was used
     * @param fellBack whether that is the fallback, since a hint was missing
     */
    public record Decision(RateMap rates, String scorer, boolean fellBack) {}

    /**
     * Decides on a chunk.
     *
     * @param from the rates to start from
     * @param bytes what {@link RateMap#bytes} may be at most
     */
    public Decision decide(DenseKv kv, Hints hints, RateMap from, long bytes) {
        boolean has = hints.has(scorer.needs());
        Scorer used = has ? scorer : fallback;
        Scores scores = used.score(kv, hints);
        for (float[] layer : scores.values()) {
            for (float score : layer) {
                check(Float.isFinite(score), "score of " + used.name(), score, "a finite number");
            }
        }
        RateMap rates = allocator.allocate(kv, scores, from, bytes);
        return new Decision(rates, used.name(), !has);
    }
}
