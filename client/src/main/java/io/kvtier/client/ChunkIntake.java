package io.kvtier.client;

import io.kvtier.client.Delivery.Cut;
import io.kvtier.codec.error.CorruptChunkException;
import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.frame.DecodeLimits;
import io.kvtier.codec.frame.FrameBytes;
import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.plan.Grade;
import io.kvtier.codec.plan.Importance;
import io.kvtier.codec.plan.LossBudget;
import io.kvtier.codec.plan.PartSet;
import io.kvtier.codec.plan.PlannedChunk;
import io.kvtier.codec.wire.ChunkDirectory;
import io.kvtier.codec.wire.SegmentReply;
import java.lang.foreign.MemorySegment;
import java.util.BitSet;
import org.jspecify.annotations.Nullable;

/**
 * One chunk of a stream: what was asked for, what has come, and the gate where every byte is
 * checked before the sink sees it. All its bytes belong to one encoding.
 */
final class ChunkIntake {
    private final int index;
    private final Match match;
    private final Digest namespace;
    private final DecodeLimits limits;
    private final SegmentSink sink;
    private final int rungMax;
    private final BitSet segments = new BitSet();
    private ChunkDirectory directory;
    private @Nullable FrameHeader header;
    private PartSet requested = PartSet.NONE;
    private PartSet arrived = PartSet.NONE;
    private int restarts;
    private Cut cut = Cut.LINK;
    private int offered;

    ChunkIntake(int index, Match match, Digest namespace, DecodeLimits limits, SegmentSink sink) {
        this(index, match, namespace, limits, sink, StreamOptions.defaults().rungMax());
    }

    ChunkIntake(
            int index,
            Match match,
            Digest namespace,
            DecodeLimits limits,
            SegmentSink sink,
            int rungMax) {
        this.index = index;
        this.match = match;
        this.namespace = namespace;
        this.limits = limits;
        this.sink = sink;
        this.rungMax = rungMax;
        this.directory = upTo(match.chunks().get(index), rungMax);
        this.offered = directory.partsHeld();
    }

    Digest key() {
        return match.keys().get(index);
    }

    ChunkDirectory directory() {
        return directory;
    }

    PartSet requested() {
        return requested;
    }

    PartSet arrived() {
        return arrived;
    }

    int restarts() {
        return restarts;
    }

    void request(int from, int to) {
        requested = requested.with(from, to);
    }

    /** Why this chunk is, and stays, no better. */
    void cut(Cut reason) {
        cut = reason;
    }

    /** Takes a request back: what has not arrived of it may be asked for again. */
    void takeBack(int from, int to) {
        requested = new PartSet(requested.without(from, to).bits() | arrived.bits());
    }

    /** Whether what arrived decodes to something within the loss budget. */
    boolean isUsable(LossBudget loss) {
        Grade grade = arrived.grade(directory);
        return !grade.equals(Grade.NOTHING)
                && PlannedChunk.fresh(directory, Importance.FAR).isWithin(loss, grade);
    }

    /** The chunk as a plan sees it. */
    StreamedChunk streamed(int count) {
        return new StreamedChunk(
                directory, requested, arrived, Importance.byPosition(index, count));
    }

    /** Gives up everything that has not arrived: it may be asked for again. */
    void forgetRequests() {
        requested = arrived;
    }

    /** The node holds no part from {@code part} on. */
    void holdsOnly(int part) {
        directory = directory.withPartsHeld(Math.max(1, part));
        requested = arrived;
    }

    /** Starts over with another encoding; the sink learns it by the next header. */
    void restart(Digest encodingId) {
        restarts++;
        requested = PartSet.NONE;
        arrived = PartSet.NONE;
        segments.clear();
        header = null;
        directory =
                new ChunkDirectory(
                        encodingId,
                        directory.headerBytes(),
                        directory.firstPosition(),
                        directory.tokens(),
                        directory.tailTokens(),
                        1,
                        directory.parts());
    }

