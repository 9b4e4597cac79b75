package io.kvtier.config;

import java.io.IOException;
import java.io.StringReader;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.constructor.SafeConstructor;
import org.yaml.snakeyaml.error.Mark;
import org.yaml.snakeyaml.error.MarkedYAMLException;
import org.yaml.snakeyaml.nodes.AnchorNode;
import org.yaml.snakeyaml.nodes.MappingNode;
import org.yaml.snakeyaml.nodes.Node;
import org.yaml.snakeyaml.nodes.NodeTuple;
import org.yaml.snakeyaml.nodes.ScalarNode;
import org.yaml.snakeyaml.nodes.SequenceNode;

/**
 * Reads a node's YAML file into a {@link NodeConfig}, strictly: an unknown or repeated key, a wrong
 * type or a value out of range is an error that says where.
 */
public final class ConfigReader {
    /* Works on the parser's tree of nodes, not on maps or a data binder's tree: only nodes know
     * their line and column. Records are bound by their components, so a new setting is one
     * component, its default and its check.
     */
    private static final int FILE_BYTES_MAX = 1 << 20;
    private static final int SUGGESTION_DISTANCE_MAX = 3;
    private static final int LIST_MAX = 64;

    private final String file;

    private ConfigReader(String file) {
        this.file = file;
    }

    /**
     * Reads a file.
     *
     * @throws ConfigException when it cannot be read or used
     */
    public static NodeConfig read(Path file) {
        try {
            long bytes = Files.size(file);
            if (bytes > FILE_BYTES_MAX) {
                throw new ConfigException(
                        file + ": got " + bytes + " bytes, expected at most " + FILE_BYTES_MAX);
            }
            return parse(Files.readString(file, StandardCharsets.UTF_8), file.toString());
        } catch (IOException e) {
            throw new ConfigException(file + ": cannot be read: " + e, e);
        }
    }

    /** Reads a text; {@code file} names it in messages. */
    public static NodeConfig parse(String text, String file) {
        LoaderOptions options = new LoaderOptions();
        options.setMaxAliasesForCollections(0);
        options.setNestingDepthLimit(16);
        options.setCodePointLimit(FILE_BYTES_MAX);
        try {
            Node root = new Yaml(new SafeConstructor(options)).compose(new StringReader(text));
            NodeConfig defaults = NodeConfig.defaults();
            return root == null
                    ? defaults
                    : new ConfigReader(file).bind(NodeConfig.class, defaults, root, "");
        } catch (MarkedYAMLException e) {
            Mark mark = e.getProblemMark();
            String at =
                    mark == null ? "" : ":" + (mark.getLine() + 1) + ":" + (mark.getColumn() + 1);
            throw new ConfigException(file + at + ": not YAML: " + e.getProblem(), e);
        } catch (org.yaml.snakeyaml.error.YAMLException e) {
            throw new ConfigException(file + ": not YAML: " + e.getMessage(), e);
        }
    }

    private <T extends Record> T bind(Class<T> type, T defaults, Node node, String path) {
        if (!(node instanceof MappingNode mapping)) {
            throw error(node, path, "got " + describe(node) + ", expected keys " + names(type));
        }
        Map<String, Node> given = new HashMap<>();
        Set<String> known = new HashSet<>(names(type));
        for (NodeTuple tuple : mapping.getValue()) {
            Node key = tuple.getKeyNode();
            String name = key instanceof ScalarNode scalar ? scalar.getValue() : describe(key);
            String at = join(path, name);
            if (!known.contains(name)) {
                throw error(key, at, "unknown key" + suggestion(name, names(type)));
            }
            if (given.put(name, tuple.getValueNode()) != null) {
                throw error(key, at, "the key is there twice");
            }
        }
        RecordComponent[] components = type.getRecordComponents();
        Object[] values = new Object[components.length];
        for (int i = 0; i < components.length; i++) {
            values[i] = value(components[i], defaults, given.get(components[i].getName()), path);
        }
        return construct(type, components, values, given, node, path);
    }

    private Object value(
            RecordComponent component, Record defaults, @Nullable Node node, String path) {
        Object ofDefaults = read(component, defaults);
        if (node == null) {
            return ofDefaults;
        }
        String at = join(path, component.getName());
        if (ofDefaults instanceof Record nested) {
            return bindNested(nested, node, at);
        }
        if (ofDefaults instanceof List) {
            return bindList(component, node, at);
        }
        Class<?> type = component.getType();
        String wanted = ", expected " + Scalars.expected(type);
        if (!(node instanceof ScalarNode scalar)) {
            throw error(node, at, "got " + describe(node) + wanted);
        }
        return Scalars.parse(type, scalar.getValue())
                .orElseThrow(() -> error(node, at, "got '" + scalar.getValue() + "'" + wanted));
    }

