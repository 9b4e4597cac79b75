package io.kvtier.storage.log;

import java.util.Arrays;

/** A growing array of words. Not thread-safe. */
final class LongList {
    private long[] words = new long[16];
    private int size;

    void add(long word) {
        if (size == words.length) {
            words = Arrays.copyOf(words, 2 * size);
        }
        words[size++] = word;
    }

    int size() {
        return size;
    }

    long[] toArray() {
        return Arrays.copyOf(words, size);
    }

    /** Drops the first ones. */
    void removeFirst(int count) {
        size -= count;
        System.arraycopy(words, count, words, 0, size);
        if (words.length > 1024 && size < words.length / 4) {
            words = Arrays.copyOf(words, words.length / 2);
        }
    }
}
