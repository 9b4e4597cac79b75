package io.kvtier.flight;

import io.kvtier.codec.identity.Digest;
import java.nio.ByteBuffer;
import java.util.Optional;

/** Profiles by the SHA-256 of their bytes: whoever holds an id can check what it gets. */
public interface ProfileStore {
    /**
     * Takes one piece of a profile, pieces coming in order; the last one makes the profile visible
     * if its bytes have the SHA-256 {@code id}.
     *
     * @param total bytes of the whole profile
     * @param offset of this piece
     * @return whether the profile is complete
     * @throws io.kvtier.codec.error.InvalidRequestException for a piece out of order, a profile
     *     that is too long, or bytes that are not of that id
     * @throws io.kvtier.codec.error.UnavailableException when the medium fails
     */
    boolean write(Digest id, long total, long offset, ByteBuffer piece);

    /** The bytes of a profile, read-only, if it is held whole. */
    Optional<ByteBuffer> find(Digest id);
}
