package io.kvtier.node.frames;

import io.kvtier.codec.CodeLengths;
import io.kvtier.codec.profile.Profile;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/**
 * Where the bits of a frame go, by the lengths of its symbols: layer groups, tokens and their
 * classes.
 *
 * @param summary of its parts
 * @param profile that decoded it
 * @param lengths of its symbols
 */
public record FrameReport(FrameSummary summary, Profile profile, CodeLengths lengths) {
    private static final int BAR_COLUMNS = 40;
    private static final int TOKEN_ROWS = 16;

    /**
     * A bar of a chart.
     *
     * @param name what it stands for
     * @param bits by part
     * @param elements that they code
     */
    public record Bar(String name, List<Double> bits, double elements) {
        /** Copies the list. */
        public Bar {
            bits = List.copyOf(bits);
        }

        /** All of it. */
        public double sum() {
            return bits.stream().mapToDouble(Double::doubleValue).sum();
        }

        /** All of it for one element. */
        public double perElement() {
            return sum() / elements;
        }
    }

    /** Bits of each layer group, over its head groups, by part. */
    public List<Bar> layers() {
        List<Bar> out = new ArrayList<>();
        for (int layer = 0; layer < profile.layerGroups(); layer++) {
            double[] bits = new double[summary.held()];
            double elements = 0;
            for (int head = 0; head < profile.headGroups(); head++) {
                int group = layer * profile.headGroups() + head;
                elements +=
                        (double) profile.groups().get(group).width()
                                * summary.got().header().tokens();
                for (int p = 0; p < bits.length; p++) {
                    bits[p] += lengths.bits(p, group) + lengths.side(p, group);
                }
            }
            List<Integer> layers = Arrays.stream(profile.group(layer, 0).layers()).boxed().toList();
            String name = (layers.size() == 1 ? "layer " : "layers ") + ProfileReport.range(layers);
            out.add(new Bar(name, Arrays.stream(bits).boxed().toList(), elements));
        }
        return out;
    }

    /** Bits of each token over all groups, by part. */
    public List<Bar> tokens() {
        List<Bar> out = new ArrayList<>();
        for (int t = 0; t < summary.got().header().tokens(); t++) {
            List<Double> bits = new ArrayList<>();
            for (int p = 0; p < summary.held(); p++) {
                bits.add(lengths.ofToken(p, t));
            }
            String position = String.valueOf(summary.got().header().firstPosition() + t);
            out.add(new Bar(position, bits, summary.elementsPerToken()));
        }
        return out;
    }

    /** For people. */
    public String text() {
        StringBuilder out = new StringBuilder();
        out.append(summary.text()).append('\n');
        long payload = summary.got().bytes() - summary.got().header().headerBytes();
        double ideal = ideal() / 8;
        out.append(
                String.format(
                        Locale.ROOT,
                        "code length of the same symbols and side information %.0f bytes:"
                                + " segments are %.2f %% larger%n",
                        ideal,
                        100 * (payload / ideal - 1)));
        out.append("\nbits an element by layers (estimated from the code lengths)\n");
        bars(out, layers());
        keysAndValues(out);
        out.append("\nbits an element by position (mean of the tokens of each row)\n");
        bars(out, tokenRows());
        classes(out);
        return out.toString().stripTrailing();
    }

    /** Ideal bits of all symbols and side information held. */
    public double ideal() {
        return layers().stream().mapToDouble(Bar::sum).sum();
    }

    private List<Bar> tokenRows() {
        List<Bar> tokens = tokens();
        int rows = Math.min(TOKEN_ROWS, tokens.size());
        List<Bar> out = new ArrayList<>();
        for (int row = 0; row < rows; row++) {
            List<Bar> some =
                    tokens.subList(row * tokens.size() / rows, (row + 1) * tokens.size() / rows);
            double bits = some.stream().mapToDouble(Bar::sum).sum();
            double elements = (double) some.size() * summary.elementsPerToken();
            String first = some.getFirst().name();
            String last = some.getLast().name();
            String name = first.equals(last) ? first : first + "-" + last;
            out.add(new Bar(name, List.of(bits), elements));
        }
        return out;
    }

    private void keysAndValues(StringBuilder out) {
        double keys = 0;
        double all = 0;
        for (int group = 0; group < profile.groups().size(); group++) {
            for (int p = 0; p < summary.held(); p++) {
                keys += lengths.ofKeys(p, group);
                all += lengths.bits(p, group);
            }
        }
        out.append(
                Double.isNaN(keys)
                        ? "keys and values are coded jointly by this profile\n"
                        : String.format(
                                Locale.ROOT,
                                "keys %.1f %%, values and raw tokens %.1f %% of the symbols'"
                                        + " bits%n",
                                100 * keys / all,
                                100 - 100 * keys / all));
    }

    private void classes(StringBuilder out) {
        if (!profile.classRows()) {
            return;
        }
        Map<Integer, double[]> sums = new TreeMap<>(); // by class: elements, bits
        for (int group = 0; group < profile.groups().size(); group++) {
            int width = profile.groups().get(group).width();
            for (int t = 0; t < summary.got().header().tokens(); t++) {
                int value = lengths.tokenClass(group, t);
                double[] sum = sums.computeIfAbsent(value, v -> new double[2]);
                sum[0] += width;
                for (int p = 0; p < summary.held(); p++) {
                    sum[1] += lengths.ofToken(p, group, t);
                }
            }
        }
        out.append(
                "\nbits an element by token class (half octaves of the step; low = sensitive)\n");
        List<Bar> bars = new ArrayList<>();
        sums.forEach(
                (value, sum) -> {
                    double share = 100.0 * sum[0] / summary.elements();
                    String name = String.format(Locale.ROOT, "%d (%.1f %%)", value, share);
                    bars.add(new Bar(name, List.of(sum[1]), sum[0]));
                });
        bars(out, bars);
    }

    private static void bars(StringBuilder out, List<Bar> bars) {
        double max = bars.stream().mapToDouble(Bar::perElement).max().orElse(1);
        for (Bar bar : bars) {
            double bits = bar.perElement();
            String drawn = "#".repeat((int) Math.round(BAR_COLUMNS * bits / max));
            out.append(String.format(Locale.ROOT, "  %-12s %8.3f  %s%n", bar.name(), bits, drawn));
        }
    }
}
