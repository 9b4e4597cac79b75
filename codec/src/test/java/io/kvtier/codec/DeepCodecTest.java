package io.kvtier.codec;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.kvtier.codec.error.CorruptChunkException;
import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.error.KvtierException;
import io.kvtier.codec.frame.DecodeLimits;
import io.kvtier.codec.frame.FrameBytes;
import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.frame.SegmentEntry;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.Dtype;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.identity.KeyChain;
import io.kvtier.codec.identity.Namespace;
import io.kvtier.codec.identity.Rope;
import io.kvtier.codec.profile.Profile;
import io.kvtier.codec.profile.ProfileFile;
import io.kvtier.codec.testing.DeepProfiles;
import io.kvtier.codec.testing.Property;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Deep profiles whose matrices are identities, so that errors can be told. */
final class DeepCodecTest {
    private static final ValueLayout.OfFloat F32 =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final int HEADS = 2;
    private static final int DIM = 4;
    private static final int WIDTH = 2 * HEADS * DIM;
    private static final Geometry GEOMETRY =
            Geometry.uniform(3, 4, HEADS, DIM, Dtype.F32, Rope.rotateHalf(DIM, 10_000));
    private static final Namespace NAMESPACE = Namespace.adaptive(Digest.ZERO, GEOMETRY);

    /** A chunk with all that it was made from. */
    private record Made(Profile profile, KvBlock block, MemorySegment frame, FrameHeader header) {
        MemorySegment segment(int index) {
            int bytes = header.segments().get(index).bytes();
            return frame.asSlice(header.offset(index), bytes);
        }

        KvBlock target() {
            return KvBlock.allocate(GEOMETRY, block.firstPosition(), block.tokens());
        }
    }

    @Test
    void decode_anyShareLagsAndTokens_errorIsWithinTheStepAtEveryCut() {
        Property.forAll(
                40,
                random -> {
                    Made made = made(random);
                    for (int parts = 1; parts <= made.header.parts().size(); parts++) {
                        KvBlock target = made.target();
                        DecodedChunk decoded = decode(made, parts, target);
                        assertThat(decoded.groups()).isEqualTo(3);
                        assertThat(decoded.tailRung()).isEqualTo(Math.min(parts - 1, 2));
                        assertClose(made, target, decoded.headRung());
                    }
                });
    }

    @Test
    void encode_sharedComponents_areAloneAndFirstInEveryPart() {
        Made made = made(new Random(1));
        assertThat(made.header.layerGroups()).isEqualTo(4);
        for (int part = 0; part < made.header.parts().size(); part++) {
            SegmentEntry first = made.header.segments().get(made.header.firstSegment(part));
            assertThat(first.firstLayerGroup()).isZero();
            assertThat(first.layerGroups()).isEqualTo(1);
        }
    }

    @Test
    void encodeAndDecode_otherTokenIdsOrNone_areRefused() {
        Made made = made(profile(6, 2, new Random(2)), 40, 0, new Random(3));
        int[] other = made.block.tokenIds().clone();
        other[7]++;
        ChunkEncoder encoder = new ChunkEncoder(NAMESPACE, made.profile);
        Digest digest = made.header.tokenDigest();
        for (int[] ids : new int[][] {other, {}}) {
            KvBlock block = made.block.withTokenIds(ids);
            assertThatThrownBy(() -> encoder.encode(Digest.ZERO, digest, block))
                    .isInstanceOf(InvalidRequestException.class)
                    .hasMessageContaining("token ids");
            KvBlock target = made.target().withTokenIds(ids);
            ChunkDecoder decoder = begun(made, 1);
            assertThatThrownBy(() -> decoder.finish(target))
                    .isInstanceOf(InvalidRequestException.class)
                    .hasMessageContaining("token ids");
        }
    }

    @Test
    void accept_groupBeforeTheSharedComponents_isRefused() {
        Made made = made(profile(6, 2, new Random(4)), 40, 0, new Random(5));
        ChunkDecoder decoder = new ChunkDecoder(NAMESPACE, made.profile);
        decoder.begin(made.header);
        assertThatThrownBy(() -> decoder.accept(1, made.segment(1)))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining("before the shared one");
    }

