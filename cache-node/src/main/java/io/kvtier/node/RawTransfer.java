package io.kvtier.node;

import io.kvtier.client.NanoClock;
import io.kvtier.client.link.ThrottlingProxy;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.time.Duration;

/** Times plain bytes over an unshaped proxy: what a cache costs that nobody compresses. */
final class RawTransfer {
    private static final int BLOCK_BYTES = 64 << 10;

    private RawTransfer() {}

    /** Milliseconds until so many bytes have arrived. */
    static double measure(long bytes, NanoClock clock) throws IOException {
        InetAddress loopback = InetAddress.getLoopbackAddress();
        try (ServerSocket server = new ServerSocket(0, 1, loopback);
                ThrottlingProxy proxy =
                        ThrottlingProxy.start(server.getLocalPort(), 0, Duration.ZERO)) {
            Thread _ = Thread.ofVirtual().start(() -> send(server, bytes));
            long start = clock.nanoTime();
            try (Socket socket = new Socket(loopback, proxy.port())) {
                socket.setSoTimeout(10_000);
                InputStream in = socket.getInputStream();
                byte[] block = new byte[BLOCK_BYTES];
                long left = bytes;
                while (left > 0) {
                    int count = in.read(block);
                    if (count < 0) {
                        throw new IOException("the raw transfer ended " + left + " bytes early");
                    }
                    left -= count;
                }
            }
            return (clock.nanoTime() - start) / 1e6;
        }
    }

    private static void send(ServerSocket server, long bytes) {
        try (Socket socket = server.accept()) {
            OutputStream out = socket.getOutputStream();
            byte[] block = new byte[BLOCK_BYTES];
            for (long left = bytes; left > 0; left -= block.length) {
                out.write(block, 0, (int) Math.min(left, block.length));
            }
        } catch (IOException e) {
            // The reader sees the end of the stream too early, and says so.
        }
    }
}
