package io.kvtier.codec.plan;

import static io.kvtier.codec.error.InvalidRequestException.check;

/**
 * Weights of a chunk's squared errors.
 *
 * @param head of the tokens before the tail
 * @param tail of the tail
 */
public record Importance(double head, double tail) {
    /** A chunk like any other. */
    public static final Importance FAR = new Importance(1, 1);

    /** Checks that both are finite and positive. */
    public Importance {
        check(
                head > 0 && tail > 0 && Double.isFinite(head) && Double.isFinite(tail),
                "importance",
                head + "/" + tail,
                "finite and positive");
    }

    /** The weights of chunk {@code index} of {@code count} by position alone. */
    public static Importance byPosition(int index, int count) {
        return Terms.defaults().of(index, count);
    }

    /**
     * What makes a chunk important, as factors.
     *
     * @param last of the chunk that ends the request
     * @param lastTail of its tail
     * @param sink of the first chunk, whose first tokens draw attention from everywhere
     * @param attention how much the weight follows attention density: 0 = not, 1 = in proportion
     * @param entity the same for entity density
     */
    public record Terms(
            double last, double lastTail, double sink, double attention, double entity) {
        private static final double DENSITY_FACTOR_MIN = 1.0 / 16;

        /** Checks that factors are positive and shares not negative. */
        public Terms {
            check(last > 0 && lastTail > 0, "last", last + "/" + lastTail, "positive");
            check(sink > 0, "sink", sink, "positive");
            check(attention >= 0, "attention", attention, "0 or more");
            check(entity >= 0, "entity", entity, "0 or more");
        }

        /**
         * A rung divides squared error by nine, so 9 and 81 ask for one rung more than far chunks,
         * and for two on the last tokens: what codec-study measured as the best use of recency at
         * chunk granularity. Sinks weigh no more than others, since profiles send the first token
         * as it is and code the next ones finer. Densities count in proportion.
         */
        public static Terms defaults() {
            return new Terms(9, 81, 1, 1, 1);
        }

        /** The weights of a chunk of average density. */
        public Importance of(int index, int count) {
            return of(index, count, 1, 1);
        }

        /**
         * The weights of a chunk.
         *
         * @param attentionDensity attention that its tokens draw, by that of an average chunk
         * @param entityDensity the same for names and numbers
         */
        public Importance of(int index, int count, double attentionDensity, double entityDensity) {
            double density = factor(attention, attentionDensity) * factor(entity, entityDensity);
            double head = (index == 0 ? sink : 1) * density;
            double tail = head;
            if (index == count - 1) {
                head *= last;
                tail *= lastTail;
            }
            return new Importance(head, tail);
        }

        private static double factor(double share, double density) {
            check(
                    density >= 0 && Double.isFinite(density),
                    "density",
                    density,
                    "0 or more, 1 = average");
            return Math.max(DENSITY_FACTOR_MIN, 1 + share * (density - 1));
        }
    }
}
