package io.kvtier.flight;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.error.UnavailableException;
import io.kvtier.codec.identity.Digest;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Optional;

/** Profiles as files of one folder, named by their id. Thread-safe. */
public final class FolderProfileStore implements ProfileStore {
    private static final String PARTIAL = ".part";

    private final Path folder;
    private final long bytesMax;

    /**
     * Uses (or makes) the folder.
     *
     * @param bytesMax longest profile
     * @throws UnavailableException if the folder cannot be made
     */
    public FolderProfileStore(Path folder, long bytesMax) {
        this.folder = folder;
        this.bytesMax = Math.min(bytesMax, Integer.MAX_VALUE);
        try {
            Files.createDirectories(folder);
        } catch (IOException e) {
            throw failure("make", e);
        }
    }

    @Override
    public synchronized boolean write(Digest id, long total, long offset, ByteBuffer piece) {
        check(total >= 1 && total <= bytesMax, "profile bytes", total, "1.." + bytesMax);
        check(
                offset >= 0 && piece.remaining() <= total - offset,
                "end of the profile's piece",
                offset + piece.remaining(),
                "at most " + total);
        if (Files.exists(folder.resolve(id.toString()))) {
            return true;
        }
        Path partial = folder.resolve(id + PARTIAL);
        try (FileChannel file =
                FileChannel.open(
                        partial,
                        StandardOpenOption.CREATE,
                        StandardOpenOption.WRITE,
                        StandardOpenOption.READ)) {
            check(offset <= file.size(), "offset of the profile's piece", offset, file.size());
            file.truncate(offset).position(offset);
            while (piece.hasRemaining()) {
                var _ = file.write(piece);
            }
            if (file.size() < total) {
                return false;
            }
            file.force(true);
        } catch (IOException e) {
            throw failure("write to", e);
        }
        return publish(id, partial);
    }

    @Override
    public Optional<ByteBuffer> find(Digest id) {
        Path file = folder.resolve(id.toString());
        if (!Files.exists(file)) {
            return Optional.empty();
        }
        try {
            ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).asReadOnlyBuffer();
            return Digest.sha256(bytes).equals(id) ? Optional.of(bytes) : Optional.empty();
        } catch (IOException e) {
            throw failure("read from", e);
        }
    }

    private boolean publish(Digest id, Path partial) {
        try {
            Digest actual = Digest.sha256(Files.readAllBytes(partial));
            if (!actual.equals(id)) {
                Files.delete(partial);
                throw new InvalidRequestException(
                        "SHA-256 of the profile is " + actual + ", expected its id " + id);
            }
            var _ =
                    Files.move(
                            partial, folder.resolve(id.toString()), StandardCopyOption.ATOMIC_MOVE);
            return true;
        } catch (IOException e) {
            throw failure("write to", e);
        }
    }

    private UnavailableException failure(String verb, IOException cause) {
        return new UnavailableException(
                "cannot " + verb + " the profile folder " + folder + ": " + cause, cause);
    }
}
