package io.kvtier.node.sim;

/**
 * The same level for every chunk, whatever the link does.
 *
 * @param level index in {@link SentLevels#LEVELS}
 */
record FixedLevel(int level) implements StreamPolicy {
    @Override
    public String name() {
        return "fixed-" + level;
    }

    @Override
    public PolicyScore run(StreamCase request) {
        SentLevels levels = new SentLevels(request);
        while (!levels.isDone()) {
            long _ = levels.send(level);
        }
        return levels.score(this);
    }
}
