package io.kvtier.codec.method;

import static io.kvtier.codec.error.InvalidRequestException.check;

import java.util.List;
import java.util.Optional;

/**
 * A way to code a chunk that the survey, or somebody else, can ask for: under a name a policy that
 * says where bits go, or none, and a chain of stages that says how they are spent.
 *
 * @param name of the method with its rate, unique among those that are compared
 * @param paper where it comes from
 * @param policy and its budget; empty = every element gets what the stages give it
 * @param stages in the order of encoding, from floats to bytes
 */
public record Method(String name, String paper, Optional<Rates> policy, List<Stage> stages) {
    /**
     * A policy under a budget.
     *
     * @param share of the bytes of 16 bits an element that the rates may use
     */
    public record Rates(Policy policy, double share) {
        /** Checks the range. */
        public Rates {
            check(share > 0 && share <= 1, "share of " + policy.name(), share, "in (0, 1]");
        }

        /** Where a chunk's bits go; says by which scorer. */
        public Policy.Decision decide(DenseKv kv, Hints hints) {
            RateMap from = RateMap.uniform(kv.geometry(), kv.tokens(), RateMap.RAW);
            return policy.decide(kv, hints, from, (long) (from.bytes(kv.geometry()) * share));
        }
    }

    /**
     * Checks that each stage takes what the one before makes, that bytes come out, and that
     * somebody reads the rates if a policy writes them.
     */
    public Method {
        stages = List.copyOf(stages);
        Planes.Form form = Planes.Form.FLOATS;
        for (Stage stage : stages) {
            String what = "what stage " + stage.name() + " of method " + name + " takes";
            check(stage.accepts() == form, what, stage.accepts(), form + ", made before it");
            form = stage.produces();
        }
        check(form == Planes.Form.BYTES, "what method " + name + " makes", form, "BYTES");
        boolean read = stages.stream().anyMatch(Stage::readsRates);
        check(
                read == policy.isPresent(),
                "stages of method " + name,
                stages.stream().map(Stage::name).toList(),
                read ? "a policy for the stage that reads rates" : "one that reads its rates");
    }

    /** A chain without a policy. */
    public static Method chain(String name, String paper, Stage... stages) {
        return new Method(name, paper, Optional.empty(), List.of(stages));
    }

    /** A chain that codes by a policy's rates, {@code share} of the bytes of 16 bits an element. */
    public static Method chain(String name, Policy policy, double share, Stage... stages) {
        return new Method(
                name, policy.paper(), Optional.of(new Rates(policy, share)), List.of(stages));
    }

    /** Where a chunk's bits go; without a policy the stages decide, and nobody fell back. */
    public Policy.Decision decide(DenseKv kv, Hints hints) {
        return policy.map(rates -> rates.decide(kv, hints))
                .orElseGet(
                        () ->
                                new Policy.Decision(
                                        RateMap.uniform(kv.geometry(), kv.tokens(), RateMap.RAW),
                                        "none",
                                        false));
    }
}
