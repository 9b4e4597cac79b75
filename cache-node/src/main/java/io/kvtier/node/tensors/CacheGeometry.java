package io.kvtier.node.tensors;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.identity.Dtype;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.identity.Rope;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.IntStream;

/**
 * The geometry that a cache file states: the shape of its tensor {@code k}, and in its metadata the
 * query heads and, each as one number for all layers or as one for every layer, separated by
 * commas, the base of the rotary embedding and the sliding window in tokens (−1, as without one:
 * full attention).
 */
final class CacheGeometry {
    private CacheGeometry() {}

    /**
     * Reads it.
     *
     * @param k whose shape is {@code [layers, tokens, kvHeads, headDim]}
     * @throws InvalidRequestException naming what is missing or does not fit
     */
    static Geometry of(Map<String, String> metadata, Tensor k) {
        List<String> dtypes = Arrays.stream(Dtype.values()).map(Dtype::name).toList();
        check(dtypes.contains(k.dtype()), "dtype of 'k'", k.dtype(), "one of " + dtypes);
        int layers = k.shape().get(0);
        int headDim = k.shape().get(3);
        check(
                layers >= 1 && layers <= Geometry.LAYERS_MAX,
                "layers of 'k'",
                layers,
                "1.." + Geometry.LAYERS_MAX);
        List<Double> bases = perLayer(metadata, "rope_theta", layers, "", Double::valueOf);
        List<Double> distinct = bases.stream().distinct().sorted().toList();
        return new Geometry(
                SampleCache.number(metadata, "q_heads"),
                k.shape().get(2),
                headDim,
                headDim,
                Dtype.valueOf(k.dtype()),
                Geometry.Kind.ATTENTION,
                0,
                distinct.stream().map(base -> Rope.rotateHalf(headDim, base)).toList(),
                bases.stream().map(distinct::indexOf).toList(),
                IntStream.range(0, layers).boxed().toList(),
                perLayer(metadata, "window", layers, "-1", Integer::valueOf));
    }

    private static <T> List<T> perLayer(
            Map<String, String> metadata,
            String name,
            int layers,
            String absent,
            Function<String, T> parse) {
        String text = metadata.getOrDefault(name, absent);
        String[] numbers = text.split(",", -1);
        String expected = "a number, or one for each of " + layers + " layers, comma separated";
        check(
                numbers.length == 1 || numbers.length == layers,
                "numbers in metadata '" + name + "'",
                numbers.length,
                expected);
        try {
            List<T> each = Arrays.stream(numbers).map(String::strip).map(parse).toList();
            return each.size() == layers ? each : Collections.nCopies(layers, each.getFirst());
        } catch (NumberFormatException e) {
            throw new InvalidRequestException(
                    "metadata '" + name + "' is '" + text + "', expected " + expected);
        }
    }
}
