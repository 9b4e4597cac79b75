package io.kvtier.node.frames;

import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.frame.Part;
import io.kvtier.codec.frame.SegmentEntry;
import io.kvtier.codec.frame.Span;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * What a frame says of itself without being decoded: identity, and the bytes of its parts.
 *
 * @param got the frame, as far as its file holds it
 */
public record FrameSummary(ReceivedFrame got) {
    /** How many parts the file holds. */
    public int held() {
        return got.header().partsHeld(got.fileBytes());
    }

    /** Elements of K and V of the chunk. */
    public long elements() {
        return got.header().decodedBytes() / got.header().dtype().bytes();
    }

    /** Elements of K and V of one token. */
    public long elementsPerToken() {
        return elements() / got.header().tokens();
    }

    /** Names of the parts that are held, as legends say them. */
    public List<String> parts() {
        FrameHeader header = got.header();
        List<String> out = new ArrayList<>();
        for (Part part : header.parts().subList(0, held())) {
            String span =
                    switch (part.span()) {
                        case ALL -> "all tokens";
                        case HEAD -> "first " + header.tokensOf(Span.HEAD) + " tokens";
                        case TAIL -> "last " + header.tokensOf(Span.TAIL) + " tokens";
                    };
            out.add("rung " + part.rung() + ", " + span);
        }
        return out;
    }

    /** Bytes of each held part. */
    public List<Long> partBytes() {
        List<Long> out = new ArrayList<>();
        for (int p = 0; p < held(); p++) {
            int part = p;
            out.add(
                    got.header().segments().stream()
                            .filter(segment -> segment.part() == part)
                            .mapToLong(SegmentEntry::bytes)
                            .sum());
        }
        return out;
    }

    /** For people. */
    public String text() {
        FrameHeader header = got.header();
        StringBuilder out = new StringBuilder();
        int last = header.firstPosition() + header.tokens() - 1;
        line(out, "key", header.key());
        line(out, "encoding id", header.encodingId());
        line(out, "namespace", header.namespace() + ", " + header.kind());
        line(out, "profile", header.profile());
        line(out, "tokens", header.firstPosition() + " to " + last + ", " + header.dtype());
        String all = held() == header.parts().size() ? "all " : "the first ";
        String parts = all + held() + " parts that the file holds, ";
        line(out, "verified", parts + header.firstSegment(held()) + " segments, and the header");
        out.append(String.format("%n%-26s %10s %7s %10s%n", "part", "bytes", "share", "bits/elem"));
        row(out, "header, directory", header.headerBytes());
        for (int p = 0; p < held(); p++) {
            row(out, parts().get(p), partBytes().get(p));
        }
        row(out, "all", got.bytes());
        return out.toString().stripTrailing();
    }

    private static void line(StringBuilder out, String name, Object value) {
        out.append(String.format("%-12s %s%n", name, value));
    }

    private void row(StringBuilder out, String name, long bytes) {
        out.append(
                String.format(
                        Locale.ROOT,
                        "%-26s %10d %5.1f %% %10.4f%n",
                        name,
                        bytes,
                        100.0 * bytes / got.bytes(),
                        8.0 * bytes / elements()));
    }
}
