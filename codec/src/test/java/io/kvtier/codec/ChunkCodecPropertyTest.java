package io.kvtier.codec;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

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
import io.kvtier.codec.testing.Property;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

final class ChunkCodecPropertyTest {
    private static final ValueLayout.OfShort U16 =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt U32 =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    @Test
    void dataFree_anyGeometry_errorIsWithinTheStatedBoundAtEveryCut() {
        Property.forAll(
                60,
                random -> {
                    Namespace namespace = namespace(random);
                    KvBlock block = block(namespace.geometry(), random);
                    byte[] frame = encoder(namespace).encode(Digest.ZERO, Digest.ZERO, block);
                    FrameHeader header = verify(namespace, frame);
                    for (int parts = 1; parts <= header.parts().size(); parts++) {
                        KvBlock target =
                                KvBlock.allocate(
                                        namespace.geometry(),
                                        block.firstPosition(),
                                        block.tokens());
                        DecodedChunk decoded = decode(namespace, header, frame, parts, target);
                        assertWithinBound(block, target, decoded);
                    }
                });
    }

    @Test
    void encode_sameBlockTwice_givesTheSameBytes() {
        Namespace namespace = namespace(new Random(1));
        KvBlock block = block(namespace.geometry(), new Random(2));
        ChunkEncoder used = encoder(namespace);
        byte[] first = used.encode(Digest.ZERO, Digest.ZERO, block);
        assertArrayEquals(first, used.encode(Digest.ZERO, Digest.ZERO, block));
        assertArrayEquals(first, encoder(namespace).encode(Digest.ZERO, Digest.ZERO, block));
    }

    @Test
    void decode_moreParts_errorFalls() {
        Geometry geometry = Geometry.uniform(3, 4, 2, 16, Dtype.F32, Rope.rotateHalf(16, 10_000));
        Namespace namespace = Namespace.adaptive(Digest.ZERO, geometry);
        KvBlock block = filled(geometry, 7, 100, new Random(3));
        byte[] frame = encoder(namespace).encode(Digest.ZERO, Digest.ZERO, block);
        FrameHeader header = verify(namespace, frame);
        double before = Double.POSITIVE_INFINITY;
        for (int parts = 1; parts <= header.parts().size(); parts++) {
            KvBlock target = KvBlock.allocate(geometry, 7, 100);
            DecodedChunk decoded = decode(namespace, header, frame, parts, target);
            double error = squaredError(block, target);
            assertTrue(error < before, parts + " parts: " + error + " after " + before);
            before = error;
            assertEquals(parts == 4 ? 1 : 0, decoded.headRung());
            assertEquals(Math.min(parts - 1, 2), decoded.tailRung());
        }
    }

    @Test
    void encode_notANumber_isRefusedWithItsPlace() {
        Geometry geometry = Geometry.uniform(2, 2, 1, 8, Dtype.F16, Rope.rotateHalf(8, 10_000));
        Namespace namespace = Namespace.adaptive(Digest.ZERO, geometry);
        KvBlock block = filled(geometry, 0, 5, new Random(4));
        block.values().set(U16, 2L * (8 * (5 + 3) + 6), (short) 0x7e00);
        InvalidRequestException refused =
                assertThrows(
                        InvalidRequestException.class,
                        () -> encoder(namespace).encode(Digest.ZERO, Digest.ZERO, block));
        assertTrue(
                String.valueOf(refused.getMessage())
                        .startsWith("value of layer 1, token 3, head 0, element 6 is NaN"),
                refused::getMessage);
    }

    @Test
    void accept_anyByteFlipped_decodesOrRefuses() {
        Geometry geometry = Geometry.uniform(2, 2, 1, 8, Dtype.F16, Rope.rotateHalf(8, 10_000));
        Namespace namespace = Namespace.adaptive(Digest.ZERO, geometry);
        byte[] frame =
                encoder(namespace)
                        .encode(Digest.ZERO, Digest.ZERO, filled(geometry, 0, 40, new Random(5)));
        FrameHeader header = verify(namespace, frame);
        ChunkDecoder decoder = new ChunkDecoder(namespace, DataFree.of(geometry));
        int refusals = 0;
        for (int at = header.headerBytes(); at < frame.length; at++) {
            byte[] forged = frame.clone();
            forged[at] ^= (byte) (1 << at % 8);
            KvBlock target = KvBlock.allocate(geometry, 0, 40);
            try {
                var _ = decode(decoder, header, forged, header.parts().size(), target);
            } catch (KvtierException e) {
                refusals++;
            }
        }
        assertTrue(refusals > 0, "some damage must show");
    }

    @Test
    void accept_rungBeforeItsBase_isRefused() {
        Geometry geometry = Geometry.uniform(2, 2, 1, 8, Dtype.F16, Rope.rotateHalf(8, 10_000));
        Namespace namespace = Namespace.adaptive(Digest.ZERO, geometry);
        KvBlock block = filled(geometry, 0, 40, new Random(6));
        byte[] frame = encoder(namespace).encode(Digest.ZERO, Digest.ZERO, block);
        FrameHeader header = verify(namespace, frame);
        ChunkDecoder decoder = new ChunkDecoder(namespace, DataFree.of(geometry));
        decoder.begin(header);
        int refinement = header.firstSegment(1);
        MemorySegment bytes =
                MemorySegment.ofArray(frame)
                        .asSlice(
                                header.offset(refinement),
                                header.segments().get(refinement).bytes());
        assertThrows(InvalidRequestException.class, () -> decoder.accept(refinement, bytes));
    }

