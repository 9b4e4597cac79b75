package io.kvtier.codec.method.stage;

import static io.kvtier.codec.error.CorruptChunkException.check;

import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.method.Chunk;
import io.kvtier.codec.method.Kind;
import io.kvtier.codec.method.Plane;
import io.kvtier.codec.method.Planes;
import io.kvtier.codec.method.SideReader;
import io.kvtier.codec.method.SideWriter;
import io.kvtier.codec.method.Transform;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;

/**
 * Takes out the tokens whose rate is 0, as {@link DropTokens} does, but leaves each head a {@link
 * ResidualState} of them: a handful of summary tokens. Decoding puts a bucket's mean key and value
 * in the place of as many dropped tokens as it counts, which weighs in attention exactly as one
 * summary token with ln(count) on its logit. Keys are summed as they are cached, after RoPE.
 *
 * <p>Side information: for each layer and head a count and {@code 16 · (keyDim + valueDim)} bits a
 * bucket that is not empty.
 *
 * @param bits of the number of a bucket; 3 = eight buckets
 */
public record ResidualSummary(int bits) implements Transform {
    /** Checks the range. */
    public ResidualSummary {
        InvalidRequestException.check(bits >= 0 && bits <= 8, "bits of a bucket", bits, "0..8");
    }

    @Override
    public String name() {
        return "residual-summary(" + (1 << bits) + ")";
    }

    @Override
    public boolean readsRates() {
        return true;
    }

    @Override
    public Planes encode(Planes in, Chunk chunk, SideWriter side) {
        List<Plane<float[]>> planes = in.floats();
        int layers = chunk.rates().layers();
        int heads = chunk.geometry().kvHeads();
        int dim = dim(chunk);
        float[] directions = ResidualState.directions(bits, dim);
        for (int layer = 0; layer < layers; layer++) {
            for (int head = 0; head < heads; head++) {
                float[] keys = planes.get(layer).data();
                float[] values = planes.get(layers + layer).data();
                BitSet dropped = dropped(chunk, layer, head);
                write(summary(keys, values, dropped, heads, head, dim, directions), side);
            }
        }
        return new DropTokens().encode(in, chunk, side);
    }

    @Override
    public Planes decode(Planes in, Chunk chunk, SideReader side) {
        int layers = chunk.rates().layers();
        int heads = chunk.geometry().kvHeads();
        int dim = dim(chunk);
        List<ResidualState> states = new ArrayList<>();
        for (int i = 0; i < layers * heads; i++) {
            states.add(read(dim, side));
        }
        Planes out = new DropTokens().decode(in, chunk, side);
        for (int layer = 0; layer < layers; layer++) {
            for (int head = 0; head < heads; head++) {
                float[] keys = out.floats().get(layer).data();
                float[] values = out.floats().get(layers + layer).data();
                BitSet dropped = dropped(chunk, layer, head);
                fill(states.get(layer * heads + head), dropped, keys, values, heads, head);
            }
        }
        return out;
    }

    /** A mean lies among what it is the mean of. */
    @Override
    public double largestError(Planes in) {
        return 2.01 * EachPlane.largest(in.floats()) + 1e-6;
    }

    private ResidualState summary(
            float[] keys,
            float[] values,
            BitSet dropped,
            int heads,
            int head,
            int dim,
            float[] directions) {
        ResidualState all = ResidualState.empty(1, dim);
        for (int t = dropped.nextSetBit(0); t >= 0; t = dropped.nextSetBit(t + 1)) {
            int at = (t * heads + head) * dim;
            all.add(0, keys, at, values, at);
        }
        float[] centre = new float[dim];
        for (int i = 0; i < dim && all.counts()[0] > 0; i++) {
            centre[i] = (float) (all.keys()[i] / all.counts()[0]);
        }
        ResidualState out = ResidualState.empty(1 << bits, dim);
        for (int t = dropped.nextSetBit(0); t >= 0; t = dropped.nextSetBit(t + 1)) {
            int at = (t * heads + head) * dim;
            int bucket = ResidualState.bucket(keys, at, centre, directions);
            out.add(bucket, keys, at, values, at);
        }
        return out;
    }

    private static void write(ResidualState state, SideWriter side) {
        for (int b = 0; b < state.buckets(); b++) {
            int count = (int) state.counts()[b];
            side.varint(count);
            for (int i = 0; i < state.dim() && count > 0; i++) {
                side.f16((float) (state.keys()[b * state.dim() + i] / count));
            }
            for (int i = 0; i < state.dim() && count > 0; i++) {
                side.f16((float) (state.values()[b * state.dim() + i] / count));
            }
        }
    }

    private ResidualState read(int dim, SideReader side) {
        ResidualState out = ResidualState.empty(1 << bits, dim);
        for (int b = 0; b < out.buckets(); b++) {
            out.counts()[b] = side.varint();
            for (double[] sums : List.of(out.keys(), out.values())) {
                for (int i = 0; i < dim && out.counts()[b] > 0; i++) {
                    float mean = side.f16();
                    check(Float.isFinite(mean), "element of a summary", "finite", mean);
                    sums[b * dim + i] = mean * (double) out.counts()[b];
                }
            }
        }
        return out;
    }

    private static void fill(
            ResidualState state,
            BitSet dropped,
            float[] keys,
            float[] values,
            int heads,
            int head) {
        int dim = state.dim();
        int t = dropped.nextSetBit(0);
        for (int b = 0; b < state.buckets(); b++) {
            long count = state.counts()[b];
            for (long n = 0; n < count; n++, t = dropped.nextSetBit(t + 1)) {
                check(t >= 0, "tokens of a summary", dropped.cardinality(), "more");
                for (int i = 0; i < dim; i++) {
                    int at = (t * heads + head) * dim + i;
                    keys[at] = (float) (state.keys()[b * dim + i] / count);
                    values[at] = (float) (state.values()[b * dim + i] / count);
                }
            }
        }
        check(t < 0, "tokens of a summary", dropped.cardinality(), "fewer");
    }

    /** The tokens that a head lost, keys and values alike. */
    private static BitSet dropped(Chunk chunk, int layer, int head) {
        BitSet out = chunk.rates().kept(Kind.KEYS, layer, head);
        BitSet values = chunk.rates().kept(Kind.VALUES, layer, head);
        check(
                out.equals(values),
                "tokens that lose their value",
                "those that lose their key",
                "others");
        out.flip(0, chunk.tokens());
        return out;
    }

    private static int dim(Chunk chunk) {
        int dim = chunk.geometry().keyDim();
        int valueDim = chunk.geometry().valueDim();
        InvalidRequestException.check(dim == valueDim, "elements of a value", valueDim, dim);
        return dim;
    }
}
