package io.kvtier.node.transfer;

/**
 * One way to move bytes.
 *
 * @param bytes received
 * @param seconds it took
 * @param cpuSeconds processor time of both ends
 * @param decodedBytes the float16 that they stand for, 0 = the bytes themselves
 */
public record TransferRow(
        String name, long bytes, double seconds, double cpuSeconds, long decodedBytes) {
    private static final double GB = 1e9;

    /** Processor time for each GB received. */
    public double cpuSecondsPerGb() {
        return cpuSeconds / (bytes / GB);
    }

    /** GB a second on the wire. */
    public double wireGbPerSecond() {
        return bytes / GB / seconds;
    }

    /** GB of float16 a second. */
    public double effectiveGbPerSecond() {
        return (decodedBytes == 0 ? bytes : decodedBytes) / GB / seconds;
    }
}
