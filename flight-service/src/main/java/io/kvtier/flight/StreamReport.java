package io.kvtier.flight;

import java.util.List;

/**
 * A stream of segments under way.
 *
 * @param tenant for whom
 * @param namespace first 8 hexadecimal digits of its digest
 * @param seconds since it began
 * @param sentBytes by rung
 * @param bytesPerSecond over the last few seconds
 * @param queued requests that wait
 * @param deadlineSeconds time that was left for the request answered last, when it came; 0 = it
 *     named none
 */
public record StreamReport(
        String tenant,
        String namespace,
        double seconds,
        List<Long> sentBytes,
        long bytesPerSecond,
        int queued,
        double deadlineSeconds) {}
