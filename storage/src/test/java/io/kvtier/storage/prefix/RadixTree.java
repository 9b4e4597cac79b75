package io.kvtier.storage.prefix;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A radix tree over runs of tokens, the straightforward way: nodes split where a use ends. */
final class RadixTree {
    private final int page;
    private final Node root = new Node(null, new int[0]);
    private long uses;

    private static final class Node {
        @Nullable Node parent;
        int[] run;
        final Map<List<Integer>, Node> children = new HashMap<>();
        long lastUse;

        Node(@Nullable Node parent, int[] run) {
            this.parent = parent;
            this.run = run;
        }
    }

    RadixTree(int page) {
        this.page = page;
    }

    int match(int[] tokens) {
        int at = 0;
        Node node = root;
        while (true) {
            Node child = at + page > tokens.length ? null : node.children.get(first(tokens, at));
            if (child == null) {
                return at;
            }
            int equal = equal(child.run, tokens, at);
            at += equal;
            if (equal < child.run.length) {
                return at;
            }
            node = child;
        }
    }

    void insert(int[] all) {
        int[] tokens = Arrays.copyOf(all, all.length / page * page);
        long now = ++uses;
        Node node = root;
        int at = 0;
        while (at < tokens.length) {
            Node child = node.children.get(first(tokens, at));
            if (child == null) {
                child = new Node(node, Arrays.copyOfRange(tokens, at, tokens.length));
                node.children.put(first(tokens, at), child);
            }
            int equal = equal(child.run, tokens, at);
            if (equal < child.run.length) {
                child = split(child, equal);
            }
            child.lastUse = now;
            at += equal;
            node = child;
        }
    }

    /** Takes one page off the leaf that was not used for longest; false if there is none. */
    boolean evict() {
        Node least = null;
        List<Node> open = new ArrayList<>(List.of(root));
        while (!open.isEmpty()) {
            Node node = open.removeLast();
            open.addAll(node.children.values());
            if (node != root
                    && node.children.isEmpty()
                    && (least == null || node.lastUse < least.lastUse)) {
                least = node;
            }
        }
        if (least == null) {
            return false;
        }
        Node parent = java.util.Objects.requireNonNull(least.parent);
        List<Integer> first = first(least.run, 0);
        least.run = Arrays.copyOf(least.run, least.run.length - page);
        if (least.run.length == 0) {
            Node _ = parent.children.remove(first);
        }
        return true;
    }

    /** The upper half is a new node. */
    private Node split(Node node, int at) {
        Node parent = java.util.Objects.requireNonNull(node.parent);
        Node upper = new Node(parent, Arrays.copyOf(node.run, at));
        parent.children.put(first(node.run, 0), upper);
        node.run = Arrays.copyOfRange(node.run, at, node.run.length);
        upper.children.put(first(node.run, 0), node);
        node.parent = upper;
        return upper;
    }

    private List<Integer> first(int[] tokens, int from) {
        return Arrays.stream(tokens, from, from + page).boxed().toList();
    }

    private int equal(int[] run, int[] tokens, int from) {
        int pages = 0;
        while ((pages + 1) * page <= run.length
                && from + (pages + 1) * page <= tokens.length
                && Arrays.equals(
                        run,
                        pages * page,
                        (pages + 1) * page,
                        tokens,
                        from + pages * page,
                        from + (pages + 1) * page)) {
            pages++;
        }
        return pages * page;
    }
}
