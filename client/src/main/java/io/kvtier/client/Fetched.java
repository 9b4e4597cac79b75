package io.kvtier.client;

import io.kvtier.codec.DecodedChunk;
import io.kvtier.codec.KvBlock;
import java.util.List;

/**
 * A stream that was decoded, too.
 *
 * @param delivery what came; its prefix may be longer than what was decoded in time
 * @param blocks keys and values of the decoded prefix, one block a chunk
 * @param decoded what is known of each block: rungs and error bounds
 */
public record Fetched(Delivery delivery, List<KvBlock> blocks, List<DecodedChunk> decoded) {
    /** Copies the lists. */
    public Fetched {
        blocks = List.copyOf(blocks);
        decoded = List.copyOf(decoded);
    }
}
