package io.kvtier.codec.method.policy;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.method.DenseKv;
import io.kvtier.codec.method.Hint;
import io.kvtier.codec.method.Hints;
import io.kvtier.codec.method.attention.Queries;
import java.util.Arrays;

/**
 * The hint {@link Hint#QUERY_WINDOW}, cut to its last queries.
 *
 * @param all {@code [layers, queryHeads, sent, keyDim]}, lent
 * @param sent queries that came
 */
@SuppressWarnings("ArrayRecordComponent")
record WindowQueries(Geometry geometry, float[] all, int sent) {
    /** Of a put; refuses a hint that is missing or does not fill whole windows. */
    static WindowQueries of(DenseKv kv, Hints hints) {
        Geometry geometry = kv.geometry();
        int row = kv.keys().length * geometry.queryHeads() * geometry.keyDim();
        float[] sent = hints.values().getOrDefault(Hint.QUERY_WINDOW, new float[0]);
        check(
                sent.length > 0 && sent.length % row == 0,
                "elements of hint QUERY_WINDOW",
                sent.length,
                "a multiple of " + row);
        return new WindowQueries(geometry, sent, sent.length / row);
    }

    /**
     * The last {@code count} queries of a layer, or all that came if those are fewer.
     *
     * @param end position behind the last query
     */
    Queries last(int layer, int count, int end, boolean causal) {
        int heads = geometry.queryHeads();
        int dim = geometry.keyDim();
        int used = Math.min(count, sent);
        float[] out = new float[heads * used * dim];
        for (int head = 0; head < heads; head++) {
            int at = ((layer * heads + head + 1) * sent - used) * dim;
            System.arraycopy(all, at, out, head * used * dim, used * dim);
        }
        return new Queries(heads, used, dim, end - used, causal, out);
    }

    /** Mean square of each channel over the last {@code count} queries of a query head. */
    double[] energy(int layer, int head, int count) {
        int dim = geometry.keyDim();
        int used = Math.min(count, sent);
        double[] out = new double[dim];
        int end = (layer * geometry.queryHeads() + head + 1) * sent * dim;
        float[] rows = Arrays.copyOfRange(all, end - used * dim, end);
        for (int i = 0; i < rows.length; i++) {
            out[i % dim] += (double) rows[i] * rows[i] / used;
        }
        return out;
    }
}
