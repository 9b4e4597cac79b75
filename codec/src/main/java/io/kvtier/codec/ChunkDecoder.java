package io.kvtier.codec;

import static io.kvtier.codec.error.CorruptChunkException.check;

import io.kvtier.codec.entropy.LaneDecoder;
import io.kvtier.codec.entropy.Rungs;
import io.kvtier.codec.entropy.TokenTables;
import io.kvtier.codec.error.CorruptChunkException;
import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.frame.FrameBytes;
import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.frame.Part;
import io.kvtier.codec.frame.SegmentEntry;
import io.kvtier.codec.frame.Span;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.Namespace;
import io.kvtier.codec.profile.DeepTransform;
import io.kvtier.codec.profile.Profile;
import java.lang.foreign.MemorySegment;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;

/**
 * Decodes frames of one namespace and profile, one after another: {@link #begin}, segments in any
 * order in which a rung follows the one below it, {@link #finish}. Head groups may be left out; so
 * may rungs. Reusable, not thread-safe; holds heap scratch of about three times the chunk. After an
 * exception only {@link #begin} may follow.
 */
public final class ChunkDecoder implements FrameCodec.Decoder {
    private final Namespace namespace;
    private final Profile profile;
    private final List<GroupCode> codes;
    private final LaneDecoder lanes = new LaneDecoder();
    private final TokenTables tables;
    private final GroupWriter writer;
    private int[] row = new int[0];
    private List<SegmentEntry> entries = List.of();
    private List<Part> parts = List.of();
    private Digest tokenDigest = Digest.ZERO;
    private int tokens;
    private int tail;
    private int firstCoded;

    /** A decoder for a namespace, whose geometry the profile must have been made for. */
    public ChunkDecoder(Namespace namespace, Profile profile) {
        InvalidRequestException.check(
                namespace.kind() == Namespace.Kind.ADAPTIVE,
                "namespace kind",
                namespace.kind(),
                "ADAPTIVE");
        profile.checkShape(namespace.geometry());
        this.namespace = namespace;
        this.profile = profile;
        codes = GroupCode.of(profile);
        tables = new TokenTables(namespace.chunkTokens());
        writer = new GroupWriter(profile, namespace.geometry());
    }

    /** Starts a chunk whose header was read and verified. */
    @Override
    public void begin(FrameHeader header) {
        FrameBytes.verifyIdentity(header, namespace, namespace.digest());
        InvalidRequestException.check(
                header.profile().equals(profile.id()),
                "frame's profile",
                header.profile(),
                profile.id());
        check(
                header.layerGroups() == profile.frameLayerGroups()
                        && header.headGroups() == profile.headGroups(),
                "frame's groups",
                profile.frameLayerGroups() + " by " + profile.headGroups(),
                header.layerGroups() + " by " + header.headGroups());
        tokens = header.tokens();
        tokenDigest = header.tokenDigest();
        tail = header.tail();
        firstCoded = profile.firstTokenRaw() && header.firstPosition() == 0 ? 1 : 0;
        entries = header.segments();
        parts = header.parts();
        codes.forEach(code -> code.reset(tokens));
        if (row.length < tokens + GroupCode.PADDING) {
            row = new int[tokens + GroupCode.PADDING];
        }
    }

    /**
     * Takes the bytes of segment {@code index} of the directory, whose checksum was verified; they
     * are lent for the call.
     */
    @Override
    public void accept(int index, MemorySegment bytes) {
        InvalidRequestException.check(
                index >= 0 && index < entries.size(), "segment", index, "0.." + entries.size());
        SegmentEntry entry = entries.get(index);
        Part part = parts.get(entry.part());
        try {
            decode(entry, part, bytes);
        } catch (CorruptChunkException e) {
            entries = List.of(); // nothing half-refined may be written
            throw e;
        } catch (BufferUnderflowException e) {
            entries = List.of();
            throw new CorruptChunkException("side information", "more bytes", bytes.byteSize());
        }
    }

    /**
     * Writes what arrived into the target, rounded to its dtype; tensors of groups that did not
     * arrive stay as they are.
     */
    @Override
    public DecodedChunk finish(KvBlock target) {
        InvalidRequestException.check(
                !entries.isEmpty(),
                "decoder",
                "not begun, or broken by a corrupt segment",
                "begun");
        InvalidRequestException.check(
                target.geometry().equals(namespace.geometry()) && target.tokens() == tokens,
                "target's shape",
                target.tokens() + " tokens",
                tokens + " tokens of the namespace's geometry");
        boolean raw = profile.firstTokenRaw() && target.firstPosition() == 0;
        InvalidRequestException.check(
                raw == firstCoded > 0, "target's position", target.firstPosition(), "the frame's");
        if (profile.deep().flatMap(DeepTransform::prediction).isPresent()) {
            target.checkTokenIds(tokenDigest);
        }
        return writer.write(codes, target, tail);
    }

    /**
     * Where the bits of what arrived lie.
     *
     * @param header that this chunk began with
     * @throws InvalidRequestException for a deep profile, whose groups share components
     */
    public CodeLengths codeLengths(FrameHeader header) {
        InvalidRequestException.check(
                profile.deep().isEmpty(), "profile kind", profile.kind(), "one without sharing");
        InvalidRequestException.check(
                !entries.isEmpty() && entries.equals(header.segments()),
                "decoder",
                "not begun by this header, or broken by a corrupt segment",
                "begun by it");
        return CodeLengths.of(header, profile, namespace.geometry(), codes);
    }