    @SuppressWarnings("unchecked") // a record's class is the class of its defaults
    private <T extends Record> T bindNested(T defaults, Node node, String path) {
        return bind((Class<T>) defaults.getClass(), defaults, node, path);
    }

    /** A list of records, each of which has its defaults from a static {@code defaults()}. */
    private List<Record> bindList(RecordComponent component, Node node, String path) {
        Type list = component.getGenericType();
        Class<?> type = (Class<?>) ((ParameterizedType) list).getActualTypeArguments()[0];
        if (!(node instanceof SequenceNode sequence)) {
            throw error(
                    node, path, "got " + describe(node) + ", expected a list of " + names(type));
        }
        if (sequence.getValue().size() > LIST_MAX) {
            throw error(node, path, "the list is longer than " + LIST_MAX);
        }
        Record defaults;
        try {
            defaults = (Record) type.getMethod("defaults").invoke(null);
        } catch (ReflectiveOperationException e) {
            throw new LinkageError(type + " has no static defaults()", e);
        }
        List<Record> out = new ArrayList<>();
        for (Node each : sequence.getValue()) {
            out.add(bindNested(defaults, each, path + "[" + out.size() + "]"));
        }
        return out;
    }

    private <T extends Record> T construct(
            Class<T> type,
            RecordComponent[] components,
            Object[] values,
            Map<String, Node> given,
            Node node,
            String path) {
        Class<?>[] types =
                Arrays.stream(components).map(RecordComponent::getType).toArray(Class[]::new);
        try {
            Constructor<T> constructor = type.getDeclaredConstructor(types);
            return constructor.newInstance(values);
        } catch (InvocationTargetException e) {
            if (e.getCause() instanceof OutOfRangeException range) {
                Node at = given.getOrDefault(range.component(), node);
                String message = String.valueOf(range.getMessage());
                throw error(at, join(path, range.component()), message);
            }
            throw new LinkageError(type + " cannot be made", e);
        } catch (ReflectiveOperationException e) {
            throw new LinkageError(type + " cannot be made", e);
        }
    }

    private static Object read(RecordComponent component, Record record) {
        try {
            return component.getAccessor().invoke(record);
        } catch (ReflectiveOperationException e) {
            throw new LinkageError(component + " cannot be read", e);
        }
    }

    private ConfigException error(Node node, String path, String problem) {
        Mark mark = node.getStartMark();
        String line = (mark.getLine() + 1) + ":" + (mark.getColumn() + 1);
        return new ConfigException(
                file + ":" + line + ": " + (path.isEmpty() ? "" : path + ": ") + problem);
    }

    private static List<String> names(Class<?> type) {
        return Arrays.stream(type.getRecordComponents()).map(RecordComponent::getName).toList();
    }

    private static String join(String path, String name) {
        return path.isEmpty() ? name : path + "." + name;
    }

    private static String describe(Node node) {
        return switch (node) {
            case ScalarNode scalar -> "'" + scalar.getValue() + "'";
            case MappingNode _ -> "a mapping";
            case AnchorNode _ -> "an alias";
            default -> "a list";
        };
    }

    private static String suggestion(String name, List<String> known) {
        String nearest =
                java.util.Collections.min(
                        known, Comparator.comparingInt(other -> distance(name, other)));
        return distance(name, nearest) <= SUGGESTION_DISTANCE_MAX
                ? ", did you mean '" + nearest + "'?"
                : ", expected one of " + known;
    }

    /** Letters to insert, delete or replace, upper and lower case being the same. */
    private static int distance(String a, String b) {
        int[] row = new int[b.length() + 1];
        for (int j = 0; j <= b.length(); j++) {
            row[j] = j;
        }
        for (int i = 1; i <= a.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.length(); j++) {
                boolean same =
                        Character.toLowerCase(a.charAt(i - 1))
                                == Character.toLowerCase(b.charAt(j - 1));
                int replaced = diagonal + (same ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.min(replaced, 1 + Math.min(row[j], row[j - 1]));
            }
        }
        return row[b.length()];
    }
}
