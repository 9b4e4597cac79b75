package io.kvtier.codec.vectors;

import io.kvtier.codec.identity.Digest;
import java.lang.reflect.RecordComponent;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * Values as JSON: records by their components, digests and byte arrays as hexadecimal digits, enums
 * by name.
 */
final class Json {
    private static final int INLINE_COLUMNS_MAX = 96;

    private Json() {}

    /** An object of the alternating names and values, in this order. */
    static Map<String, Object> object(Object... namesAndValues) {
        Map<String, Object> out = new LinkedHashMap<>();
        for (int i = 0; i < namesAndValues.length; i += 2) {
            out.put((String) namesAndValues[i], namesAndValues[i + 1]);
        }
        return out;
    }

    static String render(Object value) {
        return render(value, "");
    }

    private static String render(Object value, String indent) {
        return switch (value) {
            case String text -> quote(text);
            case Enum<?> constant -> quote(constant.name());
            case Digest digest -> quote(digest.toString());
            case byte[] bytes -> quote(HexFormat.of().formatHex(bytes));
            case Number number -> number.toString();
            case Boolean truth -> truth.toString();
            case Optional<?> maybe -> maybe.map(it -> render(it, indent)).orElse("null");
            case Record components -> render(fields(components), indent);
            case List<?> list -> {
                List<String> items = new ArrayList<>();
                list.forEach(item -> items.add(render(item, indent + "  ")));
                yield wrap("[", items, "]", indent);
            }
            case Map<?, ?> map -> {
                List<String> items = new ArrayList<>();
                map.forEach((k, v) -> items.add(quote("" + k) + ": " + render(v, indent + "  ")));
                yield wrap("{", items, "}", indent);
            }
            default -> throw new AssertionError("no JSON for " + value.getClass());
        };
    }

    private static Map<String, Object> fields(Record components) {
        Map<String, Object> out = new LinkedHashMap<>();
        for (RecordComponent component : components.getClass().getRecordComponents()) {
            try {
                out.put(component.getName(), component.getAccessor().invoke(components));
            } catch (ReflectiveOperationException e) {
                throw new LinkageError(component + " cannot be read", e);
            }
        }
        return out;
    }

    private static String wrap(String open, List<String> items, String close, String indent) {
        String inline = open + String.join(", ", items) + close;
        if (inline.length() + indent.length() <= INLINE_COLUMNS_MAX && !inline.contains("\n")) {
            return inline;
        }
        return items.stream()
                .map(item -> indent + "  " + item)
                .collect(Collectors.joining(",\n", open + "\n", "\n" + indent + close));
    }

    private static String quote(String text) {
        StringBuilder out = new StringBuilder("\"");
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c < 0x20 || c > 0x7e || c == '"' || c == '\\') {
                out.append(String.format("\\u%04x", (int) c));
            } else {
                out.append(c);
            }
        }
        return out.append('"').toString();
    }
}
