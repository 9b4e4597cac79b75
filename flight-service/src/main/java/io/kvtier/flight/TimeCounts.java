package io.kvtier.flight;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.LongAdder;

/** How often something took how long, in a few steps. Thread-safety: all methods. */
final class TimeCounts {
    private static final List<Double> SECONDS =
            List.of(0.0001, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0);

    private final List<LongAdder> counts = new ArrayList<>();
    private final LongAdder nanos = new LongAdder();

    TimeCounts() {
        for (int i = 0; i <= SECONDS.size(); i++) {
            counts.add(new LongAdder());
        }
    }

    void add(long took) {
        double seconds = took / 1e9;
        int step = 0;
        while (step < SECONDS.size() && seconds > SECONDS.get(step)) {
            step++;
        }
        counts.get(step).increment();
        nanos.add(took);
    }

    TimeReport report() {
        return new TimeReport(
                SECONDS, counts.stream().map(LongAdder::sum).toList(), nanos.sum() / 1e9);
    }
}