    private void decode(SegmentEntry entry, Part part, MemorySegment bytes) {
        int from = part.span() == Span.TAIL ? tokens - tail : 0;
        int end = part.span() == Span.HEAD ? tokens - tail : tokens;
        lanes.begin(bytes);
        check(
                lanes.groups() == entry.layerGroups(),
                "groups of a segment",
                entry.layerGroups(),
                lanes.groups());
        ByteBuffer side = lanes.side().asByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < entry.layerGroups(); i++) {
            int at = (entry.firstLayerGroup() + i) * profile.headGroups() + entry.headGroup();
            GroupCode code = codes.get(at);
            checkOrder(code, part);
            checkShared(code, entry);
            int active = Short.toUnsignedInt(side.getShort());
            int rank = code.rank;
            check(active <= rank, "active components", "at most " + rank, active);
            tables.reset(end - from);
            if (from < firstCoded) {
                tables.setRaw(0);
            }
            if (part.rung() == 0) {
                decodeBase(code, active, side);
            } else {
                refine(code, active, part.rung(), from, end);
            }
            code.active = Math.max(code.active, active);
            code.headRung = part.span().coversHead() ? part.rung() : code.headRung;
            code.tailRung = part.span().coversTail() ? part.rung() : code.tailRung;
        }
        check(!side.hasRemaining(), "side bytes left over", 0, side.remaining());
        lanes.finish();
    }

    private static void checkOrder(GroupCode code, Part part) {
        int before = part.rung() - 1;
        InvalidRequestException.check(
                (!part.span().coversHead() || code.headRung == before)
                        && (!part.span().coversTail() || code.tailRung == before),
                "rung of a segment",
                part.rung(),
                "one above " + code.headRung + " (head), " + code.tailRung + " (tail)");
    }

    /** The shared components of a deep profile are alone in their segment, and come first. */
    private void checkShared(GroupCode code, SegmentEntry entry) {
        if (code.isShared()) {
            check(entry.layerGroups() == 1, "groups of a shared segment", 1, entry.layerGroups());
        } else if (profile.deep().isPresent()) {
            InvalidRequestException.check(
                    codes.getFirst().headRung >= 0,
                    "segment of layer group " + entry.firstLayerGroup(),
                    "before the shared one",
                    "the base's shared segment first");
        }
    }

    private void decodeBase(GroupCode code, int active, ByteBuffer side) {
        if (firstCoded > 0 && !code.isShared()) {
            int bytes = code.group.width() * namespace.geometry().dtype().bytes();
            code.raw = code.raw.length == bytes ? code.raw : new byte[bytes];
            code.hasRaw = true;
            side.get(code.raw);
        }
        if (profile.statisticsInFrame()) {
            readStatistics(code, side);
        }
        if (code.classRow) {
            lanes.row(profile.classes().table(), tables, row, 0);
            Profile.Classes range = profile.classes();
            for (int t = 0; t < tokens; t++) {
                int value = range.centre() + row[t];
                check(value >= range.min() && value <= range.max(), "token class", range, value);
                code.classes[t] = value;
            }
        } else {
            System.arraycopy(codes.getFirst().classes, 0, code.classes, 0, tokens);
        }
        setClasses(code, 0, tokens);
        for (int c = 0; c < active; c++) {
            lanes.row(code.sigmaIndex[c], tables, code.q, c * tokens);
        }
        Arrays.fill(code.q, active * tokens, code.rank * tokens, 0);
    }

    private static void readStatistics(GroupCode code, ByteBuffer side) {
        for (int i = 0; i < code.scale.length; i++) {
            code.scale[i] = side.getFloat();
            check(
                    code.scale[i] > 0 && code.scale[i] <= Float.MAX_VALUE,
                    "scale",
                    "positive",
                    code.scale[i]);
        }
        for (int w = 0; w < code.mean.length; w++) {
            code.mean[w] = Float.float16ToFloat(side.getShort());
            check(Float.isFinite(code.mean[w]), "mean", "finite", code.mean[w]);
        }
        for (int w = 0; w < code.sigmaIndex.length; w++) {
            code.sigmaIndex[w] = side.get();
            check(code.sigmaIndex[w] >= 0 && code.sigmaIndex[w] < 64, "sigmaIndex", "0..63", w);
        }
    }

    private void setClasses(GroupCode code, int from, int end) {
        for (int t = from; t < end; t++) {
            tables.setClass(t - from, code.classes[t]);
        }
    }

    /** Rows are refined in a copy: the entropy decoder may write behind their end. */
    private void refine(GroupCode code, int active, int rung, int from, int end) {
        setClasses(code, from, end);
        int span = end - from;
        int rank = code.rank;
        for (int c = 0; c < rank; c++) {
            int at = c * tokens + from;
            if (c < active) {
                System.arraycopy(code.q, at, row, 0, span);
                lanes.refine(code.sigmaIndex[c] + Rungs.shift(rung - 1), tables, row, 0);
                System.arraycopy(row, 0, code.q, at, span);
            } else {
                for (int t = at; t < at + span && c < code.active; t++) {
                    code.q[t] *= 3;
                }
            }
        }
    }
}
