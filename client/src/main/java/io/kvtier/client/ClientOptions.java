package io.kvtier.client;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.error.UnavailableException;
import io.kvtier.codec.frame.DecodeLimits;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/**
 * Limits and first guesses of a client.
 *
 * @param authorization value of the {@code authorization} header of each call, empty for none
 * @param tls how the wire is protected, empty for plaintext
 * @param messageBytesMax longest message taken and sent, so the longest frame of a put, too
 * @param memoryBytesMax bytes of the wire held at once
 * @param coldBytesPerSecond rate assumed before anything was measured or hinted
 * @param namespacesMax exchanges kept open, one for each namespace
 * @param reconnectsMax how often a stream goes on after its connection broke
 * @param restartsMax how often a chunk of a stream starts over because its encoding changed
 * @param decodeLimits what is believed of frames
 */
public record ClientOptions(
        String authorization,
        Optional<ClientTls> tls,
        int messageBytesMax,
        long memoryBytesMax,
        double coldBytesPerSecond,
        int namespacesMax,
        int reconnectsMax,
        int restartsMax,
        DecodeLimits decodeLimits) {
    /** Checks ranges. */
    public ClientOptions {
        check(messageBytesMax >= 64 << 10, "messageBytesMax", messageBytesMax, "65536 or more");
        check(memoryBytesMax >= messageBytesMax, "memoryBytesMax", memoryBytesMax, "a message");
        check(coldBytesPerSecond > 0, "coldBytesPerSecond", coldBytesPerSecond, "positive");
        check(namespacesMax >= 1, "namespacesMax", namespacesMax, "1 or more");
        check(
                reconnectsMax >= 0 && restartsMax >= 0,
                "reconnectsMax, restartsMax",
                reconnectsMax + ", " + restartsMax,
                "0 or more");
    }

    /** Messages to 16 MiB, 20 Mbit/s until more is known. */
    public static ClientOptions defaults() {
        return new ClientOptions(
                "",
                Optional.empty(),
                16 << 20,
                256L << 20,
                2.5e6,
                16,
                2,
                3,
                DecodeLimits.defaults());
    }

    /** The same with a credential. */
    public ClientOptions withAuthorization(String newAuthorization) {
        return new ClientOptions(
                newAuthorization,
                tls,
                messageBytesMax,
                memoryBytesMax,
                coldBytesPerSecond,
                namespacesMax,
                reconnectsMax,
                restartsMax,
                decodeLimits);
    }

    /**
     * The same with the bearer token that a file holds.
     *
     * @throws UnavailableException if it cannot be read
     */
    public ClientOptions withToken(Path file) {
        try {
            return withAuthorization("Bearer " + Files.readString(file).strip());
        } catch (IOException e) {
            throw new UnavailableException(file + " cannot be read: " + e.getMessage(), e);
        }
    }

    /** The same over TLS. */
    public ClientOptions withTls(ClientTls newTls) {
        return new ClientOptions(
                authorization,
                Optional.of(newTls),
                messageBytesMax,
                memoryBytesMax,
                coldBytesPerSecond,
                namespacesMax,
                reconnectsMax,
                restartsMax,
                decodeLimits);
    }

    /** The same with another longest message. */
    public ClientOptions withMessageBytesMax(int newMessageBytesMax) {
        return new ClientOptions(
                authorization,
                tls,
                newMessageBytesMax,
                Math.max(memoryBytesMax, newMessageBytesMax),
                coldBytesPerSecond,
                namespacesMax,
                reconnectsMax,
                restartsMax,
                decodeLimits);
    }

    /** The same with another rate to begin with. */
    public ClientOptions withColdBytesPerSecond(double newColdBytesPerSecond) {
        return new ClientOptions(
                authorization,
                tls,
                messageBytesMax,
                memoryBytesMax,
                newColdBytesPerSecond,
                namespacesMax,
                reconnectsMax,
                restartsMax,
                decodeLimits);
    }
}
