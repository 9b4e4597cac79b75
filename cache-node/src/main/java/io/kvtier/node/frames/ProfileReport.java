package io.kvtier.node.frames;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.kvtier.codec.profile.Level;
import io.kvtier.codec.profile.LossPoint;
import io.kvtier.codec.profile.Profile;
import io.kvtier.codec.profile.ProfileOutline;
import java.util.List;
import java.util.Locale;

/**
 * A profile as text or JSON.
 *
 * @param profile what it says of itself
 * @param fileBytes its length
 */
public record ProfileReport(ProfileOutline profile, long fileBytes) {
    /** One JSON object; what is unmeasured is null. */
    public String json() {
        ObjectNode root = new ObjectMapper().createObjectNode();
        root.put("id", profile.id().toString()).put("kind", profile.kind().name());
        root.put("provenance", profile.provenance()).put("shape", profile.shape().toString());
        root.put("fileBytes", fileBytes);
        root.put("layerGroups", profile.layerGroups()).put("headGroups", profile.headGroups());
        root.put("step", profile.step()).put("rungs", profile.rungs());
        root.put("tailTokens", profile.tailTokens());
        root.put("firstTokenRaw", profile.firstTokenRaw());
        if (profile.classRows()) {
            ObjectNode classes = root.putObject("classes");
            classes.put("min", profile.classes().min()).put("max", profile.classes().max());
            classes.put("centre", profile.classes().centre());
            classes.put("table", profile.classes().table());
        } else {
            root.putNull("classes");
        }
        for (Level level : profile.levels()) {
            ObjectNode out = root.withArray("levels").addObject().put("name", level.name());
            out.put("farRung", level.farRung()).put("lastRung", level.lastRung());
            out.put("tailRung", level.tailRung());
            level.farGroups().forEach(out.withArray("farGroups")::add);
            number(out, "bitsPerElement", level.bitsPerElement());
            loss(out, level.kl(), level.dppl(), level.factsLoss());
            number(out, "distortion", level.distortion());
        }
        for (LossPoint point : profile.loss()) {
            ObjectNode out = root.withArray("lossMap").addObject();
            number(out, "distortion", point.distortion());
            loss(out, point.kl(), point.dppl(), point.factsLoss());
        }
        for (Profile.CurvePoint point : profile.curve()) {
            ObjectNode out = root.withArray("curve").addObject();
            out.put("position", point.position()).put("octaves", point.octaves());
        }
        for (ProfileOutline.Group group : profile.groups()) {
            ObjectNode out = root.withArray("groups").addObject();
            group.layers().forEach(out.withArray("layers")::add);
            group.heads().forEach(out.withArray("heads")::add);
            out.put("width", group.width()).put("rank", group.rank());
            out.put("sigmaMax", sigma(group, 0)).put("sigmaMedian", sigma(group, 0.5));
            out.put("sigmaMin", sigma(group, 1));
            for (int rung = 0; rung < profile.rungs(); rung++) {
                out.withArray("componentsAboveStep").add(above(group, rung));
            }
        }
        return root.toString();
    }

    /** For people. */
    public String text() {
        StringBuilder out = new StringBuilder();
        line(out, "id", profile.id());
        line(out, "kind", profile.kind() + ", " + kind());
        line(out, "made from", profile.provenance());
        line(out, "for shape", profile.shape());
        line(out, "file", fileBytes + " bytes");
        line(
                out,
                "groups",
                profile.layerGroups() + " of layers by " + profile.headGroups() + " of heads");
        line(out, "step", number("%.3g", profile.step()) + " at rung 0, a third at each rung more");
        line(
                out,
                "rungs",
                profile.rungs()
                        + ", beyond rung 1 for a chunk's last "
                        + profile.tailTokens()
                        + " tokens only");
        line(out, "classes", classes());
        line(out, "first token", profile.firstTokenRaw() ? "raw" : "coded like the others");
        line(out, "start curve", curve());
        levels(out);
        lossMap(out);
        spectrum(out);
        return out.toString().stripTrailing();
    }

    private void levels(StringBuilder out) {
        out.append(
                profile.levels().isEmpty()
                        ? "\nno levels: it names no choices of rungs\n"
                        : "\nlevels, by rungs of far chunks, the last one, its last tokens;"
                                + " - = unmeasured, 1/4 = rung 1 in 4 groups\n");
        if (!profile.levels().isEmpty()) {
            out.append(
                    String.format(
                            "  %-12s %4s %4s %4s %10s %9s %8s %8s %11s%n",
                            "name",
                            "far",
                            "last",
                            "tail",
                            "bits/elem",
                            "KL",
                            "dPPL",
                            "facts",
                            "distortion"));
        }
        for (Level level : profile.levels()) {
            out.append(
                    String.format(
                            "  %-12s %4s %4d %4d %10s %9s %8s %8s %11s%n",
                            level.name(),
                            farRung(level),
                            level.lastRung(),
                            level.tailRung(),
                            number("%.3f", level.bitsPerElement()),
                            number("%.5f", level.kl()),
                            percent(level.dppl()),
                            percent(level.factsLoss()),
                            number("%.5f", level.distortion())));
        }
    }

