package io.kvtier.codec;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.entropy.LaneEncoder;
import io.kvtier.codec.entropy.Rungs;
import io.kvtier.codec.entropy.TokenTables;
import io.kvtier.codec.frame.FrameBytes;
import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.frame.Part;
import io.kvtier.codec.frame.SegmentEntry;
import io.kvtier.codec.frame.Span;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.Namespace;
import io.kvtier.codec.profile.DeepTransform;
import io.kvtier.codec.profile.Profile;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/**
 * Encodes chunks of one namespace by one profile: one call, one whole frame that can be cut to any
 * level. The bytes depend on nothing but the arguments. Reusable, not thread-safe; holds heap
 * scratch of about five times the chunk.
 */
public final class ChunkEncoder implements FrameCodec.Encoder {
    private static final int SEGMENT_BYTES_MIN = 16 << 10;

    private final Namespace namespace;
    private final Digest digest;
    private final Profile profile;
    private final GroupEncoder groupEncoder;
    private final Groups groups;
    private final Optional<DeepEncoder> deepEncoder;
    private final List<GroupCode> codes;
    private final LaneEncoder lanes = new LaneEncoder();
    private final TokenTables tables;
    private final List<RungTally> tallies = new ArrayList<>();
    private float[] rows = new float[0];
    private int[] coarse = new int[0];
    private int[] fine = new int[0];

    /** An encoder for a namespace, whose geometry the profile must have been made for. */
    public ChunkEncoder(Namespace namespace, Profile profile) {
        check(
                namespace.kind() == Namespace.Kind.ADAPTIVE,
                "namespace kind",
                namespace.kind(),
                "ADAPTIVE");
        profile.checkShape(namespace.geometry());
        this.namespace = namespace;
        this.digest = namespace.digest();
        this.profile = profile;
        groups = new Groups(namespace.geometry());
        groupEncoder = new GroupEncoder(profile, namespace.geometry(), groups);
        deepEncoder = profile.deep().map(deep -> new DeepEncoder(profile, deep, groupEncoder));
        codes = GroupCode.of(profile);
        tables = new TokenTables(namespace.chunkTokens());
        Reconstruction reconstruction = new Reconstruction(profile);
        codes.forEach(_ -> tallies.add(new RungTally(reconstruction, profile.rungs())));
    }

    /**
     * The frame of a block.
     *
     * @param key of the chunk
     * @param tokenDigest of its tokens
     * @throws io.kvtier.codec.error.InvalidRequestException for NaN or infinity, saying where
     */
    @Override
    public byte[] encode(Digest key, Digest tokenDigest, KvBlock block) {
        check(
                block.geometry().equals(namespace.geometry()),
                "block's geometry",
                block.geometry(),
                "the namespace's");
        check(
                block.tokens() <= namespace.chunkTokens(),
                "block's tokens",
                block.tokens(),
                "at most " + namespace.chunkTokens());
        if (profile.deep().flatMap(DeepTransform::prediction).isPresent()) {
            block.checkTokenIds(tokenDigest);
        }
        deepEncoder.ifPresentOrElse(deep -> quantizeDeep(deep, block), () -> quantize(block));
        List<Part> parts = parts(block.tokens());
        List<SegmentEntry> entries = new ArrayList<>();
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        for (int part = 0; part < parts.size(); part++) {
            encodePart(block, parts.get(part), part, entries, body);
        }
        FrameHeader header =
                new FrameHeader(
                        namespace.kind(),
                        namespace.geometry().decodedBytes(block.tokens()),
                        key,
                        digest,
                        profile.id(),
                        tokenDigest,
                        block.firstPosition(),
                        block.tokens(),
                        profile.tailTokens(),
                        profile.frameLayerGroups(),
                        profile.headGroups(),
                        namespace.geometry().dtype(),
                        parts,
                        entries,
                        List.of());
        ByteArrayOutputStream frame = new ByteArrayOutputStream();
        frame.writeBytes(header.toBytes());
        frame.writeBytes(body.toByteArray());
        return frame.toByteArray();
    }