    private static ChunkEncoder encoder(Namespace namespace) {
        return new ChunkEncoder(namespace, DataFree.of(namespace.geometry()));
    }

    private static FrameHeader verify(Namespace namespace, byte[] frame) {
        return FrameBytes.verify(
                MemorySegment.ofArray(frame),
                namespace,
                namespace.digest(),
                DecodeLimits.defaults());
    }

    private static DecodedChunk decode(
            Namespace namespace, FrameHeader header, byte[] frame, int parts, KvBlock target) {
        ChunkDecoder decoder = new ChunkDecoder(namespace, DataFree.of(namespace.geometry()));
        return decode(decoder, header, frame, parts, target);
    }

    private static DecodedChunk decode(
            ChunkDecoder decoder, FrameHeader header, byte[] frame, int parts, KvBlock target) {
        decoder.begin(header);
        MemorySegment bytes = MemorySegment.ofArray(frame);
        for (int i = 0; i < header.firstSegment(parts); i++) {
            decoder.accept(i, bytes.asSlice(header.offset(i), header.segments().get(i).bytes()));
        }
        return decoder.finish(target);
    }

    private static void assertWithinBound(KvBlock block, KvBlock target, DecodedChunk decoded) {
        Geometry geometry = block.geometry();
        int stored = geometry.storedLayers().size();
        for (int layer = 0; layer < stored; layer++) {
            int keys = block.tokens() * geometry.kvHeads() * geometry.keyDim();
            int values = block.tokens() * geometry.kvHeads() * geometry.valueDim();
            for (int i = layer * keys; i < (layer + 1) * keys; i++) {
                float error =
                        Math.abs(get(block.keys(), i, geometry) - get(target.keys(), i, geometry));
                assertTrue(error <= decoded.keyErrorMax().get(layer), "key " + i + ": " + error);
            }
            for (int i = layer * values; i < (layer + 1) * values; i++) {
                float error =
                        Math.abs(
                                get(block.values(), i, geometry)
                                        - get(target.values(), i, geometry));
                assertTrue(
                        error <= decoded.valueErrorMax().get(layer), "value " + i + ": " + error);
            }
        }
    }

    private static double squaredError(KvBlock block, KvBlock target) {
        double sum = 0;
        for (int i = 0; i < block.keys().byteSize() / block.geometry().dtype().bytes(); i++) {
            double error =
                    get(block.keys(), i, block.geometry())
                            - get(target.keys(), i, block.geometry());
            sum += error * error;
        }
        return sum;
    }

    private static float get(MemorySegment tensor, int i, Geometry geometry) {
        Dtype dtype = geometry.dtype();
        return dtype.toFloat(
                dtype == Dtype.F32 ? tensor.get(U32, 4L * i) : tensor.get(U16, 2L * i));
    }

    private static Namespace namespace(Random random) {
        int kvHeads = 1 + random.nextInt(3);
        int keyDim = 2 * (1 + random.nextInt(10));
        int valueDim = random.nextInt(12);
        int layers = 1 + random.nextInt(4);
        Rope rope =
                switch (random.nextInt(4)) {
                    case 0 -> Rope.none();
                    case 1 -> Rope.rotateHalf(keyDim, 10_000);
                    case 2 ->
                            new Rope(
                                    Rope.Style.INTERLEAVED,
                                    Rope.Scaling.LINEAR,
                                    2,
                                    500,
                                    List.of(4.0));
                    default ->
                            new Rope(
                                    Rope.Style.ROTATE_HALF,
                                    Rope.Scaling.LLAMA3,
                                    keyDim,
                                    500_000,
                                    List.of(8.0, 1.0, 4.0, 8192.0));
                };
        List<Integer> sources =
                java.util.stream.IntStream.range(0, layers)
                        .map(l -> l == 2 ? 0 : l)
                        .boxed()
                        .toList();
        Geometry geometry =
                new Geometry(
                        kvHeads * 2,
                        kvHeads,
                        keyDim,
                        valueDim,
                        Dtype.values()[random.nextInt(3)],
                        Geometry.Kind.ATTENTION,
                        0,
                        List.of(rope),
                        java.util.Collections.nCopies(layers, 0),
                        sources,
                        java.util.Collections.nCopies(layers, -1));
        return Namespace.adaptive(Digest.ZERO, geometry);
    }

    private static KvBlock block(Geometry geometry, Random random) {
        int first = random.nextBoolean() ? 0 : random.nextInt(100_000);
        return filled(geometry, first, 1 + random.nextInt(80), random);
    }

    /** Gaussian values of channels that differ in mean and width, some far out. */
    private static KvBlock filled(Geometry geometry, int first, int tokens, Random random) {
        KvBlock block = KvBlock.allocate(geometry, first, tokens);
        fill(block.keys(), geometry, random);
        fill(block.values(), geometry, random);
        return block;
    }

    private static void fill(MemorySegment tensor, Geometry geometry, Random random) {
        Dtype dtype = geometry.dtype();
        for (int i = 0; i < tensor.byteSize() / dtype.bytes(); i++) {
            double outlier = random.nextInt(100) == 0 ? 30 : 1;
            int bits =
                    dtype.fromFloat(
                            (float) (outlier * random.nextGaussian() * (1 + i % 7) + i % 5));
            if (dtype == Dtype.F32) {
                tensor.set(U32, 4L * i, bits);
            } else {
                tensor.set(U16, 2L * i, (short) bits);
            }
        }
    }
}
