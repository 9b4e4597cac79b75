package io.kvtier.benchmarks;

import io.kvtier.codec.KvBlock;
import io.kvtier.codec.identity.Dtype;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.identity.Rope;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The real cache of examples/sample, whose README says how its 8 bits become f16. */
final class SampleCache {
    static final int LAYERS = 30;
    static final int HEADS = 3;
    static final int DIM = 64;
    private static final int TOKENS = 1024;
    private static final int ROW = HEADS * DIM;
    private static final ValueLayout.OfShort U16 =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final ByteBuffer file;
    private final String header;
    private final int data;

    /** Reads the file. */
    SampleCache() {
        Path path = root().resolve("examples/sample/novel.safetensors");
        try {
            file = ByteBuffer.wrap(Files.readAllBytes(path)).order(ByteOrder.LITTLE_ENDIAN);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        int headerBytes = Math.toIntExact(file.getLong(0));
        byte[] bytes = new byte[headerBytes];
        file.get(8, bytes);
        header = new String(bytes, StandardCharsets.UTF_8);
        data = 8 + headerBytes;
    }

    /** The project's folder: the working folder, or the one above it. */
    static Path root() {
        Path here = Path.of("").toAbsolutePath();
        return Files.exists(here.resolve("examples")) ? here : here.resolve("..");
    }

    static Geometry geometry() {
        return Geometry.uniform(LAYERS, 9, HEADS, DIM, Dtype.F16, Rope.rotateHalf(DIM, 100_000));
    }

    /** Tokens [first, first + count), first > 0. */
    KvBlock block(int first, int count) {
        KvBlock block = KvBlock.allocate(geometry(), first, count);
        fill(block.keys(), "k", 256, first, count);
        fill(block.values(), "v", 512, first, count);
        return block;
    }

    private void fill(MemorySegment out, String name, int groupTokens, int first, int count) {
        int q = offset(name + "_q");
        int scale = offset(name + "_scale");
        int shift = offset(name + "_offset");
        int groups = TOKENS / groupTokens;
        for (int layer = 0; layer < LAYERS; layer++) {
            for (int t = 0; t < count; t++) {
                int group = (layer * groups + (first + t) / groupTokens) * ROW;
                for (int i = 0; i < ROW; i++) {
                    int code = file.get(q + (layer * TOKENS + first + t) * ROW + i);
                    float value =
                            half(shift + 2 * (group + i)) + code * half(scale + 2 * (group + i));
                    long at = 2L * ((layer * count + t) * ROW + i);
                    out.set(U16, at, Float.floatToFloat16(value));
                }
            }
        }
    }

    private float half(int at) {
        return Float.float16ToFloat(file.getShort(at));
    }

    private int offset(String tensor) {
        Matcher matcher =
                Pattern.compile("\"" + tensor + "\":\\s*\\{[^}]*\"data_offsets\":\\s*\\[(\\d+)")
                        .matcher(header);
        if (!matcher.find()) {
            throw new IllegalStateException("the sample has no tensor " + tensor);
        }
        return data + Integer.parseInt(matcher.group(1));
    }
}
