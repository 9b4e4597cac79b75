package io.kvtier.storage.log;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;

/** A medium that lets a test act before each sync and after each write. */
final class WatchedMedium implements Medium {
    volatile Runnable beforeForce = () -> {};
    volatile Runnable afterWrite = () -> {};
    private final Medium inner;

    WatchedMedium(Medium inner) {
        this.inner = inner;
    }

    @Override
    public String name() {
        return "watched";
    }

    @Override
    public SegmentFile create(Path file, long bytes) throws IOException {
        return new WatchedFile(inner.create(file, bytes));
    }

    @Override
    public SegmentFile open(Path file) throws IOException {
        return new WatchedFile(inner.open(file));
    }

    @Override
    public void delete(Path file) throws IOException {
        inner.delete(file);
    }

    @Override
    public void syncFolder(Path folder) throws IOException {
        inner.syncFolder(folder);
    }

    private final class WatchedFile implements SegmentFile {
        private final SegmentFile file;

        WatchedFile(SegmentFile file) {
            this.file = file;
        }

        @Override
        public void write(long position, ByteBuffer... sources) throws IOException {
            file.write(position, sources);
            afterWrite.run();
        }

        @Override
        public void read(long position, ByteBuffer target) throws IOException {
            file.read(position, target);
        }

        @Override
        public void force(long start, long end) throws IOException {
            beforeForce.run();
            file.force(start, end);
        }

        @Override
        public long size() throws IOException {
            return file.size();
        }

        @Override
        public void truncate(long bytes) throws IOException {
            file.truncate(bytes);
        }

        @Override
        public void close() throws IOException {
            file.close();
        }
    }
}
