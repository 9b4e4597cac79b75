package io.kvtier.node.sim;

/**
 * CacheGen's rule: chunk by chunk the best level that, by the rate that is believed, is there in
 * time; the smallest one when none is.
 *
 * <p>Its released code gives every chunk the same share of the deadline, takes the rate from the
 * trace, and never passes on what a chunk did not use; the paper says all chunks that are left, the
 * time that is left, and the throughput of the chunk before. Where it would send text for the model
 * to compute, there is nothing to compute with here, so the smallest level is sent. Unlike the
 * released code a chunk that is decided does not wait for a round trip.
 *
 * <p>Source: Y. Liu et al., CacheGen: KV Cache Compression and Streaming for Fast Large Language
 * Model Serving, SIGCOMM 2024, section 5.3, and {@code config_selection} of its repository.
 *
 * @param rate what is believed of the link
 * @param carriesOver the paper's rule; else the released code's
 */
record CacheGenRule(Rate rate, boolean carriesOver) implements StreamPolicy {
    /** Taken for the first chunk when nothing is known of the link. */
    private static final int MEDIUM = 1;

    /** What is believed of the link. */
    enum Rate {
        /** What it will carry while the chunk is sent. */
        ORACLE,
        /** What the chunk before had. */
        LAST_SAMPLE
    }

    @Override
    public String name() {
        return "cachegen-" + (rate == Rate.ORACLE ? "oracle" : carriesOver ? "paper" : "last");
    }

    @Override
    public PolicyScore run(StreamCase request) {
        SentLevels levels = new SentLevels(request);
        int count = request.chunks().size();
        long share = (request.deadlineNanos() - request.roundTripNanos()) / count;
        double believed = request.hintBytesPerSecond() / 1e9;
        while (!levels.isDone()) {
            long left = carriesOver ? request.deadlineNanos() - levels.now() : share;
            int last = carriesOver ? count : levels.next() + 1;
            int level = choose(request, levels, last, left, believed);
            long bytes = levels.bytes(levels.next(), level);
            believed = bytes / (double) Math.max(1, levels.send(level));
        }
        return levels.score(this);
    }

    private int choose(
            StreamCase request, SentLevels levels, int last, long left, double believed) {
        if (rate == Rate.LAST_SAMPLE && believed == 0) {
            return MEDIUM;
        }
        for (int level = SentLevels.LEVELS.size() - 1; level > 0; level--) {
            long bytes = 0;
            for (int chunk = levels.next(); chunk < last; chunk++) {
                bytes += levels.bytes(chunk, level);
            }
            double nanos =
                    rate == Rate.ORACLE
                            ? request.trace().whenPassed(levels.now(), bytes) - levels.now()
                            : bytes / believed;
            if (nanos <= left) {
                return level;
            }
        }
        return 0;
    }
}
