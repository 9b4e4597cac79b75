package io.kvtier.node.frames;

import static io.kvtier.codec.error.CorruptChunkException.check;

import io.kvtier.codec.error.CorruptChunkException;
import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.frame.DecodeLimits;
import io.kvtier.codec.frame.FrameBytes;
import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.frame.SegmentEntry;
import io.kvtier.codec.plan.Grade;
import io.kvtier.codec.plan.PartSet;
import io.kvtier.codec.wire.ChunkDirectory;
import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;

/**
 * What a request gets of one frame's file: the header and the segments of the parts that it asks
 * for, all verified by their checksums. Nothing else was read.
 *
 * @param header of the frame
 * @param frame as long as the whole, zeros where nothing was asked for
 * @param segments that were asked for and are held, ascending
 * @param grade that decodes from them in every group
 * @param bytes read: what a node would send
 * @param fileBytes of the whole file
 */
public record ReceivedFrame(
        FrameHeader header,
        MemorySegment frame,
        List<Integer> segments,
        Grade grade,
        long bytes,
        long fileBytes) {
    private static final DecodeLimits LIMITS = DecodeLimits.defaults();

    /** Copies the list. */
    public ReceivedFrame {
        segments = List.copyOf(segments);
    }

    /**
     * Reads what is asked for.
     *
     * @throws InvalidRequestException when the file is damaged, saying where
     * @throws IOException when it cannot be read
     */
    public static ReceivedFrame read(Path path, ChunkRequest asked) throws IOException {
        try (FileChannel file = FileChannel.open(path, StandardOpenOption.READ)) {
            return read(file, asked);
        } catch (CorruptChunkException e) {
            throw new InvalidRequestException(
                    path
                            + " is damaged: "
                            + e.getMessage()
                            + "; encode the context again, or fetch the chunk from a node");
        }
    }

    private static ReceivedFrame read(FileChannel file, ChunkRequest asked) throws IOException {
        long size = file.size();
        int known = FrameBytes.bytesToKnowHeader();
        check(size >= known, "frame bytes", "at least " + known, size);
        byte[] start = bytes(file, 0, known);
        int headerBytes = FrameBytes.headerBytes(MemorySegment.ofArray(start), LIMITS);
        check(size >= headerBytes, "frame bytes", "a header of " + headerBytes, size);
        MemorySegment head = MemorySegment.ofArray(bytes(file, 0, headerBytes));
        FrameHeader header = FrameBytes.readHeader(head, LIMITS);
        long frameBytes = header.frameBytes();
        check(
                frameBytes <= LIMITS.frameBytesMax(),
                "frame bytes",
                "up to " + LIMITS.frameBytesMax(),
                frameBytes);
        check(
                header.cuts().contains(size),
                "frame bytes",
                "one of its cuts " + header.cuts(),
                size);
        int held = header.partsHeld(size);
        PartSet whole = PartSet.NONE.with(0, held);
        List<Integer> segments = new ArrayList<>();
        byte[] frame = new byte[Math.toIntExact(frameBytes)];
        MemorySegment target = MemorySegment.ofArray(frame);
        MemorySegment.copy(head, 0, target, 0, headerBytes);
        long received = headerBytes;
        for (int s = 0; s < header.segments().size(); s++) {
            SegmentEntry entry = header.segments().get(s);
            if (entry.part() >= held || !asked.uses(header.parts().get(entry.part()), entry)) {
                whole = whole.without(entry.part(), entry.part() + 1);
            } else {
                int at = Math.toIntExact(header.offset(s));
                fill(file, at, ByteBuffer.wrap(frame, at, entry.bytes()));
                FrameBytes.verifySegment(header, s, target.asSlice(at, entry.bytes()));
                received += entry.bytes();
                segments.add(s);
            }
        }
        Grade grade = whole.grade(ChunkDirectory.of(header, held));
        return new ReceivedFrame(header, target, segments, grade, received, size);
    }

    private static byte[] bytes(FileChannel file, long at, int count) throws IOException {
        byte[] out = new byte[count];
        fill(file, at, ByteBuffer.wrap(out));
        return out;
    }

    private static void fill(FileChannel file, long at, ByteBuffer target) throws IOException {
        long position = at;
        while (target.hasRemaining()) {
            int got = file.read(target, position);
            if (got < 0) {
                throw new EOFException("the file became shorter while it was read");
            }
            position += got;
        }
    }
}
