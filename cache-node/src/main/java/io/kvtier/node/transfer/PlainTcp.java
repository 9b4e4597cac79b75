package io.kvtier.node.transfer;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;

/** Bytes over a loopback socket and nothing else: the floor of any transfer. */
public final class PlainTcp {
    private static final int BLOCK_BYTES = 256 << 10;
    private static final int PATIENCE_MILLIS = 30_000;

    private PlainTcp() {}

    /** Sends so many bytes from a thread of its own and receives them. */
    public static long move(long bytes) throws IOException {
        InetAddress loopback = InetAddress.getLoopbackAddress();
        try (ServerSocket server = new ServerSocket(0, 1, loopback)) {
            server.setSoTimeout(PATIENCE_MILLIS);
            Thread _ = Thread.ofPlatform().daemon().start(() -> send(server, bytes));
            try (Socket socket = new Socket(loopback, server.getLocalPort())) {
                socket.setSoTimeout(PATIENCE_MILLIS);
                InputStream in = socket.getInputStream();
                byte[] block = new byte[BLOCK_BYTES];
                long got = 0;
                for (int count = in.read(block); count >= 0; count = in.read(block)) {
                    got += count;
                }
                if (got != bytes) {
                    throw new IOException("plain TCP brought " + got + " of " + bytes + " bytes");
                }
                return got;
            }
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
            // The receiver sees the end too early, and says so.
            Thread.onSpinWait();
        }
    }
}
