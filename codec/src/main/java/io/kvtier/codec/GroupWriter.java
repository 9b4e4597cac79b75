package io.kvtier.codec;

import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.profile.Profile;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;

/** Turns the indices of a chunk's groups into keys and values, each group once. */
final class GroupWriter {
    /** Of float arithmetic against the bound's own: a few units in the last place, and more. */
    private static final float SLACK = 1e-5f;

    /** Half a unit of f16's smallest numbers. */
    private static final float HALF_SUBNORMAL = 0x1p-25f;

    /** Components that are turned to columns together: a cache line. */
    private static final int COLUMNS = 16;

    /** Keeps rows of 256 floats out of the same few cache sets. */
    private static final int ROW_GAP = 16;

    private static final float SQRT_2 = 1.4142137f;

    private final Profile profile;
    private final Geometry geometry;
    private final Reconstruction reconstruction;
    private final Synthesis synthesis = new Synthesis();
    private final Groups groups;
    private final Optional<LeadingRows> leading;

    /** Rows of values, token after token. */
    private float[] y = new float[0];

    /** A group's channels of token after token. */
    private float[] x = new float[0];

    private float[] headSteps = new float[0];
    private float[] tailSteps = new float[0];
    private float[] scales = new float[0];

    GroupWriter(Profile profile, Geometry geometry) {
        this.profile = profile;
        this.geometry = geometry;
        reconstruction = new Reconstruction(profile);
        groups = new Groups(geometry);
        leading = profile.deep().map(LeadingRows::new);
    }

    DecodedChunk write(List<GroupCode> codes, KvBlock target, int tail) {
        int stored = geometry.storedLayers().size();
        boolean bounded = profile.statisticsInFrame();
        List<Float> unknown = Collections.nCopies(bounded ? stored : 0, Float.NaN);
        List<Float> keys = new ArrayList<>(unknown);
        List<Float> values = new ArrayList<>(unknown);
        int headRung = Integer.MAX_VALUE;
        int tailRung = Integer.MAX_VALUE;
        int count = 0;
        for (int i = 0; i < codes.size(); i++) {
            GroupCode code = codes.get(i);
            if (code.headRung < 0) {
                continue;
            }
            if (tail == target.tokens()) {
                code.headRung = code.tailRung; // no head: its rung says nothing
            }
            reconstruct(i, code, target.tokens(), tail);
            if (code.isShared()) {
                lead(code, target);
                headRung = code.headRung;
                tailRung = code.tailRung;
                continue;
            }
            if (bounded) {
                addBounds(code, target.tokens(), keys, values);
            }
            int stride = Synthesis.stride(code.group.width());
            groups.scatter(target, code.group, x, stride, code.hasRaw ? 1 : 0, target.tokens());
            if (code.hasRaw) {
                groups.copyRaw(target, code.group, MemorySegment.ofArray(code.raw), true);
            }
            headRung = Math.min(headRung, code.headRung);
            tailRung = Math.min(tailRung, code.tailRung);
            count++;
        }
        return new DecodedChunk(
                count == 0 ? -1 : headRung, count == 0 ? -1 : tailRung, count, keys, values);
    }

    /** Keeps what the shared components decoded to for the groups that follow. */
    private void lead(GroupCode shared, KvBlock target) {
        LeadingRows rows = leading.orElseThrow();
        rows.begin(target.tokens(), target.tokenIds());
        rows.take(x, Synthesis.stride(shared.group.width()));
        x = new float[0];
    }

    private void reconstruct(int at, GroupCode code, int n, int tail) {
        int width = code.group.width();
        if (x.length < Synthesis.size(n, width)) {
            x = new float[Synthesis.size(n, width)];
        }
        if (headSteps.length < n) {
            headSteps = new float[n];
            tailSteps = new float[n];
        }
        reconstruction.steps(code.classes, code.headRung, headSteps, n);
        reconstruction.steps(code.classes, code.tailRung, tailSteps, n);
        if (profile.statisticsInFrame()) {
            denormalize(code, n, tail);
            return;
        }
        if (y.length < Synthesis.rowSize(n)) {
            y = new float[Synthesis.rowSize(n)];
        }
        Arrays.fill(y, n, Synthesis.rowSize(n), 0);
        synthesis.begin(code.group.rank(), n);
        for (int c = 0; c < code.leading; c++) {
            leading.orElseThrow().row(at - 1, c, y);
            synthesis.add(c, y);
        }
        for (int c = 0; c < code.active; c++) {
            if (isLive(code.q, c * n, n)) {
                values(code, c, n, tail, 0);
                synthesis.add(code.leading + c, y);
            }
        }
        synthesis.write(code.group.synthesis(), width, code.mean, x);
    }

    private void values(GroupCode code, int c, int n, int tail, int to) {
        int index = code.sigmaIndex[c];
        int at = c * n;
        int cut = n - tail;
        reconstruction.values(index, code.headRung, code, headSteps, code.q, at, y, to, 0, cut);
        reconstruction.values(index, code.tailRung, code, tailSteps, code.q, at, y, to, cut, n);
    }

    private static boolean isLive(int[] q, int at, int n) {
        int bits = 0;
        for (int t = at; t < at + n; t++) {
            bits |= q[t];
        }
        return bits != 0;
    }

    /** Channels are components: some rows of values at a time become columns. */
    private void denormalize(GroupCode code, int n, int tail) {
        int width = code.group.width();
        int stride = Synthesis.stride(width);
        int row = n + ROW_GAP;
        if (y.length < COLUMNS * row) {
            y = new float[COLUMNS * row];
        }
        fillScales(code);
        for (int w = 0; w < width; w += COLUMNS) {
            int columns = Math.min(COLUMNS, width - w);
            for (int j = 0; j < columns; j++) {
                if (w + j < code.active) {
                    values(code, w + j, n, tail, j * row);
                } else {
                    Arrays.fill(y, j * row, j * row + n, 0);
                }
            }
            for (int t = 0; t < n; t++) {
                for (int j = 0; j < columns; j++) {
                    x[t * stride + w + j] = y[j * row + t] * scales[w + j] + code.mean[w + j];
                }
            }
        }
    }

    private void fillScales(GroupCode code) {
        if (scales.length < code.group.width()) {
            scales = new float[code.group.width()];
        }
        int row = 0;
        for (int part = 0; part < code.scale.length; part++) {
            Arrays.fill(scales, row, row + channels(code, part), code.scale[part]);
            row += channels(code, part);
        }
    }

    /** Channels of a part: a layer's keys when even, its values when odd. */
    private int channels(GroupCode code, int part) {
        int dim = part % 2 == 0 ? geometry.keyDim() : geometry.valueDim();
        return code.group.heads().length * dim;
    }

    /**
     * Rows are those before RoPE, whose pairs keep their length: an element grows by √2 at most.
     */
    private void addBounds(GroupCode code, int n, List<Float> keys, List<Float> values) {
        int[] layers = code.group.layers();
        int rung = Math.min(code.headRung, code.tailRung);
        int stride = Synthesis.stride(code.group.width());
        int row = 0;
        for (int part = 0; part < code.scale.length; part++) {
            boolean isKey = part % 2 == 0;
            int rows = channels(code, part);
            float max = 0;
            for (int t = 0; t < n; t++) {
                for (int i = t * stride + row; i < t * stride + row + rows; i++) {
                    max = Math.max(max, Math.abs(x[i]));
                }
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
