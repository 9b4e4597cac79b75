package io.kvtier.node.methods;

import io.kvtier.client.NanoClock;
import io.kvtier.codec.KvBlock;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.method.DenseKv;
import io.kvtier.codec.method.Hints;
import io.kvtier.codec.method.Kind;
import io.kvtier.codec.method.Method;
import io.kvtier.codec.method.MethodCodec;
import io.kvtier.codec.method.Policy;
import io.kvtier.codec.method.RateMap;
import io.kvtier.node.tensors.CacheFile;
import io.kvtier.node.tensors.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/**
 * One method on caches in files. A method without a policy codes chunk by chunk; a policy decides
 * on a context as a whole, since its hints are of the whole. Use once.
 */
public final class MethodCoding {
    private final Method method;
    private final MethodCodec codec;
    private final NanoClock clock;
    private final Set<String> fallbacks = new TreeSet<>();
    private long bytes;
    private long elements;
    private long encodeNanos;
    private long decodeNanos;
    private long tokens;

    /** Codes by a method; the clock times it. */
    public MethodCoding(Method method, NanoClock clock) {
        this.method = method;
        this.clock = clock;
        codec = new MethodCodec(method);
    }

    /**
     * What coding took.
     *
     * @param bitsPerElement of real containers, everything counted
     * @param encodeMs wall time of 256 tokens, mean
     * @param decodeMs the same
     * @param fallbacks scorers that stood in because a hint was missing
     */
    public record Cost(
            double bitsPerElement, double encodeMs, double decodeMs, List<String> fallbacks) {
        /** Takes a copy of the list. */
        public Cost {
            fallbacks = List.copyOf(fallbacks);
        }
    }

    /**
     * Codes a cache and writes what comes back, with masks of what was dropped.
     *
     * @param hints of the context; without them policies fall back
     * @param chunkTokens tokens of a chunk, for methods without a policy
     */
    public void run(CacheFile cache, Optional<Hints> hints, int chunkTokens, Path out)
            throws IOException {
        int all = cache.tokens().length;
        int size = method.policy().isPresent() ? all : chunkTokens;
        List<Tensor> masks = new ArrayList<>();
        try (Arena arena = Arena.ofShared()) {
            CacheFile back = cache.prefix(all, arena);
            for (int from = 0; from < all; from += size) {
                KvBlock block = cache.block(from, Math.min(size, all - from));
                MethodCodec.Decoded decoded = code(block, hints.orElse(Hints.none()));
                decoded.kv().writeTo(block);
                back.fill(block);
                if (method.policy().isPresent()) {
                    masks.addAll(masks(decoded));
                }
            }
            Files.createDirectories(out.toAbsolutePath().getParent());
            back.write(out, masks);
        }
    }

    /** What all caches together took. */
    public Cost cost() {
        double chunks = 1e6 * tokens / 256;
        return new Cost(
                8.0 * bytes / elements,
                encodeNanos / chunks,
                decodeNanos / chunks,
                List.copyOf(fallbacks));
    }

    private MethodCodec.Decoded code(KvBlock block, Hints hints) {
        DenseKv kv = DenseKv.of(block);
        long start = clock.nanoTime();
        Policy.Decision decision = method.decide(kv, hints);
        byte[] coded = codec.encode(kv, decision.rates());
        long between = clock.nanoTime();
        MethodCodec.Decoded out = codec.decode(coded, kv.geometry());
        decodeNanos += clock.nanoTime() - between;
        encodeNanos += between - start;
        bytes += coded.length;
        elements += kv.elements();
        tokens += kv.tokens();
        if (decision.fellBack()) {
            fallbacks.add(decision.scorer());
        }
        return out;
    }

    /** 0 where a head has nothing in a dropped token's place: {@code [layers, heads, tokens]}. */
    private static List<Tensor> masks(MethodCodec.Decoded decoded) {
        List<Tensor> out = new ArrayList<>();
        RateMap rates = decoded.rates();
        Geometry geometry = decoded.kv().geometry();
        List<Integer> shape = List.of(rates.layers(), rates.kvHeads(), rates.tokens());
        for (Kind kind : Kind.values()) {
            byte[] mask = new byte[rates.layers() * rates.kvHeads() * rates.tokens()];
            int at = 0;
            for (int layer = 0; layer < rates.layers(); layer++) {
                for (int head = 0; head < geometry.kvHeads(); head++) {
                    for (int token = 0; token < rates.tokens(); token++) {
                        boolean kept = rates.bits(kind, layer, head, token) > 0;
                        boolean there = kept || filled(decoded.kv(), kind, layer, head, token);
                        mask[at++] = (byte) (there ? 1 : 0);
                    }
                }
            }
            String name = kind == Kind.KEYS ? "kept_k" : "kept_v";
            out.add(new Tensor(name, "U8", shape, MemorySegment.ofArray(mask)));
        }
        return out;
    }

    /** Whether a stage put a summary in a dropped token's place. */
    private static boolean filled(DenseKv kv, Kind kind, int layer, int head, int token) {
        int dim = kv.dim(kind);
        int at = (token * kv.geometry().kvHeads() + head) * dim;
        for (int i = at; i < at + dim; i++) {
            if (kv.plane(kind)[layer][i] != 0) {
                return true;
            }
        }
        return false;
    }
}
