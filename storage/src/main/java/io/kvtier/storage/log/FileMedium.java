package io.kvtier.storage.log;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** Files behind the page cache: positional reads, gathered writes, {@code fdatasync}. */
final class FileMedium implements Medium {
    @Override
    public String name() {
        return "file";
    }

    @Override
    public SegmentFile create(Path file, long bytes) throws IOException {
        FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE).close();
        return open(file);
    }

    @Override
    public SegmentFile open(Path file) throws IOException {
        return new ChannelFile(file);
    }

    @Override
    public void delete(Path file) throws IOException {
        Files.delete(file);
    }

    @Override
    public void syncFolder(Path folder) throws IOException {
        try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    /**
     * A channel that outlives interrupts: an interrupted thread closes the channel that it is
     * using, for everybody, so whoever finds it closed opens it again.
     */
    private static final class ChannelFile implements SegmentFile {
        private interface Operation {
            void on(FileChannel channel) throws IOException;
        }

        private final Path file;
        private volatile FileChannel channel;
        private volatile boolean closed;

        ChannelFile(Path file) throws IOException {
            this.file = file;
            this.channel = openChannel(file);
        }

        @Override
        public void write(long position, ByteBuffer... sources) throws IOException {
            long bytes = remaining(sources);
            run(
                    to -> {
                        // After an interrupt some buffers may have been written: go on from there.
                        to.position(position + bytes - remaining(sources));
                        while (remaining(sources) > 0) {
                            long _ = to.write(sources);
                        }
                    });
        }

        @Override
        public void read(long position, ByteBuffer target) throws IOException {
            int start = target.position();
            run(
                    from -> {
                        while (target.hasRemaining()) {
                            long at = position + target.position() - start;
                            if (from.read(target, at) < 0) {
                                throw new EOFException(
                                        file + " ends at " + from.size() + ", wanted " + at);
                            }
                        }
                    });
        }

        @Override
        public void force(long start, long end) throws IOException {
            run(to -> to.force(false));
        }

        @Override
        public long size() throws IOException {
            return Files.size(file);
        }

        @Override
        public void truncate(long bytes) throws IOException {
            run(
                    to -> {
                        var _ = to.truncate(bytes);
                    });
        }

        @Override
        public synchronized void close() throws IOException {
            closed = true;
            channel.close();
        }

        private void run(Operation operation) throws IOException {
            boolean interrupted = false;
            try {
                while (true) {
                    FileChannel current = channel;
                    try {
                        operation.on(current);
                        return;
                    } catch (ClosedChannelException e) {
                        interrupted |= Thread.interrupted();
                        reopen(current, e);
                    }
                }
            } finally {
                if (interrupted) {
                    Thread.currentThread().interrupt();
                }
            }
        }

        private synchronized void reopen(FileChannel found, ClosedChannelException why)
                throws IOException {
            if (closed) {
                throw why;
            }
            if (channel.equals(found)) {
                channel = openChannel(file);
            }
        }

        private static FileChannel openChannel(Path file) throws IOException {
            return FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE);
        }

        private static long remaining(ByteBuffer[] buffers) {
            long bytes = 0;
            for (ByteBuffer buffer : buffers) {
                bytes += buffer.remaining();
            }
            return bytes;
        }
    }
}
