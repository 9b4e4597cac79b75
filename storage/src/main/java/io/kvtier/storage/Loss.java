package io.kvtier.storage;

import java.time.Duration;

/**
 * What became of a value that is no longer held.
 *
 * @param cause of its end
 * @param ago how long that is past
 */
public record Loss(LossCause cause, Duration ago) {}
