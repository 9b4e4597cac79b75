package io.kvtier.node;

import io.kvtier.client.NanoClock;
import io.kvtier.codec.frame.DecodeLimits;
import io.kvtier.codec.frame.FrameBytes;
import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.profile.Level;
import io.kvtier.codec.profile.Profile;
import io.kvtier.node.frames.ChunkRequest;
import io.kvtier.node.frames.LevelRequest;
import io.kvtier.node.methods.MethodCoding;
import io.kvtier.node.tensors.CacheFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The tier's own codec beside the survey's methods: each context encoded once by a profile, and
 * decoded at each of its levels as a request gets it. Use once.
 */
final class TierLevels {
    private final String name;
    private final Profile profile;
    private final NanoClock clock;
    private final Map<String, Sum> sums = new LinkedHashMap<>();

    /** What a level took so far. */
    private static final class Sum {
        long bytes;
        long elements;
        long tokens;
        long encodeNanos;
        long decodeNanos;
    }

    /** Where a level's decoded cache of a context goes. */
    interface Target {
        Path of(String method, String file);
    }

    /** By a profile; rows are called after {@code name} and the level. */
    TierLevels(String name, Profile profile, NanoClock clock) {
        this.name = name;
        this.profile = profile;
        this.clock = clock;
    }

    /** Codes a context. */
    void run(CacheFile cache, String context, Target target) throws IOException {
        CacheCodec codec = new CacheCodec(cache.namespace(), profile);
        long start = clock.nanoTime();
        List<MemorySegment> frames = codec.encode(cache);
        long encoded = clock.nanoTime() - start;
        for (Level level : profile.levels()) {
            Sum sum = sums.computeIfAbsent(method(level.name()), key -> new Sum());
            sum.encodeNanos += encoded;
            LevelRequest request = LevelRequest.of(profile.levels(), level.name());
            try (Arena arena = Arena.ofShared()) {
                CacheFile back = cache.prefix(cache.tokens().length, arena);
                for (int i = 0; i < frames.size(); i++) {
                    decode(codec, frames.get(i), request.chunk(i, frames.size()), back, sum);
                }
                sum.elements +=
                        (long) cache.tokens().length
                                * cache.namespace().geometry().elementsPerToken();
                sum.tokens += cache.tokens().length;
                Path out = target.of(method(level.name()), context);
                Files.createDirectories(out.toAbsolutePath().getParent());
                back.write(out);
            }
        }
    }

    /** What each level took of all contexts, by the name of its row. */
    Map<String, MethodCoding.Cost> costs() {
        Map<String, MethodCoding.Cost> out = new LinkedHashMap<>();
        sums.forEach(
                (name, sum) -> {
                    double chunks = 1e6 * sum.tokens / 256;
                    double bits = 8.0 * sum.bytes / sum.elements;
                    double encode = sum.encodeNanos / chunks;
                    double decode = sum.decodeNanos / chunks;
                    out.put(name, new MethodCoding.Cost(bits, encode, decode, List.of()));
                });
        return out;
    }

    private String method(String level) {
        return name + "-" + level;
    }

    private void decode(
            CacheCodec codec, MemorySegment frame, ChunkRequest request, CacheFile to, Sum sum) {
        FrameHeader header = FrameBytes.readHeader(frame, DecodeLimits.defaults());
        sum.bytes += request.bytes(header);
        long start = clock.nanoTime();
        var _ = codec.decode(header, frame, to, segment -> request.uses(header, segment));
        sum.decodeNanos += clock.nanoTime() - start;
    }
}
