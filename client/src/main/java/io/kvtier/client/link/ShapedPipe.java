package io.kvtier.client.link;

import io.kvtier.client.NanoClock;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

/** One direction of a connection: reads at the bucket's pace, hands on after the delay. */
final class ShapedPipe {
    private static final int READ_BYTES_MAX = 64 << 10;
    private static final int PIECES_MAX = 1024;
    private static final byte[] END = new byte[0];

    private final TokenBucket bucket;
    private final long delayNanos;
    private final NanoClock clock;
    private final AtomicLong counter;
    private final ArrayBlockingQueue<Piece> onTheWay = new ArrayBlockingQueue<>(PIECES_MAX);

    @SuppressWarnings("ArrayRecordComponent") // handed over, never shared
    private record Piece(byte[] bytes, long dueNanos) {}

    ShapedPipe(TokenBucket bucket, Duration delay, NanoClock clock, AtomicLong counter) {
        this.bucket = bucket;
        this.delayNanos = delay.toNanos();
        this.clock = clock;
        this.counter = counter;
    }

    /** Runs until either side closes. */
    void run(Socket from, Socket to) {
        Thread writer = null;
        try (InputStream in = from.getInputStream();
                OutputStream out = to.getOutputStream()) {
            if (delayNanos > 0) {
                writer = Thread.ofVirtual().start(() -> deliver(out));
            }
            byte[] buffer = new byte[READ_BYTES_MAX];
            int read = in.read(buffer, 0, bucket.quantum(READ_BYTES_MAX));
            while (read >= 0) {
                waitUntil(clock.nanoTime() + bucket.take(read));
                counter.addAndGet(read);
                if (delayNanos > 0) {
                    long due = clock.nanoTime() + delayNanos;
                    onTheWay.put(new Piece(Arrays.copyOf(buffer, read), due));
                } else {
                    out.write(buffer, 0, read);
                }
                read = in.read(buffer, 0, bucket.quantum(READ_BYTES_MAX));
            }
            if (writer != null) {
                onTheWay.put(new Piece(END, clock.nanoTime() + delayNanos));
                writer.join();
            }
        } catch (IOException e) {
            // One side closed: the caller closes the other.
            interrupt(writer);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            interrupt(writer);
        }
    }

    private void deliver(OutputStream out) {
        try {
            for (Piece piece = onTheWay.take(); piece.bytes.length > 0; piece = onTheWay.take()) {
                waitUntil(piece.dueNanos);
                out.write(piece.bytes);
            }
        } catch (IOException e) {
            // The receiver is gone; the reading side must not wait for room.
            onTheWay.clear();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void waitUntil(long nanos) {
        long left = nanos - clock.nanoTime();
        while (left > 0 && !Thread.currentThread().isInterrupted()) {
            LockSupport.parkNanos(left);
            left = nanos - clock.nanoTime();
        }
    }

    private static void interrupt(@org.jspecify.annotations.Nullable Thread thread) {
        if (thread != null) {
            thread.interrupt();
        }
    }
}
