package io.kvtier.flight;

import java.util.List;
import java.util.Map;

/**
 * What a service has counted for one tenant and namespace since it started.
 *
 * @param tenant its name; {@code none} where nobody is asked for a credential, {@code other} for
 *     what is above the limit of series
 * @param namespace first 8 hexadecimal digits of its digest; {@code unknown} for lookups that found
 *     nothing under a namespace of which nothing was held, {@code other} as above
 * @param lookups chunks that lookups asked for, by what came of it
 * @param requests answers to requests for parts of chunks, by how they ended
 * @param puts chunks that came, by what became of them
 * @param receivedBytes of the puts that were kept, by rung
 * @param sentBytes by rung
 */
public record SeriesReport(
        String tenant,
        String namespace,
        Map<String, Long> lookups,
        Map<String, Long> requests,
        Map<String, Long> puts,
        List<Long> receivedBytes,
        List<Long> sentBytes) {}
