package io.kvtier.node.methods;

import static io.kvtier.codec.error.InvalidRequestException.check;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.kvtier.codec.method.Hint;
import io.kvtier.codec.method.Hints;
import io.kvtier.codec.method.policy.EntityTagger;
import io.kvtier.node.tensors.CacheFile;
import io.kvtier.node.tensors.SafetensorsFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * A folder of the statistics that {@code kvlab.py attn} writes beside caches, under their names.
 *
 * @param folder of safetensors
 * @param vocabulary the string of each token id
 */
public record HintFolder(Path folder, List<String> vocabulary) {
    /** Queries that kvlab takes the mean of for {@code attn_window}. */
    public static final int WINDOW = 64;

    private static final Map<Hint, String> NAMES =
            Map.of(
                    Hint.ATTENTION_SUM, "attn_sum",
                    Hint.ATTENTION_WINDOW, "attn_window",
                    Hint.QUERY_WINDOW, "query_window",
                    Hint.QUERY_MOMENTS, "query_moments",
                    Hint.SURPRISE, "surprise");

    /** Takes a copy of the list. */
    public HintFolder {
        vocabulary = List.copyOf(vocabulary);
    }

    /** A folder with the strings in a JSON array. */
    public static HintFolder of(Path folder, Path vocabulary) throws IOException {
        byte[] json = Files.readAllBytes(vocabulary);
        return new HintFolder(
                folder, new ObjectMapper().readValue(json, new TypeReference<List<String>>() {}));
    }

    /** The hints of a context; entities are tagged here, from the strings of its tokens. */
    public Hints read(String name, CacheFile cache) throws IOException {
        Map<Hint, float[]> out = new EnumMap<>(Hint.class);
        try (Arena arena = Arena.ofConfined()) {
            SafetensorsFile file = SafetensorsFile.read(folder.resolve(name), arena);
            for (Map.Entry<Hint, String> entry : NAMES.entrySet()) {
                out.put(entry.getKey(), file.tensor(entry.getValue()).floats());
            }
        }
        List<String> strings = new ArrayList<>();
        for (int id : cache.tokens()) {
            check(id < vocabulary.size(), "token id", id, "below " + vocabulary.size());
            strings.add(vocabulary.get(id));
        }
        out.put(Hint.ENTITY, new EntityTagger(1).tag(strings));
        return new Hints(out);
    }
}