    private static String farRung(Level level) {
        int groups = level.farGroups().size();
        return groups == 0 ? String.valueOf(level.farRung()) : level.farRung() + "/" + groups;
    }

    private void lossMap(StringBuilder out) {
        out.append(
                profile.loss().isEmpty()
                        ? "\nno loss map: what a distortion costs is unmeasured\n"
                        : "\nloss map, upper bounds by distortion per element\n");
        if (!profile.loss().isEmpty()) {
            out.append(String.format("  %-12s %9s %8s %8s%n", "distortion", "KL", "dPPL", "facts"));
        }
        for (LossPoint point : profile.loss()) {
            out.append(
                    String.format(
                            "  %-12s %9s %8s %8s%n",
                            number("%.5f", point.distortion()),
                            number("%.5f", point.kl()),
                            percent(point.dppl()),
                            percent(point.factsLoss())));
        }
    }

    private void spectrum(StringBuilder out) {
        out.append("\nspectrum, sigma of the components in steps of rung 0;");
        out.append(" above a rung's step = share of components\n");
        out.append(
                String.format(
                        "  %-14s %-8s %6s %5s %8s %8s %8s  %s%n",
                        "layers",
                        "heads",
                        "width",
                        "rank",
                        "largest",
                        "median",
                        "least",
                        "above the step of rung 0, 1, ..."));
        for (ProfileOutline.Group group : profile.groups()) {
            StringBuilder shares = new StringBuilder();
            for (int rung = 0; rung < profile.rungs(); rung++) {
                shares.append(percent((float) above(group, rung) / group.rank())).append("  ");
            }
            out.append(
                    String.format(
                            "  %-14s %-8s %6d %5d %8s %8s %8s  %s%n",
                            range(group.layers()),
                            range(group.heads()),
                            group.width(),
                            group.rank(),
                            number("%.3g", sigma(group, 0) / profile.step()),
                            number("%.3g", sigma(group, 0.5) / profile.step()),
                            number("%.3g", sigma(group, 1) / profile.step()),
                            shares.toString().stripTrailing()));
        }
    }

    private String kind() {
        return switch (profile.kind()) {
            case DATA_FREE -> "statistics travel in the frame";
            case LAYER -> "one layer at a time";
            case JOINT -> "several layers jointly";
            case HEAD -> "one KV head over several layers";
            case DEEP -> "a second transform over all layers";
        };
    }

    private String classes() {
        Profile.Classes classes = profile.classes();
        return profile.classRows()
                ? classes.min() + " to " + classes.max() + " half octaves of the step, one a token"
                : "none";
    }

    private String curve() {
        if (profile.curve().isEmpty()) {
            return "none";
        }
        StringBuilder out = new StringBuilder("octaves by position:");
        for (Profile.CurvePoint point : profile.curve()) {
            out.append(String.format(Locale.ROOT, " %d: %.2f", point.position(), point.octaves()));
        }
        return out.toString();
    }

    /** Indices as {@code 3}, {@code 0-2} or {@code 0,2,4}. */
    static String range(List<Integer> indices) {
        int first = indices.getFirst();
        int last = indices.getLast();
        if (first == last) {
            return String.valueOf(first);
        }
        boolean dense = last - first == indices.size() - 1;
        String all = indices.toString();
        return dense ? first + "-" + last : all.substring(1, all.length() - 1).replace(" ", "");
    }

    /** The sigma at a share of the components, largest first. */
    private static float sigma(ProfileOutline.Group group, double share) {
        return group.sigma().get((int) (share * (group.rank() - 1)));
    }

    /** Components whose sigma is above the step of a rung. */
    private int above(ProfileOutline.Group group, int rung) {
        double step = profile.step() / Math.pow(3, rung);
        return (int) group.sigma().stream().filter(sigma -> sigma > step).count();
    }

    private static void line(StringBuilder out, String name, Object value) {
        out.append(String.format("%-12s %s%n", name, value));
    }

    private static void loss(ObjectNode out, float kl, float dppl, float factsLoss) {
        number(out, "kl", kl);
        number(out, "dppl", dppl);
        number(out, "factsLoss", factsLoss);
    }

    private static void number(ObjectNode out, String name, float value) {
        if (Float.isFinite(value)) {
            out.put(name, value);
        } else {
            out.putNull(name);
        }
    }

    private static String number(String format, float value) {
        return Float.isFinite(value) ? String.format(Locale.ROOT, format, value) : "-";
    }

    private static String percent(float fraction) {
        return Float.isFinite(fraction)
                ? String.format(Locale.ROOT, "%.2f %%", 100 * fraction)
                : "-";
    }
}
