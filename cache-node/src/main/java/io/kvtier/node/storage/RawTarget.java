package io.kvtier.node.storage;

import io.kvtier.storage.Blob;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.CRC32C;

/**
 * The least that any store does: appends to files that are synced where a log syncs its segments,
 * and reads values by position.
 */
final class RawTarget implements Target {
    private final Path folder;
    private final Blob value;
    private final int fileValues;
    private final int crc;
    private final ByteBuffer buffer;
    private final List<FileChannel> files = new ArrayList<>();
    private int count;

    /**
     * @param value of all puts
     * @param fileBytes after which a file is synced and another begun
     */
    RawTarget(Path folder, Blob value, long fileBytes) {
        this.folder = folder;
        this.value = value;
        this.fileValues = (int) Math.max(1, fileBytes / value.bytes());
        this.crc = crc(value.segment().asByteBuffer());
        this.buffer = ByteBuffer.allocateDirect((int) value.bytes());
    }

    @Override
    public void put(int number, int version, boolean sync) throws IOException {
        if (count % fileValues == 0) {
            if (count > 0) {
                files.getLast().force(false);
            }
            Path file = folder.resolve("raw-" + files.size());
            files.add(
                    FileChannel.open(
                            file,
                            StandardOpenOption.CREATE_NEW,
                            StandardOpenOption.READ,
                            StandardOpenOption.WRITE));
        }
        ByteBuffer bytes = value.segment().asByteBuffer();
        while (bytes.hasRemaining()) {
            var _ = files.getLast().write(bytes);
        }
        if (sync) {
            files.getLast().force(false);
        }
        count++;
    }

    @Override
    public void get(int number) throws IOException {
        FileChannel file = files.get(number / fileValues);
        long position = number % fileValues * value.bytes();
        buffer.clear();
        while (buffer.hasRemaining()) {
            if (file.read(buffer, position + buffer.position()) < 0) {
                throw new IOException("value " + number + " is not there");
            }
        }
        if (crc(buffer.flip()) != crc) {
            throw new IOException("value " + number + " came back wrong");
        }
    }

    /** Returns when all values are durable. */
    void sync() throws IOException {
        files.getLast().force(false);
    }

    private static int crc(ByteBuffer bytes) {
        CRC32C crc = new CRC32C();
        crc.update(bytes);
        return (int) crc.getValue();
    }

    @Override
    public void close() throws IOException {
        for (FileChannel file : files) {
            file.close();
        }
    }
}
