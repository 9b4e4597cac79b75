package io.kvtier.client;

import io.kvtier.codec.DecodedChunk;
import io.kvtier.codec.FrameCodec;
import io.kvtier.codec.KvBlock;
import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.frame.SegmentEntry;
import io.kvtier.codec.plan.Grade;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;

/** Streams a match and decodes it, both before the deadline: the plain way to use a client. */
final class ChunkFetch {
    private final KvtierClient client;
    private final Match match;
    private final FrameCodec codec;
    private final Deadline deadline;
    private final NanoClock clock;

    ChunkFetch(
            KvtierClient client,
            Match match,
            FrameCodec codec,
            Deadline deadline,
            NanoClock clock) {
        this.client = client;
        this.match = match;
        this.codec = codec;
        this.deadline = deadline;
        this.clock = clock;
    }

    Fetched run(StreamOptions stream, long bytesMax) {
        // Decoding begins when the stream ends, so all chunks' time is kept free, not the last's.
        long after =
                stream.decodeNanosAfter() + stream.decodeNanosPerChunk() * match.chunks().size();
        try (Arena arena = Arena.ofShared()) {
            FrameCollector frames = new FrameCollector(arena, bytesMax);
            Delivery delivery =
                    client.open(
                            match,
                            deadline,
                            stream.withDecodeNanosPerChunk(0).withDecodeNanosAfter(after),
                            frames);
            return decode(delivery, frames);
        }
    }

    private Fetched decode(Delivery delivery, FrameCollector frames) {
        List<KvBlock> blocks = new ArrayList<>();
        List<DecodedChunk> decoded = new ArrayList<>();
        FrameCodec.Decoder decoder = codec.decoder();
        long longest = 0;
        for (int i = 0; i < delivery.delivered() && deadline.nanosLeft() > longest; i++) {
            long start = clock.nanoTime();
            int index = delivery.first() + i;
            FrameCollector.Collected chunk = frames.chunk(index).orElseThrow();
            FrameHeader header = chunk.header();
            Grade grade = delivery.chunks().get(i).grade();
            decoder.begin(header);
            for (int s = 0; s < header.segments().size(); s++) {
                SegmentEntry entry = header.segments().get(s);
                if (grade.uses(header.parts().get(entry.part()))) {
                    decoder.accept(s, chunk.frame().asSlice(header.offset(s), entry.bytes()));
                }
            }
            KvBlock block =
                    KvBlock.allocate(
                            match.namespace().geometry(), header.firstPosition(), header.tokens());
            decoded.add(decoder.finish(block.withTokenIds(match.tokenIds(index))));
            blocks.add(block);
            longest = Math.max(longest, clock.nanoTime() - start);
        }
        return new Fetched(delivery, blocks, decoded);
    }
}
