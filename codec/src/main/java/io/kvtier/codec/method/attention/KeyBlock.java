package io.kvtier.codec.method.attention;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.method.DenseKv;
import io.kvtier.codec.method.Kind;
import io.kvtier.codec.method.RateMap;
import java.util.BitSet;
import java.util.List;
import java.util.stream.IntStream;

/**
 * One layer of a decoded chunk as attention reads it.
 *
 * @param kv of the chunk, lent
 * @param layer index among the stored layers
 * @param kept for each KV head the tokens whose keys take part; a token that is missing gets no
 *     weight. A value without its key has no effect, a key without its value takes the value that
 *     {@code kv} holds
 * @param bias added to the logits, {@code [kvHeads, tokens]}; empty = none. ln n makes one token
 *     stand for n equal ones
 */
@SuppressWarnings("ArrayRecordComponent")
public record KeyBlock(DenseKv kv, int layer, List<BitSet> kept, float[] bias) {
    /** Checks the shapes. */
    public KeyBlock {
        int heads = kv.geometry().kvHeads();
        kept = List.copyOf(kept);
        check(layer >= 0 && layer < kv.keys().length, "layer", layer, "a stored layer");
        check(kept.size() == heads, "kept sets", kept.size(), heads);
        check(
                bias.length == 0 || bias.length == heads * kv.tokens(),
                "elements of the bias",
                bias.length,
                "none or " + heads * kv.tokens());
    }

    /** All tokens of a layer. */
    public static KeyBlock whole(DenseKv kv, int layer) {
        BitSet all = new BitSet();
        all.set(0, kv.tokens());
        int heads = kv.geometry().kvHeads();
        return new KeyBlock(
                kv, layer, IntStream.range(0, heads).mapToObj(h -> all).toList(), new float[0]);
    }

    /** The tokens of a layer that have a rate. */
    public static KeyBlock kept(DenseKv kv, int layer, RateMap rates) {
        List<BitSet> kept =
                IntStream.range(0, kv.geometry().kvHeads())
                        .mapToObj(head -> rates.kept(Kind.KEYS, layer, head))
                        .toList();
        return new KeyBlock(kv, layer, kept, new float[0]);
    }
}
