package io.kvtier.codec.method.policy;

import java.util.BitSet;
import java.util.List;

/**
 * The key channels that each head keeps.
 *
 * @param kept for each stored layer and KV head, {@code layer·kvHeads + head}, channels below
 *     {@code dim}
 */
public record ChannelMask(int kvHeads, int dim, List<BitSet> kept) {
    /** Copies the list. */
    public ChannelMask {
        kept = List.copyOf(kept);
    }

    /** The channels of a head. */
    public BitSet of(int layer, int head) {
        return kept.get(layer * kvHeads + head);
    }
}
