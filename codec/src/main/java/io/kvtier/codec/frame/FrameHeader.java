package io.kvtier.codec.frame;

import static io.kvtier.codec.error.CorruptChunkException.check;

import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.Dtype;
import io.kvtier.codec.identity.Namespace;
import java.util.ArrayList;
import java.util.List;

/**
 * What a frame says of itself: identity, parts and the directory of its segments (docs/format.md
 * section 2). It never changes when the frame is cut, so {@link #encodingId} names the encoding,
 * and through the directory's checksums every byte that follows.
 *
 * @param kind of the namespace
 * @param decodedBytes bytes of K and V (or of the opaque layers) once decoded
 * @param key chunk key
 * @param namespace digest of the namespace
 * @param profile id of the profile, zeros when exact
 * @param tokenDigest SHA-256 of the chunk's tokens
 * @param firstPosition position of the first token in its sequence
 * @param tokens tokens of the chunk
 * @param tailTokens tokens of a full tail, 0 when exact
 * @param layerGroups groups along the layers
 * @param headGroups groups along the KV heads
 * @param dtype of the tensors that were encoded
 * @param parts in the order in which they lie
 * @param segments in the order in which they lie
 * @param coverage bitset of the tokens that are present, LSB first; empty = all
 */
public record FrameHeader(
        Namespace.Kind kind,
        long decodedBytes,
        Digest key,
        Digest namespace,
        Digest profile,
        Digest tokenDigest,
        int firstPosition,
        int tokens,
        int tailTokens,
        int layerGroups,
        int headGroups,
        Dtype dtype,
        List<Part> parts,
        List<SegmentEntry> segments,
        List<Byte> coverage) {
    /** Most parts of a frame. */
    public static final int PARTS_MAX = 16;

    /** Copies the lists and checks that the whole hangs together. */
    public FrameHeader {
        parts = List.copyOf(parts);
        segments = List.copyOf(segments);
        coverage = List.copyOf(coverage);
        check(tokens >= 1 && tokens <= 65535, "tokens", "1..65535", tokens);
        check(firstPosition >= 0, "firstPosition", "0..2^31-1", firstPosition);
        check(tailTokens >= 0 && tailTokens <= 65535, "tailTokens", "0..65535", tailTokens);
        check(layerGroups >= 1 && layerGroups <= 65535, "layerGroups", "1..65535", layerGroups);
        check(headGroups >= 1 && headGroups <= 64, "headGroups", "1..64", headGroups);
        check(
                decodedBytes >= 1 && decodedBytes <= 0xffffffffL,
                "decodedBytes",
                "1..2^32-1",
                decodedBytes);
        check(
                coverage.isEmpty() || coverage.size() == (tokens + 7) / 8,
                "coverage bytes",
                "0 or " + (tokens + 7) / 8,
                coverage.size());
        checkCoverage(coverage, tokens);
        if (kind == Namespace.Kind.EXACT) {
            check(tailTokens == 0, "tailTokens of an exact frame", 0, tailTokens);
            check(profile.equals(Digest.ZERO), "profile of an exact frame", "zeros", profile);
        }
        checkParts(kind, parts, Math.min(tailTokens, tokens), tokens);
        checkDirectory(kind, parts, segments, layerGroups, headGroups);
    }

    /** SHA-256 of the header's bytes: the name of this encoding. */
    public Digest encodingId() {
        return Digest.sha256(FrameBytes.write(this));
    }

    /** Tokens of the tail. */
    public int tail() {
        return Math.min(tailTokens, tokens);
    }

    /** Tokens that a span covers. */
    public int tokensOf(Span span) {
        return switch (span) {
            case ALL -> tokens;
            case HEAD -> tokens - tail();
            case TAIL -> tail();
        };
    }

    /** Bytes of the header itself. */
    public int headerBytes() {
        return FrameBytes.headerBytes(this);
    }

    /** Offset in the frame at which segment {@code index} begins; also for index = count. */
    public long offset(int index) {
        long at = headerBytes();
        for (int i = 0; i < index; i++) {
            at += segments.get(i).bytes();
        }
        return at;
    }

    /** Bytes of the whole frame, uncut. */
    public long frameBytes() {
        return offset(segments.size());
    }

    /** Index of the first segment of a part; for part = count, the number of segments. */
    public int firstSegment(int part) {
        int i = 0;
        while (i < segments.size() && segments.get(i).part() < part) {
            i++;
        }
        return i;
    }

    /** Offsets after each part: where the frame may be cut, ascending. */
    public List<Long> cuts() {
        List<Long> out = new ArrayList<>(parts.size());
        for (int part = 0; part < parts.size(); part++) {
            out.add(offset(firstSegment(part + 1)));
        }
        return out;
    }

    /** How many parts the first {@code bytes} of the frame hold in whole. */
    public int partsHeld(long bytes) {
        int held = 0;
        for (long cut : cuts()) {
            held += cut <= bytes ? 1 : 0;
        }
        return held;
    }

    private static void checkParts(Namespace.Kind kind, List<Part> parts, int tail, int tokens) {
        check(
                !parts.isEmpty() && parts.size() <= PARTS_MAX,
                "count of parts",
                "1.." + PARTS_MAX,
                parts.size());
        check(parts.getFirst().equals(Part.BASE), "part 0", Part.BASE, parts.getFirst());
        if (kind == Namespace.Kind.EXACT) {
            check(parts.size() == 1, "parts of an exact frame", 1, parts.size());
        }
        int head = 0;
        int last = 0;
        for (Part part : parts.subList(1, parts.size())) {
            Span span = part.span();
            check(!span.coversHead() || part.rung() == head + 1, "head rung", head + 1, part);
            check(!span.coversTail() || part.rung() == last + 1, "tail rung", last + 1, part);
            check(span != Span.HEAD || tail < tokens, "part", "no empty head", part);
            check(span != Span.TAIL || tail > 0, "part", "no empty tail", part);
            head = span.coversHead() ? part.rung() : head;
            last = span.coversTail() ? part.rung() : last;
        }
    }

    /** Each part covers each group once, by segments in order of layer group, then head group. */
    private static void checkDirectory(
            Namespace.Kind kind,
            List<Part> parts,
            List<SegmentEntry> segments,
            int layerGroups,
            int headGroups) {
        boolean exact = kind == Namespace.Kind.EXACT;
        int at = 0;
        for (int part = 0; part < parts.size(); part++) {
            int[] next = new int[headGroups];
            int before = -1;
            while (at < segments.size() && segments.get(at).part() == part) {
                SegmentEntry entry = segments.get(at);
                String where = "segment " + at + " ";
                int head = entry.headGroup();
                check(head >= 0 && head < headGroups, where + "head group", headGroups, head);
                int order = entry.firstLayerGroup() * headGroups + head;
                check(order > before, where + "order", "above " + before, order);
                before = order;
                check(
                        entry.firstLayerGroup() == next[head] && entry.layerGroups() >= 1,
                        where + "first layer group",
                        next[head],
                        entry.firstLayerGroup());
                next[head] += entry.layerGroups();
                check(entry.bytes() >= 1, where + "bytes", "at least 1", entry.bytes());
                Span span = parts.get(part).span();
                boolean noHead = exact || !span.coversHead();
                boolean noTail = exact || !span.coversTail();
                checkDistortion(where + "distortion", entry.distortion(), noHead);
                checkDistortion(where + "tailDistortion", entry.tailDistortion(), noTail);
                at++;
            }
            for (int head = 0; head < headGroups; head++) {
                check(
                        next[head] == layerGroups,
                        "layer groups covered by part " + part + ", head group " + head,
                        layerGroups,
                        next[head]);
            }
        }
        check(at == segments.size(), "segment " + at + " part", "a part in order", "another");
    }

    private static void checkDistortion(String what, float value, boolean isNone) {
        boolean holds = isNone ? value == 0 : value >= 0 && value < Float.POSITIVE_INFINITY;
        check(holds, what, isNone ? "0" : ">= 0", value);
    }

    private static void checkCoverage(List<Byte> coverage, int tokens) {
        if (tokens % 8 != 0 && !coverage.isEmpty()) {
            int behind = Byte.toUnsignedInt(coverage.getLast()) >> (tokens % 8);
            check(behind == 0, "coverage bits behind the last token", 0, behind);
        }
    }

    /** The bytes of this header, as they lie in a frame. */
    public byte[] toBytes() {
        return FrameBytes.write(this);
    }

    /** A short description for people: key, tokens, parts, bytes. */
    @Override
    public String toString() {
        return "frame "
                + key.brief()
                + " ("
                + kind
                + ", tokens "
                + firstPosition
                + "+"
                + tokens
                + ", "
                + parts.size()
                + " parts, "
                + segments.size()
                + " segments, "
                + frameBytes()
                + " bytes)";
    }

    /** Whether the token is present: not dropped by the method that encoded the chunk. */
    public boolean isPresent(int token) {
        InvalidRequestException.check(
                token >= 0 && token < tokens, "token", token, "0.." + (tokens - 1));
        return coverage.isEmpty() || (coverage.get(token >> 3) >> (token & 7) & 1) != 0;
    }
}
