package io.kvtier.node.tensors;

import static io.kvtier.codec.error.InvalidRequestException.check;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.kvtier.codec.error.InvalidRequestException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a safetensors file holds: u64 length of a JSON header, the header, then the arrays.
 *
 * <p>Source: github.com/huggingface/safetensors, "Format".
 *
 * @param metadata the header's {@code __metadata__}, all strings
 * @param tensors by name
 */
public record SafetensorsFile(Map<String, String> metadata, Map<String, Tensor> tensors) {
    private static final int HEADER_BYTES_MAX = 8 << 20;
    private static final int TENSORS_MAX = 10_000;
    private static final ValueLayout.OfLong LENGTH =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ObjectMapper JSON =
            new ObjectMapper().enable(DeserializationFeature.FAIL_ON_READING_DUP_TREE_KEY);

    private static final Comparator<Tensor> BY_PLACE =
            Comparator.<Tensor>comparingLong(tensor -> tensor.data().address())
                    .thenComparingLong(tensor -> tensor.data().byteSize());

    /** Copies the maps. */
    public SafetensorsFile {
        metadata = Map.copyOf(metadata);
        tensors = Map.copyOf(tensors);
    }

    /**
     * Maps a file; the tensors live as long as the arena.
     *
     * @throws InvalidRequestException if it is not a sound safetensors file
     * @throws IOException if it cannot be read
     */
    public static SafetensorsFile read(Path path, Arena arena) throws IOException {
        MemorySegment file;
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            file = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
        }
        try {
            return parse(file);
        } catch (InvalidRequestException e) {
            throw new InvalidRequestException(path + ": " + e.getMessage());
        }
    }

    /** The tensor of a name, or an error that lists the names there are. */
    public Tensor tensor(String name) {
        Tensor tensor = tensors.get(name);
        if (tensor == null) {
            throw new InvalidRequestException(
                    "tensor '" + name + "' is missing, expected it beside " + tensors.keySet());
        }
        return tensor;
    }

    /** Writes a file whole or not at all: under another name first, then renamed. */
    public static void write(Path path, Map<String, String> metadata, List<Tensor> tensors)
            throws IOException {
        ObjectNode header = JSON.createObjectNode();
        header.set("__metadata__", JSON.valueToTree(metadata));
        long at = 0;
        for (Tensor tensor : tensors) {
            long end = at + tensor.data().byteSize();
            ObjectNode entry = header.putObject(tensor.name());
            entry.put("dtype", tensor.dtype());
            entry.set("shape", JSON.valueToTree(tensor.shape()));
            entry.putArray("data_offsets").add(at).add(end);
            at = end;
        }
        byte[] json = JSON.writeValueAsBytes(header);
        int padded = (json.length + 7) / 8 * 8; // arrays begin aligned
        ByteBuffer head = ByteBuffer.allocate(8 + padded).order(ByteOrder.LITTLE_ENDIAN);
        head.putLong(padded).put(json);
        while (head.hasRemaining()) {
            head.put((byte) ' ');
        }
        Path folder = path.toAbsolutePath().getParent();
        Files.createDirectories(folder);
        Path part = Files.createTempFile(folder, path.getFileName().toString(), ".part");
        try (FileChannel out = FileChannel.open(part, StandardOpenOption.WRITE)) {
            writeAll(out, head.flip());
            for (Tensor tensor : tensors) {
                writeAll(out, tensor.data().asByteBuffer());
            }
        } catch (IOException e) {
            Files.deleteIfExists(part);
            throw e;
        }
        Files.move(part, path, StandardCopyOption.REPLACE_EXISTING);
    }

    private static void writeAll(FileChannel out, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            int _ = out.write(bytes);
        }
    }

    private static SafetensorsFile parse(MemorySegment file) {
        check(file.byteSize() >= 10, "file bytes", file.byteSize(), "a safetensors file");
        long header = file.get(LENGTH, 0);
        long max = Math.min(HEADER_BYTES_MAX, file.byteSize() - 8);
        check(
                header >= 2 && header <= max,
                "safetensors header bytes",
                Long.toUnsignedString(header),
                "2.." + max);
        byte[] json = file.asSlice(8, header).toArray(ValueLayout.JAVA_BYTE);
        JsonNode root;
        try {
            root = JSON.readTree(new String(json, StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new InvalidRequestException("safetensors header is not JSON: " + e.getMessage());
        }
        check(root.isObject(), "safetensors header", root.getNodeType(), "an object");
        check(root.size() <= TENSORS_MAX, "tensors", root.size(), "at most " + TENSORS_MAX);
        MemorySegment data = file.asSlice(8 + header);
        Map<String, String> metadata = new LinkedHashMap<>();
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        for (Map.Entry<String, JsonNode> entry : root.properties()) {
            if (entry.getKey().equals("__metadata__")) {
                entry.getValue()
                        .properties()
                        .forEach(e -> metadata.put(e.getKey(), e.getValue().asText()));
            } else {
                tensors.put(entry.getKey(), tensor(entry.getKey(), entry.getValue(), data));
            }
        }
        requireTiling(tensors.values(), data);
        return new SafetensorsFile(metadata, tensors);
    }

    /** The format's own rule against files that mean two things: no byte twice, none unnamed. */
    private static void requireTiling(Collection<Tensor> tensors, MemorySegment data) {
        long end = 0;
        for (Tensor tensor : tensors.stream().sorted(BY_PLACE).toList()) {
            long from = tensor.data().address() - data.address();
            check(from == end, "data_offsets of '" + tensor.name() + "' begin", from, end);
            end += tensor.data().byteSize();
        }
        check(end == data.byteSize(), "bytes that tensors name", end, data.byteSize());
    }

    private static Tensor tensor(String name, JsonNode entry, MemorySegment data) {
        JsonNode offsets = entry.path("data_offsets");
        long from = whole(offsets.path(0));
        long to = whole(offsets.path(1));
        check(
                offsets.size() == 2 && from >= 0 && from <= to && to <= data.byteSize(),
                "data_offsets of '" + name + "'",
                offsets,
                "within the " + data.byteSize() + " bytes of data");
        List<Integer> shape = new ArrayList<>();
        for (JsonNode size : entry.path("shape")) {
            boolean fits = size.isIntegralNumber() && size.canConvertToInt();
            shape.add(fits ? size.intValue() : -1);
        }
        check(entry.path("shape").isArray(), "shape of '" + name + "'", entry, "a list of sizes");
        String dtype = entry.path("dtype").asText();
        return new Tensor(name, dtype, shape, data.asSlice(from, to - from));
    }

    /** The number, -1 if it is none that fits. */
    private static long whole(JsonNode number) {
        return number.isIntegralNumber() && number.canConvertToLong() ? number.longValue() : -1;
    }
}
