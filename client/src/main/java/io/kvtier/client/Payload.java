package io.kvtier.client;

import io.kvtier.codec.error.CorruptChunkException;
import java.lang.foreign.MemorySegment;
import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.vector.VarBinaryVector;
import org.apache.arrow.vector.VectorSchemaRoot;

/** The bytes of one reply, kept alive beyond the reader's next step; who receives it closes it. */
final class Payload implements AutoCloseable {
    private final MemorySegment bytes;
    private final Runnable release;

    /** Bytes that are given back by {@code release}. */
    Payload(MemorySegment bytes, Runnable release) {
        this.bytes = bytes;
        this.release = release;
    }

    /** Takes the one row of {@code {data}}. */
    static Payload take(VectorSchemaRoot root) {
        boolean expected =
                root.getRowCount() == 1
                        && root.getFieldVectors().size() == 1
                        && root.getVector(0) instanceof VarBinaryVector;
        CorruptChunkException.check(
                expected, "reply", "one row of {data: binary}", root.getSchema().toString());
        VarBinaryVector data = (VarBinaryVector) root.getVector(0);
        ArrowBuf buffer = data.getDataBuffer();
        int start = data.getStartOffset(0);
        int end = data.getEndOffset(0);
        CorruptChunkException.check(
                start >= 0 && start <= end && end <= buffer.capacity(),
                "offsets of a reply",
                "within " + buffer.capacity(),
                start + ".." + end);
        buffer.getReferenceManager().retain();
        MemorySegment bytes =
                MemorySegment.ofAddress(buffer.memoryAddress() + start)
                        .reinterpret(end - start)
                        .asReadOnly();
        return new Payload(bytes, () -> buffer.getReferenceManager().release());
    }

    MemorySegment bytes() {
        return bytes;
    }

    @Override
    public void close() {
        release.run();
    }
}
