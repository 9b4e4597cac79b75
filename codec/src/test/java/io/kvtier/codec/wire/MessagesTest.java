package io.kvtier.codec.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.kvtier.codec.error.KvtierException;
import io.kvtier.codec.frame.DecodeLimits;
import io.kvtier.codec.frame.FrameBytes;
import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.testing.Frames;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class MessagesTest {
    private static final Digest A = Digest.sha256(new byte[] {1});
    private static final Digest B = Digest.sha256(new byte[] {2});

    @Test
    void putCommand_writtenAndRead_isTheSame() {
        PutCommand command = new PutCommand(Persistence.DISK, 2, Frames.namespace());
        holds(command, command.toBytes(), PutCommand::parse);
    }

    @Test
    void putReply_writtenAndRead_isTheSame() {
        PutReply reply =
                new PutReply(A, B, PutReply.Status.KEPT_OTHER, Persistence.MEMORY, 1, "äh, no");
        holds(reply, reply.toBytes(), PutReply::parse);
    }

    @Test
    void lookup_writtenAndRead_isTheSame() {
        LookupCommand command = new LookupCommand(A, List.of(A, B));
        holds(command, command.toBytes(), LookupCommand::parse);
        byte[] frame =
                Frames.frame(Frames.namespace(), IntStream.range(0, 256).toArray(), new Random(1));
        FrameHeader header =
                FrameBytes.readHeader(MemorySegment.ofArray(frame), DecodeLimits.defaults());
        ChunkDirectory directory = ChunkDirectory.of(header, 3);
        LookupReply reply = new LookupReply(123_456_789_012L, List.of(directory, directory));
        holds(reply, reply.toBytes(), LookupReply::parse);
        long bytes = directory.parts().stream().mapToLong(ChunkDirectory.Entry::bytes).sum();
        assertThat(bytes + header.headerBytes()).isEqualTo(frame.length);
    }

    @Test
    void stream_writtenAndRead_isTheSame() {
        StreamCommand command = new StreamCommand(A);
        holds(command, command.toBytes(), StreamCommand::parse);
        SegmentRequest request =
                new SegmentRequest(7, A, B, 1, 3, true, SegmentRequest.ALL_HEADS, 1_000_000);
        holds(request, request.toBytes(), StreamRequest::parse);
        CancelRequest cancel = new CancelRequest(-1);
        holds(cancel, cancel.toBytes(), StreamRequest::parse);
        SegmentReply reply =
                new SegmentReply(7, SegmentReply.Status.DATA, true, false, 4, 2, B, 1, 0, "");
        holds(reply, reply.toBytes(), SegmentReply::parse);
    }

    @Test
    void ticket_writtenAndRead_isTheSame() {
        GetTicket ticket = new GetTicket(A, 5_000_000_000L, 1 << 20, 2, List.of(B));
        holds(ticket, ticket.toBytes(), GetTicket::parse);
    }

    @Test
    void lookupCommand_thatLiesAboutItsKeys_isRefusedBeforeAnyAllocation() {
        byte[] bytes = new LookupCommand(A, List.of(B)).toBytes();
        ByteBuffer.wrap(bytes).order(java.nio.ByteOrder.LITTLE_ENDIAN).putInt(34, 4000);
        assertThatThrownBy(() -> LookupCommand.parse(ByteBuffer.wrap(bytes)))
                .isInstanceOf(KvtierException.class)
                .hasMessageContaining("bytes for the keys");
    }

    /** Round trip, and refusal of every shorter, longer, newer or foreign message. */
    private static <T> void holds(T message, byte[] bytes, Function<ByteBuffer, ? super T> parse) {
        assertThat(parse.apply(ByteBuffer.wrap(bytes))).isEqualTo(message);
        for (int length = 0; length < bytes.length; length++) {
            byte[] cut = Arrays.copyOf(bytes, length);
            refused(cut, parse);
        }
        refused(Arrays.copyOf(bytes, bytes.length + 1), parse);
        byte[] newer = bytes.clone();
        newer[1] = 2;
        refused(newer, parse);
        byte[] foreign = bytes.clone();
        foreign[0] = 99;
        refused(foreign, parse);
    }

    private static void refused(byte[] bytes, Function<ByteBuffer, ?> parse) {
        assertThatThrownBy(() -> parse.apply(ByteBuffer.wrap(bytes)))
                .isInstanceOf(KvtierException.class);
    }
}
