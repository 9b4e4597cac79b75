package io.kvtier.codec;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.Namespace;
import io.kvtier.codec.profile.DataFree;
import io.kvtier.codec.profile.Profile;
import java.lang.foreign.MemorySegment;
import java.util.function.Function;

/**
 * How the K and V of one namespace become frames and come back: within a loss budget by a profile,
 * or bit for bit. Immutable and thread-safe; the encoders and decoders that it makes are neither.
 */
public sealed interface FrameCodec {
    /** Of an adaptive namespace: rungs of one profile. */
    record Adaptive(Namespace namespace, Profile profile) implements FrameCodec {
        /** Checks that the profile was made for the namespace's geometry. */
        public Adaptive {
            check(
                    namespace.kind() == Namespace.Kind.ADAPTIVE,
                    "namespace kind",
                    namespace.kind(),
                    "ADAPTIVE");
            profile.checkShape(namespace.geometry());
        }

        @Override
        public Digest profileId() {
            return profile.id();
        }

        @Override
        public Encoder encoder() {
            return new ChunkEncoder(namespace, profile);
        }

        @Override
        public Decoder decoder() {
            return new ChunkDecoder(namespace, profile);
        }
    }

    /** Of an exact namespace: one part, every bit. */
    record Exact(Namespace namespace) implements FrameCodec {
        /** Checks the namespace's kind. */
        public Exact {
            check(
                    namespace.kind() == Namespace.Kind.EXACT,
                    "namespace kind",
                    namespace.kind(),
                    "EXACT");
        }

        @Override
        public Digest profileId() {
            return Digest.ZERO;
        }

        @Override
        public Encoder encoder() {
            return new ExactEncoder(namespace);
        }

        @Override
        public Decoder decoder() {
            return new ExactDecoder(namespace);
        }
    }

    /** Makes frames, one call a chunk. Reusable, not thread-safe. */
    sealed interface Encoder permits ChunkEncoder, ExactEncoder {
        /**
         * The whole frame of a block.
         *
         * @param key of the chunk
         * @param tokenDigest of its tokens
         * @throws io.kvtier.codec.error.InvalidRequestException for a block that is not of the
         *     namespace, or holds what its kind cannot code
         */
        byte[] encode(Digest key, Digest tokenDigest, KvBlock block);
    }

    /**
     * Reads frames, one after another: begin, segments, finish. Reusable, not thread-safe. After an
     * exception only {@link #begin} may follow.
     */
    sealed interface Decoder permits ChunkDecoder, ExactDecoder {
        /** Starts a chunk whose header was read and verified. */
        void begin(FrameHeader header);

        /**
         * Takes the bytes of segment {@code index} of the directory, whose checksum was verified;
         * they are lent for the call.
         */
        void accept(int index, MemorySegment bytes);

        /** Writes what arrived into the target; what did not arrive stays as it is. */
        DecodedChunk finish(KvBlock target);
    }

    /** The codec for frames that nobody calibrated for: data-free, or bit-exact. */
    static FrameCodec withoutProfile(Namespace namespace) {
        return switch (namespace.kind()) {
            case ADAPTIVE -> new Adaptive(namespace, DataFree.of(namespace.geometry()));
            case EXACT -> new Exact(namespace);
        };
    }

    /**
     * The codec that reads the frames whose header names a profile.
     *
     * @param profile id as the header has it
     * @param profiles gets a calibrated profile by its id, and throws when there is none
     */
    static FrameCodec ofProfile(
            Namespace namespace, Digest profile, Function<Digest, Profile> profiles) {
        FrameCodec plain = withoutProfile(namespace);
        return plain.profileId().equals(profile) || plain instanceof Exact
                ? plain
                : new Adaptive(namespace, profiles.apply(profile));
    }

    /** What the chunks belong to. */
    Namespace namespace();

    /** Id that the frames name as their profile; zeros when exact. */
    Digest profileId();

    /** A new encoder. */
    Encoder encoder();

    /** A new decoder. */
    Decoder decoder();
}
