package io.kvtier.node.sim;

import java.util.List;

/** A way to choose what is sent of each chunk of a request. */
public sealed interface StreamPolicy permits FixedLevel, CacheGenRule, KvtierPolicy, Optimum {
    /** What tables and pictures call it. */
    String name();

    /** Streams a request in virtual time. */
    PolicyScore run(StreamCase request);

    /** All that are compared, the optimum first. */
    static List<StreamPolicy> all() {
        return List.of(
                new Optimum(),
                new KvtierPolicy(),
                new CacheGenRule(CacheGenRule.Rate.ORACLE, false),
                new CacheGenRule(CacheGenRule.Rate.LAST_SAMPLE, false),
                new CacheGenRule(CacheGenRule.Rate.LAST_SAMPLE, true),
                new FixedLevel(0),
                new FixedLevel(1),
                new FixedLevel(2));
    }
}