    private void quantize(KvBlock block) {
        int n = block.tokens();
        int first = firstCoded(block);
        for (int i = 0; i < codes.size(); i++) {
            GroupCode code = codes.get(i);
            gather(block, code, first);
            groupEncoder.quantize(code, tallies.get(i), rows, n, first, block.firstPosition());
        }
    }

    private void quantizeDeep(DeepEncoder deep, KvBlock block) {
        int first = firstCoded(block);
        deep.begin(block, first);
        codes.getFirst().reset(block.tokens());
        for (int i = 1; i < codes.size(); i++) {
            gather(block, codes.get(i), first);
            deep.add(i - 1, codes.get(i), rows);
        }
        deep.shared(codes, tallies.getFirst(), block.firstPosition());
        for (int i = 1; i < codes.size(); i++) {
            deep.own(i - 1, codes.get(i), tallies.get(i));
        }
    }

    private void gather(KvBlock block, GroupCode code, int first) {
        code.reset(block.tokens());
        int size = code.group.width() * block.tokens();
        if (rows.length < size) {
            rows = new float[size];
        }
        groups.gather(block, code.group, rows, code.group.width());
        if (first > 0) {
            copyRaw(block, code);
        }
    }

    private void copyRaw(KvBlock block, GroupCode code) {
        int bytes = code.group.width() * namespace.geometry().dtype().bytes();
        code.raw = code.raw.length == bytes ? code.raw : new byte[bytes];
        code.hasRaw = true;
        groups.copyRaw(block, code.group, MemorySegment.ofArray(code.raw), false);
    }

    private int firstCoded(KvBlock block) {
        return profile.firstTokenRaw() && block.firstPosition() == 0 ? 1 : 0;
    }

    private List<Part> parts(int tokens) {
        List<Part> parts = new ArrayList<>(List.of(Part.BASE));
        int tail = Math.min(profile.tailTokens(), tokens);
        for (int rung = 1; rung < profile.rungs() && tail > 0; rung++) {
            parts.add(new Part(rung, Span.TAIL));
        }
        if (profile.rungs() > 1 && tail < tokens) {
            parts.add(new Part(1, Span.HEAD));
        }
        return parts;
    }

    private record Run(int first, int count, int headGroup) {}

    private void encodePart(
            KvBlock block,
            Part part,
            int partIndex,
            List<SegmentEntry> entries,
            ByteArrayOutputStream body) {
        int n = block.tokens();
        int tail = Math.min(profile.tailTokens(), n);
        int from = part.span() == Span.TAIL ? n - tail : 0;
        int end = part.span() == Span.HEAD ? n - tail : n;
        List<Run> runs = new ArrayList<>();
        for (int head = 0; head < profile.headGroups(); head++) {
            addRuns(part, head, end - from, runs);
        }
        runs.sort(Comparator.comparingInt(Run::first).thenComparingInt(Run::headGroup));
        for (Run run : runs) {
            byte[] bytes = encodeRun(part, run, block, from, end);
            double headError = 0;
            double tailError = 0;
            for (int i = run.first; i < run.first + run.count; i++) {
                RungTally tally = tallies.get(index(i, run.headGroup));
                headError += part.span().coversHead() ? tally.error(part.rung(), false) : 0;
                tailError += part.span().coversTail() ? tally.error(part.rung(), true) : 0;
            }
            entries.add(
                    new SegmentEntry(
                            run.first,
                            run.count,
                            run.headGroup,
                            partIndex,
                            bytes.length,
                            FrameBytes.crc32c(MemorySegment.ofArray(bytes)),
                            (float) headError,
                            (float) tailError));
            body.writeBytes(bytes);
        }
    }