    /**
     * Checks one reply and passes it on.
     *
     * @throws CorruptChunkException when a byte is not what it should be
     * @throws InvalidRequestException when the chunk is not the one that was asked for
     */
    void accept(SegmentReply reply, MemorySegment bytes) {
        CorruptChunkException.check(
                reply.encodingId().equals(directory.encodingId()),
                "encoding of a reply",
                directory.encodingId().brief(),
                reply.encodingId().brief());
        long at = reply.hasHeader() ? acceptHeader(bytes) : 0;
        FrameHeader current = header;
        if (current == null) {
            throw new CorruptChunkException("reply", "a header first", "segments");
        }
        int end = reply.firstSegment() + reply.segments();
        CorruptChunkException.check(
                end >= 0 && end <= current.segments().size(),
                "segments of a reply",
                "within " + current.segments().size(),
                reply.firstSegment() + "+" + reply.segments());
        for (int i = reply.firstSegment(); i < end; i++) {
            int length = current.segments().get(i).bytes();
            CorruptChunkException.check(
                    length <= bytes.byteSize() - at, "reply", at + length, bytes.byteSize());
            MemorySegment segment = bytes.asSlice(at, length);
            FrameBytes.verifySegment(current, i, segment);
            if (!segments.get(i)) {
                sink.segment(index, i, segment);
                segments.set(i);
            }
            at += length;
        }
        CorruptChunkException.check(at == bytes.byteSize(), "bytes of a reply", at, bytes);
        noteArrivedParts(current);
    }

    /** What the caller learns of this chunk. */
    Delivery.Chunk delivered(Cut otherwise) {
        Grade grade = arrived.grade(directory);
        boolean best = true;
        for (int part = 0; part < offered; part++) {
            best &= arrived.has(part);
        }
        Cut reason = best ? Cut.NONE : cut == Cut.LINK ? otherwise : cut;
        return new Delivery.Chunk(key(), directory.encodingId(), arrived, grade, reason);
    }

    private int acceptHeader(MemorySegment bytes) {
        int length = FrameBytes.headerBytes(bytes, limits);
        FrameHeader read = FrameBytes.readHeader(bytes, limits);
        Digest id = Digest.sha256(bytes.asSlice(0, length).asByteBuffer());
        same("encoding id", directory.encodingId(), id);
        same("key", key(), read.key());
        FrameBytes.verifyIdentity(read, match.namespace(), namespace);
        same("first position", directory.firstPosition(), read.firstPosition());
        CorruptChunkException.check(
                read.frameBytes() <= limits.frameBytesMax(),
                "frame bytes",
                "up to " + limits.frameBytesMax(),
                read.frameBytes());
        if (!match.tokenDigests().isEmpty()) {
            same("token digest", match.tokenDigests().get(index), read.tokenDigest());
        }
        if (header == null) {
            header = read;
            boolean replaced = restarts > 0;
            int held = replaced ? read.parts().size() : directory.partsHeld();
            directory = upTo(ChunkDirectory.of(read, Math.min(held, read.parts().size())), rungMax);
            offered = directory.partsHeld();
            sink.begin(index, read);
        }
        return length;
    }

    private void same(String what, Object expected, Object actual) {
        CorruptChunkException.check(
                expected.equals(actual),
                what + " of chunk " + index + " (" + key().brief() + ")",
                expected,
                actual);
    }

    private void noteArrivedParts(FrameHeader current) {
        for (int part = 0; part < current.parts().size(); part++) {
            int from = current.firstSegment(part);
            int to = current.firstSegment(part + 1);
            if (!arrived.has(part) && segments.nextClearBit(from) >= to) {
                arrived = arrived.with(part, part + 1);
                requested = requested.with(part, part + 1);
            }
        }
    }

    private static ChunkDirectory upTo(ChunkDirectory directory, int rungMax) {
        int held = 0;
        while (held < directory.partsHeld()
                && directory.parts().get(held).part().rung() <= rungMax) {
            held++;
        }
        return directory.withPartsHeld(held);
    }
}
