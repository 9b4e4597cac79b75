package io.kvtier.config;

import static io.kvtier.config.OutOfRangeException.check;

import java.nio.file.Path;
import java.time.Duration;

/**
 * Everything a node is told. A key that is not in the file has the value of {@link #defaults}.
 *
 * @param listen where clients connect
 * @param storage what is kept, and where
 * @param limits what one client or all together may ask for
 * @param cluster which others it works with
 * @param security who may connect, and how the wire is protected
 * @param admin where those who operate the node look at it
 */
public record NodeConfig(
        Listen listen,
        Storage storage,
        Limits limits,
        ClusterConfig cluster,
        Security security,
        Admin admin) {
    private static final long MIB = 1L << 20;
    private static final long GIB = 1L << 30;

    /**
     * Where clients connect.
     *
     * @param host address to bind; anything but loopback needs TLS
     * @param port 0 = any free one
     */
    public record Listen(String host, int port) {
        /** Checks the port. */
        public Listen {
            check(!host.isBlank(), "host", "'" + host + "'", "an address or a name");
            check(port >= 0 && port <= 65_535, "port", port, "0..65535");
        }
    }

    /**
     * Where metrics, health and the numbers of a node are shown, over HTTP.
     *
     * @param host address to bind; anything but loopback needs TLS and tokens
     * @param port 0 = any free one
     */
    public record Admin(String host, int port) {
        /** Checks the port. */
        public Admin {
            check(!host.isBlank(), "host", "'" + host + "'", "an address or a name");
            check(port >= 0 && port <= 65_535, "port", port, "0..65535");
        }
    }

    /** How chunks lie on disk. */
    public enum Layout {
        /** An append-only log of our own, with its index in RocksDB. */
        LOG,
        /** Blob files of RocksDB. */
        BLOB
    }

    /**
     * What is kept, and where.
     *
     * @param directory of the cold tier; made when it is missing
     * @param layout of the cold tier; each has a folder of its own in the directory
     * @param hotBytes most bytes of chunks in memory
     * @param coldBytes most bytes of chunks on disk
     * @param retention how long chunks stay
     * @param scrub how fast what is on disk is read again
     */
    public record Storage(
            Path directory,
            Layout layout,
            long hotBytes,
            long coldBytes,
            RetentionConfig retention,
            Scrub scrub) {
        /** Checks the sizes. */
        public Storage {
            check(hotBytes >= MIB, "hotBytes", hotBytes + " bytes", "at least 1MiB");
            check(coldBytes >= 16 * MIB, "coldBytes", coldBytes + " bytes", "at least 16MiB");
        }

        /** With the usual retention and scrubbing. */
        public Storage(Path directory, Layout layout, long hotBytes, long coldBytes) {
            this(
                    directory,
                    layout,
                    hotBytes,
                    coldBytes,
                    RetentionConfig.defaults(),
                    Scrub.defaults());
        }
    }

    /**
     * How fast what is on disk is read again, to find what is damaged before somebody asks for it.
     *
     * @param bytesPerSecond 0 = not at all
     * @param rest between two passes over everything
     */
    public record Scrub(long bytesPerSecond, Duration rest) {
        /** Checks the rate. */
        public Scrub {
            check(
                    bytesPerSecond == 0 || bytesPerSecond >= 64 << 10,
                    "bytesPerSecond",
                    bytesPerSecond + " bytes",
                    "0 or at least 64KiB");
        }

        static Scrub defaults() {
            return new Scrub(4 * MIB, Duration.ofHours(1));
        }
    }

    /**
     * What protects chunks between a lookup and the stream that follows.
     *
     * @param bytes of all clients, half of {@code inFlightBytes} at most; a quarter of it for one
     * @param time after which a ticket that nobody used ends
     */
    public record Tickets(long bytes, Duration time) {
        /** Checks the time. */
        public Tickets {
            check(
                    time.toMillis() >= 1 && time.toMillis() <= 5000,
                    "time",
                    time.toMillis() + "ms",
                    "1ms..5s");
        }

        static Tickets defaults() {
            return new Tickets(GIB / 2, Duration.ofSeconds(5));
        }
    }

    /**
     * What may be asked for.
     *
     * @param messageBytes longest message on the wire
     * @param inFlightBytes most bytes being sent or received at once, all clients together
     * @param streamBytes the same of one stream
     * @param deadline of a call that names none
     * @param idle after which a silent stream is cut
     * @param tickets what lookups protect
     * @param streams most exchanges and gets at once, all clients together
     * @param linkBytesPerSecond rate of the outgoing link, which streams share by it; 0 = not known
     */
    public record Limits(
            long messageBytes,
            long inFlightBytes,
            long streamBytes,
            Duration deadline,
            Duration idle,
            Tickets tickets,
            int streams,
            long linkBytesPerSecond) {
        /** Checks that they fit each other. */
        public Limits {
            check(
                    messageBytes >= 64 << 10 && messageBytes <= GIB,
                    "messageBytes",
                    messageBytes + " bytes",
                    "64KiB..1GiB");
            check(
                    streamBytes >= messageBytes,
                    "streamBytes",
                    streamBytes + " bytes",
                    "at least messageBytes = " + messageBytes);
            check(
                    inFlightBytes >= streamBytes,
                    "inFlightBytes",
                    inFlightBytes + " bytes",
                    "at least streamBytes = " + streamBytes);
            check(deadline.toMillis() >= 1, "deadline", deadline, "at least 1ms");
            check(idle.toMillis() >= 100, "idle", idle, "at least 100ms");
            check(streams >= 1, "streams", streams, "at least 1");
            check(
                    linkBytesPerSecond == 0 || linkBytesPerSecond >= 1 << 10,
                    "linkBytesPerSecond",
                    linkBytesPerSecond,
                    "0 (not known) or at least 1KiB");
        }
    }

    /**
     * Who may connect, and how the wire is protected. A file that is not given is the empty path.
     *
     * @param certificate PEM file of the node's TLS certificate
     * @param key PEM file of its private key, PKCS #8
     * @param clientAuthorities PEM file; with it clients need a certificate of one of these
     * @param tokens file of bearer tokens' hashes, see {@code kvtier token}
     * @param secret file of the secret that keeps tenants apart, the same on all nodes
     * @param nodeToken file of the token, of role node, that this node shows to others
     * @param nodeAuthorities PEM file of the authorities that vouch for other nodes
     * @param plaintext whether another address than loopback may do without TLS and tokens
     */
    public record Security(
            Path certificate,
            Path key,
            Path clientAuthorities,
            Path tokens,
            Path secret,
            Path nodeToken,
            Path nodeAuthorities,
            boolean plaintext) {
        private static final Path NONE = Path.of("");

        /** No file, loopback only. */
        static Security none() {
            return new Security(NONE, NONE, NONE, NONE, NONE, NONE, NONE, false);
        }

        /** Checks that files come with those that they need. */
        public Security {
            check(isGiven(certificate) == isGiven(key), "key", one(key), "given with certificate");
            check(
                    !isGiven(clientAuthorities) || isGiven(certificate),
                    "clientAuthorities",
                    one(clientAuthorities),
                    "given with certificate and key only");
            check(
                    !isGiven(nodeAuthorities) || isGiven(certificate),
                    "nodeAuthorities",
                    one(nodeAuthorities),
                    "given with certificate and key only");
            check(
                    isGiven(tokens) == isGiven(secret),
                    "secret",
                    one(secret),
                    "given if and only if tokens is");
        }

        /** Whether a path names a file. */
        public static boolean isGiven(Path file) {
            return !file.equals(NONE);
        }

        /** Whether connections use TLS. */
        public boolean isEncrypted() {
            return isGiven(certificate);
        }

        /** Whether calls need a token. */
        public boolean isAuthenticated() {
            return isGiven(tokens);
        }

        private static String one(Path file) {
            return isGiven(file) ? "'" + file + "'" : "not given";
        }
    }

    /** Loopback, 1 GiB of memory, 16 GiB of disk under the working directory. */
    public static NodeConfig defaults() {
        return new NodeConfig(
                new Listen("127.0.0.1", 7420),
                new Storage(Path.of("kvtier-data"), Layout.BLOB, GIB, 16 * GIB),
                new Limits(
                        16 * MIB,
                        GIB,
                        256 * MIB,
                        Duration.ofSeconds(2),
                        Duration.ofSeconds(30),
                        Tickets.defaults(),
                        1024,
                        0),
                ClusterConfig.defaults(),
                Security.none(),
                new Admin("127.0.0.1", 0));
    }
}