    @Test
    void accept_anyByteFlipped_decodesOrRefuses() {
        Made made = made(profile(6, 2, new Random(6)), 33, 0, new Random(7));
        int refusals = 0;
        for (int at = made.header.headerBytes(); at < made.frame.byteSize(); at++) {
            byte[] forged = made.frame.toArray(ValueLayout.JAVA_BYTE);
            forged[at] ^= (byte) (1 << at % 8);
            MemorySegment frame = MemorySegment.ofArray(forged);
            Made bad = new Made(made.profile, made.block, frame, made.header);
            try {
                var _ = decode(bad, made.header.parts().size(), made.target());
            } catch (KvtierException e) {
                refusals++;
            }
        }
        assertThat(refusals).isPositive();
    }

    @Test
    void profile_anyByteOfTheDeepSectionChanged_isReadOrRefused() {
        byte[] file = DeepProfiles.file(GEOMETRY, 6, 2, new Random(8));
        int section = 8 + 5 * 18 + 2 * 18 * 18 + 8 + 4 * 3 + DeepProfiles.VOCABULARY * 3;
        int from = file.length - 4 - section - 2 * 18 * 6;
        assertThat(ProfileFile.read(file.clone(), GEOMETRY).deep()).isPresent();
        Property.forAll(
                500,
                random -> {
                    byte[] bad = file.clone();
                    int at = from + random.nextInt(random.nextBoolean() ? 110 : file.length - from);
                    bad[at] = (byte) random.nextInt(256);
                    try {
                        Profile read = ProfileFile.read(DeepProfiles.sealed(bad), GEOMETRY);
                        assertThat(read.deep()).isPresent();
                    } catch (CorruptChunkException e) {
                        assertThat(e).hasMessageContaining("expected");
                    }
                });
        byte[] most = file.clone();
        most[from + 7] = 0x7f; // rank
        assertThatThrownBy(() -> ProfileFile.read(DeepProfiles.sealed(most), GEOMETRY))
                .isInstanceOf(CorruptChunkException.class)
                .hasMessageContaining("rank of the deep transform");
    }

    private static Made made(Random random) {
        Profile profile = profile(1 + random.nextInt(WIDTH), random.nextInt(4), random);
        int first = random.nextBoolean() ? 0 : 1 + random.nextInt(1000);
        return made(profile, 1 + random.nextInt(70), first, random);
    }

    private static Profile profile(int leading, int lags, Random random) {
        return ProfileFile.read(DeepProfiles.file(GEOMETRY, leading, lags, random), GEOMETRY);
    }

    private static Made made(Profile profile, int tokens, int first, Random random) {
        KvBlock empty = KvBlock.allocate(GEOMETRY, first, tokens);
        int[] ids = random.ints(tokens, 0, 2 * DeepProfiles.VOCABULARY).toArray();
        for (MemorySegment tensor : new MemorySegment[] {empty.keys(), empty.values()}) {
            for (long at = 0; at < tensor.byteSize(); at += 4) {
                tensor.set(F32, at, 3 * (float) random.nextGaussian());
            }
        }
        KvBlock block = empty.withTokenIds(ids);
        Digest digest = KeyChain.tokenDigest(ids, 0, tokens);
        ChunkEncoder encoder = new ChunkEncoder(NAMESPACE, profile);
        MemorySegment frame = MemorySegment.ofArray(encoder.encode(Digest.ZERO, digest, block));
        FrameHeader header =
                FrameBytes.verify(frame, NAMESPACE, NAMESPACE.digest(), DecodeLimits.defaults());
        return new Made(profile, block, frame, header);
    }

    private static ChunkDecoder begun(Made made, int parts) {
        ChunkDecoder decoder = new ChunkDecoder(NAMESPACE, made.profile);
        decoder.begin(made.header);
        for (int i = 0; i < made.header.firstSegment(parts); i++) {
            decoder.accept(i, made.segment(i));
        }
        return decoder;
    }

    private static DecodedChunk decode(Made made, int parts, KvBlock target) {
        return begun(made, parts).finish(target.withTokenIds(made.block.tokenIds()));
    }

    /**
     * Each error is within step·2^(largest class/2)/3^rung·(0.5 + the largest centroid), rotated.
     */
    private static void assertClose(Made made, KvBlock target, int headRung) {
        double bound = 1.5 * 0.5 * 4 * 0.8 / Math.pow(3, Math.max(headRung, 0)) + 1e-3;
        MemorySegment[] expected = {made.block.keys(), made.block.values()};
        MemorySegment[] actual = {target.keys(), target.values()};
        for (int tensor = 0; tensor < 2; tensor++) {
            for (long at = 0; at < expected[tensor].byteSize(); at += 4) {
                float error = expected[tensor].get(F32, at) - actual[tensor].get(F32, at);
                assertThat((double) Math.abs(error)).isLessThan(bound);
            }
        }
    }
}
