package io.kvtier.codec.identity;

import io.kvtier.codec.error.InvalidRequestException;
import java.nio.ByteBuffer;
import java.util.List;

/**
 * How positions are rotated into the keys of a layer.
 *
 * @param style which elements form a pair
 * @param scaling how frequencies are stretched for long contexts
 * @param rotaryDims leading elements of a head that are rotated, even; 0 when style is NONE
 * @param theta base of the frequencies theta^(−2i/rotaryDims)
 * @param parameters up to four numbers of the scaling, in its paper's order; see {@code
 *     RopeScaling}
 */
public record Rope(
        Style style, Scaling scaling, int rotaryDims, double theta, List<Double> parameters) {
    /** Bytes of a record in a geometry. */
    static final int BYTES = 46;

    private static final int PARAMETERS = 4;

    /** Which elements of a head form a rotated pair. */
    public enum Style {
        NONE,
        /** (x[i], x[i + rotaryDims/2]), as Hugging Face and vLLM cache keys. */
        ROTATE_HALF,
        /** (x[2i], x[2i + 1]), as GPT-J and GGUF order them. */
        INTERLEAVED
    }

    /** How frequencies are stretched for contexts longer than those of training. */
    public enum Scaling {
        NONE,
        /** parameters: factor. */
        LINEAR,
        /** parameters: factor, original context length. */
        DYNAMIC_NTK,
        /** parameters: factor, original context length, beta fast, beta slow. */
        YARN,
        /** parameters: factor, low frequency factor, high frequency factor, original length. */
        LLAMA3
    }

    /** Checks ranges and pads the parameters with zeros. */
    public Rope {
        boolean none = style == Style.NONE;
        InvalidRequestException.check(
                none ? rotaryDims == 0 : rotaryDims >= 2 && rotaryDims % 2 == 0,
                "rotaryDims",
                rotaryDims,
                none ? "0 without RoPE" : "even and at least 2");
        InvalidRequestException.check(
                none ? theta == 0 : theta > 1 && Double.isFinite(theta),
                "RoPE theta",
                theta,
                none ? "0 without RoPE" : "finite and above 1");
        InvalidRequestException.check(
                parameters.size() <= PARAMETERS
                        && parameters.stream().allMatch(p -> Double.isFinite(p) && p >= 0),
                "RoPE parameters",
                parameters,
                "at most 4 finite numbers");
        double[] padded = new double[PARAMETERS];
        for (int i = 0; i < parameters.size(); i++) {
            padded[i] = parameters.get(i);
        }
        parameters = List.of(padded[0], padded[1], padded[2], padded[3]);
    }

    /** No rotation. */
    public static Rope none() {
        return new Rope(Style.NONE, Scaling.NONE, 0, 0, List.of());
    }

    /** Rotate-half over the whole head, without scaling: Llama, Qwen, Mistral, SmolLM. */
    public static Rope rotateHalf(int headDim, double theta) {
        return new Rope(Style.ROTATE_HALF, Scaling.NONE, headDim, theta, List.of());
    }

    void write(ByteBuffer out) {
        out.put((byte) style.ordinal()).put((byte) scaling.ordinal());
        out.putShort((short) rotaryDims).putShort((short) 0).putDouble(theta);
        parameters.forEach(out::putDouble);
    }

    static Rope read(ByteBuffer in) {
        int style = in.get();
        int scaling = in.get();
        int rotaryDims = Short.toUnsignedInt(in.getShort());
        int reserved = in.getShort();
        InvalidRequestException.check(
                style >= 0 && style < Style.values().length, "RoPE style", style, "0..2");
        InvalidRequestException.check(
                scaling >= 0 && scaling < Scaling.values().length, "RoPE scaling", scaling, "0..4");
        InvalidRequestException.check(reserved == 0, "reserved RoPE field", reserved, 0);
        double theta = in.getDouble();
        List<Double> parameters =
                List.of(in.getDouble(), in.getDouble(), in.getDouble(), in.getDouble());
        return new Rope(
                Style.values()[style], Scaling.values()[scaling], rotaryDims, theta, parameters);
    }
}
