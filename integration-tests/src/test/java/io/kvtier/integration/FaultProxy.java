package io.kvtier.integration;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.time.Duration;
import java.util.Arrays;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * A TCP proxy on loopback that does harm when told to: it delays, swallows or resets what passes,
 * and does one {@link Fault} to the byte stream at a given place.
 *
 * <p>Thread-safety: all methods. Limits: pieces of at most 16 KiB, no buffer of its own.
 */
final class FaultProxy implements AutoCloseable {
    private static final int PIECE_BYTES = 16 << 10;
    private static final int CONNECT_MILLIS = 5000;

    private final ServerSocket listener;
    private final InetSocketAddress target;
    private final Way up = new Way();
    private final Way down = new Way();
    private final Set<Socket> sockets = ConcurrentHashMap.newKeySet();
    private volatile boolean closed;

    /** Where bytes go: to the node, or back from it. */
    enum Direction {
        UP,
        DOWN
    }

    /** What is done to a stream of bytes. */
    enum Kind {
        /** It ends in order. */
        CUT,
        /** Both sides are reset. */
        RESET,
        /** One bit is another. */
        FLIP,
        /** A piece comes twice. */
        DUPLICATE,
        /** A piece does not come. */
        LOSE,
        /** The two halves of a piece come in the wrong order. */
        REORDER,
        /** Nothing comes any more, and nobody says so. */
        STALL
    }

    /**
     * A fault.
     *
     * @param atByte of the direction's bytes, counted from when the fault was planned
     * @param bit of that byte, for a flip
     */
    record Fault(Kind kind, Direction direction, long atByte, int bit) {}

    /** One direction of all connections. */
    private static final class Way {
        final AtomicLong bytes = new AtomicLong();
        volatile long delayNanos;
        volatile boolean swallows;
        volatile @Nullable Fault fault;
        final AtomicBoolean done = new AtomicBoolean();
    }

    private FaultProxy(ServerSocket listener, InetSocketAddress target) {
        this.listener = listener;
        this.target = target;
    }

    /** Starts a proxy on a free port of loopback. */
    static FaultProxy start(String targetHost, int targetPort) {
        try {
            ServerSocket listener = new ServerSocket(0, 64, InetAddress.getLoopbackAddress());
            FaultProxy proxy =
                    new FaultProxy(listener, new InetSocketAddress(targetHost, targetPort));
            Thread _ = Thread.ofVirtual().name("fault-proxy").start(proxy::accept);
            return proxy;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    int port() {
        return listener.getLocalPort();
    }

    String endpoint() {
        return "127.0.0.1:" + port();
    }

    /** Does this fault once, when its byte passes; takes the place of one that was planned. */
    void plan(Fault fault) {
        Way way = way(fault.direction());
        way.bytes.set(0);
        way.done.set(false);
        way.fault = fault;
    }

    /** Whether the planned fault was done. */
    boolean hasDone(Direction direction) {
        return way(direction).done.get();
    }

    /** Holds back what passes in a direction. */
    void delay(Direction direction, Duration time) {
        way(direction).delayNanos = time.toNanos();
    }

    /** Swallows what passes in a direction, silently, or ends that; also of new connections. */
    void swallow(Direction direction, boolean on) {
        way(direction).swallows = on;
    }

    /** Both directions as they should be, from the next connections on. */
    void heal() {
        for (Way way : new Way[] {up, down}) {
            way.fault = null;
            way.swallows = false;
            way.delayNanos = 0;
        }
        cutConnections(); // what lacks bytes is of no use any more
    }

    void cutConnections() {
        sockets.forEach(FaultProxy::closeQuietly);
    }

    @Override
    public void close() throws IOException {
        closed = true;
        listener.close();
        cutConnections();
    }

    private Way way(Direction direction) {
        return direction == Direction.UP ? up : down;
    }

    private void accept() {
        while (!closed) {
            try {
                Socket client = listener.accept();
                Thread _ = Thread.ofVirtual().start(() -> connect(client));
            } catch (IOException e) {
                if (!closed) {
                    throw new UncheckedIOException(e);
                }
            }
        }
    }

    private void connect(Socket client) {
        Socket server = new Socket();
        try {
            client.setTcpNoDelay(true);
            server.setTcpNoDelay(true);
            server.connect(target, CONNECT_MILLIS);
            sockets.add(client);
            sockets.add(server);
            if (closed) {
                closeQuietly(client);
                closeQuietly(server);
            }
            Thread back = Thread.ofVirtual().start(() -> pump(server, client, down));
            pump(client, server, up);
            back.join();
        } catch (IOException e) {
            closeQuietly(client); // the node is gone, and so is the way to it
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            closeQuietly(client);
            closeQuietly(server);
            sockets.remove(client);
            sockets.remove(server);
        }
    }

    private void pump(Socket from, Socket to, Way way) {
        byte[] buffer = new byte[PIECE_BYTES];
        boolean stalled = false;
        try (InputStream in = from.getInputStream();
                OutputStream out = to.getOutputStream()) {
            for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
                hold(way.delayNanos);
                long first = way.bytes.getAndAdd(read);
                Fault fault = due(way, first, read);
                stalled |= fault != null && fault.kind() == Kind.STALL;
                if (stalled || way.swallows) {
                    continue;
                }
                if (fault == null) {
                    out.write(buffer, 0, read);
                } else if (!harm(fault, (int) (fault.atByte() - first), buffer, read, out)) {
                    end(fault, from, to);
                    return;
                }
            }
        } catch (IOException e) {
            closeQuietly(from); // one side closed; the other learns of it
        }
        closeQuietly(to);
        closeQuietly(from);
    }

    private static @Nullable Fault due(Way way, long first, int length) {
        Fault fault = way.fault;
        boolean here = fault != null && fault.atByte() >= first && fault.atByte() < first + length;
        return here && way.done.compareAndSet(false, true) ? fault : null;
    }

    /** Writes the piece with its fault; false when nothing may follow. */
    private static boolean harm(Fault fault, int at, byte[] piece, int length, OutputStream out)
            throws IOException {
        switch (fault.kind()) {
            case CUT, RESET -> {
                out.write(piece, 0, at);
                return false;
            }
            case FLIP -> {
                piece[at] ^= (byte) (1 << fault.bit());
                out.write(piece, 0, length);
            }
            case DUPLICATE -> {
                out.write(piece, 0, length);
                out.write(piece, at, length - at);
            }
            case LOSE -> out.write(piece, 0, at);
            case REORDER -> {
                out.write(Arrays.copyOfRange(piece, at, length));
                out.write(piece, 0, at);
            }
            case STALL -> throw new IllegalStateException("a stalled piece is not written");
        }
        return true;
    }

    private static void end(Fault fault, Socket... both) throws IOException {
        for (Socket each : both) {
            if (fault.kind() == Kind.RESET) {
                each.setSoLinger(true, 0);
            }
            closeQuietly(each);
        }
    }

    private static void hold(long nanos) {
        if (nanos > 0) {
            LockSupport.parkNanos(nanos);
        }
    }

    private static void closeQuietly(Socket socket) {
        try {
            socket.close();
        } catch (IOException e) {
            Thread.onSpinWait(); // nobody is left to tell
        }
    }
}
