package io.kvtier.client.link;

import io.kvtier.client.NanoClock;
import io.kvtier.codec.error.UnavailableException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.StandardSocketOptions;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A TCP proxy on loopback that makes a fast link slow: a token bucket for each direction, shared by
 * all connections as a link is, and a delay.
 *
 * <p>Thread-safety: all methods. Limits: at most {@link #CONNECTIONS_MAX} connections; what it
 * buffers is bounded by its rate times its delay.
 */
public final class ThrottlingProxy implements AutoCloseable {
    /** Connections beyond these are closed at once. */
    public static final int CONNECTIONS_MAX = 256;

    /** Kernel buffers are part of the link's queue, so they are kept small. */
    private static final int SOCKET_BUFFER_BYTES = 64 << 10;

    private final ServerSocket listener;
    private volatile InetSocketAddress target;
    private final Duration delay;
    private final NanoClock clock = NanoClock.system();
    private final TokenBucket up;
    private final TokenBucket down;
    private final AtomicLong downBytes = new AtomicLong();
    private final Set<Connection> connections = ConcurrentHashMap.newKeySet();
    private volatile boolean closed;

    private ThrottlingProxy(ServerSocket listener, int port, double megabits, Duration delay) {
        this.listener = listener;
        this.target = loopback(port);
        this.delay = delay;
        this.up = new TokenBucket(bytesPerSecond(megabits), clock);
        this.down = new TokenBucket(bytesPerSecond(megabits), clock);
    }

    /**
     * Starts a proxy on a free port.
     *
     * @param targetPort port on loopback that connections go on to
     * @param megabitsPerSecond of each direction, 0 = unshaped
     * @param delay added to each direction
     * @throws UnavailableException if there is no port
     */
    public static ThrottlingProxy start(int targetPort, double megabitsPerSecond, Duration delay) {
        try {
            ServerSocket listener = new ServerSocket();
            listener.setReceiveBufferSize(SOCKET_BUFFER_BYTES);
            listener.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 64);
            ThrottlingProxy proxy =
                    new ThrottlingProxy(listener, targetPort, megabitsPerSecond, delay);
            Thread _ = Thread.ofVirtual().name("kvtier-proxy").start(proxy::accept);
            return proxy;
        } catch (IOException e) {
            throw new UnavailableException("no port for a proxy: " + e.getMessage(), e);
        }
    }

    /** Where to connect to. */
    public int port() {
        return listener.getLocalPort();
    }

    /** {@code 127.0.0.1:port}. */
    public String endpoint() {
        return "127.0.0.1:" + port();
    }

    /** Changes the rate of both directions, 0 = unshaped. */
    public void rate(double megabitsPerSecond) {
        up.rate(bytesPerSecond(megabitsPerSecond));
        down.rate(bytesPerSecond(megabitsPerSecond));
    }

    /** Connects to another port of loopback from now on; connections that there are stay. */
    public void target(int port) {
        target = loopback(port);
    }

    private static InetSocketAddress loopback(int port) {
        return new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
    }

    /** Bytes that went from the target to its clients. */
    public long downBytes() {
        return downBytes.get();
    }

    /** Closes all connections there are, and goes on listening. */
    public void cutConnections() {
        connections.forEach(Connection::close);
    }

    @Override
    public void close() {
        closed = true;
        try {
            listener.close();
        } catch (IOException e) {
            throw new UnavailableException("cannot close the proxy", e);
        } finally {
            cutConnections();
        }
    }

    private void accept() {
        while (!closed) {
            try {
                Socket client = listener.accept();
                if (closed || connections.size() >= CONNECTIONS_MAX) {
                    client.close();
                } else {
                    Thread _ = Thread.ofVirtual().start(() -> connect(client));
                }
            } catch (IOException e) {
                // Closed, or one connection that failed before it began: the next one may do.
                Thread.onSpinWait();
            }
        }
    }

    private void connect(Socket client) {
        Socket server = new Socket();
        try {
            client.setTcpNoDelay(true);
            client.setOption(StandardSocketOptions.SO_SNDBUF, SOCKET_BUFFER_BYTES);
            server.setReceiveBufferSize(SOCKET_BUFFER_BYTES);
            server.setTcpNoDelay(true);
            server.connect(target, 5000);
            Connection connection = new Connection(client, server);
            connections.add(connection);
            if (closed) {
                connection.close();
            }
            connection.start();
        } catch (IOException e) {
            Connection.closeQuietly(client);
            Connection.closeQuietly(server);
        }
    }

    private static double bytesPerSecond(double megabits) {
        return megabits * 1e6 / 8;
    }

    /** Both directions of one connection. */
    private final class Connection {
        private final Socket client;
        private final Socket server;

        Connection(Socket client, Socket server) {
            this.client = client;
            this.server = server;
        }

        void start() {
            pump(client, server, up, new AtomicLong());
            pump(server, client, down, downBytes);
        }

        void close() {
            connections.remove(this);
            closeQuietly(client);
            closeQuietly(server);
        }

        private void pump(Socket from, Socket to, TokenBucket bucket, AtomicLong counter) {
            Thread _ =
                    Thread.ofVirtual()
                            .name("kvtier-proxy-pump")
                            .start(
                                    () -> {
                                        new ShapedPipe(bucket, delay, clock, counter).run(from, to);
                                        close();
                                    });
        }

        static void closeQuietly(Socket socket) {
            try {
                socket.close();
            } catch (IOException e) {
                // Nobody is left to tell.
                Thread.onSpinWait();
            }
        }
    }
}
