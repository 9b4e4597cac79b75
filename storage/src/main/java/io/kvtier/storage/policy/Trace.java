package io.kvtier.storage.policy;

import java.util.List;

/**
 * Requests in order of time.
 *
 * @param requests with ascending times
 */
public record Trace(List<Request> requests) {
    /**
     * One prompt.
     *
     * @param millis when it arrived, from the trace's start
     * @param blocks its chain: equal ids are equal prefixes up to there
     */
    @SuppressWarnings("ArrayRecordComponent") // read-only by agreement
    public record Request(long millis, long[] blocks) {}
}
