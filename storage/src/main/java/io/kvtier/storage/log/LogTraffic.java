package io.kvtier.storage.log;

/**
 * Bytes of a log store since it was opened.
 *
 * @param written to segment files: records, copies, deaths and footers
 * @param moved of these, by compaction
 * @param segmentBytes what all segment files are charged with now
 */
public record LogTraffic(long written, long moved, long segmentBytes) {}
