package io.kvtier.codec;

import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.profile.Profile;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;

/** Turns the indices of a chunk's groups into keys and values, each group once. */
final class GroupWriter {
    /** Of float arithmetic against the bound's own: a few units in the last place, and more. */
    private static final float SLACK = 1e-5f;

    /** Half a unit of f16's smallest numbers. */
    private static final float HALF_SUBNORMAL = 0x1p-25f;

    private static final float SQRT_2 = 1.4142137f;

    private final Profile profile;
    private final Geometry geometry;
    private final Reconstruction reconstruction;
    private final Matrix matrix = new Matrix();
    private float[] y = new float[0];
    private float[] x = new float[0];
    private float[] headSteps = new float[0];
    private float[] tailSteps = new float[0];
    private int[] live = new int[0];

    GroupWriter(Profile profile, Geometry geometry) {
        this.profile = profile;
        this.geometry = geometry;
        reconstruction = new Reconstruction(profile);
    }

    DecodedChunk write(List<GroupCode> codes, KvBlock target, int tail) {
        Groups groups = new Groups(target);
        int stored = geometry.storedLayers().size();
        boolean bounded = profile.statisticsInFrame();
        List<Float> unknown = Collections.nCopies(bounded ? stored : 0, Float.NaN);
        List<Float> keys = new ArrayList<>(unknown);
        List<Float> values = new ArrayList<>(unknown);
        int headRung = Integer.MAX_VALUE;
        int tailRung = Integer.MAX_VALUE;
        int count = 0;
        for (GroupCode code : codes) {
            if (code.headRung < 0) {
                continue;
            }
            if (tail == target.tokens()) {
                code.headRung = code.tailRung; // no head: its rung says nothing
            }
            reconstruct(code, target.tokens(), tail);
            if (bounded) {
                addBounds(code, groups, target.tokens(), keys, values);
            }
            groups.scatter(code.group, x, code.hasRaw ? 1 : 0, target.tokens());
            if (code.hasRaw) {
                groups.copyRaw(code.group, MemorySegment.ofArray(code.raw), true);
            }
            headRung = Math.min(headRung, code.headRung);
            tailRung = Math.min(tailRung, code.tailRung);
            count++;
        }
        return new DecodedChunk(
                count == 0 ? -1 : headRung, count == 0 ? -1 : tailRung, count, keys, values);
    }

    private void reconstruct(GroupCode code, int n, int tail) {
        int rank = code.group.rank();
        int width = code.group.width();
        if (x.length < width * n) {
            x = new float[width * n];
            y = new float[width * n];
            live = new int[width];
        }
        if (headSteps.length < n) {
            headSteps = new float[n];
            tailSteps = new float[n];
        }
        for (int t = 0; t < n; t++) {
            headSteps[t] = reconstruction.step(code.classes[t], code.headRung);
            tailSteps[t] = reconstruction.step(code.classes[t], code.tailRung);
        }
        float[] out = profile.statisticsInFrame() ? x : y;
        int count = 0;
        for (int c = 0; c < rank; c++) {
            if (c < code.active && isLive(code.q, c * n, n)) {
                values(code, c, n, tail, out);
                live[count++] = c;
            } else if (profile.statisticsInFrame()) {
                Arrays.fill(out, c * n, c * n + n, 0);
            }
        }
        if (profile.statisticsInFrame()) {
            denormalize(code, n);
            return;
        }
        for (int w = 0; w < width; w++) {
            Arrays.fill(x, w * n, w * n + n, code.mean[w]);
        }
        matrix.synthesize(code.group.synthesis(), live, count, width, y, x, n);
    }

    private void values(GroupCode code, int c, int n, int tail, float[] out) {
        int index = code.sigmaIndex[c];
        int at = c * n;
        int cut = n - tail;
        reconstruction.values(index, code.headRung, code, headSteps, code.q, at, out, 0, cut);
        reconstruction.values(index, code.tailRung, code, tailSteps, code.q, at, out, cut, n);
    }

    private static boolean isLive(int[] q, int at, int n) {
        int bits = 0;
        for (int t = at; t < at + n; t++) {
            bits |= q[t];
        }
        return bits != 0;
    }

    private void denormalize(GroupCode code, int n) {
        int heads = code.group.heads().length;
        int row = 0;
        for (int part = 0; part < code.scale.length; part++) {
            int rows = heads * (part % 2 == 0 ? geometry.keyDim() : geometry.valueDim());
            float scale = code.scale[part];
            for (int w = row; w < row + rows; w++) {
                float mean = code.mean[w];
                for (int t = w * n; t < w * n + n; t++) {
                    x[t] = x[t] * scale + mean;
                }
            }
            row += rows;
        }
    }

    /**
     * Rows are those before RoPE, whose pairs keep their length: an element grows by √2 at most.
     */
    private void addBounds(
            GroupCode code, Groups groups, int n, List<Float> keys, List<Float> values) {
        int[] layers = code.group.layers();
        int heads = code.group.heads().length;
        int rung = Math.min(code.headRung, code.tailRung);
        int row = 0;
        for (int part = 0; part < code.scale.length; part++) {
            boolean isKey = part % 2 == 0;
            int rows = heads * (isKey ? geometry.keyDim() : geometry.valueDim());
            float max = 0;
            for (int i = row * n; i < (row + rows) * n; i++) {
                max = Math.max(max, Math.abs(x[i]));
            }
            row += rows;
            float step = reconstruction.step(0, rung) * reconstruction.errorMax();
            float error = code.scale[part] * step;
            int layer = layers[part / 2];
            float growth = isKey && groups.isRotated(layer) ? SQRT_2 : 1;
            float largest = growth * (max + error);
            float bound = growth * error + (SLACK + halfUlp()) * largest + HALF_SUBNORMAL;
            List<Float> bounds = isKey ? keys : values;
            int at = groups.storedIndex(layer);
            bounds.set(at, Float.isNaN(bounds.get(at)) ? bound : Math.max(bounds.get(at), bound));
        }
    }

    /** Relative, of normal numbers. */
    private float halfUlp() {
        return switch (geometry.dtype()) {
            case F16 -> 0x1p-11f;
            case BF16 -> 0x1p-8f;
            case F32 -> 0x1p-24f;
        };
    }
}
