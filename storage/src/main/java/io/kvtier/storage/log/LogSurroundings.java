package io.kvtier.storage.log;

import io.kvtier.storage.NanoClock;
import io.kvtier.storage.Retention;
import java.time.InstantSource;
import java.util.concurrent.Executor;
import java.util.random.RandomGenerator;

/**
 * What a {@link LogChunkStore} gets from outside.
 *
 * @param clock for the pause after a failed write, and to measure the medium
 * @param instants names what is set aside
 * @param random must not be guessable: it keeps values from posing as records, and keys from
 *     colliding
 * @param background runs compaction and checkpoints; ends after the store
 * @param retention which values stay, and how long; is told of those that do not
 */
public record LogSurroundings(
        NanoClock clock,
        InstantSource instants,
        RandomGenerator random,
        Executor background,
        Retention retention) {}
