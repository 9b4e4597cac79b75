package io.kvtier.node.transfer;

import io.kvtier.client.link.ThrottlingProxy;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Future;
import java.util.function.Consumer;

/** Chunks that go over a plain socket and a shaped link, one behind the other. */
public final class ShapedChunks {
    private static final int PATIENCE_MILLIS = 60_000;

    private ShapedChunks() {}

    /** Receives the chunks, and decodes each on the executor as soon as it is whole. */
    public static void move(
            List<byte[]> chunks, double megabits, ExecutorService executor, Consumer<byte[]> decode)
            throws IOException {
        InetAddress loopback = InetAddress.getLoopbackAddress();
        try (ServerSocket server = new ServerSocket(0, 1, loopback);
                ThrottlingProxy proxy =
                        ThrottlingProxy.start(server.getLocalPort(), megabits, Duration.ZERO)) {
            server.setSoTimeout(PATIENCE_MILLIS);
            Thread _ = Thread.ofVirtual().start(() -> send(server, chunks));
            List<Future<?>> decoding = new ArrayList<>();
            try (Socket socket = new Socket(loopback, proxy.port())) {
                socket.setSoTimeout(PATIENCE_MILLIS);
                DataInputStream in = new DataInputStream(socket.getInputStream());
                for (byte[] chunk : chunks) {
                    byte[] received = new byte[chunk.length];
                    in.readFully(received);
                    decoding.add(executor.submit(() -> decode.accept(received)));
                }
            }
            await(decoding);
        }
    }

    /** Waits until everything is decoded. */
    public static void await(List<Future<?>> decoding) {
        try {
            for (Future<?> each : decoding) {
                var _ = each.get();
            }
        } catch (ExecutionException e) {
            throw new IllegalStateException("decoding failed", e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while decoding", e);
        }
    }

    private static void send(ServerSocket server, List<byte[]> chunks) {
        try (Socket socket = server.accept()) {
            OutputStream out = socket.getOutputStream();
            for (byte[] chunk : chunks) {
                out.write(chunk);
            }
        } catch (IOException e) {
            // The receiver sees the end too early, and says so.
            Thread.onSpinWait();
        }
    }
}
