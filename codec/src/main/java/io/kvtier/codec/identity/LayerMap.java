package io.kvtier.codec.identity;

import static io.kvtier.codec.error.InvalidRequestException.check;

import java.util.ArrayList;
import java.util.List;

/**
 * Which layer's KV each layer reads, and which layers see a sliding window only, in the notation of
 * LCKV (Wu and Tu, ACL 2024, arXiv 2405.10637): a number for each layer, {@code s} behind those
 * with a window, joined by underscores. {@code 0_0_2_2} is CLA (Brandon et al., NeurIPS 2024, arXiv
 * 2405.12981) on four layers, {@code 0_2_2_3} keeps the KV of the first, third and last.
 *
 * @param source for each layer the layer whose KV it reads
 * @param sliding whether the layer sees a window only
 */
public record LayerMap(List<Integer> source, List<Boolean> sliding) {
    /** Takes copies; lengths have to agree. */
    public LayerMap {
        source = List.copyOf(source);
        sliding = List.copyOf(sliding);
        check(sliding.size() == source.size(), "windows", sliding.size(), source.size());
    }

    /** Reads the notation; a name that is not of a stored layer is refused by {@link Geometry}. */
    public static LayerMap parse(String text) {
        List<Integer> source = new ArrayList<>();
        List<Boolean> sliding = new ArrayList<>();
        for (String layer : text.split("_", -1)) {
            String at = "layer " + source.size() + " of '" + text + "'";
            check(layer.matches("\\d{1,4}s?"), at, layer, "a number, and s for a sliding window");
            boolean window = layer.endsWith("s");
            source.add(Integer.parseInt(window ? layer.substring(0, layer.length() - 1) : layer));
            sliding.add(window);
        }
        return new LayerMap(source, sliding);
    }

    /** Layers whose KV is stored. */
    public long stored() {
        return source.stream().distinct().count();
    }

    /** The windows of a geometry: {@code tokens} where there is one, else −1. */
    public List<Integer> windows(int tokens) {
        return sliding.stream().map(window -> window ? tokens : -1).toList();
    }

    @Override
    public String toString() {
        List<String> out = new ArrayList<>();
        for (int layer = 0; layer < source.size(); layer++) {
            out.add(source.get(layer) + (sliding.get(layer) ? "s" : ""));
        }
        return String.join("_", out);
    }
}
