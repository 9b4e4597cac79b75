package io.kvtier.node.sim;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.error.InvalidRequestException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * What a link carries over time: a rate that holds until the next one, the last one for ever.
 *
 * <p>Times are nanoseconds since the stream began, as its reader sees them.
 */
public final class BandwidthTrace {
    /** Most steps of a trace. */
    public static final int STEPS_MAX = 1_000_000;

    private static final double BYTES_PER_NANO_OF_MBIT = 1e6 / 8 / 1e9;
    private static final long NANOS_OF_MILLI = 1_000_000;

    private final String name;
    private final long[] from;
    private final double[] rate;
    private final double[] passed;

    /**
     * A step of a trace.
     *
     * @param ms since the stream began
     * @param mbit rate from then on, in Mbit/s
     */
    public record Step(double ms, double mbit) {
        /** Checks ranges. */
        public Step {
            check(ms >= 0 && ms < 1e9, "ms", ms, "0..1e9");
            check(mbit >= 0 && mbit <= 1e6, "mbit", mbit, "0..1e6");
        }
    }

    /** A trace of steps in ascending order of time; the first one counts from 0 on. */
    public BandwidthTrace(String name, List<Step> steps) {
        check(!steps.isEmpty() && steps.size() <= STEPS_MAX, "steps", steps.size(), "1..1e6");
        check(steps.getLast().mbit() > 0, "last mbit", steps.getLast().mbit(), "more than 0");
        this.name = name;
        int count = steps.size();
        from = new long[count];
        rate = new double[count];
        passed = new double[count];
        for (int i = 0; i < count; i++) {
            from[i] = i == 0 ? 0 : (long) (steps.get(i).ms() * NANOS_OF_MILLI);
            rate[i] = steps.get(i).mbit() * BYTES_PER_NANO_OF_MBIT;
            if (i > 0) {
                double before = steps.get(i - 1).ms();
                boolean later = steps.get(i).ms() > before && from[i] > from[i - 1];
                check(later, "ms", steps.get(i).ms(), "more than the " + before + " before it");
                passed[i] = passed[i - 1] + (from[i] - from[i - 1]) * rate[i - 1];
            }
        }
    }

    /**
     * Reads lines {@code ms,mbit}; a first line of words and empty lines are passed over.
     *
     * @throws InvalidRequestException naming the line that cannot be read
     */
    public static BandwidthTrace read(Path file) throws IOException {
        List<String> lines = Files.readAllLines(file);
        List<Step> steps = new ArrayList<>();
        for (int i = 0; i < lines.size(); i++) {
            String line = lines.get(i).strip();
            if (line.isEmpty() || (i == 0 && !Character.isDigit(line.charAt(0)))) {
                continue;
            }
            String[] fields = line.split(",", -1);
            try {
                check(fields.length == 2, "fields", fields.length, "ms,mbit");
                steps.add(
                        new Step(
                                Double.parseDouble(fields[0].strip()),
                                Double.parseDouble(fields[1].strip())));
            } catch (NumberFormatException | InvalidRequestException e) {
                throw new InvalidRequestException(
                        file + ", line " + (i + 1) + ": '" + line + "', expected ms,mbit");
            }
        }
        return new BandwidthTrace(String.valueOf(file.getFileName()), steps);
    }

    /** What it is called. */
    public String name() {
        return name;
    }

    /** Bytes a second at a time. */
    public double bytesPerSecond(long nanos) {
        return rate[step(nanos)] * 1e9;
    }

    /** Bytes that the link carries between two times. */
    public double bytesBetween(long start, long end) {
        return end <= start ? 0 : passedBy(end) - passedBy(start);
    }

    /** When the link has carried so many bytes from a time on. */
    public long whenPassed(long start, long bytes) {
        double target = passedBy(start) + bytes;
        int i = Arrays.binarySearch(passed, target);
        i = i >= 0 ? i : -i - 2;
        while (i > 0 && rate[i] == 0 && passed[i] >= target) {
            i--; // it had passed before the link went silent
        }
        long at = from[i] + (long) Math.ceil((target - passed[i]) / rate[i]);
        return Math.max(start, at);
    }

    private double passedBy(long nanos) {
        int i = step(nanos);
        return passed[i] + (nanos - from[i]) * rate[i];
    }

    private int step(long nanos) {
        int i = Arrays.binarySearch(from, nanos);
        return Math.max(0, i >= 0 ? i : -i - 2);
    }
}
