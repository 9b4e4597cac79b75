package io.kvtier.config;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** How the text of a scalar becomes a value, and what to say one should look like. */
final class Scalars {
    private static final Pattern SIZE = Pattern.compile("(\\d{1,18})\\s*(B|KiB|MiB|GiB|TiB)?");
    private static final Pattern TIME = Pattern.compile("(\\d{1,12})\\s*(ms|s|min|h)");
    private static final Pattern WHOLE = Pattern.compile("-?\\d{1,9}");
    private static final Map<String, Long> BYTES =
            Map.of("B", 1L, "KiB", 1L << 10, "MiB", 1L << 20, "GiB", 1L << 30, "TiB", 1L << 40);
    private static final Map<String, Long> MILLIS =
            Map.of("ms", 1L, "s", 1000L, "min", 60_000L, "h", 3_600_000L);

    private Scalars() {}

    /** The value, or nothing when the text is not of that type. */
    static Optional<Object> parse(Class<?> type, String text) {
        if (type == String.class) {
            return Optional.of(text);
        }
        if (type == Path.class) {
            return text.isBlank() || text.indexOf('\0') >= 0
                    ? Optional.empty()
                    : Optional.of(Path.of(text));
        }
        if (type == int.class) {
            return WHOLE.matcher(text).matches()
                    ? Optional.of(Integer.parseInt(text))
                    : Optional.empty();
        }
        if (type == boolean.class) {
            return text.equals("true") || text.equals("false")
                    ? Optional.of(Boolean.parseBoolean(text))
                    : Optional.empty();
        }
        if (type == long.class) {
            return scaled(SIZE.matcher(text), BYTES, "B").map(bytes -> bytes);
        }
        if (type == Duration.class) {
            return scaled(TIME.matcher(text), MILLIS, "").map(Duration::ofMillis);
        }
        if (type.isEnum()) {
            return Arrays.stream(type.getEnumConstants())
                    .filter(each -> name(each).equals(text))
                    .findFirst()
                    .map(each -> each);
        }
        throw new AssertionError("no scalar of type " + type);
    }

    /** What a value of that type looks like. */
    static String expected(Class<?> type) {
        if (type == int.class) {
            return "a whole number";
        }
        if (type == boolean.class) {
            return "true or false";
        }
        if (type == long.class) {
            return "a size such as 512MiB (B, KiB, MiB, GiB, TiB)";
        }
        if (type == Duration.class) {
            return "a time such as 2s (ms, s, min, h)";
        }
        if (type.isEnum()) {
            return Arrays.stream(type.getEnumConstants())
                    .map(Scalars::name)
                    .collect(Collectors.joining(" or "));
        }
        return type == Path.class ? "a path" : "a text";
    }

    private static String name(Object constant) {
        return constant.toString().toLowerCase(Locale.ROOT);
    }

    private static Optional<Long> scaled(Matcher text, Map<String, Long> units, String unit) {
        if (!text.matches()) {
            return Optional.empty();
        }
        String given = text.group(2) == null ? unit : text.group(2);
        try {
            long scale = java.util.Objects.requireNonNull(units.get(given));
            return Optional.of(Math.multiplyExact(Long.parseLong(text.group(1)), scale));
        } catch (ArithmeticException e) {
            return Optional.empty();
        }
    }
}
