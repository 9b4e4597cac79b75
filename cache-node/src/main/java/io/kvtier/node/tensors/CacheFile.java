package io.kvtier.node.tensors;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.KvBlock;
import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.identity.Namespace;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * One context's KV cache as kvlab dumps it: tensors {@code k}, {@code v} {@code [layers, tokens,
 * kvHeads, headDim]} (F16, BF16 or F32; keys after rotate-half RoPE, positions from 0), {@code
 * tokens} I32, and the metadata {@code rope_theta}, {@code q_heads}, {@code model_sha256} and,
 * where layers look back only so far, {@code window}; where layers differ in base or window, a list
 * of one number for each. The 8 bit sample of {@code examples/sample} is read, too. A file without
 * {@code k} and {@code v} is a prompt, whose metadata must state the geometry.
 *
 * <p>Ownership: memory belongs to the arena that it was read with.
 *
 * @param namespace under which its chunks are kept
 * @param metadata of the file
 * @param tokens of the context
 * @param nextTokens the text that follows, may be empty
 * @param keys elements of the namespace's dtype; empty for a prompt
 * @param values the same shape
 */
@SuppressWarnings("ArrayRecordComponent") // token ids are copied nowhere: a prompt may be long
public record CacheFile(
        Namespace namespace,
        Map<String, String> metadata,
        int[] tokens,
        int[] nextTokens,
        Optional<MemorySegment> keys,
        Optional<MemorySegment> values) {
    private static final int TOKENS_MAX = 1 << 20;

    /**
     * Reads a file.
     *
     * @param model digest of the weights, if the metadata do not say it
     * @throws InvalidRequestException naming what is missing or does not fit
     * @throws IOException if it cannot be read
     */
    public static CacheFile read(Path path, Optional<String> model, Arena arena)
            throws IOException {
        SafetensorsFile file = SafetensorsFile.read(path, arena);
        try {
            return of(file, model, arena);
        } catch (InvalidRequestException e) {
            throw new InvalidRequestException(path + ": " + e.getMessage());
        }
    }

    /** The same cache under the exact namespace, whose chunks keep every bit. */
    public CacheFile exact() {
        return new CacheFile(namespace.exact(), metadata, tokens, nextTokens, keys, values);
    }

    /** Tokens of chunk {@code index}: the last one may be shorter. */
    public int chunkTokens(int index) {
        int size = namespace.chunkTokens();
        return Math.min(size, tokens.length - index * size);
    }

    /** Chunks of the context, a shorter last one included. */
    public int chunks() {
        return (tokens.length + namespace.chunkTokens() - 1) / namespace.chunkTokens();
    }

    /** A copy of chunk {@code index} as the codec takes it. */
    public KvBlock chunk(int index) {
        return block(index * namespace.chunkTokens(), chunkTokens(index));
    }

    /** A copy of any run of tokens as the codec takes it. */
    public KvBlock block(int from, int count) {
        KvBlock block = KvBlock.allocate(namespace.geometry(), from, count);
        copy(keys.orElseThrow(), block.keys(), block, namespace.geometry().keyDim(), true);
        copy(values.orElseThrow(), block.values(), block, namespace.geometry().valueDim(), true);
        return block.withTokenIds(tokenIds(from, block.tokens()));
    }

    /** Ids of some of the tokens. */
    public int[] tokenIds(int from, int count) {
        return Arrays.copyOfRange(tokens, from, from + count);
    }

    /** A cache of the first {@code count} tokens, all zeros, to be filled by {@link #fill}. */
    public CacheFile prefix(int count, Arena arena) {
        Geometry geometry = namespace.geometry();
        long elements = (long) geometry.layers() * count * geometry.kvHeads();
        long bytes = elements * geometry.dtype().bytes();
        return new CacheFile(
                namespace,
                metadata,
                Arrays.copyOf(tokens, count),
                new int[0],
                Optional.of(arena.allocate(bytes * geometry.keyDim(), 8)),
                Optional.of(arena.allocate(bytes * geometry.valueDim(), 8)));
    }

    /** Copies a decoded block to its place. */
    public void fill(KvBlock block) {
        copy(keys.orElseThrow(), block.keys(), block, namespace.geometry().keyDim(), false);
        copy(values.orElseThrow(), block.values(), block, namespace.geometry().valueDim(), false);
    }

    /** Writes it as kvlab reads it. */
    public void write(Path path) throws IOException {
        write(path, List.of());
    }

    /** Writes it as kvlab reads it, with tensors of other names beside its own. */
    public void write(Path path, List<Tensor> beside) throws IOException {
        Geometry geometry = namespace.geometry();
        String dtype = geometry.dtype().name();
        List<Integer> shape =
                List.of(geometry.layers(), tokens.length, geometry.kvHeads(), geometry.keyDim());
        Map<String, String> out = described();
        out.put("layout", "layers,tokens,kv_heads,head_dim");
        List<Tensor> tensors = new ArrayList<>(beside);
        tensors.add(ids(tokens));
        tensors.add(new Tensor("k", dtype, shape, keys.orElseThrow()));
        tensors.add(new Tensor("v", dtype, shape, values.orElseThrow()));
        SafetensorsFile.write(path, out, tensors);
    }

    /** Writes what a reader knows before it has any of the cache: tokens and namespace. */
    public void writePrompt(Path path) throws IOException {
        Geometry geometry = namespace.geometry();
        Map<String, String> out = described();
        out.put("layers", Integer.toString(geometry.layers()));
        out.put("kv_heads", Integer.toString(geometry.kvHeads()));
        out.put("head_dim", Integer.toString(geometry.keyDim()));
        String dtype =
                switch (geometry.dtype()) {
                    case F16 -> "float16";
                    case BF16 -> "bfloat16";
                    case F32 -> "float32";
                };
        out.put("dtype", dtype);
        SafetensorsFile.write(path, out, List.of(ids(tokens)));
    }

    private Map<String, String> described() {
        Map<String, String> out = new LinkedHashMap<>();
        for (String name : List.of("model", "rope_theta", "window", "q_heads", "context")) {
            if (metadata.containsKey(name)) {
                out.put(name, metadata.get(name));
            }
        }
        out.put("model_sha256", namespace.model().toString());
        out.put("first_position", "0");
        return out;
    }

    private static Tensor ids(int[] tokens) {
        MemorySegment ids = MemorySegment.ofArray(new byte[4 * tokens.length]);
        for (int i = 0; i < tokens.length; i++) {
            ids.set(INT, 4L * i, tokens[i]);
        }
        return new Tensor("tokens", "I32", List.of(tokens.length), ids);
    }

    private static final ValueLayout.OfInt INT =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private void copy(
            MemorySegment whole, MemorySegment part, KvBlock block, int dim, boolean out) {
        long token = (long) namespace.geometry().kvHeads() * dim * block.geometry().dtype().bytes();
        long bytes = token * block.tokens();
        for (int layer = 0; layer < namespace.geometry().layers(); layer++) {
            long at = ((long) layer * tokens.length + block.firstPosition()) * token;
            if (out) {
                MemorySegment.copy(whole, at, part, layer * bytes, bytes);
            } else {
                MemorySegment.copy(part, layer * bytes, whole, at, bytes);
            }
        }
    }

    private static CacheFile of(SafetensorsFile file, Optional<String> model, Arena arena) {
        int[] tokens = ids(file.tensor("tokens"));
        int[] next =
                file.tensors().containsKey("next_tokens")
                        ? ids(file.tensor("next_tokens"))
                        : new int[0];
        Map<String, String> metadata = file.metadata();
        check(
                metadata.getOrDefault("first_position", "0").equals("0"),
                "metadata 'first_position'",
                metadata.getOrDefault("first_position", ""),
                "0: a whole context");
        boolean sample = SampleCache.isSample(file);
        if (!sample && !file.tensors().containsKey("k")) {
            Namespace namespace = namespace(metadata, promptShape(metadata), model);
            return new CacheFile(
                    namespace, metadata, tokens, next, Optional.empty(), Optional.empty());
        }
        Tensor k = sample ? SampleCache.expand(file, "k", arena) : file.tensor("k");
        Tensor v = sample ? SampleCache.expand(file, "v", arena) : file.tensor("v");
        check(k.shape().size() == 4, "shape of 'k'", k.shape(), "[layers, tokens, heads, dim]");
        check(v.shape().equals(k.shape()), "shape of 'v'", v.shape(), "that of 'k' " + k.shape());
        check(v.dtype().equals(k.dtype()), "dtype of 'v'", v.dtype(), "that of 'k' " + k.dtype());
        check(k.shape().get(1) == tokens.length, "tokens of 'k'", k.shape(), tokens.length);
        return new CacheFile(
                namespace(metadata, k, model),
                metadata,
                tokens,
                next,
                Optional.of(k.data()),
                Optional.of(v.data()));
    }

    /** A tensor without tokens that has the shape which a prompt's metadata state. */
    private static Tensor promptShape(Map<String, String> metadata) {
        List<Integer> shape = new ArrayList<>();
        shape.add(SampleCache.number(metadata, "layers"));
        shape.add(0);
        shape.add(SampleCache.number(metadata, "kv_heads"));
        shape.add(SampleCache.number(metadata, "head_dim"));
        String dtype =
                switch (metadata.getOrDefault("dtype", "float16")) {
                    case "float16" -> "F16";
                    case "bfloat16" -> "BF16";
                    default -> "F32";
                };
        return new Tensor("k", dtype, shape, MemorySegment.ofArray(new byte[0]));
    }

    private static Namespace namespace(
            Map<String, String> metadata, Tensor k, Optional<String> model) {
        String weights = model.orElse(metadata.getOrDefault("model_sha256", ""));
        check(
                !weights.isEmpty(),
                "metadata 'model_sha256'",
                "missing",
                "the digest of the model's weights; or name it by --model SHA256");
        return Namespace.adaptive(Digest.parse(weights), CacheGeometry.of(metadata, k));
    }

    private static int[] ids(Tensor tensor) {
        check(
                tensor.dtype().equals("I32") && tensor.shape().size() == 1,
                "tensor '" + tensor.name() + "'",
                tensor.dtype() + " " + tensor.shape(),
                "I32, one dimension");
        int count = tensor.shape().getFirst();
        check(count >= 1 && count <= TOKENS_MAX, "tokens", count, "1.." + TOKENS_MAX);
        int[] out = new int[count];
        for (int i = 0; i < count; i++) {
            out[i] = tensor.data().get(INT, 4L * i);
        }
        return out;
    }
}
