package io.kvtier.flight;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.client.Delivery;
import io.kvtier.codec.FrameCodec;
import io.kvtier.codec.KvBlock;
import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.Dtype;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.identity.KeyChain;
import io.kvtier.codec.identity.Namespace;
import io.kvtier.codec.identity.Rope;
import io.kvtier.codec.plan.PartSet;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;

/** A prompt whose KV cache was encoded for real, and the judge of what comes back of it. */
final class CodedPrefix {
    private static final Geometry GEOMETRY =
            Geometry.uniform(4, 8, 4, 32, Dtype.F32, Rope.rotateHalf(32, 10_000));

    final Namespace namespace =
            new Namespace(
                    Namespace.Kind.ADAPTIVE,
                    TestFrames.CHUNK_TOKENS,
                    Digest.sha256(new byte[] {9}),
                    Digest.ZERO,
                    Namespace.KEY_SCHEME,
                    "",
                    GEOMETRY);
    final FrameCodec codec = FrameCodec.withoutProfile(namespace);
    final int[] tokens;

    CodedPrefix(int chunks) {
        tokens = TestFrames.tokens(chunks);
    }

    /** Frames of the whole prompt; another seed is another prefill, so another encoding. */
    List<byte[]> frames(long seed) {
        List<Digest> keys = KeyChain.of(namespace, tokens);
        FrameCodec.Encoder encoder = codec.encoder();
        SplittableRandom random = new SplittableRandom(seed);
        int size = TestFrames.CHUNK_TOKENS;
        List<byte[]> out = new ArrayList<>();
        for (int i = 0; i < keys.size(); i++) {
            KvBlock block = KvBlock.allocate(GEOMETRY, i * size, size);
            fill(block.keys(), random);
            fill(block.values(), random);
            Digest digest = KeyChain.tokenDigest(tokens, i * size, size);
            out.add(encoder.encode(keys.get(i), digest, block));
        }
        return out;
    }

    /**
     * What the stream brought decodes to the same tensors as the frames that were put do, read up
     * to the parts that the delivery names.
     */
    void assertSound(Delivery delivery, RecordingSink sink, List<List<byte[]>> encodings) {
        sink.assertSound(delivery, encodings);
        for (int i = 0; i < delivery.delivered(); i++) {
            Delivery.Chunk chunk = delivery.chunks().get(i);
            Map<Integer, byte[]> received = Objects.requireNonNull(sink.segments.get(i));
            FrameHeader header = Objects.requireNonNull(sink.headers.get(i));
            byte[] frame = null;
            for (List<byte[]> frames : encodings) {
                boolean same =
                        TestFrames.header(frames.get(i)).encodingId().equals(chunk.encodingId());
                frame = same ? frames.get(i) : frame;
            }
            MemorySegment put = MemorySegment.ofArray(Objects.requireNonNull(frame));
            KvBlock actual = decode(header, chunk.parts(), s -> segment(received, s));
            KvBlock expected =
                    decode(
                            header,
                            chunk.parts(),
                            s -> put.asSlice(header.offset(s), header.segments().get(s).bytes()));
            assertThat(actual.keys().mismatch(expected.keys())).isEqualTo(-1);
            assertThat(actual.values().mismatch(expected.values())).isEqualTo(-1);
        }
    }

    private interface Source {
        MemorySegment of(int segment);
    }

    private static MemorySegment segment(Map<Integer, byte[]> received, int index) {
        return MemorySegment.ofArray(Objects.requireNonNull(received.get(index)));
    }

    private KvBlock decode(FrameHeader header, PartSet parts, Source source) {
        FrameCodec.Decoder decoder = codec.decoder();
        decoder.begin(header);
        for (int s = 0; s < header.segments().size(); s++) {
            if (parts.has(header.segments().get(s).part())) {
                decoder.accept(s, source.of(s));
            }
        }
        KvBlock block = KvBlock.allocate(GEOMETRY, header.firstPosition(), header.tokens());
        var _ = decoder.finish(block);
        return block;
    }

    private static void fill(MemorySegment target, SplittableRandom random) {
        for (long i = 0; i < target.byteSize(); i += Float.BYTES) {
            target.set(ValueLayout.JAVA_FLOAT_UNALIGNED, i, (float) random.nextGaussian());
        }
    }
}
