package io.kvtier.node.frames;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.kvtier.codec.identity.Digest;
import java.util.List;
import java.util.Locale;

/**
 * What a request at a level takes of each context, and what storing all of it takes.
 *
 * @param request what was asked for
 * @param profile id of the profile
 * @param contexts in order
 */
public record SizeReport(LevelRequest request, Digest profile, List<Context> contexts) {
    /**
     * One context.
     *
     * @param elements of K and V
     * @param neededElements of those that a query behind the context can see
     * @param bytes sent: headers and segments of the parts asked for
     * @param storedBytes of its frames' files
     * @param rungs that each chunk was decoded at
     */
    public record Context(
            String name,
            long elements,
            long neededElements,
            long bytes,
            long storedBytes,
            List<String> rungs) {
        /** Copies the list. */
        public Context {
            rungs = List.copyOf(rungs);
        }
    }

    /** Copies the list. */
    public SizeReport {
        contexts = List.copyOf(contexts);
    }

    /** Elements of K and V of all contexts. */
    public long elements() {
        return contexts.stream().mapToLong(Context::elements).sum();
    }

    /**
     * Elements of all contexts that a query behind them can see: bits sent are counted over them.
     */
    public long neededElements() {
        return contexts.stream().mapToLong(Context::neededElements).sum();
    }

    /** Bytes sent of all contexts. */
    public long bytes() {
        return contexts.stream().mapToLong(Context::bytes).sum();
    }

    /** Bytes stored of all contexts. */
    public long storedBytes() {
        return contexts.stream().mapToLong(Context::storedBytes).sum();
    }

    /** One JSON object. */
    public String json() {
        ObjectNode root = new ObjectMapper().createObjectNode();
        root.put("level", request.level());
        root.put("recency", !request.far().equals(request.last()));
        root.put("profile", profile.toString());
        root.put("storedBitsPerElement", bits(storedBytes(), elements()));
        root.put("bitsPerElement", bits(bytes(), neededElements()));
        root.put("storedBytes", storedBytes()).put("bytes", bytes()).put("elements", elements());
        root.put("neededElements", neededElements());
        for (Context context : contexts) {
            ObjectNode out = root.withArray("contexts").addObject().put("name", context.name);
            out.put("storedBytes", context.storedBytes).put("bytes", context.bytes);
            out.put("elements", context.elements).put("neededElements", context.neededElements);
            out.put("storedBitsPerElement", bits(context.storedBytes, context.elements));
            out.put("bitsPerElement", bits(context.bytes, context.neededElements));
            context.rungs.forEach(rung -> out.withArray("rungs").add(rung));
        }
        return root.toString();
    }

    /** A line a context, and a line for all. */
    public String table() {
        StringBuilder out = new StringBuilder();
        out.append(String.format("%-20s %12s %9s  %s%n", "context", "bytes", "bits/elem", "rungs"));
        for (Context context : contexts) {
            String rungs = String.join(" ", context.rungs);
            out.append(row(context.name, context.bytes, context.neededElements, rungs));
        }
        out.append(row("all, sent", bytes(), neededElements(), "level " + request.level()));
        out.append(row("all, stored", storedBytes(), elements(), "every rung"));
        return out.toString().stripTrailing();
    }

    private static String row(String name, long bytes, long elements, String rungs) {
        double bits = bits(bytes, elements);
        return String.format(Locale.ROOT, "%-20s %12d %9.3f  %s%n", name, bytes, bits, rungs);
    }

    private static double bits(long bytes, long elements) {
        return bytes * 8.0 / elements;
    }
}
