package io.kvtier.node;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Locale;

/**
 * What one link brought.
 *
 * @param megabits of the link a second, 0 = unshaped
 * @param deadlineMs from the lookup to the last decoded element
 * @param elapsedMs the same, as measured
 * @param bytes received
 * @param bitsPerElement received, for each element of K and V decoded
 * @param rungs of each delivered chunk, head/tail where they differ
 * @param matched chunks found by the lookup
 * @param rawMs float16 over the same link: measured unshaped, else bytes over rate
 * @param error against what the frames promised
 */
record DemoLink(
        int megabits,
        long deadlineMs,
        double elapsedMs,
        long bytes,
        double bitsPerElement,
        List<String> rungs,
        int matched,
        double rawMs,
        ErrorCheck error) {
    DemoLink {
        rungs = List.copyOf(rungs);
    }

    /** How a person calls the link. */
    String name() {
        return megabits == 0 ? "unshaped" : megabits + " Mbit/s";
    }

    static String json(List<DemoLink> links) {
        ObjectNode root = new ObjectMapper().createObjectNode();
        root.putArray("links");
        for (DemoLink link : links) {
            ObjectNode node = root.withArray("links").addObject();
            if (link.megabits == 0) {
                node.putNull("mbit");
            } else {
                node.put("mbit", link.megabits);
            }
            node.put("deadlineMs", link.deadlineMs);
            node.put("elapsedMs", Math.round(link.elapsedMs * 10) / 10.0);
            node.put("bytes", link.bytes);
            node.put("bitsPerElement", Math.round(link.bitsPerElement * 1000) / 1000.0);
            link.rungs.forEach(rung -> node.withArray("rungs").add(rung));
            node.put("chunks", link.rungs.size()).put("matchedChunks", link.matched);
            node.put("rawMs", Math.round(link.rawMs * 10) / 10.0);
            node.put("maxError", link.error.maxError());
            node.put("maxBound", link.error.maxBound());
            node.put("withinBound", link.error.within());
        }
        return root.toString();
    }

    static String table(List<DemoLink> links) {
        StringBuilder out = new StringBuilder();
        out.append(
                String.format(
                        "%-12s %8s %8s %-20s %10s %9s %10s  %s%n",
                        "link",
                        "deadline",
                        "time",
                        "rungs by chunk",
                        "bytes",
                        "bits/elem",
                        "raw fp16",
                        "rms error (promised)"));
        for (DemoLink link : links) {
            out.append(
                    String.format(
                            Locale.ROOT,
                            "%-12s %5d ms %5.0f ms %-20s %10d %9.2f %7.0f ms  %.4f (%.4f)%s%n",
                            link.name(),
                            link.deadlineMs,
                            link.elapsedMs,
                            String.join(" ", link.rungs),
                            link.bytes,
                            link.bitsPerElement,
                            link.rawMs,
                            link.error.maxError(),
                            link.error.maxBound(),
                            link.error.within() ? "" : " BROKEN"));
        }
        return out
                + "A rung divides the error by 3; head/tail where the last tokens got more."
                + " Raw fp16: measured when unshaped, else bytes by rate.\n"
                + "Error: of the worst chunk, weighted by what the model feels of each element.";
    }
}
