package io.kvtier.codec.testing;

import java.util.Random;
import java.util.function.Consumer;

/** Runs a check on many seeded cases; a failure names the seed that shows it again. */
public final class Property {
    private static final String SEED = "kvtier.seed";

    private Property() {}

    /** Runs {@code check} with {@code cases} generators; {@code -Dkvtier.seed=N} runs one alone. */
    public static void forAll(int cases, Consumer<Random> check) {
        Long only = Long.getLong(SEED);
        for (long seed = 0; seed < cases; seed++) {
            long used = only == null ? seed : only;
            try {
                check.accept(new Random(used));
            } catch (RuntimeException | AssertionError e) {
                throw new AssertionError("fails again with -D" + SEED + "=" + used, e);
            }
            if (only != null) {
                return;
            }
        }
    }
}