    /**
     * Joins consecutive layer groups of one sliding window, since readers leave out what is beyond
     * it, until they are estimated to fill a segment.
     */
    private void addRuns(Part part, int head, int span, List<Run> runs) {
        int first = 0;
        long bits = 0;
        int last = profile.frameLayerGroups() - 1;
        for (int layer = 0; layer <= last; layer++) {
            int index = index(layer, head);
            bits += tallies.get(index).estimateBits(part.rung(), part.span(), span);
            boolean alone = codes.get(index).isShared();
            boolean ends = layer == last || window(layer) != window(layer + 1);
            if (bits >= 8L * SEGMENT_BYTES_MIN || alone || ends) {
                runs.add(new Run(first, layer + 1 - first, head));
                first = layer + 1;
                bits = 0;
            }
        }
    }

    /** Window of a layer group, 0 for the shared components of a deep profile. */
    private int window(int layerGroup) {
        int[] layers = codes.get(index(layerGroup, 0)).group.layers();
        return layers.length == 0 ? 0 : namespace.geometry().window().get(layers[0]);
    }

    private int index(int layerGroup, int headGroup) {
        return layerGroup * profile.headGroups() + headGroup;
    }

    private byte[] encodeRun(Part part, Run run, KvBlock block, int from, int end) {
        long elements = 0;
        for (int i = run.first; i < run.first + run.count; i++) {
            elements += (long) active(part, i, run.headGroup) * (end - from);
        }
        lanes.begin(elements < 2048 ? 8 : elements < 8192 ? 16 : 32, run.count);
        for (int i = run.first; i < run.first + run.count; i++) {
            GroupCode code = codes.get(index(i, run.headGroup));
            int active = active(part, i, run.headGroup);
            writeSide(code, part.rung(), active);
            tables.reset(end - from);
            if (from < firstCoded(block)) {
                tables.setRaw(0);
            }
            encodeGroup(code, part.rung(), active, block.tokens(), from, end);
        }
        return lanes.finish().array();
    }

    private int active(Part part, int layerGroup, int headGroup) {
        return tallies.get(index(layerGroup, headGroup)).active(part.rung(), part.span());
    }

    private void encodeGroup(GroupCode code, int rung, int active, int n, int from, int end) {
        int span = end - from;
        if (coarse.length < span) {
            coarse = new int[span];
            fine = new int[span];
        }
        if (profile.classRows()) {
            if (rung == 0 && code.classRow) {
                for (int t = 0; t < span; t++) {
                    coarse[t] = code.classes[from + t] - profile.classes().centre();
                }
                lanes.row(profile.classes().table(), tables, coarse, 0);
            }
            for (int t = 0; t < span; t++) {
                tables.setClass(t, code.classes[from + t]);
            }
        }
        for (int c = 0; c < active; c++) {
            Rungs.coarsen(code.q, c * n + from, span, profile.rungs() - 1 - rung, fine, 0);
            if (rung == 0) {
                lanes.row(code.sigmaIndex[c], tables, fine, 0);
            } else {
                int index = code.sigmaIndex[c] + Rungs.shift(rung - 1);
                Rungs.coarsen(fine, 0, span, 1, coarse, 0);
                lanes.refine(index, tables, coarse, fine, 0);
            }
        }
    }

    private void writeSide(GroupCode code, int rung, int active) {
        int bytes = 2 + code.raw.length + 4 * code.scale.length + 3 * code.mean.length;
        ByteBuffer side = lanes.side(bytes);
        side.putShort((short) active);
        if (rung > 0) {
            return;
        }
        if (code.hasRaw) {
            side.put(code.raw);
        }
        if (profile.statisticsInFrame()) {
            for (float scale : code.scale) {
                side.putFloat(scale);
            }
            for (float mean : code.mean) {
                side.putShort(Float.floatToFloat16(mean));
            }
            for (int index : code.sigmaIndex) {
                side.put((byte) index);
            }
        }
    }
}
