package io.kvtier.node.transfer;

import com.sun.management.OperatingSystemMXBean;
import io.kvtier.client.NanoClock;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.util.function.DoubleSupplier;

/** Time and processor time of this process, in which both ends of a transfer run. */
public final class Meter {
    private static final double NANOS = 1e9;

    private final NanoClock clock;

    /** By a clock. */
    public Meter(NanoClock clock) {
        this.clock = clock;
    }

    /** Something that receives bytes and says how many. */
    public interface Transfer {
        /** Runs to its end. */
        long run() throws IOException;
    }

    /** Measures a transfer whose bytes are what they stand for. */
    public TransferRow measure(String name, Transfer transfer) throws IOException {
        return measure(name, 0, transfer, () -> 0);
    }

    /**
     * Measures a transfer.
     *
     * @param decodedBytes the float16 that all of it stands for
     * @param elsewhere processor seconds that another process has used, by its own count
     */
    public TransferRow measure(
            String name, long decodedBytes, Transfer transfer, DoubleSupplier elsewhere)
            throws IOException {
        OperatingSystemMXBean system =
                (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        double other = elsewhere.getAsDouble();
        long cpu = system.getProcessCpuTime();
        long start = clock.nanoTime();
        long bytes = transfer.run();
        double seconds = (clock.nanoTime() - start) / NANOS;
        double cpuSeconds = (system.getProcessCpuTime() - cpu) / NANOS;
        double more = elsewhere.getAsDouble() - other;
        return new TransferRow(name, bytes, seconds, cpuSeconds + more, decodedBytes);
    }
}
