package io.kvtier.codec.plan;

/** The next step of each chunk, steepest first, of equal ones the earlier chunk: a binary heap. */
final class StepHeap {
    private final int offset;
    private final int[] heap;
    private final int[] choice;
    private final double[] slope;
    private int size;

    /** Room for one step of each of the chunks {@code from .. to - 1}. */
    StepHeap(int from, int to) {
        offset = from;
        heap = new int[to - from];
        choice = new int[to - from];
        slope = new double[to - from];
    }

    boolean isEmpty() {
        return size == 0;
    }

    /** Chunk of the first step. */
    int chunk() {
        return heap[0] + offset;
    }

    /** What the first step leads to. */
    int choice() {
        return choice[heap[0]];
    }

    /** Slope of the first step. */
    double slope() {
        return slope[heap[0]];
    }

    /** Adds a chunk's step; the chunk has none in the heap. */
    void push(int chunk, int to, double steepness) {
        int item = chunk - offset;
        choice[item] = to;
        slope[item] = steepness;
        int place = size++;
        while (place > 0 && isBefore(item, heap[(place - 1) / 2])) {
            heap[place] = heap[(place - 1) / 2];
            place = (place - 1) / 2;
        }
        heap[place] = item;
    }

    /** Removes the first step. */
    void pop() {
        int item = heap[--size];
        int place = 0;
        for (int child = 1; child < size; child = 2 * place + 1) {
            if (child + 1 < size && isBefore(heap[child + 1], heap[child])) {
                child++;
            }
            if (!isBefore(heap[child], item)) {
                break;
            }
            heap[place] = heap[child];
            place = child;
        }
        heap[place] = item;
    }

    private boolean isBefore(int one, int other) {
        return slope[one] > slope[other] || (slope[one] == slope[other] && one < other);
    }
}
