package io.kvtier.codec;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.kvtier.codec.error.CorruptChunkException;
import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.error.KvtierException;
import io.kvtier.codec.frame.DecodeLimits;
import io.kvtier.codec.frame.FrameBytes;
import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.Dtype;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.identity.Namespace;
import io.kvtier.codec.identity.Rope;
import io.kvtier.codec.profile.DataFree;
import io.kvtier.codec.testing.ExactChunks;
import io.kvtier.codec.testing.ExactChunks.Place;
import io.kvtier.codec.testing.Property;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

final class ExactCodecPropertyTest {
    @Test
    void encode_anyGeometryAndBits_comesBackBitForBit() {
        Property.forAll(
                100,
                random -> {
                    Namespace namespace = namespace(random);
                    ExactEncoder encoder = new ExactEncoder(namespace);
                    ExactDecoder decoder = new ExactDecoder(namespace);
                    for (int chunk = 0; chunk < 3; chunk++) { // both are used again
                        Place place = place(namespace, random);
                        byte[] raw = raw(namespace, place.tokens(), random);
                        byte[] frame = ExactChunks.encode(namespace, encoder, place, raw);
                        assertThat(ExactChunks.decode(namespace, decoder, frame)).isEqualTo(raw);
                        assertThat(
                                        ExactChunks.encode(
                                                namespace, new ExactEncoder(namespace), place, raw))
                                .as("bytes depend on nothing else")
                                .isEqualTo(frame);
                        FrameHeader header = header(frame);
                        assertThat(header.cuts()).containsExactly((long) frame.length);
                        assertThat(frame.length)
                                .isLessThan(
                                        raw.length
                                                + header.headerBytes()
                                                + 12 * header.layerGroups()
                                                + 1);
                    }
                });
    }

    @Test
    void verify_anyCutOrFlip_isRefused() {
        Property.forAll(
                20,
                random -> {
                    Namespace namespace = namespace(random);
                    byte[] frame = frame(namespace, random);
                    for (int i = 0; i < 40; i++) {
                        byte[] cut = Arrays.copyOf(frame, random.nextInt(frame.length));
                        byte[] flipped = frame.clone();
                        flipped[random.nextInt(frame.length)] ^= (byte) (1 << random.nextInt(8));
                        for (byte[] bad : List.of(cut, flipped)) {
                            assertThatThrownBy(
                                            () ->
                                                    ExactChunks.decode(
                                                            namespace,
                                                            new ExactDecoder(namespace),
                                                            bad))
                                    .isInstanceOf(KvtierException.class)
                                    .hasMessageContaining("expected");
                        }
                    }
                });
    }

    /** What a checksum would have caught: flips below it decode to other bits or are refused. */
    @Test
    void accept_segmentCutOrFlipped_isRefusedOrDecodesWithinItsLayers() {
        Property.forAll(
                20,
                random -> {
                    Namespace namespace = namespace(random);
                    byte[] frame = frame(namespace, random);
                    FrameHeader header = header(frame);
                    ExactDecoder decoder = new ExactDecoder(namespace);
                    int last = header.segments().size() - 1;
                    byte[] segment =
                            Arrays.copyOfRange(frame, (int) header.offset(last), frame.length);
                    for (int i = 0; i < 40; i++) {
                        decoder.begin(header);
                        byte[] cut = Arrays.copyOf(segment, random.nextInt(segment.length));
                        assertThatThrownBy(() -> decoder.accept(last, MemorySegment.ofArray(cut)))
                                .isInstanceOf(CorruptChunkException.class);
                        assertThatThrownBy(() -> ExactChunks.finish(namespace, decoder, header))
                                .isInstanceOf(InvalidRequestException.class)
                                .hasMessageContaining("broken by a corrupt segment");
                        byte[] flipped = segment.clone();
                        flipped[random.nextInt(segment.length)] ^= (byte) (1 << random.nextInt(8));
                        decoder.begin(header);
                        try {
                            decoder.accept(last, MemorySegment.ofArray(flipped));
                            assertThat(ExactChunks.finish(namespace, decoder, header))
                                    .hasSize((int) header.decodedBytes());
                        } catch (CorruptChunkException e) {
                            assertThat(e).hasMessageContaining("expected");
                        }
                    }
                });
    }

    @Test
    void finish_segmentsMissing_leavesTheirLayersAlone() {
        Geometry geometry = Geometry.uniform(4, 4, 2, 16, Dtype.F32, Rope.rotateHalf(16, 10_000));
        Namespace namespace = Namespace.adaptive(Digest.ZERO, geometry).exact();
        KvBlock block = KvBlock.allocate(geometry, 0, 48);
        new Random(1).nextBytes((byte[]) block.keys().heapBase().orElseThrow());
        new Random(2).nextBytes((byte[]) block.values().heapBase().orElseThrow());
        byte[] frame = new ExactEncoder(namespace).encode(Digest.ZERO, Digest.ZERO, block);
        FrameHeader header = header(frame);
        assertThat(header.segments()).hasSize(2); // 12 KiB a layer, 16 KiB a segment or more
        ExactDecoder decoder = new ExactDecoder(namespace);
        decoder.begin(header);
        decoder.accept(1, MemorySegment.ofArray(frame).asSlice(header.offset(1)));
        KvBlock target = KvBlock.allocate(geometry, 0, 48);
        target.keys().fill((byte) 7);
        DecodedChunk decoded = decoder.finish(target);
        assertThat(decoded.groups()).isEqualTo(2);
        assertThat(decoded.keyErrorMax()).containsExactly(Float.NaN, Float.NaN, 0f, 0f);
        long half = target.keys().byteSize() / 2;
        assertThat(target.keys().asSlice(half).mismatch(block.keys().asSlice(half))).isEqualTo(-1);
        for (long at = 0; at < half; at++) {
            assertThat(target.keys().get(java.lang.foreign.ValueLayout.JAVA_BYTE, at))
                    .isEqualTo((byte) 7);
        }
    }

