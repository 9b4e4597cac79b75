package io.kvtier.storage.log;

import io.kvtier.storage.BlobPool;
import io.kvtier.storage.ChunkStore;
import io.kvtier.storage.Durability;
import io.kvtier.storage.NanoClock;
import io.kvtier.storage.PutOutcome;
import io.kvtier.storage.RocksChunkStore;
import io.kvtier.storage.RocksStoreOptions;
import io.kvtier.storage.TestChunks;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.List;

/**
 * A process that puts values durably and says the number of each on its own line once it is
 * acknowledged, until somebody kills it.
 */
final class PutProcess implements AutoCloseable {
    private static final int PUTS_MAX = 100_000;

    private final Process process;
    private final BufferedReader acknowledged;

    private PutProcess(Process process) {
        this.process = process;
        this.acknowledged = process.inputReader();
    }

    static PutProcess start(Path folder, String layout, int first) throws IOException {
        List<String> line =
                List.of(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--enable-native-access=ALL-UNNAMED",
                        "-Xmx64m",
                        "-XX:TieredStopAtLevel=1",
                        "-cp",
                        System.getProperty("java.class.path"),
                        PutProcess.class.getName(),
                        folder.toString(),
                        layout,
                        Integer.toString(first));
        return new PutProcess(
                new ProcessBuilder(line).redirectError(ProcessBuilder.Redirect.DISCARD).start());
    }

    /** The number of the next value that is acknowledged; -1 when the process is gone. */
    int next() throws IOException {
        String line = acknowledged.readLine();
        while (line != null && !line.startsWith("put ")) {
            line = acknowledged.readLine();
        }
        // What a kill cut off in the middle is no number that was said.
        return line == null || !line.endsWith(".")
                ? -1
                : Integer.parseInt(line.substring(4, line.length() - 1));
    }

    /** SIGKILL; what it had said before can still be read. */
    void kill() throws InterruptedException {
        boolean _ = process.toHandle().destroyForcibly();
        int _ = process.waitFor();
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }

    static ChunkStore open(BlobPool pool, Path folder, String layout) {
        long bytesMax = 256L << 20;
        return layout.equals("log")
                ? new LogChunkStore(pool, LogStoreOptions.of(folder, bytesMax), Logs.surroundings())
                : new RocksChunkStore(
                        pool,
                        RocksStoreOptions.of(folder, bytesMax),
                        NanoClock.system(),
                        InstantSource.system(),
                        Logs.retention(NanoClock.system()));
    }

    /** Arguments: folder, layout, number of the first value. */
    public static void main(String[] args) {
        try (BlobPool pool = TestChunks.pool(16L << 20);
                ChunkStore store = open(pool, Path.of(args[0]), args[1])) {
            int first = Integer.parseInt(args[2]);
            for (int number = first; number < first + PUTS_MAX; number++) {
                PutOutcome outcome =
                        TestChunks.put(
                                store,
                                pool,
                                TestChunks.key(number),
                                TestChunks.meta(number, 1),
                                Durability.DISK);
                if (outcome instanceof PutOutcome.Stored
                        || outcome instanceof PutOutcome.AlreadyPresent) {
                    System.out.println("put " + number + ".");
                }
            }
        }
    }
}
