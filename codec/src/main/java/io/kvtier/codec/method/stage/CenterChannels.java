package io.kvtier.codec.method.stage;

import io.kvtier.codec.method.Chunk;
import io.kvtier.codec.method.Plane;
import io.kvtier.codec.method.Planes;
import io.kvtier.codec.method.SideReader;
import io.kvtier.codec.method.SideWriter;
import io.kvtier.codec.method.Transform;

/**
 * Takes off each channel's mean over the tokens, sent as halves: a third of what keys hold before
 * RoPE on current models. Side information: 16 bits a channel.
 */
public record CenterChannels() implements Transform {
    @Override
    public String name() {
        return "center-channels";
    }

    @Override
    public Planes encode(Planes in, Chunk chunk, SideWriter side) {
        return new Planes.Floats(
                EachPlane.map(
                        in.floats(),
                        plane -> {
                            float[] mean = new float[plane.shape().columns()];
                            for (int c = 0; c < mean.length; c++) {
                                mean[c] = side.f16(mean(plane, c));
                            }
                            return add(plane, mean, -1);
                        }));
    }

    @Override
    public Planes decode(Planes in, Chunk chunk, SideReader side) {
        return new Planes.Floats(
                EachPlane.map(
                        in.floats(),
                        plane -> {
                            float[] mean = new float[plane.shape().columns()];
                            for (int c = 0; c < mean.length; c++) {
                                mean[c] = side.f16();
                            }
                            return add(plane, mean, 1);
                        }));
    }

    @Override
    public double largestError(Planes in) {
        return 1e-6 * Math.max(1, EachPlane.largest(in.floats()));
    }

    private static float mean(Plane<float[]> plane, int column) {
        int rows = plane.shape().rows();
        double sum = 0;
        for (int r = 0; r < rows; r++) {
            sum += plane.data()[r * plane.shape().columns() + column];
        }
        return rows == 0 ? 0 : (float) (sum / rows);
    }

    private static Plane<float[]> add(Plane<float[]> plane, float[] mean, float sign) {
        float[] x = plane.data().clone();
        for (int i = 0; i < x.length; i++) {
            x[i] += sign * mean[i % mean.length];
        }
        return new Plane<>(plane.shape(), x);
    }
}
