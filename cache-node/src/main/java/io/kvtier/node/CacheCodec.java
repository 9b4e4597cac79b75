package io.kvtier.node;

import io.kvtier.client.Delivery;
import io.kvtier.client.FrameCollector;
import io.kvtier.codec.DecodedChunk;
import io.kvtier.codec.FrameCodec;
import io.kvtier.codec.KvBlock;
import io.kvtier.codec.error.KvtierException;
import io.kvtier.codec.error.UnavailableException;
import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.frame.SegmentEntry;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.KeyChain;
import io.kvtier.codec.identity.Namespace;
import io.kvtier.codec.profile.Profile;
import io.kvtier.node.tensors.CacheFile;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.IntPredicate;

/** Whole caches to frames and back, by one codec. Not thread-safe. */
final class CacheCodec {
    private final FrameCodec codec;
    private final Namespace namespace;
    private final FrameCodec.Encoder encoder;

    CacheCodec(FrameCodec codec) {
        this.codec = codec;
        namespace = codec.namespace();
        encoder = codec.encoder();
    }

    /** By a profile. */
    CacheCodec(Namespace namespace, Profile profile) {
        this(new FrameCodec.Adaptive(namespace, profile));
    }

    /** One frame a chunk, in order. */
    List<MemorySegment> encode(CacheFile cache) {
        List<Digest> keys = KeyChain.withRest(namespace, cache.tokens());
        List<MemorySegment> frames = new ArrayList<>(keys.size());
        for (int i = 0; i < keys.size(); i++) {
            Digest tokens =
                    KeyChain.tokenDigest(
                            cache.tokens(), i * namespace.chunkTokens(), cache.chunkTokens(i));
            byte[] frame = encoder.encode(keys.get(i), tokens, cache.chunk(i));
            frames.add(MemorySegment.ofArray(frame));
        }
        return frames;
    }

    /** Decodes what was delivered into a cache of as many tokens, several chunks at once. */
    List<DecodedChunk> decode(Delivery delivery, FrameCollector frames, CacheFile target) {
        List<Callable<DecodedChunk>> tasks = new ArrayList<>();
        for (int i = 0; i < delivery.delivered(); i++) {
            FrameCollector.Collected chunk = frames.chunk(i).orElseThrow();
            Delivery.Chunk got = delivery.chunks().get(i);
            FrameHeader header = chunk.header();
            tasks.add(
                    () ->
                            decode(
                                    header,
                                    chunk.frame(),
                                    target,
                                    segment -> isWanted(got, header, segment)));
        }
        return run(tasks);
    }

    private static boolean isWanted(Delivery.Chunk got, FrameHeader header, int segment) {
        int part = header.segments().get(segment).part();
        return got.parts().has(part) && got.grade().uses(header.parts().get(part));
    }

    private static List<DecodedChunk> run(List<Callable<DecodedChunk>> tasks) {
        int threads = Runtime.getRuntime().availableProcessors();
        try (ExecutorService executor = Executors.newFixedThreadPool(threads)) {
            List<DecodedChunk> out = new ArrayList<>();
            for (Future<DecodedChunk> chunk : executor.invokeAll(tasks)) {
                out.add(chunk.get());
            }
            return out;
        } catch (ExecutionException e) {
            if (e.getCause() instanceof KvtierException known) {
                throw known;
            }
            throw new IllegalStateException("decoding failed", e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new UnavailableException("interrupted while decoding", e);
        }
    }

    /** Decodes the given segments of one frame into its place in the cache. */
    DecodedChunk decode(
            FrameHeader header, MemorySegment frame, CacheFile target, IntPredicate segments) {
        FrameCodec.Decoder decoder = codec.decoder();
        decoder.begin(header);
        for (int s = 0; s < header.segments().size(); s++) {
            if (segments.test(s)) {
                SegmentEntry entry = header.segments().get(s);
                decoder.accept(s, frame.asSlice(header.offset(s), entry.bytes()));
            }
        }
        KvBlock block =
                KvBlock.allocate(namespace.geometry(), header.firstPosition(), header.tokens());
        int[] ids = target.tokenIds(header.firstPosition(), header.tokens());
        DecodedChunk decoded = decoder.finish(block.withTokenIds(ids));
        target.fill(block);
        return decoded;
    }
}
