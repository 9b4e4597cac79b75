package io.kvtier.client.link;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.time.Duration;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The proxy passes every byte, no faster than told. */
@Timeout(30)
class ThrottlingProxyTest {
    private static final int BYTES = 500_000;

    /** Sends bytes through the proxy to an echo and returns how long the way took. */
    private static Duration echo(double megabits, Duration delay) throws Exception {
        byte[] sent = new byte[BYTES];
        new SplittableRandom(3).nextBytes(sent);
        try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
                ThrottlingProxy proxy =
                        ThrottlingProxy.start(server.getLocalPort(), megabits, delay);
                Socket client = new Socket(InetAddress.getLoopbackAddress(), proxy.port())) {
            Thread echo = Thread.ofVirtual().start(() -> serve(server));
            long start = System.nanoTime();
            Thread writer = Thread.ofVirtual().start(() -> write(client, sent));
            byte[] received = client.getInputStream().readNBytes(BYTES);
            Duration took = Duration.ofNanos(System.nanoTime() - start);
            assertThat(received).isEqualTo(sent);
            assertThat(proxy.downBytes()).isEqualTo(BYTES);
            writer.join();
            client.close();
            echo.join();
            return took;
        }
    }

    private static void serve(ServerSocket server) {
        try (Socket socket = server.accept();
                InputStream in = socket.getInputStream();
                OutputStream out = socket.getOutputStream()) {
            long _ = in.transferTo(out);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static void write(Socket socket, byte[] bytes) {
        try {
            socket.getOutputStream().write(bytes);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void shaped_takesAtLeastBytesOverRate() throws Exception {
        // 0.5 MB at 20 Mbit/s are 200 ms; both directions overlap.
        assertThat(echo(20, Duration.ZERO))
                .isBetween(Duration.ofMillis(190), Duration.ofMillis(1500));
    }

    @Test
    void unshaped_isFastAndDelayIsAddedBothWays() throws Exception {
        assertThat(echo(0, Duration.ZERO)).isLessThan(Duration.ofSeconds(1));
        assertThat(echo(0, Duration.ofMillis(60))).isGreaterThan(Duration.ofMillis(119));
    }

    @Test
    void cutConnections_endsBothSides() throws Exception {
        try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
                ThrottlingProxy proxy =
                        ThrottlingProxy.start(server.getLocalPort(), 1, Duration.ZERO);
                Socket client = new Socket(InetAddress.getLoopbackAddress(), proxy.port());
                Socket target = server.accept()) {
            client.getOutputStream().write(1);
            assertThat(target.getInputStream().read()).isEqualTo(1);
            proxy.cutConnections();
            assertThat(client.getInputStream().read()).isEqualTo(-1);
            assertThat(target.getInputStream().read()).isEqualTo(-1);
        }
    }
}
