package io.kvtier.codec.vectors;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.codec.ChunkDecoder;
import io.kvtier.codec.ChunkEncoder;
import io.kvtier.codec.KvBlock;
import io.kvtier.codec.frame.DecodeLimits;
import io.kvtier.codec.frame.FrameBytes;
import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.Dtype;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.identity.Namespace;
import io.kvtier.codec.identity.Rope;
import io.kvtier.codec.profile.DataFree;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Frames and what they decode to are the same bits whatever vectors the machine has. */
class VectorWidthTest {
    private static final ValueLayout.OfShort U16 =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Options that other processors do not know are ignored there, and hold all the same. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "-XX:UseAVX=0",
                "-XX:UseAVX=1",
                "-XX:UseAVX=2",
                "-XX:UseAVX=3",
                "-XX:MaxVectorSize=8"
            })
    void goldenFrames_onOtherVectors_keepTheirBytes(String option, @TempDir Path folder)
            throws IOException, InterruptedException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.add("@" + Path.of("..", "jvm.flags").toAbsolutePath());
        command.add("-XX:+IgnoreUnrecognizedVMOptions");
        command.add(option);
        command.add("-cp");
        command.add(System.getProperty("java.class.path"));
        command.add(VectorWidthTest.class.getName());
        Path log = folder.resolve("log");
        Process child =
                new ProcessBuilder(command)
                        .redirectErrorStream(true)
                        .redirectOutput(log.toFile())
                        .start();
        boolean ended = child.waitFor(5, TimeUnit.MINUTES);
        child.destroyForcibly();
        assertThat(log).content(StandardCharsets.UTF_8).contains("frames and values " + digest());
        assertThat(ended && child.exitValue() == 0).isTrue();
    }

    @Test
    void digest_isOfTheSameBitsEachTime() {
        assertThat(digest()).isEqualTo(digest());
    }

    /** The golden vectors, then a digest of more: what a child does. */
    @SuppressWarnings("JUnitMethodInvoked") // a process of its own, without JUnit
    public static void main(String[] args) throws IOException {
        new ChunkVectorTest().framesOfPython_atEveryCut_decodeToTheRecordedValues();
        new ChunkVectorTest().framesOfJava_keepTheirBytes();
        System.out.println("frames and values " + digest());
    }

    /** Of the frame of a whole chunk, with escapes and raw bits, and of its values at each cut. */
    private static Digest digest() {
        Geometry geometry = Geometry.uniform(2, 6, 3, 64, Dtype.F16, Rope.rotateHalf(64, 10_000));
        Namespace namespace = Namespace.adaptive(Digest.ZERO, geometry);
        KvBlock block = KvBlock.allocate(geometry, 512, 256);
        Random random = new Random(1);
        for (MemorySegment tensor : List.of(block.keys(), block.values())) {
            for (int i = 0; i < tensor.byteSize() / 2; i++) {
                double outlier = random.nextInt(100) == 0 ? 30 : 1;
                float value = (float) (outlier * random.nextGaussian() * (1 + i % 7) + i % 5);
                tensor.setAtIndex(U16, i, Float.floatToFloat16(value));
            }
        }
        byte[] frame =
                new ChunkEncoder(namespace, DataFree.of(geometry))
                        .encode(Digest.ZERO, Digest.ZERO, block);
        ChunkDecoder decoder = new ChunkDecoder(namespace, DataFree.of(geometry));
        Digest digest = Digest.sha256(frame);
        for (int parts = 1; parts <= 4; parts++) {
            MemorySegment bytes = MemorySegment.ofArray(frame);
            FrameHeader header = FrameBytes.readHeader(bytes, DecodeLimits.defaults());
            decoder.begin(header);
            for (int i = 0; i < header.firstSegment(parts); i++) {
                int length = header.segments().get(i).bytes();
                decoder.accept(i, bytes.asSlice(header.offset(i), length));
            }
            KvBlock target = KvBlock.allocate(geometry, 512, 256);
            var _ = decoder.finish(target);
            digest =
                    Digest.sha256(
                            digest.toBytes(),
                            target.keys().toArray(ValueLayout.JAVA_BYTE),
                            target.values().toArray(ValueLayout.JAVA_BYTE));
        }
        return digest;
    }
}