    @Test
    void begin_headerOfAnotherKindOrGrid_isRefused() {
        Geometry geometry = Geometry.uniform(4, 4, 2, 16, Dtype.F16, Rope.rotateHalf(16, 10_000));
        Namespace exact = Namespace.adaptive(Digest.ZERO, geometry).exact();
        FrameHeader good = header(frame(exact, new Random(3)));
        ExactDecoder decoder = new ExactDecoder(exact);
        Digest other = Digest.sha256(new byte[] {1});
        assertThatThrownBy(() -> decoder.begin(changed(good, other, 1)))
                .isInstanceOf(CorruptChunkException.class)
                .hasMessageContaining("profile of an exact frame");
        assertThatThrownBy(() -> decoder.begin(changed(good, Digest.ZERO, 2)))
                .isInstanceOf(CorruptChunkException.class)
                .hasMessageContaining("frame's groups");
        assertThatThrownBy(() -> new ExactDecoder(Namespace.adaptive(Digest.ZERO, geometry)))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining("ADAPTIVE");
    }

    @Test
    void ofProfile_picksByKindAndId() {
        Geometry geometry = Geometry.uniform(4, 4, 2, 16, Dtype.F16, Rope.rotateHalf(16, 10_000));
        Namespace adaptive = Namespace.adaptive(Digest.ZERO, geometry);
        FrameCodec exact =
                FrameCodec.ofProfile(
                        adaptive.exact(),
                        Digest.ZERO,
                        _ -> {
                            throw new AssertionError("an exact namespace has no profile");
                        });
        assertThat(exact).isEqualTo(new FrameCodec.Exact(adaptive.exact()));
        FrameCodec free =
                FrameCodec.ofProfile(
                        adaptive,
                        DataFree.id(geometry),
                        _ -> {
                            throw new AssertionError("the data-free profile is never asked for");
                        });
        assertThat(free.profileId()).isEqualTo(DataFree.id(geometry));
        assertThatThrownBy(() -> new FrameCodec.Exact(adaptive))
                .isInstanceOf(InvalidRequestException.class);
    }

    private static FrameHeader changed(FrameHeader h, Digest profile, int headGroups) {
        List<io.kvtier.codec.frame.SegmentEntry> entries =
                IntStream.range(0, headGroups)
                        .mapToObj(
                                head ->
                                        new io.kvtier.codec.frame.SegmentEntry(
                                                0, h.layerGroups(), head, 0, 10, 0, 0, 0))
                        .toList();
        return new FrameHeader(
                h.kind(),
                h.decodedBytes(),
                h.key(),
                h.namespace(),
                profile,
                h.tokenDigest(),
                h.firstPosition(),
                h.tokens(),
                h.tailTokens(),
                h.layerGroups(),
                headGroups,
                h.dtype(),
                h.parts(),
                entries,
                h.coverage());
    }

    private static FrameHeader header(byte[] frame) {
        return FrameBytes.readHeader(MemorySegment.ofArray(frame), DecodeLimits.defaults());
    }

    private static byte[] frame(Namespace namespace, Random random) {
        Place place = place(namespace, random);
        byte[] raw = raw(namespace, place.tokens(), random);
        return ExactChunks.encode(namespace, new ExactEncoder(namespace), place, raw);
    }

    private static Place place(Namespace namespace, Random random) {
        int first = random.nextInt(1 << 20);
        int tokens = 1 + random.nextInt(namespace.chunkTokens());
        Digest digest = Digest.sha256(new byte[] {(byte) random.nextInt()});
        return new Place(digest, digest, first, tokens);
    }

    /** Layers of noise, of few values, or of a slow ramp: raw and planes both occur. */
    private static byte[] raw(Namespace namespace, int tokens, Random random) {
        byte[] out = new byte[(int) namespace.geometry().decodedBytes(tokens)];
        random.nextBytes(out);
        int mask = random.nextInt(3) == 0 ? 0xff : random.nextInt(16);
        for (int i = 0; i < out.length; i++) {
            out[i] = (byte) (i % 2 == 0 ? out[i] : out[i] & mask);
        }
        return out;
    }

    private static Namespace namespace(Random random) {
        int layers = 1 + random.nextInt(5);
        List<Integer> sources =
                IntStream.range(0, layers).map(l -> l == 2 ? 0 : l).boxed().toList();
        Geometry.Kind kind = Geometry.Kind.values()[random.nextInt(4)];
        boolean opaque = kind == Geometry.Kind.OPAQUE || kind == Geometry.Kind.STATE;
        int kvHeads = 1 + random.nextInt(3);
        Geometry geometry =
                new Geometry(
                        kvHeads * 2,
                        kvHeads,
                        1 + random.nextInt(20),
                        random.nextInt(12),
                        Dtype.values()[random.nextInt(3)],
                        kind,
                        opaque ? 1 + random.nextInt(9000) : 0,
                        List.of(Rope.none()),
                        Collections.nCopies(layers, 0),
                        sources,
                        Collections.nCopies(layers, -1));
        return new Namespace(
                Namespace.Kind.EXACT,
                1 + random.nextInt(100),
                Digest.ZERO,
                Digest.ZERO,
                Namespace.KEY_SCHEME,
                opaque ? "engine" : "",
                geometry);
    }
}
