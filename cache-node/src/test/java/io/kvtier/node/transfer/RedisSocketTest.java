package io.kvtier.node.transfer;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import org.junit.jupiter.api.Test;

/** The protocol against replies that were written down. */
class RedisSocketTest {
    private interface Use {
        void of(RedisSocket redis) throws IOException;
    }

    /** Answers whatever comes, command by command, by the given replies; returns what came. */
    private static String talk(Use use, String... replies) throws Exception {
        InetAddress loopback = InetAddress.getLoopbackAddress();
        StringBuilder heard = new StringBuilder();
        try (ServerSocket server = new ServerSocket(0, 1, loopback)) {
            Thread answering = Thread.ofVirtual().start(() -> answer(server, heard, replies));
            try (RedisSocket redis = new RedisSocket("127.0.0.1", server.getLocalPort())) {
                use.of(redis);
            }
            answering.join();
        }
        return heard.toString();
    }

    private static void answer(ServerSocket server, StringBuilder heard, String... replies) {
        try (Socket socket = server.accept()) {
            InputStream in = socket.getInputStream();
            byte[] block = new byte[4096];
            for (String reply : replies) {
                int count = in.read(block);
                heard.append(new String(block, 0, Math.max(0, count), US_ASCII));
                socket.getOutputStream().write(reply.getBytes(US_ASCII));
            }
        } catch (IOException e) {
            heard.append("broken: ").append(e.getMessage());
        }
    }

    @Test
    void setAndGet_speakTheProtocol() throws Exception {
        String heard =
                talk(
                        redis -> {
                            redis.set("k", "abc".getBytes(US_ASCII));
                            assertThat(redis.get("k")).isEqualTo(3);
                            redis.delete("k");
                        },
                        "+OK\r\n",
                        "$3\r\nabc\r\n",
                        ":1\r\n");
        assertThat(heard)
                .startsWith("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\nabc\r\n")
                .contains("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
    }

    @Test
    void cpuSeconds_addsUserAndSystem() throws Exception {
        String info =
                "# CPU\r\nused_cpu_sys:1.5\r\nused_cpu_user:2.25\r\nused_cpu_sys_children:9\r\n";
        String _ =
                talk(
                        redis -> assertThat(redis.cpuSeconds()).isCloseTo(3.75, within(1e-9)),
                        "$" + info.length() + "\r\n" + info + "\r\n");
    }

    @Test
    void get_whatIsNoValue_isAnErrorThatShowsIt() throws Exception {
        for (String reply : new String[] {"$-1\r\n", "-ERR no\r\n", "$99999999\r\n", "$5\r\nab"}) {
            String _ =
                    talk(
                            redis ->
                                    assertThatThrownBy(() -> redis.get("k"))
                                            .isInstanceOf(IOException.class)
                                            .hasMessageContaining("Redis"),
                            reply);
        }
    }

    @Test
    void measure_plainTcp_countsBytesAndProcessorTime() throws IOException {
        TransferRow row =
                new Meter(System::nanoTime).measure("tcp", () -> PlainTcp.move(3_000_001));
        assertThat(row.bytes()).isEqualTo(3_000_001);
        assertThat(row.seconds()).isPositive();
        assertThat(row.cpuSeconds()).isNotNegative();
        TransferRow coded = new TransferRow("c", 1_000_000_000, 2, 3, 8_000_000_000L);
        assertThat(coded.cpuSecondsPerGb()).isEqualTo(3);
        assertThat(coded.wireGbPerSecond()).isEqualTo(0.5);
        assertThat(coded.effectiveGbPerSecond()).isEqualTo(4);
    }
}
